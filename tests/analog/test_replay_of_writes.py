"""Replay of a fixed network on the emulated chip, in seconds: what may be written between a pair and its update, or
behind a gain. The random networks of the long checks hold the same and more."""

from __future__ import annotations

import numpy as np
import pytest
from analog_examples import CHIP, IDEAL

import salhw
from salhw.conformance.replay import Part, Schedule, Write
from salhw.conformance.replay.surveying import held_to_oracle
from salhw.substrate.target import Target

WINDOW = salhw.ExponentialWindow(amplitude=1.0, tau=20.0)
RULE = salhw.PairSTDP(
    WINDOW, WINDOW.replace(amplitude=-0.6), pairing="all", learning_rate=0.02, update="every 100 ms", execution="host"
)
LEARNS = "projections.learns.plasticity"


def net() -> salhw.Network:
    """Sources onto two neurons, through an input whose gain is written, and by a rule of the host with a bound; and a
    copy of what it learns."""
    weights = np.array([[0.6, -0.4], [0.3, 1.1]])
    return salhw.Network(
        name="written", dt=1.0,
        populations=[
            salhw.Population("x", 2, salhw.Source()),
            salhw.Population("y", 2, salhw.GLM(bias=0.5, tau_ref=10.0, inputs={"basal": 0.9})),
        ],
        projections=[
            salhw.Projection("gained", "x", "y", weights, salhw.Rectangular(10.0), into="basal"),
            salhw.Projection("learns", "x", "y", weights / 2, salhw.Rectangular(10.0), into="basal",
                             plasticity=[RULE, RULE.replace(learning_rate=-0.01)]),
            salhw.Projection("copy", "x", "y", weights, salhw.Rectangular(10.0)),
        ],
        ties=[salhw.Tie(projection="copy", to="learns", scale=-2.0, every=100.0)],
        stimuli=[salhw.Poisson("x", rate=60.0)],
        probes=[salhw.Spikes("x"), salhw.Spikes("y"), salhw.Weights("learns", every=100.0)],
    )  # fmt: skip


def schedule() -> Schedule:
    """Rates, amplitudes and gains are written between the pairs of the first 60 ms and the update at 100 ms."""
    gain = "populations.y.inputs.basal"
    first = (
        Write(f"{LEARNS}[0].causal.amplitude", np.array(3.0)), Write(f"{LEARNS}[1].learning_rate", np.array(0.03)),
        Write(gain, np.array([0.07, 0.5, -0.3])),
        Write("projections.gained.weights", np.array([[0.53, -0.47], [0.36, 0.91]])),
    )  # fmt: skip
    return Schedule((Part((), 60), Part(first, 70), Part((Write(gain, np.array(0.8)),), 90)), ids=(4, 0, 9))


@pytest.mark.parametrize("target", [IDEAL, CHIP], ids=["ideal", "noisy"])
def test_what_is_held_is_what_was_written_and_learned(target: Target) -> None:
    trial, found, _ = held_to_oracle(salhw.compile(net(), target), schedule(), on_chips=target is CHIP)
    assert [stretch.refused for stretch in trial.stretches] == [()] * 3
    assert [str(d) for d in found] == []


def test_neurons_that_spike_off_the_grid_are_a_step_early_at_most() -> None:
    """Driven hard, with ticks of a fraction of a step: 8.5 steps between two spikes show as 8 or 9."""
    neuron = salhw.LIF(bias=[20.0, 15.0], tau_m=2.5, tau_ref=9.0)
    net = salhw.Network(
        name="driven", dt=1.0, populations=[salhw.Population("x", 1, salhw.Source()), salhw.Population("y", 2, neuron)],
        projections=[salhw.Projection("p", "x", "y", salhw.AllToAll(weight=0.1), salhw.Exponential(1.7))],
        probes=[salhw.Spikes("x"), salhw.Spikes("y")],
    )  # fmt: skip
    executable, schedule = salhw.compile(net, IDEAL), Schedule((Part((), 100),), ids=(0,))
    trial, found, _ = held_to_oracle(executable, schedule, on_chips=False)
    intervals = [np.diff(np.flatnonzero(spikes)) for spikes in trial.spikes["y"][0].T]
    assert {*np.concatenate(intervals).tolist()} == {8, 9}
    assert [str(d) for d in found] == []
