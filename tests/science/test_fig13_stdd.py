"""Paper Fig 13 and Eq 23: spikes of simulated pairs against the Markov chain, and SAL's mean drift with them.

Replicates are the instances of a batch: independent, so that their scatter is the covariance of the measurement. A
vector of means is tested by Hotelling's T^2, (n - k) / (k (n - 1)) T^2 ~ F(k, n - k), at level 1e-4 per test.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

import salhw
from salhw import SAL, Alpha, Rectangular
from salhw.theory import drifts, measured_stdd, rates, sal_window, stdd
from salhw_networks.pairs.network import network

LEVEL, INSTANCES, TAU_REF, T_MAX = 1e-4, 64, 10, 60
DURATION = 100_000.0  # ms = steps per instance: 10,000 tau_ref, 640,000 in all (the paper has 33,000)
KERNELS = {
    "rectangular": Rectangular(tau_syn=10.0),
    "alpha": Alpha(tau_syn=10.0 / 3.0, area=10.0, superposition="last"),
}
EDGES = np.array([1.5, 3.5, 5.5, 7.5, 10.5, 14.5, 20.5, 30.5, 60.5])
EDGES = np.concatenate([-EDGES[::-1], EDGES])  # 17 bins of lags in steps, the middle one with the coincidences


def draw(seed):
    """(W[post, pre], b), all from U(-1, 1)."""
    w10, w01, *bias = np.random.default_rng(seed).uniform(-1.0, 1.0, 4)
    return np.array([[0.0, w01], [w10, 0.0]]), np.array(bias)


def described(seed, kernel):
    weights, bias = draw(seed)
    net = network(weights=(weights[0, 1], weights[1, 0]), bias=bias, tau_ref=float(TAU_REF), dt=1.0)
    (pair,) = net.projections
    rule = SAL(learning_rate=1.0, tau=10.0, update="run end")  # the weights stand still while it measures
    return net.replace(projections=(pair.replace(kernel=KERNELS[kernel], plasticity=(rule,)),))


def binned(pairs):
    """Pair rates per step in the bins."""
    return np.histogram(pairs.lag, EDGES, weights=pairs.rate)[0]


@cache
def measured(seed, kernel):
    """Per instance: binned pair rates, spikes per step, SAL's change of W[1, 0] per step and unit learning rate."""
    start = draw(seed)[0]
    with salhw.compile(described(seed, kernel), "reference").open(instances=INSTANCES, seed=13) as session:
        session.run(1000.0)  # long enough to forget the beginning
        session.set("projections.pair.weights", start)
        recording = session.run(DURATION)
        change = (session.get("projections.pair.weights") - start) / DURATION
    trains, pairs = recording.spikes["neurons"], []
    for k in range(INSTANCES):
        steps = [np.rint(trains.times(n, k) - recording.start).astype(np.int64) for n in (0, 1)]
        pairs.append(binned(measured_stdd(*steps, T_MAX, int(DURATION))))
    np.testing.assert_allclose(change[:, 0, 1], -change[:, 1, 0], atol=1e-12)
    return np.array(pairs), recording.counts["neurons"] / DURATION, change[:, 1, 0]


def p_value(sample, expected):
    """Of the hypothesis that the instances' mean is ``expected``; sample (instance, k)."""
    n, k = sample.shape
    off = sample.mean(axis=0) - expected
    t2 = n * off @ np.linalg.solve(np.cov(sample.T).reshape(k, k), off)
    return stats.f.sf(t2 * (n - k) / (k * (n - 1)), k, n - k)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", range(4))
def test_fig_13_the_measured_stdd_is_that_of_the_chain(seed, kernel):
    """Hotelling's T^2 over 17 bins, level 1e-4. Power above .9999 against any weight changed by .2: the test asks for
    rejection at 1e-4 of all four changes for every draw (measured: p below 1e-25)."""
    weights, bias = draw(seed)
    kappa = KERNELS[kernel].sample(1.0, T_MAX)
    pairs, _, _ = measured(seed, kernel)
    assert p_value(pairs, binned(stdd(weights, bias, kappa, TAU_REF, T_MAX))) > LEVEL
    for post, pre in ((0, 1), (1, 0)):
        for change in (-0.2, 0.2):
            wrong = weights.copy()
            wrong[post, pre] += change
            assert p_value(pairs, binned(stdd(wrong, bias, kappa, TAU_REF, T_MAX))) < LEVEL


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", range(4))
def test_rates_of_a_coupled_pair_are_those_of_the_chain(seed, kernel):
    """Hotelling's T^2 over both rates, level 1e-4; a weight changed by .2 must be rejected (measured: p < 1e-26)."""
    weights, bias = draw(seed)
    kappa = KERNELS[kernel].sample(1.0, T_MAX)
    _, spikes, _ = measured(seed, kernel)
    assert p_value(spikes, rates(weights, bias, kappa, TAU_REF)) > LEVEL
    for post, pre in ((0, 1), (1, 0)):
        wrong = weights.copy()
        wrong[post, pre] += 0.2
        assert p_value(spikes, rates(wrong, bias, kappa, TAU_REF)) < LEVEL


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", range(4))
def test_mean_drift_under_sal_is_that_of_the_theory(seed, kernel):
    """t-test on W[1, 0] (the partner's change is its negative, checked to 1e-12), level 1e-4, with static weights
    (update at the end of the run). Power: W[1, 0] larger or smaller by .2 must be rejected (measured: p below
    1e-20). It has little power against a wrong time constant of the window: 20 % more is rejected for one draw only."""
    weights, bias = draw(seed)
    kappa, t_max = KERNELS[kernel].sample(1.0, T_MAX), 460

    def drift(w, tau=10.0):
        window = sal_window(tau, t_max)
        return drifts(stdd(w, bias, kappa, TAU_REF, t_max), -window, window)[0]

    change = measured(seed, kernel)[2][:, None]
    assert p_value(change, np.array([drift(weights)])) > LEVEL
    for offset in (-0.2, 0.2):
        wrong = weights + np.array([[0.0, 0.0], [offset, 0.0]])
        assert p_value(change, np.array([drift(wrong)])) < LEVEL
