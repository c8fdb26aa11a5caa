"""Triplets of spikes: the example of docs/semantics.md, the paper's detectors, closed forms of regular spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    AllToAll,
    ExponentialWindow,
    Network,
    PfisterGerstner,
    Population,
    Projection,
    Source,
    Spikes,
    SpikeTimes,
    TripletSTDP,
)
from salhw.description.fields import FloatArray

ALGORITHMS = ("event-driven", "time-driven", "vectorised")
RULE = TripletSTDP(
    ExponentialWindow(1.0, 10.0), ExponentialWindow(-1.0, 20.0), tau_pre=30.0, tau_post=40.0, learning_rate=0.1
)


def synapse(rules: Any, x: Any, y: Any) -> Network:
    """One synapse from x to y, whose neurons are made to spike."""
    return Network(
        name="synapse", dt=1.0,
        populations=[Population("x", 1, Source()), Population("y", 1, GLM(bias=-60.0))],
        projections=[Projection("p", "x", "y", weights=[[0.0]], plasticity=rules)],
        stimuli=[SpikeTimes("x", [x]), SpikeTimes("y", [y])],
    )  # fmt: skip


def weights(net: Network, ends: Any, algorithm: str = "auto") -> FloatArray:
    """The weight at some times."""
    with salhw.compile(net, salhw.target("reference").with_options(algorithm=algorithm)).open() as session:
        held = []
        for end in ends:
            session.run(end - session.time)
            held.append(session.get("projections.p.weights")[0, 0, 0])
    return np.array(held)


def detectors(rule: TripletSTDP, pre: FloatArray, post: FloatArray, *, pre_first: bool) -> float:
    """What a rule makes of two trains, by the detectors r1, r2, o1, o2 of Pfister & Gerstner (2006), spike by spike."""
    taus = np.array([rule.causal.tau, rule.tau_pre, rule.anticausal.tau, rule.tau_post])
    r1, r2, o1, o2 = level = np.zeros(4)
    events = sorted([(t, not pre_first, 0) for t in pre] + [(t, pre_first, 1) for t in post])
    total, last = 0.0, 0.0
    for time, _, side in events:
        level = level * np.exp(-(time - last) / taus)
        r1, r2, o1, o2 = level
        total += rule.causal.amplitude * r1 * o2 if side else rule.anticausal.amplitude * o1 * r2
        own = slice(2, 4) if side else slice(0, 2)
        level[own] = 1.0 + (level[own] if rule.pairing == "all" else 0.0)
        last = time
    return float(rule.learning_rate * total)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("update", ["spike", "every 1 ms"])
def test_pairs_count_by_the_own_spikes_before(algorithm: str, update: str) -> None:
    held = weights(synapse(RULE.replace(update=update), [2.0, 12.0], [5.0, 9.0]), [6.0, 10.0, 13.0], algorithm)
    changes = 0.0, np.exp(-0.7 - 0.1), -(np.exp(-7 / 20) + np.exp(-3 / 20)) * np.exp(-10 / 30)
    np.testing.assert_allclose(held, 0.1 * np.cumsum(changes), atol=1e-12)
    assert np.round(held, 4).tolist() == [0.0, 0.0449, -0.0672]  # as docs/semantics.md has them
    near = RULE.replace(pairing="nearest_symmetric", update=update)
    last = weights(synapse(near, [2.0, 12.0], [5.0, 9.0]), [13.0], algorithm)
    assert np.round(last, 4).tolist() == [-0.0167]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("update", ["spike", "every 7 ms"])
@pytest.mark.parametrize("pairing", ["all", "nearest_symmetric"])
def test_they_are_those_of_the_papers_detectors(algorithm: str, update: str, pairing: Any) -> None:
    """Random trains with coincidences, which are the mean over both orders; and the host's, beside a target."""
    rng = np.random.default_rng(7)
    pre, post = (np.flatnonzero(rng.random(350) < 0.15).astype(float) for _ in range(2))
    assert len(np.intersect1d(pre, post)) > 3
    rule = RULE.replace(pairing=pairing, update=update)
    expected = np.mean([detectors(rule, pre, post, pre_first=first) for first in (True, False)])
    np.testing.assert_allclose(weights(synapse(rule, pre, post), [350.0], algorithm), expected, rtol=1e-11)
    assert abs(expected) > 0.01


def test_a_dense_network_learns_alike_by_all_algorithms() -> None:
    """Ten neurons onto each other, from the spikes that each algorithm has drawn: in rows, too."""
    rule = RULE.replace(update="every 50 ms", learning_rate=1e-4)
    net = Network(
        name="dense", dt=1.0, populations=[Population("n", 10, GLM(bias=1.0, tau_ref=5.0))],
        projections=[Projection("p", "n", "n", AllToAll(weight=0.0), plasticity=rule)], probes=[Spikes("n")],
    )  # fmt: skip
    for algorithm in ALGORITHMS:
        with salhw.compile(net, salhw.target("reference").with_options(algorithm=algorithm)).open(seed=5) as session:
            trains = session.run(200.0).spikes["n"]
            held = session.get("projections.p.weights")[0]
        for i, j in ((0, 1), (1, 0), (9, 4)):
            ends = rule, trains.times(j, 0), trains.times(i, 0)
            expected = np.mean([detectors(*ends, pre_first=first) for first in (True, False)])
            np.testing.assert_allclose(held[i, j], expected, atol=1e-12)


@pytest.mark.parametrize("rate", [10.0, 20.0, 50.0])
def test_regular_spikes_lead_to_the_closed_form(rate: float) -> None:
    """A presynaptic spike every T ms and a postsynaptic one 5 ms later change the weight each time by
    A+ r1 o2 - A- o1 r2, each a geometric series."""
    period, late = 1000.0 / rate, 5.0
    net = synapse(RULE, period * np.arange(100), period * np.arange(100) + late)
    before, after = weights(net, [98 * period - 1.0, 99 * period - 1.0])

    def series(first: float, tau: float) -> float:
        return float(np.exp(-first / tau) / (1.0 - np.exp(-period / tau)))

    causal = series(late, 10.0) * series(period, 40.0)
    anticausal = series(period - late, 20.0) * series(period, 30.0)
    np.testing.assert_allclose(after - before, 0.1 * (causal - anticausal), rtol=1e-9)


def test_pairings_depend_on_their_rate_as_in_visual_cortex() -> None:
    """Sixty pairings of 10 ms (six at .1 Hz) by the whole rule, with the parameters of visual cortex: post before pre
    weakens at .1, 10 and 20 Hz, and strengthens at 40 and 50; pre before post does nothing at .1 Hz, and strengthens
    the more, the faster."""
    rates, changes = (0.1, 10.0, 20.0, 40.0, 50.0), {10.0: list[float](), -10.0: list[float]()}
    for late, found in changes.items():
        for rate in rates:
            pairings = 20.0 + 1000.0 / rate * np.arange(60 if rate > 1.0 else 6)
            net = synapse(PfisterGerstner(1.0, update="run end"), pairings, pairings + late)
            found.append(float(weights(net, [pairings[-1] + 20.0])[0]))
    assert np.sign(changes[-10.0]).tolist() == [-1.0, -1.0, -1.0, 1.0, 1.0]
    assert abs(changes[10.0][0]) < 0.01
    assert np.all(np.diff(changes[10.0]) > 0.0)


@pytest.mark.parametrize(("update", "held"), [("spike", 0.02), ("every 7 ms", 0.0)])
def test_bounds_and_written_rates_hold(update: str, held: float) -> None:
    net = synapse(RULE.replace(update=update, bounds=(-0.01, 0.02)), [2.0, 12.0], [5.0, 9.0])
    np.testing.assert_allclose(weights(net, [11.0, 14.0]), [held, -0.01])
    with salhw.compile(net, "reference").open() as session:
        session.set("projections.p.plasticity.learning_rate", [[0.0]])
        session.run(20.0)
        assert session.get("projections.p.weights")[0, 0, 0] == 0.0
