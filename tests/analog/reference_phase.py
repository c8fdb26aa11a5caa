"""SAL with a reference phase on virtual chips, the experiment of sal_on_chip.py: what is left of the differences of
reciprocal weights, how far the means of pairs drift, and what theory says of the same sensors.

``python tests/analog/reference_phase.py FOLDER [CHIPS [CALIBRATED [SECONDS]]]`` writes the table of
docs/reference-phase.md; the first CALIBRATED of the chips learn with calibrated sensors, too. What FOLDER holds of as
many chips and seconds is not run again. With ``theory`` in the place of FOLDER it writes the table of what is expected
of other lengths, rates, sensors and weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from sal_on_chip import CASES, CHIP, CODE, NET, PAIRS, PERIOD, POST, PRE, RATE, SENSORS, TICK, Course, learn, still

import salhw
from salhw import ReferencePhase, Target
from salhw.description.fields import FloatArray
from salhw.io.files import write_arrays
from salhw.theory import PairField, pair_field, sal_course
from salhw_brainscales2.hardware import sensor

TARGETS = {
    "sensors .2": CASES["(c) sensors .2"],
    "everything mismatched, sensors .2": CHIP.with_variability(dict.fromkeys(SENSORS, 0.2)),
}
READ_NOISE = 2.0  # LSB
REFERENCE, PLAIN, CALIBRATED = "reference of 60 s", "none", "sensors calibrated"
MINUTE = 60_000.0  # ms of a reference phase, and of each part of a calibration
Kept = TypeVar("Kept", Course, PairField)


@cache
def field() -> PairField:
    return pair_field(np.linspace(-2.52, 2.52, 13), [0.0, 0.0], np.ones(10), 10, 60)


W_GRID = np.array([-2.0, -1.0, -0.25, 0.5, 1.25, 2.5])
"""Weights for which pairs are counted on chips; 0 is counted, too."""


def chip_field(seconds: float = 60.0, copies: int = 16, lags: int = round(60.0 / TICK)) -> PairField:
    """What `pair_field` has of GLM neurons, counted on the ideal chip (LIF neurons, exponential PSPs), in steps of
    TICK: its sensors see spikes between the steps of a millisecond."""
    w = np.sort(np.append(W_GRID, 0.0))
    ends = np.array([(a, b) for a in w for b in w if a >= b])  # W[1, 0], W[0, 1]; the other half is their mirror image
    net = still(ends[:, ::-1].ravel())  # into 0, into 1
    pairs, spikes = np.zeros((len(w), len(w), 2 * lags + 1)), np.zeros((len(w), len(w), 2))
    with salhw.compile(net, CASES["(a) ideal"]).open(instances=copies, seed=4) as session:
        session.run(200.0)
        fired = session.run(1000.0 * seconds).spikes["n"]
    cell = fired.instance * ends.size + fired.neuron
    order = np.lexsort((fired.time, cell // 2))
    cell, time = cell[order], fired.time[order]
    pair = cell // 2 % len(ends)
    met = cell[1:] == (cell[:-1] ^ 1)  # neighbours in time, of both neurons of a pair
    lag = np.rint((time[1:] - time[:-1]) / TICK * np.where(cell[1:] % 2, 1, -1)).astype(int)[met]
    steps = 1000.0 / TICK * seconds * copies
    for k, (a, b) in enumerate(ends):
        i, j = np.searchsorted(w, (a, b))
        near = (pair[1:][met] == k) & (np.abs(lag) <= lags)
        counted = np.bincount(lag[near] + lags, minlength=2 * lags + 1) / steps
        each = np.bincount(cell[pair == k] % 2, minlength=2) / steps
        pairs[i, j], pairs[j, i] = counted, counted[::-1]
        spikes[i, j], spikes[j, i] = each, each[::-1]
        if i == j:
            pairs[i, i], spikes[i, i] = (counted + counted[::-1]) / 2, each.mean()
    return PairField(w, pairs, spikes)


def read_variance(rate: float) -> float:
    """Per step, of what the converters add to a weight: two branches, two LSB per pair."""
    return (rate / 2.0) ** 2 * 2.0 * (READ_NOISE**2 + 1.0 / 12.0) / PERIOD


def left_and_drift(
    start: FloatArray, amplitude: FloatArray, tau: FloatArray, rate: float, run: float, reference: float | None,
    of: PairField | None = None, step: float = 1.0,
) -> tuple[float, float]:  # fmt: skip
    """What theory leaves of pairs of weights (pair, synapse) after ``run`` ms: their median |D|, and how far their
    means drift, as a standard deviation; ``amplitude`` and ``tau`` of their sensors are (pair, synapse, branch). Pairs
    are ``of`` GLM neurons in steps of 1 ms, or another field with another ``step``."""
    end = sal_course(
        of or field(), start, rate, amplitude, tau / step, run=round(run / step), update=round(PERIOD / step),
        reference=None if reference is None else round(reference / step), read=step * read_variance(rate),
    )  # fmt: skip
    return float(np.median(np.abs(end[:, 0] - end[:, 1]))), float((end - start).mean(axis=1).std())


def expected(
    target: Target, chips: int, seconds: float, reference: float | None, of: PairField | None = None, step: float = 1.0
) -> tuple[float, float]:
    """Median |D| and drift (sd of the pairs' means) that theory says of the sensors and the starts of ``learn``; pairs
    as for ``left_and_drift``."""
    chosen, executable = target.sample_chips(chips, seed=1), salhw.compile(NET, target)
    place = executable.placement.synapses(NET, "p")
    drawn = sensor.of_chips(chosen, PRE, POST, place, neurons=2 * PAIRS, dt=1.0, amplitude=1.0)
    start = np.random.default_rng(3).normal(0.5, 0.5, (chips, 2 * PAIRS))

    def of_pairs(values: FloatArray) -> FloatArray:
        """(pair, synapse, branch) of (chip, branch, synapse): the synapse into 1, then the one into 0."""
        split = values.reshape(chips, 2, PAIRS, 2)[..., ::-1].transpose(0, 2, 3, 1)
        return np.asarray(split.reshape(-1, 2, 2))

    held = np.rint(start / CODE) * CODE
    pairs, sensors = held.reshape(-1, 2)[:, ::-1], (of_pairs(drawn.amplitude), of_pairs(drawn.tau))
    return left_and_drift(pairs, *sensors, RATE, 1000 * seconds, reference, of, step)


def interval(course: Course, repeats: int = 2000) -> list[tuple[float, float, float]]:
    """Median |D| of effective weights and drift of the means, each with its 95 % interval by bootstrap over chips."""
    gap, rng = np.abs(course.gap(course.effective)[-1]), np.random.default_rng(0)
    drift = course.drift.reshape(gap.shape)
    picks = rng.integers(0, len(gap), (repeats, len(gap)))
    found = []
    for values, of in ((gap, np.median), (drift, np.std)):
        spread = [of(values[pick]) for pick in picks]
        found.append((float(of(values)), *(float(q) for q in np.quantile(spread, [0.025, 0.975]))))
    return found


def of_theory(
    sensors: float = 0.2,
    reference: float | None = 60_000.0,
    rate: float = RATE,
    run: float = 60_000.0,
    mean: float = 0.5,
    pairs: int = 1000,
) -> tuple[float, float]:
    """Median |D| and drift of pairs whose sensors' amplitudes and time constants have a relative spread, lognormal."""
    rng = np.random.default_rng(7)
    start = rng.normal(mean, 0.5, (pairs, 2))
    amplitude, tau = np.exp(sensors * rng.standard_normal((2, pairs, 2, 2)))
    return left_and_drift(start, amplitude, 10.0 * tau, rate, run, reference)


CASES_OF_THEORY: dict[str, list[dict[str, float | None]]] = {
    "sensors 0, .05, .1, .2, .3": [{"sensors": s} for s in (0.0, 0.05, 0.1, 0.2, 0.3)],
    "the same without a reference": [{"sensors": s, "reference": None} for s in (0.0, 0.05, 0.1, 0.2, 0.3)],
    "reference of 5, 20, 60, 120, 600 s": [{"reference": r} for r in (5e3, 20e3, 60e3, 120e3, 600e3)],
    "rate .001 for 240 s, .002 for 120 s, .004 for 60 s, .008 for 30 s": [
        {"rate": RATE / k, "run": 60e3 * k} for k in (4, 2, 1, 0.5)
    ],
    "SAL for 60, 120, 240, 600 s": [{"run": t} for t in (60e3, 120e3, 240e3, 600e3)],
    "weights about -.5, 0, .5, 1, 1.5": [{"mean": m} for m in (-0.5, 0.0, 0.5, 1.0, 1.5)],
}


def table_of_theory() -> None:
    print("| | median \\|D\\| | drift, sd |\n|---|---|---|")
    for name, cases in CASES_OF_THEORY.items():
        found = [of_theory(**case) for case in cases]  # type: ignore[arg-type]
        both = (", ".join(f"{one[k]:.3f}" for one in found) for k in (0, 1))
        print(f"| {name} | {' | '.join(both)} |", flush=True)


def learned(target: Target, method: str, chips: int, seconds: float) -> Course:
    """SAL on the chips of ``learn`` by one of three methods; those that are calibrated are calibrated first."""
    if method == CALIBRATED:
        from salhw_calibration import calibrate_sensors

        made = calibrate_sensors(target, target.sample_chips(chips, seed=1), NET, duration=MINUTE, seed=11)
        return learn(target, chips, seconds, calibration=made)
    return learn(target, chips, seconds, reference=ReferencePhase(MINUTE) if method == REFERENCE else None)


def kept(path: Path, of: type[Kept], compute: Callable[[], Kept]) -> Kept:
    """What ``path`` holds, or else what is computed now and kept there."""
    if not path.exists():
        write_arrays(path, vars(compute()))
    with np.load(path) as arrays:
        return of(**arrays)


def table(folder: Path, chips: int, calibrated: int, seconds: float) -> Iterator[str]:
    """One row for each method and kind of chips."""
    heads = ("chips", "SAL", "median \\|D\\|", "theory, GLM", "drift, sd", "theory, GLM", "saturated")
    yield f"| {' | '.join(heads)} |\n|{len(heads) * '---|'}"
    counted = kept(folder / "pairs.npz", PairField, chip_field)
    for method, many in ((REFERENCE, chips), (PLAIN, chips), (CALIBRATED, calibrated)):
        for name, target in TARGETS.items():
            path = folder / f"{name}, {method}, {many} chips, {seconds:g} s.npz".replace(" ", "_")
            course = kept(path, Course, partial(learned, target, method, many, seconds))
            said = [("", "")] * 2  # of sensors that are calibrated theory knows nothing
            if method != CALIBRATED:
                phase = MINUTE if method == REFERENCE else None
                theory = [expected(target, chips, seconds, phase, *pairs) for pairs in ((counted, TICK), ())]
                said = [(f"{of_chip:.3f}, ", f"{of_glm:.3f}") for of_chip, of_glm in zip(*theory, strict=True)]
            cells = [f"{value:.3f} ({low:.3f}, {high:.3f}) | {''.join(words)}"
                     for (value, low, high), words in zip(interval(course), said, strict=True)]  # fmt: skip
            yield f"| {name} ({many}) | {method} | {' | '.join(cells)} | {course.saturated:.1%} |"


if __name__ == "__main__":
    if sys.argv[1] == "theory":
        table_of_theory()
        sys.exit()
    into, given = Path(sys.argv[1]), [float(word) for word in sys.argv[2:]]
    numbers = (*given, *(50.0, 12.0, 60.0)[len(given) :])
    into.mkdir(exist_ok=True)
    for line in table(into, round(numbers[0]), round(numbers[1]), numbers[2]):
        print(line, flush=True)
