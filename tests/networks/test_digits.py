"""Digits without a teacher: what the network learns from patterns, how answers are read, and the experiment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import salhw
from salhw import LIF, Poisson
from salhw_networks.digits import recognition
from salhw_networks.digits.network import (
    HIGHEST,
    REST,
    SHOWN,
    THRESHOLD,
    TOTAL,
    network,
    normalised,
    showing,
    with_thresholds,
)
from salhw_networks.digits.readout import assigned, likeness, told
from salhw_networks.digits.recognition import shown


def test_an_image_is_shown_and_then_the_dark() -> None:
    (stimulus,) = showing(network(neurons=2, pixels=2), np.array([[0.0, 1.0], [0.5, 0.0]])).stimuli
    assert isinstance(stimulus, Poisson)
    at = [stimulus.point(step, 1.0) for step in (0, round(SHOWN) - 1, round(SHOWN), round(SHOWN + REST))]
    expected = [[0.0, HIGHEST], [0.0, HIGHEST], [0.0, 0.0], [0.5 * HIGHEST, 0.0]]
    np.testing.assert_array_equal(stimulus.points[at], expected)


def test_weights_are_normalised_within_their_bounds() -> None:
    weights = normalised(np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 5.0]]) / TOTAL)
    np.testing.assert_allclose(weights, [[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    assert normalised(np.random.default_rng(1).random((3, 64))).sum(axis=1) == pytest.approx([TOTAL] * 3)


def test_answers_are_read_as_the_paper_reads_them() -> None:
    """Two neurons for 3, one for 7: a digit has the mean of its neurons, and who hears nothing says nothing."""
    counts = np.array([[4.0, 3.0, 0.0], [2.0, 1.0, 1.0], [1.0, 0.0, 5.0]])
    digit_of = assigned(counts, np.array([3, 3, 7]))
    assert digit_of.tolist() == [3, 3, 7]
    assert told(np.array([[2.0, 0.0, 1.5], [3.0, 1.0, 1.5], [0.0, 0.0, 0.0]]), digit_of).tolist() == [7, 3, -1]


def test_neurons_learn_the_patterns_that_they_win() -> None:
    """Two patterns of sixteen pixels each, twenty times: fields become patterns (a correlation above .9, from below .6)
    and each pattern has its neurons, who answer it and not the other."""
    patterns = np.kron(np.eye(2), np.ones(16))
    net = network(neurons=6, pixels=32, theta_plus=1.0)
    begin = normalised(np.random.default_rng(2).uniform(0.2, 1.0, (6, 32)))
    with salhw.compile(showing(net, np.tile(patterns, (20, 1))), "reference").open(seed=1) as session:
        session.set("projections.input.weights", begin)
        for _ in range(40):
            counts = shown(session)
            session.set("projections.input.weights", normalised(session.get("projections.input.weights")))
        last = counts[0]
        fields = session.get("projections.input.weights")[0]
    assert likeness(begin, patterns).max() < 0.6
    assert likeness(fields, patterns).min() > 0.9
    prefers = fields @ patterns.T
    assert {*np.argmax(prefers, axis=1).tolist()} == {0, 1}
    assert last[np.argmax(prefers, axis=1) == 0].sum() == 0.0 < last.sum()


def test_thresholds_that_are_read_are_those_that_spikes_have_raised() -> None:
    """A neuron that has adapted spikes first as one whose threshold is put where its spikes have left it."""
    pulse = np.ones((1, 4))
    net = network(neurons=1, pixels=4, learning_rate=0.0, theta_plus=4.0, tau_theta=1e9)
    with salhw.compile(showing(net, np.tile(pulse, (2, 1))), "reference").open(seed=3) as session:
        theta = 4.0 * shown(session)[0]
        adapted = shown(session)[0]
    still = with_thresholds(net, theta)
    neuron = still.population("excitatory").neuron
    assert isinstance(neuron, LIF)
    assert (neuron.v_thresh, neuron.theta_plus) == (THRESHOLD + theta, 0.0)
    assert 0 < adapted[0] < theta[0] / 4.0


def test_the_experiment_runs_judges_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four neurons, too few to learn: nothing is judged, and everything is written."""
    tiny = recognition.Scale(neurons=4, images=8, epochs=1, tested=4, seeds=2, judged=False)
    monkeypatch.setitem(recognition.SCALES, "smoke", tiny)
    result = recognition.experiment(tmp_path, scale="smoke")
    assert [row["agrees"] for row in result["rows"]] == [None] * 7
    assert all((tmp_path / file).stat().st_size > 500 for file in result["files"])


def test_what_is_no_better_than_chance_is_refused() -> None:
    """Eight seeds that are right by chance, whether they learn or not; fields that are like no image."""
    scale, rng = recognition.SCALES["default"], np.random.default_rng(4)
    data = {f"{name}_right": rng.random((8, 359)) < 0.1 for name in ("learned", "untrained", "k-means")}
    data |= {f"{name}_weights": rng.random((8, 100, 64)) for name in ("learned", "untrained")}
    assert [claim.agrees for claim in recognition.judge(data, scale) if claim.agrees is not None] == [False] * 3


@pytest.mark.parametrize("name", ["loihi2", "brainscales2"])
def test_targets_without_thresholds_that_adapt_say_so(name: str) -> None:
    found = {(finding.code, finding.path) for finding in salhw.problems(network(), name)}
    assert ("SAL102", "populations.excitatory.theta_plus") in found


def test_nest_trains_it_likewise() -> None:
    """The same images in other noise: with 24 instances the spikes per image agree within 4.5 standard errors, and
    weights that learn change by as much."""
    scale = recognition.Scale(neurons=3, images=6, epochs=1, tested=0, seeds=24)
    here, there = (recognition.train(target, scale, True, lambda _: None) for target in ("reference", "nest"))
    for part in ("spikes", "theta", "weights"):
        first, second = (run[part].reshape(24, -1).mean(axis=1) for run in (here, there))
        if part == "weights":
            first, second = (run[part].max(axis=(1, 2)) for run in (here, there))
        error = np.hypot(first.std(ddof=1), second.std(ddof=1)) / np.sqrt(24)
        assert abs(first.mean() - second.mean()) < 4.5 * error, part


@pytest.mark.slow
def test_digits_at_full_size(tmp_path: Path) -> None:
    """100 neurons, 1,400 images three times, eight seeds: what is judged agrees."""
    result = recognition.experiment(tmp_path)
    assert [row["what"] for row in result["rows"] if row["agrees"] is False] == []
