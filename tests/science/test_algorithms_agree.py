"""The four ways in which the reference moves a network forward do the same thing.

Time-driven and vectorised against event-driven: different random numbers, so two one-sided tests (TOST, Welch) whether
the means over 64 instances each are equal within a stated margin; "equal" is concluded at level 1e-3, and the power if
they are truly equal is computed from the standard error and must exceed .99. Half of the time has 1.41 times the
standard error, which as an estimate scatters by 6 % with 64 instances, so that with 1.6 times the margin no power is
lost; margins as they are said below are slow tests. Tabulated against general event-driven: the same random numbers, so
the same bits.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

import salhw
from salhw import SAL, AllToAll, Projection, Spikes, SpikeTimes, WakeSleep
from salhw.theory import measured_stdd
from salhw_networks.pairs.network import network as pair
from salhw_networks.sampling.network import network as sampling

LEVEL, POWER, INSTANCES = 1e-3, 0.99, 64

each_size = pytest.mark.parametrize(
    ("share", "wider"), [(0.5, 1.6), pytest.param(1.0, 1.0, marks=pytest.mark.slow)], ids=["half", "whole"]
)
"""The share of the time that the margins are for, and how many times as wide they are."""


def tost(first, second, margin):
    """(p-value of "the means differ by more than margin", power of the test if they are equal), Welch."""
    variances = first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)
    error = np.sqrt(sum(variances))
    dof = error**4 / sum(v**2 / (n - 1) for v, n in zip(variances, (len(first), len(second)), strict=True))
    difference = first.mean() - second.mean()
    p = max(stats.t.sf((difference + margin) / error, dof), stats.t.cdf((difference - margin) / error, dof))
    power = 2 * stats.t.cdf(margin / error - stats.t.isf(LEVEL, dof), dof) - 1
    return p, power


def assert_equivalent(first, second, margin):
    p, power = tost(first, second, margin)
    assert power > POWER, f"margin {margin:.3g} is too narrow to be shown: power {power:.3f}"
    assert p < LEVEL, f"means {first.mean():.6g} and {second.mean():.6g} are not shown to be within {margin:.3g}"


def test_the_equivalence_test_keeps_its_level():
    """Of two samples whose means differ by exactly the margin, TOST may call LEVEL "equal"; here at level .05 it does
    so for about 5 % of 4,000 (3.6..6.4 % is 4 standard errors)."""
    rng = np.random.default_rng(0)
    called = [tost(rng.normal(0.8, 1, 64), rng.normal(0, 1, 64), 0.8)[0] < 0.05 for _ in range(4000)]
    assert 0.036 < np.mean(called) < 0.064


@cache
def pair_statistics(algorithm, discretisation, seed, share):
    """Per instance: spikes per step, pairs per step in seven bins of lag, SAL's weight change per step; W = 1, -.4."""
    net = pair(weights=(1.0, -0.4), bias=(-0.5, 0.3), dt=1.0, learning_rate=1.0, update="run end")
    (population,) = net.populations
    neuron = population.neuron.replace(discretisation=discretisation)
    net = net.replace(populations=(population.replace(neuron=neuron),))
    target, duration = salhw.target("reference").with_options(algorithm=algorithm), share * 140_000.0
    start = np.array([[0.0, 1.0], [-0.4, 0.0]])
    with salhw.compile(net, target).open(instances=INSTANCES, seed=seed) as session:
        session.run(500.0)
        session.set("projections.pair.weights", start)
        recording = session.run(duration)
        change = (session.get("projections.pair.weights") - start)[:, 1, 0] / duration
    bins, trains = [], recording.spikes["neurons"]
    for k in range(INSTANCES):
        steps = [np.rint(trains.times(n, k) - recording.start).astype(np.int64) for n in (0, 1)]
        pairs = measured_stdd(*steps, 60, int(duration))
        bins.append(np.histogram(pairs.lag, [-60.5, -12.5, -5.5, -0.5, 0.5, 5.5, 12.5, 60.5], weights=pairs.rate)[0])
    return recording.counts["neurons"] / duration, np.array(bins), change


@each_size
@pytest.mark.parametrize("discretisation", ["logistic", "exact"])
@pytest.mark.parametrize("stepwise", ["time-driven", "vectorised"])
def test_pairs_are_equivalent_to_event_driven_ones(stepwise, discretisation, share, wider):
    """Margins: rates 1 %, each of seven bins of the STDD 4 % (the first, in which counts scatter most, 5 %,
    coincidences 10 %), SAL's drift 4 %. Power in 140 s: above .994 (asserted above .99); the next test shows what the
    margins exclude."""
    rates, bins, drift = pair_statistics("event-driven", discretisation, 1, share)
    rates_2, bins_2, drift_2 = pair_statistics(stepwise, discretisation, 2, share)
    for k in range(2):
        assert_equivalent(rates[:, k], rates_2[:, k], wider * 0.01 * rates[:, k].mean())
    for k, margin in enumerate((0.05, 0.04, 0.04, 0.10, 0.04, 0.04, 0.04)):
        assert_equivalent(bins[:, k], bins_2[:, k], wider * margin * bins[:, k].mean())
    assert_equivalent(drift, drift_2, wider * 0.04 * abs(drift.mean()))


@each_size
def test_what_differs_is_not_called_equivalent(share, wider):
    """The other discretisation (rates 2.5 and 3.5 % apart, drift 7.5 %) must not be found equivalent: p above .999 of
    the rates, and above .9 of the drift, which is not much above the wider margin of 6.4 %."""
    rates, _, drift = pair_statistics("event-driven", "logistic", 1, share)
    rates_2, _, drift_2 = pair_statistics("time-driven", "exact", 2, share)
    for k in range(2):
        assert tost(rates[:, k], rates_2[:, k], wider * 0.01 * rates[:, k].mean())[0] > 0.999
    assert tost(drift, drift_2, wider * 0.04 * abs(drift.mean()))[0] > 0.9


@cache
def network_statistics(algorithm, seed, share):
    """Per instance: rates, occupancy of the states, weight changes of both rules per ms, in a 7-neuron network."""
    net = sampling(seed=1, noise=0.3, sal_rate=1e-3, wake_sleep_rate=1e-3)
    target, duration = salhw.target("reference").with_options(algorithm=algorithm), share * 80_000.0
    start = net.projections[0].weights.values
    with salhw.compile(net, target).open(instances=INSTANCES, seed=seed) as session:
        recording = session.run(duration)
        change = (session.get("projections.recurrent.weights") - start) / duration
    off = ~np.eye(7, dtype=bool)
    return recording.counts["neurons"] / duration, recording.state_occupancy["neurons"].values, change[:, off]


@each_size
@pytest.mark.parametrize("stepwise", ["time-driven", "vectorised"])
def test_networks_are_equivalent_to_event_driven_ones(stepwise, share, wider):
    """Seven neurons, WakeSleep and SAL: margins 2.5 % of each rate, .002 on the share of time of each of 128 states (of
    .09 at most), 3 % of the root mean square weight change on each of 42 synapses. Power above .994, in 80 s."""
    rates, states, change = network_statistics("event-driven", 1, share)
    rates_2, states_2, change_2 = network_statistics(stepwise, 2, share)
    for k in range(7):
        assert_equivalent(rates[:, k], rates_2[:, k], wider * 0.025 * rates[:, k].mean())
    for k in range(128):
        assert_equivalent(states[:, k], states_2[:, k], wider * 0.002)
    for k in range(42):
        assert_equivalent(change[:, k], change_2[:, k], wider * 0.03 * np.sqrt(np.mean(change**2)))


# ---------------------------------------------------------------- the table against the general algorithm

BY_STIMULUS = "a SpikeTimes stimulus without spikes"
BY_PROJECTION = "a second projection of weight 0"


def generalised(net, how):
    """The same network, described such that its hazards do not fit a table."""
    name = net.populations[0].name
    if how == BY_STIMULUS:
        silence = [np.zeros(0)] * net.populations[0].size
        return net.replace(stimuli=(*net.stimuli, SpikeTimes(name, silence)))
    nothing = Projection(name="nothing", pre=name, post=name, weights=AllToAll(weight=0.0))
    return net.replace(projections=(*net.projections, nothing))


def run_bits(net, seed=4):
    with salhw.compile(net, "reference").open(instances=4, seed=seed) as session:
        assert "event-driven" in session.executable.report.notes[0]
        recordings = [session.run(duration) for duration in (3000.0, 0.2, 4321.0)]
        weights = session.get(f"projections.{net.projections[0].name}.weights")
    return recordings, weights


@pytest.mark.parametrize("how", [BY_STIMULUS, BY_PROJECTION])
@pytest.mark.parametrize("update", ["run end", "every 100 ms"])
@pytest.mark.parametrize("pairing", ["all", "nearest_symmetric", "nearest_restricted"])
def test_tabulated_and_general_algorithms_give_the_same_bits(pairing, update, how):
    """Spike for spike, count for count; the weights too, up to how the window's sum is rounded. A single spike moved by
    a step would fail it."""
    net = sampling(seed=2, noise=0.3, dt=0.2)
    (recurrent,) = net.projections
    rules = (
        SAL(learning_rate=1e-3, pairing=pairing, update=update),
        WakeSleep(learning_rate=1e-4, update=update),
    )
    net = net.replace(
        projections=(recurrent.replace(plasticity=rules),), probes=(*net.probes, Spikes(net.populations[0].name))
    )
    fast, weights = run_bits(net)
    general, weights_2 = run_bits(generalised(net, how))
    for one, other in zip(fast, general, strict=True):
        a, b = one.spikes["neurons"], other.spikes["neurons"]
        assert len(a) > 0 or one.duration < 1
        for field in ("instance", "neuron", "time"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
        np.testing.assert_array_equal(one.counts["neurons"], other.counts["neurons"])
        np.testing.assert_array_equal(one.occupancy_counts["neurons"], other.occupancy_counts["neurons"])
    np.testing.assert_allclose(weights, weights_2, rtol=0, atol=1e-12)
    assert np.abs(weights - net.projections[0].weights.values).max() > 1e-2
    if how == BY_PROJECTION and update == "run end":
        np.testing.assert_array_equal(weights, weights_2)


def test_the_detour_is_one():
    """Both detours do leave the table (else the test above would compare the algorithm with itself)."""
    from salhw_reference.delays import split
    from salhw_reference.program import build
    from salhw_reference.tabulated import fits_table

    net = sampling(seed=2)
    assert fits_table(net, build(split(net)))
    for how in (BY_STIMULUS, BY_PROJECTION):
        other = generalised(net, how)
        assert not fits_table(other, build(split(other)))
