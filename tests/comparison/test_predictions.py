"""What ``fit`` predicts stands beside what runs show: in runs of known weights, and in real ones."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison_examples import pair, ran

from salhw import Fitted, Network
from salhw.comparison.comparison import Predicted
from salhw.comparison.measures import Measure, Run, measures
from salhw.comparison.predictions import MEASURED, Side, predictions
from salhw.compiler.sizes import sizes
from salhw.diagnostics import Diagnostic
from salhw.registry import resolve
from salhw.session.changes import Change, Size

DOCS = Path(__file__).parents[2] / "docs"
UNSEEN = {"spike probability", "mean hazard error"}
SECONDS = 20.0


@pytest.fixture(scope="module")
def run() -> Run:
    """Two neurons of which the first is faster; without the times of their spikes, which nothing here needs."""
    found = ran(pair(), 1000 * SECONDS, 4, 6)
    first, second = found.recording.counts["neurons"].mean(axis=0)
    assert first > second
    return replace(found, recording=replace(found.recording, spikes={}))


def walked(run: Run, weights: np.ndarray) -> Run:
    """A run with other weights: (instance, time, W_01 and W_10), at equal distances and at the end."""
    trace = run.recording.weight_traces["pair"]
    values = np.zeros((len(weights), weights.shape[1] - 1, 2, 2))
    values[:, :, 0, 1], values[:, :, 1, 0] = weights[:, :-1, 0], weights[:, :-1, 1]
    time = np.linspace(0.0, 1000 * SECONDS, weights.shape[1])[:-1]
    traces = {"pair": replace(trace, values=values, time=time)}
    recording = replace(run.recording, weight_traces=traces)
    return replace(run, recording=recording, final={"pair": weights[:, -1]}, start={"pair": weights[:, 0]})


def relaxing(decay: float, settles: float, noise: float, seed: int, instances: int = 64) -> np.ndarray:
    """Weights whose sum stays 2, whose gap W_10 - W_01 decays from -1 to where it settles, with noise in every step."""
    rng, steps = np.random.default_rng(seed), 20
    left, gap = np.exp(-decay * SECONDS / steps), np.full(instances, -1.0)
    gaps = [gap]
    for _ in range(steps):
        gap = settles + left * (gap - settles) + rng.normal(0.0, noise, instances)
        gaps.append(gap)
    path = np.stack(gaps, axis=1)
    return np.stack([1 - path / 2, 1 + path / 2], axis=-1)


def beside(
    quantity: str, target: Run, reference: Run, *, path: str = "projections.pair", fitted: Network | None = None,
    written: Network | None = None,
) -> Predicted:  # fmt: skip
    """One size with what was measured."""
    written = written or pair()
    size = Size(quantity, path, 1.0, 2.0, 0.1, "", "reference")
    change = Change(path, "a", "b", Diagnostic("SAL103", path, "all", "nearest"), (size,))
    made = Fitted(fitted or written, resolve("reference"), (change,), written)
    sides = [Side(r, net, measures(r, written, 1)) for r, net in ((target, made.network), (reference, written))]
    (found,) = predictions(made, *sides)
    return found


def test_decay_and_attractor_are_those_of_gaps_that_relax(run: Run) -> None:
    """Within 5 standard errors, which are as small as they should be; of weights that go nowhere nothing is told."""
    fast, slow = (walked(run, relaxing(*known)) for known in ((0.3, 0.2, 0.05, 1), (0.2, 0.1, 0.05, 2)))
    for quantity, expected, most in (("gap decay", 0.1, 0.02), ("attractor", -0.1, 0.02)):
        found = beside(quantity, fast, slow)
        assert found.measured is not None
        assert found.measured_error is not None
        assert abs(found.measured - expected) < 5 * found.measured_error < 5 * most
    still = walked(run, np.ones((64, 21, 2)) * [0.5, 1.0])
    assert beside("attractor", still, slow).measured is None
    assert beside("gap decay", fast, walked(run, relaxing(0.2, 0.1, 0.05, 2, 3))).measured is None


def test_errors_of_decay_and_attractor_are_what_they_scatter_by(run: Run) -> None:
    known = walked(run, relaxing(0.2, 0.1, 0.0, 0))
    for quantity in ("gap decay", "attractor"):
        found = [beside(quantity, walked(run, relaxing(0.2, 0.1, 0.1, 10 + k, 16)), known) for k in range(60)]
        z = np.array([f.measured / f.measured_error for f in found if f.measured is not None])
        assert len(z) > 55
        assert 0.6 < z.std() < 1.6  # Student's t of 15 degrees of freedom: 1.07; of 60 within .39 (4 standard errors)
        assert abs(z.mean()) < 4 * z.std() / np.sqrt(len(z))


def test_what_has_been_learned_is_read_after_ten_seconds(run: Run) -> None:
    """Weights that move evenly: between samples what lies between; a share that leaves the narrower bounds."""
    path = np.linspace([1.0, 0.0], [2.0, 0.5], 8)[None] + np.linspace(0, 0.1, 5)[:, None, None]
    target, start = walked(run, path), walked(run, np.repeat(path[:, :1], 8, axis=1))
    assert beside("learned weight", target, start).measured == pytest.approx(0.375)
    assert beside("learned gap", target, start).measured == pytest.approx(0.25)
    (p,) = pair().projections
    wide, narrow = (
        pair().replace(projections=[p.replace(plasticity=p.plasticity[0].replace(bounds=(0.0, top)))])
        for top in (5.0, 1.5)
    )
    share = beside("share beyond bounds", target, start, written=narrow, fitted=wide)
    assert share.measured == pytest.approx(0.5 * (0.5 * 2 / 5 + 0.5))  # of five instances two, then all
    short = replace(target, recording=replace(target.recording, duration=9000.0))
    assert beside("learned weight", short, short).measured is None


def test_lags_are_half_of_what_is_drifted_in_a_period(run: Run) -> None:
    path = np.linspace([1.0, 0.0], [2.0, 0.5], 21)[None] + np.linspace(0, 0.1, 5)[:, None, None]
    moving = walked(run, path)
    periods = {"written": pair(update="spike"), "fitted": pair(update="every 400 ms")}
    at = "projections.pair.plasticity"
    assert beside("gap lag", moving, moving, path=at, **periods).measured == pytest.approx(0.2 * 0.5 / SECONDS)
    assert beside("weight lag", moving, moving, path=at, **periods).measured == pytest.approx(0.2 * 0.75 / SECONDS)


def test_weights_are_read_before_anything_runs(run: Run) -> None:
    there = walked(run, np.ones((4, 21, 2)))
    here = walked(run, np.full((3, 21, 2), (1.3, 1.1)))
    found = beside("mean weight", here, there, path="projections.pair.weights")
    assert (found.measured, found.measured_error) == (pytest.approx(0.2), pytest.approx(0.0))
    moved = beside("rms weight change", here, there, path="projections.pair.weights")
    assert moved.measured == pytest.approx(np.sqrt((0.3**2 + 0.1**2) / 2))


def test_rates_are_compared_with_their_standard_error(run: Run) -> None:
    rng = np.random.default_rng(3)
    mine, theirs = (
        Side(run, pair(), [Measure("rate", "populations.neurons", rng.normal(m, 0.1, (n, 1)), ("mean",))])
        for m, n in ((11.5, 9), (10, 30))
    )
    reason = Diagnostic("SAL103", "dt", "1", "2")
    size = Size("rate", "populations.neurons", 10.0, 12.0, 0.2, "Hz", "theory")
    (found,) = predictions(
        Fitted(pair(), resolve("reference"), (Change("dt", "1", "2", reason, (size,)),), pair()), mine, theirs
    )
    assert found.measured == pytest.approx(1.5, abs=0.2)
    assert 0 < found.measured_error < 0.06


def test_predictions_of_a_pairing_hold_in_runs_of_it() -> None:
    """A real change, in runs in which both networks learn on the reference: measured differences are the predicted ones
    within 5 standard errors and what drifts change while the weights move, a tenth."""
    net = pair(pairing="nearest_restricted", learning_rate=0.01, weights=(1.25, 0.75))
    changed = pair(pairing="all", learning_rate=0.01, weights=(1.25, 0.75))
    written, after = ran(net, 10_000.0, 256, 1), ran(changed, 10_000.0, 256, 2)
    found = {size.quantity: size for size in sizes(net, changed)}
    assert {"gap decay", "attractor"} <= set(found)
    for size in (found["gap decay"], found["attractor"]):
        each = beside(size.quantity, after, written, written=net, fitted=changed)
        assert each.measured is not None
        expected = size.changed - size.written
        assert abs(each.measured - expected) < 5 * (each.measured_error or 0.0) + 0.1 * abs(expected)


def test_every_size_is_measured_or_said_not_to_be(run: Run) -> None:
    told = (DOCS / "sizes.md").read_text(encoding="utf-8")
    told = told.partition("## What the quantities are")[2].partition("## Where")[0]
    names = {name for line in re.findall(r"^\| (`.+?) \|", told, re.M) for name in re.findall(r"`([^`]+)`", line)}
    assert names | {"mean weight", "rms weight change"} == {*MEASURED, *UNSEEN}
    compared = (DOCS / "compare.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in compared for name in UNSEEN)
    assert beside("spike probability", run, run).measured is None
