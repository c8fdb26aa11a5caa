"""Exact Boltzmann distributions against their definitions, written out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salhw.theory import distribution, kl_divergence, marginal, moments, states


def random_network(n, seed, size=1.5):
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.normal(0, size, (n, n)), 1)
    return weights + weights.T, rng.normal(0, size, n)


def test_states_are_the_bits_of_their_index():
    assert states(3).tolist() == [[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)]
    assert states(1).tolist() == [[0], [1]]
    assert states(20).shape == (2**20, 20)
    assert states(5).dtype == np.uint8


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_distribution_is_the_exponential_of_the_energy(n):
    weights, bias = random_network(n, n)
    energies = []
    for bits in itertools.product((0, 1), repeat=n):  # itertools counts up in the last position: neuron 0 comes last
        z = bits[::-1]
        pairs = sum(weights[i, j] * z[i] * z[j] for i in range(n) for j in range(n))
        energies.append(-pairs / 2 - sum(bias[i] * z[i] for i in range(n)))
    want = np.exp(-np.array(energies))
    got = distribution(weights, bias)
    np.testing.assert_allclose(got, want / want.sum(), rtol=1e-12)
    assert got.sum() == pytest.approx(1, abs=1e-14)


def test_two_neurons_by_hand():
    got = distribution([[0, 2.0], [2.0, 0]], [0.5, -1.0])
    odds = np.exp([0.0, 0.5, -1.0, 0.5 - 1.0 + 2.0])  # 00, neuron 0, neuron 1, both
    np.testing.assert_allclose(got, odds / odds.sum(), rtol=1e-15)


def test_huge_energies_do_not_overflow():
    got = distribution([[0, 900.0], [900.0, 0]], [-200.0, 300.0])
    np.testing.assert_allclose(got, [0, 0, 0, 1], atol=1e-300)
    assert np.isfinite(distribution([[0, -900.0], [-900.0, 0]], [-900.0, 900.0])).all()


def test_the_largest_network():
    _, bias = random_network(20, 3)
    p = distribution(np.zeros((20, 20)), bias)
    mean, pair = moments(p)
    active = 1 / (1 + np.exp(-bias))
    np.testing.assert_allclose(mean, active, rtol=1e-11)
    np.testing.assert_allclose(pair, np.outer(active, active) * (1 - np.eye(20)) + np.diag(active), rtol=1e-11)


def test_moments_and_marginals_are_sums_over_states():
    weights, bias = random_network(6, 11)
    p = distribution(weights, bias)
    z = states(6).astype(float)
    mean, pair = moments(p)
    np.testing.assert_allclose(mean, z.T @ p, rtol=1e-12)
    np.testing.assert_allclose(pair, z.T @ (p[:, None] * z), rtol=1e-12)
    for neurons in ([0], [5, 0], [2, 4, 1], [0, 1, 2, 3, 4, 5], [3, 5, 4, 1, 0, 2]):
        want = np.zeros(2 ** len(neurons))
        for state, probability in zip(states(6), p, strict=True):
            want[sum(int(state[k]) << bit for bit, k in enumerate(neurons))] += probability
        np.testing.assert_allclose(marginal(p, neurons), want, rtol=1e-12)


def test_moments_are_the_gradient_of_the_free_energy():
    weights, bias = random_network(4, 2)
    mean, pair = moments(distribution(weights, bias))
    h = 1e-5

    def log_z(w, b):
        return -math.log(distribution(w, b)[0])  # the empty state has energy 0

    for i in range(4):
        db = h * np.eye(4)[i]
        assert (log_z(weights, bias + db) - log_z(weights, bias - db)) / (2 * h) == pytest.approx(mean[i], abs=1e-9)
    dw = np.zeros((4, 4))
    dw[1, 3] = dw[3, 1] = h
    assert (log_z(weights + dw, bias) - log_z(weights - dw, bias)) / (2 * h) == pytest.approx(pair[1, 3], abs=1e-9)


weights_of_states = st.lists(st.floats(0.01, 10), min_size=8, max_size=8).map(lambda v: np.array(v) / np.sum(v))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(weights_of_states, weights_of_states)
def test_divergence_is_positive_additive_and_shrinks_by_marginalising(p, q):
    d = kl_divergence(p, q)
    assert d == pytest.approx(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)), rel=1e-9, abs=1e-14)
    assert d >= 0.5 * np.abs(p - q).sum() ** 2 - 1e-15  # Pinsker
    assert kl_divergence(p, p) == 0
    assert kl_divergence(np.kron(p, p), np.kron(q, q)) == pytest.approx(2 * d, rel=1e-9, abs=1e-14)
    assert kl_divergence(marginal(p, [0, 2]), marginal(q, [0, 2])) <= d + 1e-14


def test_divergence_with_zeros():
    assert kl_divergence([0, 1.0], [0.25, 0.75]) == pytest.approx(math.log(4 / 3))
    assert kl_divergence([0.25, 0.75], [0, 1.0]) == math.inf
    assert kl_divergence([0, 1.0], [0, 1.0]) == 0
    assert kl_divergence([0.5, 0.5], [1 - 1e-300, 1e-300]) == pytest.approx(0.5 * math.log(1e300) - math.log(2))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: states(0), "n = 0"),
        (lambda: states(21), "n = 21: must be <= 20"),
        (lambda: distribution(np.zeros((21, 21)), np.zeros(21)), "= 21: must be <= 20"),
        (lambda: distribution([[0, 1], [1.001, 0]], [0, 0]), r"weights\[0, 1\] = 1 but weights\[1, 0\] = 1.001"),
        (lambda: distribution([[0.1, 1], [1, 0]], [0, 0]), "weights has the diagonal"),
        (lambda: distribution([[0, 1], [1, 0]], [0, 0, 0]), r"weights has shape \(2, 2\): must be \(3, 3\)"),
        (lambda: distribution([[0, np.nan], [1, 0]], [0, 0]), "weights .*finite"),
        (lambda: distribution([[0, 1], [1, 0]], [[0, 0]]), "bias has shape"),
        (lambda: kl_divergence([0.5, 0.5], [0.25] * 4), "p, q have lengths 2, 4"),
        (lambda: kl_divergence([0.5, 0.6], [0.5, 0.5]), "p sums to 1.1"),
        (lambda: kl_divergence([0.5, 0.5], [-0.5, 1.5]), "q has the entry -0.5"),
        (lambda: marginal([0.25] * 4, [0, 0]), "neurons = .*all different"),
        (lambda: marginal([0.25] * 4, [2]), r"neurons = \[2\]: .*0..1"),
        (lambda: marginal([0.25] * 4, []), "neurons = "),
        (lambda: marginal([0.2] * 5, [0]), "p has length 5"),
        (lambda: moments([1.0]), "p has length 1"),
    ],
)
def test_bad_arguments_are_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_symmetry_is_needed_only_within_rounding():
    exact = distribution([[0, 0.3], [0.3, 0]], [0, 0])
    np.testing.assert_allclose(distribution([[0, 0.3 + 1e-12], [0.3, 0]], [0, 0]), exact, rtol=1e-11)
