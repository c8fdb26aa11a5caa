"""Logistic neurons on NEST: the noise that makes them, and networks of them."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import GLM, Network, Population, Projection, Rectangular
from salhw_nest.neurons.noise import NOISE, noise_error


def test_the_noise_makes_the_logistic_law() -> None:
    """1 / (1 + x) = E[exp(-x Y)] for an exponential Y. With the noise's Y, by a million draws of its Poisson numbers,
    the probability to spike is off by what the report says and five standard errors at most (false alarm 1e-5)."""
    random = np.random.default_rng(0)
    level = sum(size * random.poisson(rate, 1_000_000) for size, rate in NOISE.items())
    y = np.exp(-level.astype(float))
    y /= np.exp(sum(rate * np.expm1(-size) for size, rate in NOISE.items()))
    assert 0.002 < noise_error() < 0.0035
    for x in np.exp(np.linspace(-6.0, 6.0, 13)):
        spikes = -np.expm1(-x * y)
        error = spikes.std() / 1000.0
        assert abs(spikes.mean() - x / (1.0 + x)) < noise_error() * x / (1.0 + x) + 5.0 * error


@pytest.mark.parametrize(("dt", "steps"), [(2.0, 3), (0.25, 8)])
def test_a_network_of_logistic_neurons_has_the_references_rates(dt: float, steps: int) -> None:
    """Five neurons, three projections, biases to 3, weights to 2: the five rates of 40 instances against the reference.
    The sum of their squared deviations in standard errors exceeds 30 with less than 2e-5 (chi-squared, 5 degrees)."""
    random = np.random.default_rng(steps)
    projections = []
    for k in range(3):
        weights = random.uniform(-2.0, 2.0, (5, 5)) * (random.random((5, 5)) < 0.5)
        np.fill_diagonal(weights, 0.0)
        projections.append(Projection(f"p{k}", "n", "n", weights, Rectangular(tau_syn=steps * dt), delay=k * dt))
    neuron = GLM(bias=random.uniform(-3.0, 3.0, 5), tau_ref=steps * dt)
    net = Network("five", dt, [Population("n", 5, neuron)], projections)
    means, errors = [], []
    for target in ("nest", "reference"):
        with salhw.compile(net, target).open(instances=40, seed=5) as session:
            session.run(100 * dt)
            counts = session.run(4000 * dt).counts["n"]
        means.append(counts.mean(axis=0))
        errors.append(counts.std(axis=0, ddof=1) / np.sqrt(40))
    assert ((means[0] - means[1]) ** 2 / (errors[0] ** 2 + errors[1] ** 2)).sum() < 30.0
