"""What is measured of spikes and weights is what it says: against other ways to compute it, and against theory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from comparison_examples import pair, ran

from salhw import GLM, SAL, AllToAll, Network, Population, Projection, Rectangular, Sparse
from salhw.comparison.divergence import divergence
from salhw.comparison.exact import beside_theory, boltzmann, exact_timing
from salhw.comparison.measures import asymmetry, coupled_pairs, measures, trajectory
from salhw.comparison.spiking import Trains, correlations, timing_differences, trains, variations
from salhw.registry import builder
from salhw.session.recorder import Raster


@pytest.fixture(scope="module")
def spikes() -> Trains:
    rng = np.random.default_rng(1)
    chance = np.array([[0.05, 0.2, 0.0005], [0.02, 0.1, 0.3]])  # the last of the first: too few intervals
    fired = np.argwhere(rng.random((2, 3, 4000)) < chance[:, :, None])
    return Trains(Raster.joined([Raster(*fired.T)]), 3, 2, 4000, 0.5)


def intervals(spikes: Trains, instance: int, neuron: int) -> np.ndarray:
    return np.diff(spikes.of(neuron)[instance]).astype(float)


def test_variations_are_those_of_each_train(spikes: Trains) -> None:
    cv, lv = variations(spikes)
    for i in range(2):
        for k in range(3):
            each = intervals(spikes, i, k)
            if len(each) < 5:
                assert np.isnan(cv[i, k])
                assert np.isnan(lv[i, k])
                continue
            assert cv[i, k] == pytest.approx(np.std(each) / np.mean(each))
            ratio = np.diff(each) / (each[1:] + each[:-1])
            assert lv[i, k] == pytest.approx(3 / (len(each) - 1) * np.sum(ratio**2))
    assert np.isnan(cv).sum() == 1


def test_a_poisson_process_varies_by_one_and_a_clock_not_at_all() -> None:
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.exponential(1000.0, 20_000)).astype(np.int64)
    steps = int(times[-1]) + 1
    zeros = np.zeros(len(times), dtype=np.int64)
    cv, lv = variations(Trains(Raster(zeros, zeros, times), 1, 1, steps, 0.1))
    assert (cv[0, 0], lv[0, 0]) == pytest.approx((1.0, 1.0), abs=0.04)  # standard errors of .007 and .006
    clock = np.arange(0, 10_000, 20)
    nothing = np.zeros(len(clock), dtype=np.int64)
    assert [float(v[0, 0]) for v in variations(Trains(Raster(nothing, nothing, clock), 1, 1, 10_000, 0.1))] == [0, 0]


def test_correlations_are_numpys_of_counts_in_windows(spikes: Trains) -> None:
    found, pairs = correlations(spikes, 3)
    for i in range(2):
        counts = np.array([np.histogram(spikes.of(k)[i], np.arange(0, 4001, 40))[0] for k in range(3)])
        expected = np.corrcoef(counts)
        np.testing.assert_allclose(found[i], [expected[pair] for pair in pairs])


def test_timing_differences_keep_every_pair() -> None:
    """Nearest pairs of two neurons by hand: 3 -> 5 (+2), 5 -> 9 (-4), 9 -> 40 (+31, beyond)."""
    lags = np.arange(-3, 4) * 2.0
    found = timing_differences([np.array([3, 9])], [np.array([5, 40])], 100, 1.0, lags)
    assert found.tolist() == [[0, 1, 0, 0, 1, 0, 1]]


def test_a_run_is_cut_into_stretches_of_equal_length() -> None:
    run = ran(pair(), 1000.0, 1, 3)
    recorded = run.recording.spikes["neurons"]
    cut = trains(recorded, run.network.dt, 8)
    whole = trains(recorded, run.network.dt, 1)
    assert (cut.replicates, cut.steps) == (8, whole.steps // 8)
    np.testing.assert_array_equal(cut.rates.mean(axis=0) * 8 * cut.seconds, [
        np.sum(whole.of(k)[0] < 8 * cut.steps) for k in range(2)
    ])  # fmt: skip
    assert cut.raster.step.max() < cut.steps


def test_the_states_and_timing_of_the_reference_are_those_of_theory() -> None:
    """A static pair with equal weights: D_KL from the Boltzmann distribution, and every bin of the exact STDD, are
    within 5 standard errors of nothing; where the weights learn there is no Boltzmann distribution."""
    net = builder("pair")(weights=(0.8, 0.8), learning_rate=0.0)
    static = net.replace(projections=[net.projections[0].replace(plasticity=())])
    run = ran(static, 20_000.0, 32, 4)
    found = measures(run, static, 1)
    (states,), (known,) = beside_theory(static, found)
    near = divergence(states.values, known.values, 0.02)
    assert near.deviation < 5 * near.error < 1e-3
    (couple,) = coupled_pairs(static)
    exact = exact_timing(static, run, couple)
    (timing,) = (m for m in found if m.quantity == "stdd")
    error = timing.values.std(axis=0, ddof=1) / np.sqrt(len(timing.values))
    assert exact is not None
    assert np.max(np.abs(timing.values.mean(axis=0) - exact) / error) < 5
    assert boltzmann(builder("pair")(), "neurons") is None


def test_theory_is_silent_about_what_it_does_not_know() -> None:
    sampling = builder("sampling")()
    assert boltzmann(sampling, "neurons") is not None
    p = sampling.projections[0]
    for change in ({"delay": 0.2}, {"kernel": Rectangular(tau_syn=5.0)}):
        assert boltzmann(sampling.replace(projections=[p.replace(**change)]), "neurons") is None
    (couple, *_) = coupled_pairs(sampling)
    assert exact_timing(sampling, ran(sampling, 100.0, 2, 0), couple) is None  # seven neurons


def test_the_strongest_pairs_are_measured_each_once() -> None:
    net = Network(
        name="n",
        dt=1.0,
        populations=[Population("a", 3, GLM()), Population("b", 2, GLM())],
        projections=[
            Projection("inside", "a", "a", Sparse(post=[0, 1, 2], pre=[1, 0, 1], weight=[0.5, -0.9, 0.1])),
            Projection("across", "a", "b", AllToAll(0.3)),
        ],
    )
    found = coupled_pairs(net)
    assert [p.path for p in found][:1] == ["projections.inside[1, 0]"]
    assert [p.projection for p in found] == ["inside", "across", "across", "inside"]
    assert len({frozenset((p.pre, p.post)) for p in found}) == 4
    assert len(found[0].lags) == 51
    assert found[0].lags[25] == 0.0


def test_neurons_without_spikes_and_projections_without_synapses_are_left_out() -> None:
    net = Network(
        name="n",
        dt=1.0,
        populations=[Population("silent", 12, GLM(bias=-40.0))],
        projections=[
            Projection("w", "silent", "silent", Sparse(post=[], pre=[], weight=[]), plasticity=SAL(0.1, 10.0))
        ],
    )
    found = measures(ran(net, 100.0, 3, 0), net, 1)
    assert [m.quantity for m in found] == ["rate", "neuron_rates", "rate_distribution"]


def test_asymmetry_is_that_of_the_matrix_and_weights_end_where_they_end() -> None:
    run = ran(pair(learning_rate=0.01), 1000.0, 5, 5)
    time, weights = trajectory(run, "pair")
    assert (time[0], time[-1], weights.shape) == (0.0, 1000.0, (5, len(time), 2))
    np.testing.assert_array_equal(weights[:, -1], run.final["pair"])
    np.testing.assert_allclose(weights[:, 0], [[1.5, 0.5]] * 5)
    gap = asymmetry(run, "pair", weights)
    assert gap is not None
    np.testing.assert_allclose(gap, np.abs(weights[:, :, 0] - weights[:, :, 1]))
    drift = next(m for m in measures(run, pair(), 1) if m.quantity == "drift")
    np.testing.assert_allclose(drift.values, weights[:, -1] - weights[:, 0])
    closing = next(m for m in measures(run, pair(), 1) if m.quantity == "gap_drift")
    np.testing.assert_allclose(closing.values[:, 0], gap[:, -1] - gap[:, 0])


def test_weight_noise_is_that_of_a_random_walk() -> None:
    """Walks of known drift and noise in the place of a run's weights: within 5 standard errors."""
    run = ran(pair(), 1000.0, 400, 6)
    trace = run.recording.weight_traces["pair"]
    rng = np.random.default_rng(7)
    steps = rng.normal(0.02, 0.3 * np.sqrt(0.05), (400, len(trace.time), 2))  # .05 s each
    walk = np.concatenate([np.zeros((400, 1, 2)), np.cumsum(steps, axis=1)], axis=1)
    values = np.zeros_like(trace.values)
    values[:, :, 0, 1], values[:, :, 1, 0] = walk[:, : len(trace.time), 0], walk[:, : len(trace.time), 1]
    traces = {"pair": replace(trace, values=values)}
    made = replace(
        run, recording=replace(run.recording, weight_traces=traces), final={"pair": values[:, -1][:, [0, 1], [1, 0]]}
    )
    (noise,) = (m.values for m in measures(made, pair(), 1) if m.quantity == "weight_noise")
    assert abs(np.sqrt((noise**2).mean()) - 0.3) < 5 * 0.3 / np.sqrt(2 * 400 * 2 * 19)
