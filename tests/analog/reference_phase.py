"""SAL with a reference phase on virtual chips, the experiment of sal_on_chip.py: what is left of the differences of
reciprocal weights, how far the means of pairs drift, and what theory says of the same sensors.

``python tests/analog/reference_phase.py FOLDER [CHIPS [CALIBRATED [SECONDS]]]`` writes the table of
docs/reference-phase.md; the first CALIBRATED of the chips learn with calibrated sensors, too. What FOLDER holds of as
many chips and seconds is not run again. With ``theory`` in the place of FOLDER it writes the table of what is expected
of other lengths, rates, sensors and weights. ``biases FOLDER [CHIPS]`` draws how far weights are apart on chips whose
neurons alone differ, over what their biases make of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure
from sal_on_chip import CASES, CHIP, CODE, NET, PAIRS, PERIOD, POST, PRE, RATE, SENSORS, TICK, Course, learn, still

import salhw
from salhw import Chip, Exponential, ReferencePhase, Target
from salhw.description.fields import FloatArray
from salhw.io.files import write_arrays, write_figure
from salhw.plots.look import BLACK, COLOURS, GREY, tidy
from salhw.session.executable import Executable
from salhw.theory import PairField, pair_field, sal_course, sal_window
from salhw_brainscales2.circuit import circuit
from salhw_brainscales2.hardware import sensor
from salhw_brainscales2.neurons import cells, leak

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


W_GRID = np.array([-2.0, -1.0, -0.25, 0.0, 0.5, 1.25, 2.3])
"""Weights for which pairs are counted on chips."""
APART = np.array([-1.0, 0.0, 1.0])
"""Differences of biases for which pairs are counted."""
STEP = 0.5  # ms, of GLM neurons with the chip's PSPs


@cache
def decaying() -> PairField:
    """Pairs of GLM neurons with the chip's PSPs, which decay with 5 ms, and biases that differ."""
    psp = Exponential(5.0, area=10.0).sample(STEP, 50)
    return pair_field(np.linspace(-2.5, 2.5, 11), [0.0, 0.0], psp, round(10.0 / STEP), round(60.0 / STEP), apart=APART)


def chip_field(seconds: float = 60.0, copies: int = 16, lags: int = round(60.0 / TICK)) -> PairField:
    """What `pair_field` has of GLM neurons, counted on the ideal chip (LIF neurons, exponential PSPs), in steps of
    TICK: its sensors see spikes between the steps of a millisecond."""
    w = W_GRID
    # W[1, 0], W[0, 1] and neuron 1's bias less neuron 0's; the other half is their mirror image
    ends = np.array([(a, b, d) for d in APART for a in w for b in w if d > 0 or (d == 0 and a >= b)])
    bias = 0.5 * (ends[:, 2:] * [-1.0, 1.0]).ravel()
    cell = cells(NET)["n"]
    sensitive = cell.sensitivity(bias, TICK) / cell.sensitivity(np.zeros_like(bias), TICK)
    net = still(ends[:, 1::-1].ravel() / sensitive, bias)  # into 0, into 1; as strong as at a bias of 0
    shape = (len(APART), len(w), len(w))
    pairs, spikes = np.zeros((*shape, 2 * lags + 1)), np.zeros((*shape, 2))
    with salhw.compile(net, CASES["(a) ideal"]).open(instances=copies, seed=4) as session:
        session.run(200.0)
        fired = session.run(1000.0 * seconds).spikes["n"]
    neuron = fired.instance * len(bias) + fired.neuron
    order = np.lexsort((fired.time, neuron // 2))
    neuron, time = neuron[order], fired.time[order]
    pair = neuron // 2 % len(ends)
    met = neuron[1:] == (neuron[:-1] ^ 1)  # neighbours in time, of both neurons of a pair
    lag = np.rint((time[1:] - time[:-1]) / TICK * np.where(neuron[1:] % 2, 1, -1)).astype(int)[met]
    steps = 1000.0 / TICK * seconds * copies
    for k, (a, b, d) in enumerate(ends):
        (i, j), l = np.searchsorted(w, (a, b)), np.searchsorted(APART, d)
        near = (pair[1:][met] == k) & (np.abs(lag) <= lags)
        counted = np.bincount(lag[near] + lags, minlength=2 * lags + 1) / steps
        each = np.bincount(neuron[pair == k] % 2, minlength=2) / steps
        pairs[l, i, j], pairs[-1 - l, j, i] = counted, counted[::-1]
        spikes[l, i, j], spikes[-1 - l, j, i] = each, each[::-1]
        if i == j and d == 0:
            pairs[l, i, i], spikes[l, i, i] = (counted + counted[::-1]) / 2, each.mean()
    return PairField(APART, w, pairs, spikes)


def read_variance(rate: float) -> float:
    """Per step, of what the converters add to a weight: two branches, two LSB per pair."""
    return (rate / 2.0) ** 2 * 2.0 * (READ_NOISE**2 + 1.0 / 12.0) / PERIOD


def left_and_drift(
    start: FloatArray, amplitude: FloatArray, tau: FloatArray, rate: float, run: float, reference: float | None,
    of: PairField | None = None, step: float = 1.0, apart: FloatArray | float = 0.0,
) -> tuple[float, float]:  # fmt: skip
    """What theory leaves of pairs of weights (pair, synapse) after ``run`` ms: their median |D|, and how far their
    means drift, as a standard deviation; ``amplitude`` and ``tau`` of their sensors are (pair, synapse, branch),
    ``apart`` is what their neurons' biases differ by. Pairs are ``of`` GLM neurons in steps of 1 ms, or another field
    with another ``step``."""
    end = sal_course(
        of or field(), start, rate, amplitude, tau / step, run=round(run / step), update=round(PERIOD / step),
        reference=None if reference is None else round(reference / step), read=step * read_variance(rate), apart=apart,
    )  # fmt: skip
    return float(np.median(np.abs(end[:, 0] - end[:, 1]))), float((end - start).mean(axis=1).std())


def biases(executable: Executable, chips: Sequence[Chip]) -> FloatArray:
    """Of GLM neurons that are as active as those of chips whose description has biases of 0, (chip, neuron): leaks,
    thresholds and the strength of the background differ."""
    made = circuit(NET, executable.target, executable.placement, chips).cells["n"]
    above, grid = (leak(0.0) + made.leak - made.thresh) / made.sigma, np.linspace(-4.0, 4.0, 161)
    return np.interp(above, leak(grid), grid)


def expected(
    target: Target, chips: int, seconds: float, reference: float | None, of: PairField | None = None, step: float = 1.0
) -> tuple[float, float]:
    """Median |D| and drift (sd of the pairs' means) that theory says of the sensors, the neurons and the starts of
    ``learn``; pairs as for ``left_and_drift``."""
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
    apart = np.diff(biases(executable, chosen).reshape(-1, 2)).ravel()
    return left_and_drift(pairs, *sensors, RATE, 1000 * seconds, reference, of, step, apart)


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


def at_rest(mean: FloatArray, apart: FloatArray) -> FloatArray:
    """The difference of the weights into neuron 0 and into 1 at which SAL leaves pairs of GLM neurons with the chip's
    PSPs, of these means and differences of biases, alone, (pair,); NaN where there is none up to 2."""
    gaps, middle = np.linspace(-2.0, 2.0, 81), decaying().pairs.shape[-1] // 2
    window, drifts = sal_window(10.0 / STEP, middle), []
    for gap in gaps:
        pairs, _ = decaying().at(np.stack([mean - gap / 2, mean + gap / 2], axis=1), apart)
        drifts.append((pairs[:, middle:] - pairs[:, middle::-1]) @ window)  # of the gap, halved
    drift, found = np.array(drifts), np.full(len(mean), np.nan)
    for k in range(len(mean)):
        stable = np.flatnonzero((drift[:-1, k] > 0) & (drift[1:, k] <= 0))
        if stable.size:
            i = stable[np.abs(gaps[stable]).argmin()]
            found[k] = gaps[i] + (gaps[1] - gaps[0]) * drift[i, k] / (drift[i, k] - drift[i + 1, k])
    return found


def picture_of_biases(folder: Path, chips: int) -> str:
    """Draws what is left on chips whose sensors are equal and whose converters are exact, a quarter of a minute's mean,
    over ``at_rest``; what that explains."""
    target = CHIP.with_noise(plasticity=False)
    course = kept(folder / f"neurons, {chips} chips.npz".replace(" ", "_"), Course, partial(learn, target, chips, 60.0))
    gap, mean = (of(course.effective)[-3:].mean(axis=0).ravel() for of in (course.gap, course.mean))
    executable = salhw.compile(NET, target)
    apart = np.diff(biases(executable, target.sample_chips(chips, seed=1)).reshape(-1, 2)).ravel()
    said = at_rest(mean, apart)
    known = np.isfinite(said)
    picture = Figure(figsize=(8.5, 3.8), layout="constrained")
    left, right = picture.subplots(1, 2)
    between = np.linspace(-1.0, 1.0, 41)
    for colour, of in zip(COLOURS, (0.0, 0.5, 0.75, 1.0), strict=False):
        left.plot(between, at_rest(np.full(41, of), between), color=colour, label=f"mean weight {of:g}")
    left.set(xlabel="bias of neuron 1 less that of neuron 0", ylabel="weight onto 0 less weight onto 1, at rest")
    right.plot(said[known], gap[known], ".", color=BLACK, markersize=4)
    right.axline((0, 0), slope=1, color=GREY, linewidth=0.8)
    right.set(xlabel="at rest, by the biases of the chip's neurons", ylabel="on the chip, after 60 s of SAL")
    left.legend(frameon=False)
    for axes, title in ((left, "a  theory: PSPs that decay"), (right, f"b  {known.sum()} pairs on {chips} chips")):
        tidy(axes, title)
    write_figure(folder / "reference_phase_biases.png", picture, dpi=110)
    r, size = np.corrcoef(said[known], gap[known])[0, 1], np.median(np.abs(gap))
    return f"{known.sum()} of {len(gap)} pairs: r = {r:.3f}; median |D| {size:.3f}"


def of_theory(
    sensors: float = 0.2,
    reference: float | None = 60_000.0,
    rate: float = RATE,
    run: float = 60_000.0,
    mean: float = 0.5,
    pairs: int = 1000,
) -> tuple[float, float]:
    """Median |D| and drift of pairs of GLM neurons of equal biases with the chip's PSPs, whose sensors' amplitudes and
    time constants have a relative spread, lognormal."""
    rng = np.random.default_rng(7)
    start = rng.normal(mean, 0.5, (pairs, 2))
    amplitude, tau = np.exp(sensors * rng.standard_normal((2, pairs, 2, 2)))
    return left_and_drift(start, amplitude, 10.0 * tau, rate, run, reference, decaying(), STEP)


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
                fields = ((counted, TICK), (decaying(), STEP))
                theory = [expected(target, chips, seconds, phase, *each) for each in fields]
                said = [(f"{of_chip:.3f}, ", f"{of_glm:.3f}") for of_chip, of_glm in zip(*theory, strict=True)]
            cells = [f"{value:.3f} ({low:.3f}, {high:.3f}) | {''.join(words)}"
                     for (value, low, high), words in zip(interval(course), said, strict=True)]  # fmt: skip
            yield f"| {name} ({many}) | {method} | {' | '.join(cells)} | {course.saturated:.1%} |"


if __name__ == "__main__":
    if sys.argv[1] == "theory":
        table_of_theory()
        sys.exit()
    if sys.argv[1] == "biases":
        Path(sys.argv[2]).mkdir(exist_ok=True)
        print(picture_of_biases(Path(sys.argv[2]), int((*sys.argv, 12)[3])))
        sys.exit()
    into, given = Path(sys.argv[1]), [float(word) for word in sys.argv[2:]]
    numbers = (*given, *(50.0, 12.0, 60.0)[len(given) :])
    into.mkdir(exist_ok=True)
    for line in table(into, round(numbers[0]), round(numbers[1]), numbers[2]):
        print(line, flush=True)
