"""Networks of five: the exact chain against the theory of pairs, how states are counted, and what fails the check."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import mutants_dynamics
import numpy as np
import pytest

import salhw
import salhw_reference
from salhw import Recording, theory
from salhw.conformance import run
from salhw.conformance.chain import stationary
from salhw.conformance.checks.networks_of_five import FORGETFUL, Z, drawn, occupancy
from salhw.conformance.lab import Lab

LAB = Lab(salhw_reference.backend, salhw.target("reference"))


@pytest.mark.parametrize("discretisation", ["logistic", "exact"])
def test_two_neurons_spike_as_the_theory_of_pairs_says(discretisation: Any) -> None:
    w, b, tau = np.array([[0.0, 1.5], [-0.7, 0.0]]), np.array([-0.5, 0.4]), 6
    states, _ = stationary(w, b, tau, discretisation)
    expected = theory.rates(w, b, np.ones(tau), tau, discretisation)
    np.testing.assert_allclose(states @ theory.states(2) / tau, expected, rtol=0, atol=1e-7)


def test_neurons_without_input_are_independent_and_soon_forget() -> None:
    tau, b = 4, np.array([-1.0, 0.0, 2.0])
    states, forgets = stationary(np.zeros((3, 3)), b, tau, "logistic")
    active = tau * np.array([theory.rate_of_constant_input(each, tau, "logistic") for each in b])
    product = np.prod(np.where(theory.states(3) == 1, active, 1.0 - active), axis=1)
    np.testing.assert_allclose(states, product, rtol=0, atol=1e-7)
    assert tau < forgets < 20 * tau
    assert stationary(np.zeros((3, 3)), b, tau, "logistic", patience=5)[1] == 5


def test_networks_are_drawn_within_what_is_declared_whatever_the_seed() -> None:
    lab = Lab(LAB.backend, LAB.target, seed=3)
    narrow = LAB.target.neurons["GLM"] | {"bias": salhw.target("loihi2").projections["weights"]}
    low = Lab(LAB.backend, LAB.target.replace(neurons=LAB.target.neurons | {"GLM": narrow}))
    largest = []
    for number in range(6):
        one, other = drawn(LAB, number), drawn(lab, number)
        assert np.array_equal(one.weights, other.weights)
        assert one.forgets < FORGETFUL * one.tau
        assert not one.weights.diagonal().any()
        assert np.abs(drawn(low, number).bias).max() <= 3.96875
        largest.append(np.abs(one.weights).max())
    assert min(largest) < 2.0 < 4.0 < max(largest) <= 20.0


def test_states_are_counted_from_spikes() -> None:
    spikes = SimpleNamespace(time=np.array([100.0, 102.0, 104.0]), start=100.0, instance=np.zeros(3, np.int64), size=5,
                             neuron=np.array([0, 3, 0]))  # fmt: skip
    recording = SimpleNamespace(spikes={"n": spikes}, counts={"n": np.zeros((1, 5))})
    (counts,) = occupancy(LAB, cast(Recording, recording), 3, 8)  # neuron 0 is active in 0..2 and 4..6, 3 in 2..4
    assert {int(state): int(count) for state, count in enumerate(counts) if count} == {8: 1, 9: 1, 1: 2, 0: 1}
    assert Z[9].tolist() == [1, 0, 0, 1, 0]


@pytest.mark.parametrize("name", ["post and pre of sparse synapses swapped", "hazard of half the slope"])
def test_wrong_backends_fail_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the first network; that the reference passes is held by the suite as a whole."""
    monkeypatch.setattr("salhw.conformance.checks.networks_of_five.NETWORKS", 1)
    backend = {m.name: m.factory for m in mutants_dynamics.MUTANTS}[name]()
    found = run(backend, backend.targets()["reference"], checks=["networks-of-five"])["networks-of-five"]
    assert found.outcome == "fail"
    assert found.measured is not None
    assert found.measured > 0.02
