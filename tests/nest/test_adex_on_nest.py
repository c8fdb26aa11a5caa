"""AdEx neurons in NEST: within the bounds that replay works out, sessions that write, and what NEST refuses of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    LIF,
    SAL,
    AdEx,
    Current,
    Exponential,
    Membrane,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
)
from salhw.conformance import replay

DT = 0.5
NEURON = AdEx(
    bias=[1.5, 0.9, 1.2], tau_ref=2.0, v_rest=[0.0, 0.1, -0.1], v_reset=[0.0, 0.7, 0.2], slope_factor=[0.1, 0.05, 0.01],
    v_peak=[1.5, 1.4, 3.0], a=[0.1, -0.1, 0.4], b=[0.1, 0.3, 0.2], tau_w=[100.0, 30.0, 50.0], inputs={"far": 0.5},
)  # fmt: skip


def network(dt: float = DT, neuron: AdEx = NEURON, stimuli: tuple[Any, ...] = (), **of_p: Any) -> Network:
    """Sources onto three neurons, which excite and inhibit each other; a current, delays, a named input."""
    rng = np.random.default_rng(3)
    trains = [np.sort(rng.choice(100, 25, replace=False)) * 1.0 for _ in range(4)]
    into = {} if "e_rev" in of_p else {"into": "far"}
    p = {"kernel": Exponential(5.0), "delay": dt * rng.integers(1, 4, (3, 4))} | of_p
    r = [[0, 0.5, -0.4], [0.2, 0, 0.3], [0.4, -0.5, 0]]
    lateral = {"kernel": p["kernel"], "delay": 1.0, **into} if into else {"kernel": Exponential(8.0), "e_rev": -1.0}
    return Network(
        name="adex", dt=dt, populations=[Population("x", 4, Source()), Population("n", 3, neuron)],
        projections=[
            Projection("p", "x", "n", np.abs(rng.normal(0.1, 0.2, (3, 4))), **p),
            Projection("r", "n", "n", r if into else np.abs(r), **{"delay": 1.0} | lateral),
        ],
        stimuli=[SpikeTimes("x", trains), Current("n", amplitude=[0.3, 0.0, 0.6], every=20.0), *stimuli],
        probes=[Spikes("x"), Spikes("n"), Membrane("n")],
    )  # fmt: skip


@pytest.mark.parametrize("of_p", [{}, {"kernel": Rectangular(4.0)}, {"e_rev": 4.0}], ids=["decaying", "square", "cond"])
def test_every_spike_and_membrane_lies_within_what_is_declared(of_p: dict[str, Any]) -> None:
    """With other biases and weights from 40 ms on, in two instances, which have the same spikes."""
    net = network(**of_p)
    executable = salhw.compile(net, "nest")
    bias, weights = np.array([1.0, 1.3, 1.1]), 1.2 * net.projection("p").weights.stored
    writes = replay.Write("populations.n.bias", bias), replay.Write("projections.p.weights", weights)
    schedule = replay.Schedule((replay.Part((), 80), replay.Part(writes, 60)), (0, 1))
    assert replay.replay(executable, schedule) == []
    assert "SAL325" in {finding.code for finding in executable.report.approximations}
    with executable.open(instances=2) as session:
        spikes = session.run(70.0).counts["n"]
    assert np.array_equal(spikes[0], spikes[1])
    assert (spikes > 0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"b": 1.1 * NEURON.b}, {"tau_w": 1.1 * NEURON.tau_w}, {"a": NEURON.a + 0.1}, {"tau_ref": 2.5},
        {"tau_m": 10.5}, {"slope_factor": 1.2 * NEURON.slope_factor}, {"v_reset": NEURON.v_rest},
    ],
    ids=lambda fields: next(iter(fields)),
)  # fmt: skip
def test_another_neuron_lies_outside_of_it(wrong: dict[str, Any]) -> None:
    """Of a network with currents and coupling, run on NEST with one parameter that is not the described one."""
    executable = salhw.compile(network(), "nest")
    mistaken = salhw.compile(network(neuron=NEURON.replace(**wrong)), "nest")
    trial = replay.perform(mistaken, replay.Schedule((replay.Part((), 140),), (0,)))
    described = replace(trial, net=executable.source, written=executable.source)
    assert replay.departures(described, replay.Tolerance.of(executable.target))[0]


def test_rates_of_a_noisy_network_are_the_references() -> None:
    """Twenty neurons under Poisson sources, of two instances of 2 s: their counts scatter by less than those of Poisson
    processes, of which 4.5 standard errors have a probability of 7e-6."""
    rng = np.random.default_rng(1)
    net = Network(
        name="noisy", dt=DT, populations=[Population("x", 20, Source()), Population("n", 20, AdEx(bias=0.7, b=0.05))],
        projections=[Projection("p", "x", "n", rng.normal(0.15, 0.2, (20, 20)), kernel=Exponential(5.0), delay=DT)],
        stimuli=[Poisson("x", rate=30.0)], probes=[Spikes("n")],
    )  # fmt: skip
    counts = []
    for name in ("nest", "reference"):
        with salhw.compile(net, name).open(instances=2, seed=4) as session:
            counts.append(int(session.run(2_000.0).counts["n"].sum()))
    assert min(counts) > 500
    assert abs(counts[0] - counts[1]) < 4.5 * np.sqrt(sum(counts))


def test_sal_by_the_host_learns_the_pairs_that_are_recorded() -> None:
    """Every weight, to rounding, is what the rule makes of the spikes of a pair."""
    pair = Population("n", 2, AdEx(bias=1.6, tau_m=5.0, tau_ref=4.0, tau_w=50.0))
    rule = SAL(0.02, tau=10.0, update="every 10 ms").replace(execution="host")
    p = Projection("p", "n", "n", [[0, 0.7], [0.1, 0]], kernel=Rectangular(4.0), delay=DT, plasticity=rule)
    probes = [Spikes("n"), salhw.Weights("p", every=10.0)]
    net = Network(name="pair", dt=DT, populations=[pair], projections=[p], probes=probes)
    schedule = replay.Schedule((replay.Part((), 200), replay.Part((), 100)), (0,))
    executable = salhw.compile(net, "nest")
    trial = replay.perform(executable, schedule)
    assert replay.departures(trial, replay.Tolerance.of(executable.target))[0] == []
    last = trial.stretches[-1].after["projections.p.weights"]
    assert np.abs(last[0, 0, 1] - 0.7) > 1e-3


@pytest.mark.parametrize(
    ("net", "path", "fixed"),
    [
        (network(stimuli=(SpikeTimes("n", [[3.0], [], []]),)), "stimuli[2]", None),
        (network(neuron=NEURON.replace(tau_m=0.3)), "populations.n.tau_m", NEURON.replace(tau_m=0.5)),
        (network(neuron=NEURON.replace(v_peak=0.9)), "populations.n.v_peak", NEURON.replace(v_peak=1.0)),
        (
            network(neuron=NEURON.replace(v_reset=1.3)), "populations.n.v_reset",
            NEURON.replace(v_reset=[1.3, 1.3, 1.2]),
        ),
        (network(neuron=NEURON.replace(tau_ref=0.5)), "populations.n.tau_ref", NEURON.replace(tau_ref=1.0)),
        (network(neuron=NEURON.replace(delta_v=0.1)), "populations.n.delta_v", NEURON),
        (network(delay=DT, plasticity=SAL(0.1)), "projections.p.plasticity.execution", None),
    ],
)  # fmt: skip
def test_nest_says_what_it_does_not_hold_of_them(net: Network, path: str, fixed: AdEx | None) -> None:
    found = salhw.problems(net, "nest")
    assert [f.path for f in found] == [path]
    if fixed is not None:
        assert salhw.problems(network(neuron=fixed), "nest") == []


def test_conductances_and_currents_do_not_go_together_on_them() -> None:
    net = network(e_rev=4.0)
    mixed = net.replace(projections=[net.projections[0], net.projections[1].replace(e_rev=None)])
    (finding,) = salhw.problems(mixed, "nest")
    assert (finding.code, finding.path) == ("SAL107", "projections.r.e_rev")
    lif = mixed.replace(populations=[net.populations[0], Population("n", 3, LIF(bias=0.5))])
    assert [f.path for f in salhw.problems(lif, "nest")] == [finding.path]


def test_a_spike_far_beyond_the_threshold_takes_no_time_of_the_solver() -> None:
    """150 slope factors above v_thresh v would be infinite before a number of NEST's time has passed."""
    neuron = AdEx(bias=1.4, tau_m=3.7, tau_ref=2.0, v_thresh=1.25, slope_factor=0.001, v_peak=1.4)
    net = Network(name="steep", dt=0.4, populations=[Population("n", 1, neuron)], probes=[Spikes("n"), Membrane("n")])
    executable = salhw.compile(net, "nest")
    trial = replay.perform(executable, replay.Schedule((replay.Part((), 100),), (0,)))
    assert replay.departures(trial, replay.Tolerance.of(executable.target))[0] == []
    assert trial.spikes["n"].sum() > 1
