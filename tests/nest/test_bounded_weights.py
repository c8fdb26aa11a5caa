"""Weights with bounds, at every step: ``get`` reads what the description makes of the recorded spikes."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import Exponential, ExponentialWindow, Network, PairSTDP, Population, Projection, Rectangular, Source

WEIGHTS, RATE = "projections.p.weights", "projections.p.plasticity.learning_rate"
LOW, HIGH = -0.5, 0.8
BRANCHES = [(-1.0, 1.0), (1.0, -1.0), (-1.0, 0.5), (1.0, 1.0), (0.0, 0.7), (-0.5, -1.0)]


def bounded(branches: tuple[float, float], pairing: str, kernel: object, delay: float, seed: int) -> Network:
    """Sources whose spikes never coincide (even steps before, odd ones after the synapse), and large changes, so that
    bounds are hit all the time."""
    random = np.random.default_rng(seed)
    before = [2.0 * np.unique(random.integers(0, 40, 12)) for _ in range(3)]
    after = [2.0 * np.unique(random.integers(0, 40, 12)) + 1.0 for _ in range(2)]
    causal, anticausal = (ExponentialWindow(amplitude=a, tau=6.0) for a in branches)
    rule = PairSTDP(causal, anticausal, pairing=pairing, learning_rate=0.3, bounds=(LOW, HIGH))
    weights = random.uniform(LOW, HIGH, (2, 3))
    return Network(
        name="bounded",
        dt=1.0,
        populations=[Population("x", 3, Source()), Population("y", 2, Source())],
        projections=[Projection("p", "x", "y", weights, kernel=kernel, delay=delay, plasticity=rule)],
        stimuli=[salhw.SpikeTimes("x", before), salhw.SpikeTimes("y", after)],
    )


@pytest.mark.parametrize("pairing", ["all", "nearest_symmetric", "nearest_restricted"])
@pytest.mark.parametrize("branches", BRANCHES)
def test_weights_are_the_references_at_every_step(branches: tuple[float, float], pairing: str) -> None:
    """The spikes are the same on both targets, and none coincide: each pair changes the weight by its window and is
    clipped at once, so that the weights agree to rounding after every step. In the second half of the time some are
    written, at the bounds and elsewhere, and agree at once and from then on."""
    case = BRANCHES.index(branches)
    kernel = (Rectangular(tau_syn=4.0), Exponential(tau_syn=5.0))[case % 2]
    net = bounded(branches, pairing, kernel, float(case % 3), case)
    random = np.random.default_rng(1)
    with salhw.compile(net, "nest").open() as one, salhw.compile(net, "reference").open() as other:
        hit = 0
        for step in range(84):
            one.run(1.0)
            other.run(1.0)
            right = other.get(WEIGHTS)
            np.testing.assert_allclose(one.get(WEIGHTS), right, atol=1e-12)
            hit += int(np.isclose(right, LOW).sum() + np.isclose(right, HIGH).sum())
            if step > 42 and step % 17 == 11:
                new = random.choice([LOW, HIGH, 0.1, 0.75, -0.45], (2, 3))
                one.set(WEIGHTS, new)
                other.set(WEIGHTS, new)
                np.testing.assert_allclose(one.get(WEIGHTS)[0], new, atol=1e-12)
        assert hit > 3


def test_psps_have_the_weights_that_are_read() -> None:
    """A bounded rule onto a GLM neuron that never spikes by itself is written to: PSPs that begin after a write
    have the written weight, though pairs that NEST holds back stand between; when all is silent nothing is left."""
    rule = PairSTDP(
        ExponentialWindow(amplitude=1.0, tau=6.0), ExponentialWindow(amplitude=-1.0, tau=6.0), pairing="all",
        learning_rate=0.3, bounds=(0.0, 1.0),
    )  # fmt: skip
    for kernel in (Rectangular(tau_syn=4.0), Exponential(tau_syn=1.0)):
        net = Network(
            name="written",
            dt=1.0,
            populations=[Population("x", 1, Source()), Population("y", 1, salhw.GLM(bias=-60.0, tau_ref=3.0))],
            projections=[Projection("p", "x", "y", [[0.9]], kernel=kernel, plasticity=rule)],
            stimuli=[salhw.SpikeTimes("x", [[2.0, 30.0]]), salhw.SpikeTimes("y", [[5.0]])],
            probes=[salhw.Membrane("y")],
        )
        with salhw.compile(net, "nest").open(seed=1) as session:
            session.run(12.0)
            assert session.get(WEIGHTS)[0, 0, 0] == pytest.approx(1.0, abs=1e-12)  # .9 + .3 exp(-3/6), clipped
            session.set(WEIGHTS, 0.01)
            assert session.get(WEIGHTS)[0, 0, 0] == pytest.approx(0.01, abs=1e-12)
            recording = session.run(400.0)
            late = 0.01 - 0.3 * np.exp(-25.0 / 6.0)
            assert session.get(WEIGHTS)[0, 0, 0] == pytest.approx(max(late, 0.0), abs=1e-12)
        trace = recording.membrane_traces["y"]
        psp = trace.values[0, trace.time == 31.0, 0] + 60.0
        assert psp == pytest.approx(max(late, 0.0) * kernel.shape(np.array([1.0])), abs=1e-9)
        assert trace.values[0, -1, 0] == pytest.approx(-60.0, abs=1e-9)


def test_runs_join_after_a_write_at_a_bound() -> None:
    """What a write leaves to settle is settled at steps that do not depend on how time is divided into runs."""
    found = []
    net = bounded((-1.0, 1.0), "all", Rectangular(tau_syn=4.0), 0.0, 3)
    for parts in ((30.0,), (1.0, 4.0, 9.0, 16.0)):
        with salhw.compile(net, "nest").open() as session:
            session.run(20.0)
            session.set(WEIGHTS, LOW)
            for part in parts:
                session.run(part)
            found.append(session.get(WEIGHTS))
    np.testing.assert_array_equal(*found)


def test_a_rule_that_is_off_can_be_switched_on_within_its_bounds() -> None:
    """With a learning rate of 0 the direction is the one of a positive rate; the opposite one is refused, unchanged."""
    net = bounded((-1.0, 1.0), "all", Exponential(tau_syn=4.0), 0.0, 3)
    (p,) = net.projections
    net = net.replace(projections=[p.replace(plasticity=p.plasticity[0].replace(learning_rate=0.0))])
    with salhw.compile(net, "nest").open() as one, salhw.compile(net, "reference").open() as other:
        for session in (one, other):
            session.run(10.0)
            session.set(RATE, 0.3)
        with pytest.raises(salhw.SessionError, match="SAL403"):
            one.set(RATE, -0.3)
        assert one.get(RATE).max() == 0.3
        for _ in range(50):
            one.run(1.0)
            other.run(1.0)
            np.testing.assert_allclose(one.get(WEIGHTS), other.get(WEIGHTS), atol=1e-12)


def test_a_weight_without_bounds_that_reaches_the_end_of_nests_range_is_an_error() -> None:
    """A rule that is described slow and then made fast: each of 30 spikes adds 100, and at 1024 NEST would clip in
    silence. That is an error, and the recording is kept with it."""
    rule = PairSTDP(
        ExponentialWindow(amplitude=1.0, tau=1e3), ExponentialWindow(amplitude=-1e-3, tau=1e3),
        pairing="nearest_symmetric", learning_rate=0.01,
    )  # fmt: skip
    net = bounded((1.0, 1.0), "all", Exponential(tau_syn=4.0), 0.0, 3)
    net = net.replace(
        projections=[net.projections[0].replace(plasticity=rule)], probes=[salhw.Spikes("y")],
        stimuli=[
            salhw.SpikeTimes("x", [np.arange(30) * 2.0] * 3), salhw.SpikeTimes("y", [np.arange(30) * 2.0 + 1.0] * 2),
        ],
    )  # fmt: skip
    with salhw.compile(net, "nest").open() as session:
        session.set(RATE, 100.0)
        with pytest.raises(salhw.SessionError, match=r"SAL403 projections\.p\.weights") as error:
            session.run(70.0)
        assert len(error.value.recording.spikes["y"]) == 60  # type: ignore[attr-defined]
        assert session.time == 70.0
