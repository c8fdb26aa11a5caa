"""The exact STDD against the full Markov chain, against simulations, and against its own symmetries."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import spsolve
from scipy.stats import f as f_distribution

from salhw.theory import STDD, measured_stdd, rate_of_constant_input, rates, spike_probability, stdd

DISCRETISATIONS = ("logistic", "exact")


def alpha(tau_ref, tau_syn, length):
    """Paper Eq 6, s = 0, 1, .. steps since arrival."""
    s = np.arange(length)
    return tau_ref / tau_syn**2 * s * np.exp(-s / tau_syn)


KERNELS = {
    "rectangular, shorter": (np.ones(2), 4),
    "rectangular, tau_ref": (np.ones(4), 4),
    "rectangular, longer": (np.ones(6), 4),
    "exponential": (1.6 * np.exp(-np.arange(8) / 2.5), 3),
    "alpha": (alpha(4, 1.5, 10), 4),
    "delayed": (np.r_[0.0, 0.0, np.ones(3)], 3),
    "padded with zeros": (np.r_[np.ones(3), np.zeros(4)], 3),
    "no refractoriness": (np.array([0.8, -0.3]), 1),
}


# ---------------------------------------------------------------- the full chain, the slow and obvious way


def probability_by_definition(u, tau_ref, discretisation):
    x = np.exp(u) / tau_ref
    return x / (1 + x) if discretisation == "logistic" else 1 - np.exp(-x)


def brute_force(weights, bias, kappa, tau_ref, t_max, discretisation, pairing="nearest_restricted"):
    """(rate at -t_max..t_max, spikes per step) from the sparse transition matrix over all pairs of ages, Eqs 16-20."""
    top = max(tau_ref, len(kappa))  # ages from here on are alike
    psp = np.r_[kappa, np.zeros(top + 1 - len(kappa))]
    n = top + 1
    silent, one, other, both = (sparse.lil_matrix((n * n, n * n)) for _ in range(4))
    for a, b in itertools.product(range(n), range(n)):
        p = [0.0, 0.0]
        if a + 1 >= tau_ref:
            p[0] = probability_by_definition(bias[0] + weights[0][1] * psp[b], tau_ref, discretisation)
        if b + 1 >= tau_ref:
            p[1] = probability_by_definition(bias[1] + weights[1][0] * psp[a], tau_ref, discretisation)
        older_a, older_b, here = min(a + 1, top), min(b + 1, top), a * n + b
        silent[older_a * n + older_b, here] = (1 - p[0]) * (1 - p[1])
        one[older_b, here] = p[0] * (1 - p[1])
        other[older_a * n, here] = (1 - p[0]) * p[1]
        both[0, here] = p[0] * p[1]
    step = (silent + one + other + both).tocsr()
    system = (step - sparse.eye(n * n)).tolil()
    system[0] = np.ones(n * n)  # one equation is redundant: the probabilities sum to 1 instead
    pi = spsolve(system.tocsc(), np.eye(n * n)[0])
    ages = np.arange(n * n)
    just = {"0": (ages < n) & (ages > 0), "1": (ages % n == 0) & (ages > 0), "both": ages == 0}

    rate = np.zeros(2 * t_max + 1)
    rate[t_max] = pi[0]
    for sign, start, end in ((1, "0", other), (-1, "1", one)):
        # What goes on being counted from, and what a coincidence counts, at the start and at the end.
        goes_on, first, last = {
            "nearest_restricted": (silent, 0.5, 0.5),
            "nearest_symmetric": (silent + end, 1.0, 0.5),
            "all": (silent + one + other + both, 1.0, 1.0),
        }[pairing]
        goes_on = goes_on.tocsr()
        state = np.where(just[start], pi, 0) + np.where(just["both"], first * pi, 0)
        for lag in range(1, t_max + 1):
            rate[t_max + sign * lag] = (end @ state).sum() + last * (both @ state).sum()
            state = goes_on @ state
    return rate, np.array([pi[:n].sum(), pi[::n].sum()])


@pytest.mark.parametrize("discretisation", DISCRETISATIONS)
@pytest.mark.parametrize("name", KERNELS)
def test_equals_the_full_chain(name, discretisation):
    kappa, tau_ref = KERNELS[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    for t_max in (3, 40):  # shorter and longer than the chain remembers
        weights = [[0.0, rng.uniform(-2, 2)], [rng.uniform(-2, 2), 0.0]]
        bias = rng.uniform(-1.5, 1.5, 2)
        want, want_rates = brute_force(weights, bias, kappa, tau_ref, t_max, discretisation)
        got = stdd(weights, bias, kappa, tau_ref, t_max, discretisation)
        np.testing.assert_allclose(got.rate, want, rtol=0, atol=1e-12)
        np.testing.assert_allclose(rates(weights, bias, kappa, tau_ref, discretisation), want_rates, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pairing", ["nearest_symmetric", "all"])
@pytest.mark.parametrize("name", KERNELS)
def test_other_pairings_equal_the_full_chain(name, pairing):
    kappa, tau_ref = KERNELS[name]
    arguments = [[0.0, -1.1], [0.7, 0.0]], [0.4, -0.6], kappa, tau_ref, 40, "logistic"
    got = stdd(*arguments, pairing=pairing).rate
    np.testing.assert_allclose(got, brute_force(*arguments, pairing=pairing)[0], rtol=0, atol=1e-12)
    assert np.abs(got - stdd(*arguments).rate).max() > 1e-4  # and not what the default counts


def test_all_pairs_of_uncoupled_neurons_are_the_product_of_their_rates():
    arguments = np.zeros((2, 2)), [0.5, -1.0], np.ones(5), 7
    one, other = rates(*arguments)
    np.testing.assert_allclose(stdd(*arguments, 30, pairing="all").rate, one * other, rtol=1e-12)


weight = st.floats(-2, 2)
kernel = st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(weight, weight, st.tuples(weight, weight), kernel, st.integers(1, 4), st.sampled_from(DISCRETISATIONS))
def test_equals_the_full_chain_for_any_kernel(w10, w01, bias, kappa, tau_ref, discretisation):
    arguments = [[0.0, w01], [w10, 0.0]], bias, kappa, tau_ref
    want, want_rates = brute_force(*arguments, 12, discretisation)
    np.testing.assert_allclose(stdd(*arguments, 12, discretisation).rate, want, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rates(*arguments, discretisation), want_rates, rtol=0, atol=1e-12)


# ---------------------------------------------------------------- symmetries


@settings(max_examples=50, deadline=None, derandomize=True)
@given(weight, weight, st.tuples(weight, weight), kernel, st.integers(1, 12), st.sampled_from(DISCRETISATIONS))
def test_as_many_causal_as_anticausal_pairs(w10, w01, bias, kappa, tau_ref, discretisation):
    # Eq 22; only the sum over all lags is equal, so t_max is beyond any pair
    pairs = stdd([[0.0, w01], [w10, 0.0]], bias, kappa, tau_ref, 4000, discretisation)
    assert pairs.causal[-1] + pairs.anticausal[-1] < 1e-15
    assert abs(pairs.causal.sum() - pairs.anticausal.sum()) < 1e-13


@settings(max_examples=50, deadline=None, derandomize=True)
@given(weight, weight, st.tuples(weight, weight), kernel, st.integers(1, 12), st.sampled_from(DISCRETISATIONS))
def test_swapping_the_neurons_mirrors_the_distribution(w10, w01, bias, kappa, tau_ref, discretisation):
    there = stdd([[0.0, w01], [w10, 0.0]], bias, kappa, tau_ref, 60, discretisation)
    back = stdd([[0.0, w10], [w01, 0.0]], bias[::-1], kappa, tau_ref, 60, discretisation)
    np.testing.assert_allclose(back.rate, there.rate[::-1], rtol=1e-11, atol=1e-16)


def test_every_spike_ends_at_most_one_pair_and_pairs_never_exceed_spikes():
    pairs = stdd([[0.0, 0.5], [1.0, 0.0]], [0.0, 0.3], np.ones(10), 10, 2000)
    spikes = rates([[0.0, 0.5], [1.0, 0.0]], [0.0, 0.3], np.ones(10), 10)
    assert 0 < pairs.rate.sum() < spikes.sum()
    assert (pairs.rate > 0).all()


def test_symmetric_weights_are_reversible_exactly_when_the_psp_ends_with_the_refractory_period():
    """logistic, tau_ref - 1 steps: causal = anticausal at every single lag even for unequal biases; else not."""
    weights, bias = [[0.0, 0.7], [0.7, 0.0]], [-1.0, 1.3]

    def asymmetry(length, discretisation):
        pairs = stdd(weights, bias, np.ones(length), 10, 100, discretisation)
        return np.abs(pairs.causal - pairs.anticausal).max() / pairs.causal.max()

    assert asymmetry(9, "logistic") < 1e-13
    assert 0.1 < asymmetry(10, "logistic") < 0.2
    assert 0.05 < asymmetry(9, "exact") < 0.2


# ---------------------------------------------------------------- one neuron


@pytest.mark.parametrize("discretisation", DISCRETISATIONS)
def test_uncoupled_neurons_have_the_rate_of_constant_input(discretisation):
    for bias, tau_ref in itertools.product(([-3.0, 2.0], [0.0, 0.5]), (1, 2, 10, 50)):
        got = rates(np.zeros((2, 2)), bias, np.ones(5), tau_ref, discretisation)
        np.testing.assert_allclose(got, rate_of_constant_input(bias, tau_ref, discretisation), rtol=1e-13)


@pytest.mark.parametrize("tau_ref", [1, 10, 500])
def test_logistic_rate_is_the_sigmoid(tau_ref):
    u = np.linspace(-30, 30, 61)
    np.testing.assert_allclose(rate_of_constant_input(u, tau_ref) * tau_ref, 1 / (1 + np.exp(-u)), rtol=1e-14)


def test_spike_probability_values_and_extremes():
    assert spike_probability(np.log(10.0), 10) == pytest.approx(0.5, rel=1e-15)
    assert spike_probability(np.log(10.0), 10, "exact") == pytest.approx(1 - np.exp(-1), rel=1e-15)
    u = np.array([[-600.0, -40.0], [60.0, 1e4]])
    for discretisation in DISCRETISATIONS:
        p = spike_probability(u, 1, discretisation)
        assert p.shape == u.shape
        np.testing.assert_allclose(p[0], np.exp(u[0]), rtol=1e-14)  # no cancellation at small rates
        assert (p[1] == 1).all()


# ---------------------------------------------------------------- simulation


@numba.njit(cache=True)
def simulated_spikes(weights, bias, kappa, tau_ref, steps, add, rng):
    """Spikes of two GLM neurons, step by step. add: overlapping PSPs add (Eq 1); else the last one replaces them."""
    n = kappa.size
    future = np.zeros((2, n))  # input of the next n steps, a ring
    last = np.full(2, -tau_ref)
    spikes = np.zeros((2, steps), dtype=np.bool_)
    for t in range(steps):
        for i in range(2):
            u = bias[i] + future[i, t % n]
            future[i, t % n] = 0.0
            if t - last[i] >= tau_ref and rng.random() < 1 / (1 + tau_ref * np.exp(-u)):
                spikes[i, t] = True
        for i in range(2):
            if spikes[i, t]:
                last[i] = t
                for m in range(n):
                    slot = (t + 1 + m) % n
                    psp = weights[1 - i, i] * kappa[m]
                    future[1 - i, slot] = future[1 - i, slot] + psp if add else psp
    return spikes


def summary(pair_rates, spike_rates):
    """Pair rates in bins of lags that cover -30..30, and the two spike rates: what simulation and theory must share."""
    edges = np.array([-30, -16, -10, -6, -3, 0, 1, 4, 7, 11, 17]) + 30
    return np.r_[np.add.reduceat(pair_rates, edges), spike_rates]


def simulation_p_value(weights, bias, kappa, tau_ref, add, claimed_weights, seed):
    """Hotelling's one-sample T^2 test: 200 independent simulations against the theory for the claimed weights."""
    burn_in, steps, samples, rng = 1000, 30_000, [], np.random.default_rng(seed)
    for _ in range(200):
        train = simulated_spikes(weights, bias, kappa, tau_ref, burn_in + steps, add, rng)[:, burn_in:]
        pairs = measured_stdd(np.flatnonzero(train[0]), np.flatnonzero(train[1]), 30, steps)
        samples.append(summary(pairs.rate, train.mean(axis=1)))
    theory = summary(stdd(claimed_weights, bias, kappa, tau_ref, 30).rate, rates(claimed_weights, bias, kappa, tau_ref))
    data = np.array(samples)
    r, k = data.shape
    error = data.mean(axis=0) - theory
    t2 = r * error @ np.linalg.solve(np.cov(data.T), error)
    return f_distribution.sf((r - k) / (k * (r - 1)) * t2, k, r - k)


@pytest.mark.parametrize(
    ("kappa", "add"),
    [(np.ones(10), True), (np.ones(4), True), (alpha(10, 10 / 3, 40), False)],
    ids=["rectangular", "short", "alpha"],
)
def test_agrees_with_simulation(kappa, add):
    """At level 1e-3 the theory is not rejected, and with one weight off by .2 it is at level 1e-6 (paper Fig 13)."""
    rng = np.random.default_rng(kappa.size)
    w10, w01 = rng.uniform(-1, 1, 2)
    bias = rng.uniform(-1, 1, 2)
    weights = np.array([[0.0, w01], [w10, 0.0]])
    assert simulation_p_value(weights, bias, kappa, 10, add, weights, seed=1000) > 1e-3
    wrong = weights + np.array([[0.0, 0.0], [0.2, 0.0]])
    assert simulation_p_value(weights, bias, kappa, 10, add, wrong, seed=1000) < 1e-6


# ---------------------------------------------------------------- measured STDD


def counted_over_all_orders(steps_0, steps_1, t_max):
    """The definition: put every coincidence in both orders, count neighbours of different neurons, average."""
    together = sorted(set(steps_0) & set(steps_1))
    count = np.zeros(2 * t_max + 1)
    for orders in itertools.product((0, 1), repeat=len(together)):
        first = dict(zip(together, orders, strict=True))
        events = [(t, 0 if t not in first else int(first[t] == 1), 0) for t in steps_0]
        events += [(t, 0 if t not in first else int(first[t] == 0), 1) for t in steps_1]
        events.sort()
        for (s, _, a), (t, _, b) in itertools.pairwise(events):
            if a != b and t - s <= t_max:
                count[t_max + (t - s if a == 0 else s - t)] += 1
    return count / 2 ** len(together)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)), st.integers(1, 12))
def test_measured_pairs_are_the_mean_over_the_orders_of_coincidences(train_0, train_1, t_max):
    got = measured_stdd(np.array(sorted(train_0), dtype=int), np.array(sorted(train_1), dtype=int), t_max, 12)
    want = counted_over_all_orders(sorted(train_0), sorted(train_1), t_max) / 12
    np.testing.assert_allclose(got.rate, want, rtol=0, atol=1e-15)


def test_measured_pairs_of_one_example():
    #            0 alone at 1, both at 4, 1 alone at 6, 0 alone at 9 and at 11
    got = measured_stdd(np.array([1, 4, 9, 11]), np.array([4, 6]), 5, 20)
    want = dict.fromkeys(range(-5, 6), 0.0) | {3: 0.5, 0: 1.0, 2: 0.5, -3: 1.0}
    np.testing.assert_allclose(got.rate * 20, list(want.values()), atol=1e-15)
    assert (got.coincident, got.causal.tolist()) == (0.05, [0, 0.025, 0.025, 0, 0])
    assert got.anticausal.tolist() == [0, 0, 0.05, 0, 0]
    assert got.lag.tolist() == list(range(-5, 6))
    assert got.probability.sum() == pytest.approx(1)


# ---------------------------------------------------------------- cost and bad input


def fastest(call, repeats=7):
    call()  # compile
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def test_speed():
    """Measured .57 and .05 ms on one core; the bounds are the ones promised."""
    weights, bias = [[0.0, 0.5], [1.0, 0.0]], [0.0, 0.3]
    assert fastest(lambda: stdd(weights, bias, alpha(10, 10 / 3, 100), 10, 100)) < 20e-3
    assert fastest(lambda: stdd(weights, bias, np.ones(10), 10, 100)) < 1e-3


def test_importing_the_theory_loads_nothing_heavy():
    code = (
        "import sys, salhw; before = set(sys.modules); import salhw.theory; "
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}; "
        "sys.exit(str(new & {'numba', 'scipy', 'matplotlib'}) if new & {'numba', 'scipy', 'matplotlib'} else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


GOOD = {"weights": [[0, 1], [1, 0]], "bias": [0, 0], "kappa": [1.0], "tau_ref": 5, "t_max": 5}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"weights": [[0, 1, 2], [1, 0, 2]]}, r"weights has shape \(2, 3\)"),
        ({"weights": [[0.5, 1], [1, 0]]}, "weights has the diagonal"),
        ({"weights": [[0, np.nan], [1, 0]]}, "weights .*finite"),
        ({"weights": "heavy"}, "weights = 'heavy'"),
        ({"bias": [0]}, "bias has shape"),
        ({"bias": [0, np.inf]}, "bias .*finite"),
        ({"kappa": []}, "kappa has shape"),
        ({"kappa": [[1.0]]}, "kappa has shape"),
        ({"kappa": [np.nan]}, "kappa .*finite"),
        ({"tau_ref": 0}, "tau_ref = 0: .*>= 1"),
        ({"tau_ref": 2.5}, "tau_ref = 2.5: .*whole"),
        ({"tau_ref": True}, "tau_ref = True"),
        ({"t_max": 0}, "t_max = 0"),
        ({"discretisation": "euler"}, "discretisation = 'euler': must be one of logistic, exact"),
        ({"pairing": "nearest"}, "pairing = 'nearest': must be one of nearest_restricted, nearest_symmetric, all"),
        ({"bias": [-2000, 0]}, "bias = .*0 at rest"),
        ({"bias": [800, 800]}, "bias = "),
    ],
)
def test_bad_arguments_are_named(change, match):
    with pytest.raises(ValueError, match=match):
        stdd(**(GOOD | change))


@pytest.mark.parametrize(
    ("steps_0", "steps_1", "duration", "match"),
    [
        ([3, 2], [1], 10, "steps_0 must be strictly increasing"),
        ([2], [1, 1], 10, "steps_1 must be strictly increasing"),
        ([2.5], [1], 10, "steps_0 has dtype"),
        ([2], [10], 10, "steps_1 spans steps"),
        ([-1], [1], 10, "steps_0 spans steps"),
        ([[2]], [1], 10, "steps_0 has shape"),
        ([2], [1], 0, "duration = 0"),
    ],
)
def test_bad_spike_trains_are_named(steps_0, steps_1, duration, match):
    with pytest.raises(ValueError, match=match):
        measured_stdd(np.array(steps_0), np.array(steps_1), 5, duration)


def test_a_distribution_needs_pairs_and_matching_lags():
    with pytest.raises(ValueError, match="sums to 0"):
        _ = measured_stdd([], [3], 5, 10).probability
    with pytest.raises(ValueError, match="lag"):
        STDD(np.arange(3), np.zeros(3))
    with pytest.raises(ValueError, match="shapes"):
        STDD(np.arange(-1, 2), np.zeros(5))
