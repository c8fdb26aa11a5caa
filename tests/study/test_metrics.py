"""Metrics are what their docstrings say, chip by chip."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import salhw
from salhw.registry import builder
from salhw.study import Finished
from salhw.study.metrics import metric
from salhw.theory import distribution, kl_divergence
from salhw_calibration import effective_weights

CHIPS = 3


@pytest.fixture(scope="module")
def sampled() -> Iterator[Finished]:
    """The sampling network with SAL on three chips whose biases differ."""
    net = builder("sampling")(size=4, noise=0.3, sal_rate=0.001, update="spike", sample=500.0)
    net = net.replace(probes=(*net.probes, salhw.Spikes("neurons")))
    target = salhw.target("reference").with_variability({"bias": 0.5})
    exe, chips = salhw.compile(net, target), target.sample_chips(CHIPS, seed=3)
    with exe.open(chips=chips, seed=4) as session:
        yield Finished(net, exe, session.run(2000.0), session, chips, 4)


def held(finished: Finished) -> np.ndarray:
    return finished.session.get("projections.recurrent.weights")


def test_rate_and_rate_error(sampled: Finished) -> None:
    rates = sampled.recording.counts["neurons"] / 2.0
    np.testing.assert_allclose(metric("rate")(sampled), rates.mean(axis=1))
    static = sampled.described.replace(projections=[p.replace(plasticity=()) for p in sampled.described.projections])
    ideal = salhw.run(static, salhw.target("reference").ideal(), duration=2000.0, instances=16)
    goal = ideal.counts["neurons"].mean(axis=0) / 2.0
    np.testing.assert_allclose(metric("rate_error")(sampled), np.sqrt(((rates - goal) ** 2).mean(axis=1)))


def test_asymmetry_and_angle_of_what_the_chip_holds(sampled: Finished) -> None:
    upper = np.triu_indices(4, 1)
    for k, w in enumerate(held(sampled)):
        there, back = w[upper], w.T[upper]
        cosine = there @ back / np.linalg.norm(there) / np.linalg.norm(back)
        assert metric("asymmetry")(sampled)[k] == pytest.approx(np.abs(there - back).mean())
        assert metric("alignment_angle")(sampled)[k] == pytest.approx(np.degrees(np.arccos(cosine)))


def test_how_far_the_means_of_pairs_have_moved(sampled: Finished) -> None:
    described = sampled.described.projections[0].weights.stored
    moved = (held(sampled) + held(sampled).swapaxes(1, 2) - described - described.T) / 2.0
    first, second = np.triu_indices(4, 1)
    expected = np.sqrt((moved[:, first, second] ** 2).mean(axis=1))
    np.testing.assert_allclose(metric("pair_drift")(sampled), expected, atol=1e-12)


def test_pairs_of_a_random_connector_move_from_what_was_drawn() -> None:
    drawn = salhw.FixedProbability(weight=0.5, p=0.8)
    net = salhw.Network(
        name="drawn", dt=1.0, populations=[salhw.Population("n", 6, salhw.GLM(bias=0.0, tau_ref=10.0))],
        projections=[salhw.Projection("p", "n", "n", drawn, salhw.Rectangular(10.0))],
    )  # fmt: skip
    exe = salhw.compile(net, "reference")
    chips = exe.target.sample_chips(2, seed=1)
    with exe.open(chips=chips, seed=1) as session:
        moved = session.get("projections.p.weights", form="synapses") + np.array([[0.1], [-0.3]])
        session.set("projections.p.weights", moved, form="synapses")
        finished = Finished(net, exe, session.run(10.0), session, chips, 1)
        np.testing.assert_allclose(metric("pair_drift")(finished), [0.1, 0.3])


def test_state_divergence_from_the_described_symmetric_network(sampled: Finished) -> None:
    net = sampled.described
    w, b = net.projections[0].weights.stored, net.populations[0].neuron.bias
    exact = distribution((w + w.T) / 2, b)
    shares = sampled.recording.state_occupancy["neurons"].values
    np.testing.assert_allclose(metric("state_divergence")(sampled), [kl_divergence(p, exact) for p in shares])


def test_quantities_of_compare(sampled: Finished) -> None:
    np.testing.assert_allclose(metric("compared")(sampled, quantity="rate"), metric("rate")(sampled))
    np.testing.assert_allclose(metric("compared")(sampled, quantity="asymmetry"), metric("asymmetry")(sampled))
    with pytest.raises(salhw.DescriptionError, match=r"SAL009 quantity = 'rat': .*\n.*did you mean rate"):
        metric("compared")(sampled, quantity="rat")


def test_effective_asymmetry_is_measured_from_spikes(sampled: Finished) -> None:
    """Of weights as the reference holds them: within 5 standard errors of the least certain weight, whose mean over
    pairs is surer than that."""
    before = held(sampled)
    measured = metric("effective_asymmetry")(sampled, duration=20_000.0)
    told = effective_weights(
        sampled.executable, chips=sampled.chips, duration=20_000.0, seed=sampled.seed ^ 1, weights=sampled.session
    )
    weights, errors = told.weights["recurrent"], told.standard_errors["recurrent"]
    upper = np.triu_indices(4, 1)
    np.testing.assert_allclose(measured, [np.abs(w - w.T)[upper].mean() for w in weights])
    assert np.nanmax(errors) < 0.2
    np.testing.assert_allclose(measured, metric("asymmetry")(sampled), atol=5 * np.nanmax(errors))
    np.testing.assert_array_equal(held(sampled), before)


def test_accuracy_counts_presentations_whose_neuron_spikes_most(sampled: Finished) -> None:
    """Two presentations of 1 s: by the spikes themselves, ties shared, and without the first half second."""
    trains = sampled.recording.spikes["neurons"]
    for skip in (0.0, 500.0):
        wanted = np.zeros(CHIPS)
        for k in range(CHIPS):
            for part, label in enumerate((1, 3)):
                begin = trains.start + 1000.0 * part
                counts = [
                    sum(begin + skip <= t < begin + 1000.0 for t in trains.times(neuron, k)) for neuron in range(4)
                ]
                wanted[k] += 0.5 * (counts[label] == max(counts)) / counts.count(max(counts))
        np.testing.assert_allclose(metric("accuracy")(sampled, labels=[1, 3], skip=skip), wanted)
    silent = metric("accuracy")(sampled, labels=[0, 2], skip=1000.0)
    np.testing.assert_allclose(silent, 0.25)  # nobody spikes: one in four by chance
    for labels in ([], [4]):
        with pytest.raises(salhw.DescriptionError, match="SAL904"):
            metric("accuracy")(sampled, labels=labels)
