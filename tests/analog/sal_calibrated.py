"""Calibration and SAL on the same virtual chips (sal_on_chip.py): sensors as they are measured, what correcting them
does to SAL, and the asymmetry of effective weights that calibration, SAL, or both leave.

``python tests/analog/sal_calibrated.py STAGE FOLDER [CHIPS [MEASURED [SECONDS]]]``, STAGE sensors, learning or both,
prints the tables of docs/calibration.md and writes their figure: CHIPS chips, MEASURED seconds for each measurement,
SECONDS of SAL.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sal_on_chip import (
    BIASES,
    CHIP,
    NET,
    PAIRS,
    POST,
    PRE,
    SENSORS,
    WEIGHTS,
    Course,
    learn,
    mismatched_sensors,
    on_chip,
)

import salhw
from salhw import Target
from salhw.description.fields import FloatArray
from salhw.io.files import write_arrays, write_figure
from salhw.plots.look import COLOURS, legend_beside, tidy
from salhw_brainscales2.effective import effective_weights
from salhw_brainscales2.hardware import sensor
from salhw_calibration import Calibration, CorrelationSensors, calibrate, calibrate_sensors, correlation_sensors

SPREAD = 0.2
TARGETS = {
    "sensors alone": mismatched_sensors(SPREAD),
    "static mismatch, too": CHIP.with_variability(dict.fromkeys(SENSORS, SPREAD)),
}
WAFER = 1  # of sal_on_chip.learn


@dataclass(frozen=True)
class Recovered:
    """One quantity of all sensors of all chips, flat: measured, true, and half the width of its 95 % interval."""

    measured: FloatArray
    true: FloatArray
    half_width: FloatArray

    @property
    def coverage(self) -> float:
        """The share of intervals that hold the truth."""
        return float(np.mean(np.abs(self.measured - self.true) < self.half_width))

    @property
    def correlation(self) -> float:
        """Of what was measured with the truth."""
        return float(np.corrcoef(self.measured, self.true)[0, 1])


def recover(
    target: Target, chips: int, seconds: float, seed: int = 5, forced: bool = True
) -> tuple[dict[str, Recovered], CorrelationSensors]:
    """Sensors measured through a session beside the fixed pattern that was drawn."""
    executable, chosen = salhw.compile(NET, target), target.sample_chips(chips, seed=WAFER)
    found = correlation_sensors(executable, chips=chosen, duration=1000.0 * seconds, seed=seed, forced=forced)
    place = executable.placement.synapses(NET, "p")
    drawn = sensor.of_chips(chosen, PRE, POST, place, neurons=2 * PAIRS, dt=1.0, amplitude=1.0)
    truth = {"amplitude": drawn.amplitude, "tau": drawn.tau}

    recovered = {
        name: Recovered(
            getattr(found, name)["p"].ravel(),
            true.ravel(),
            (found.quantile("p") * getattr(found, f"{name}_errors")["p"]).ravel(),
        )
        for name, true in truth.items()
    }
    return recovered, found


def after_calibration(
    target: Target, chips: int, measured: float, seconds: float
) -> tuple[Course, Course, Calibration]:
    """SAL on chips as they are, and with their sensors calibrated."""
    chosen = target.sample_chips(chips, seed=WAFER)
    made = calibrate_sensors(target, chosen, NET, duration=1000.0 * measured, seed=11)
    return learn(target, chips, seconds), learn(target, chips, seconds, calibration=made), made


def left(course: Course) -> float:
    """The median difference of reciprocal effective weights at the end."""
    return float(np.median(np.abs(course.gap(course.effective)[-1])))


def starts(chips: int) -> dict[str, FloatArray]:
    """Nominal weights: of each pair alike, or independent."""
    drawn = np.random.default_rng(3).normal(0.5, 0.5, (chips, 2 * PAIRS))
    return {"alike": np.repeat(drawn[:, ::2], 2, axis=1), "independent": drawn}


def written(target: Target, chips: int, start: FloatArray, calibration: Calibration | None) -> FloatArray:
    """The effective weights of chips that ``start`` is written into, (chip, synapse)."""
    executable, chosen = salhw.compile(NET, target, calibration=calibration), target.sample_chips(chips, seed=WAFER)
    with executable.open(chips=chosen, seed=2) as session:
        session.set(WEIGHTS, start)
        held, bias = (on_chip(executable, calibration, chips, path, session.get(path)) for path in (WEIGHTS, BIASES))
    return effective_weights(executable, chosen, "p", held, bias)


def asymmetries(
    target: Target, chips: int, seconds: float, start: FloatArray, whole: Calibration, sensors: Calibration
) -> dict[str, FloatArray]:
    """|W_ij - W_ji| of effective weights, (chip, pair), by what was done to the chips."""

    def learned(calibration: Calibration | None) -> FloatArray:
        course = learn(target, chips, seconds, start=start, calibration=calibration)
        return np.abs(Course.gap(course.effective[-1]))

    ways: dict[str, Callable[[], FloatArray]] = {
        "as they are": lambda: np.abs(Course.gap(written(target, chips, start, None))),
        "calibrated": lambda: np.abs(Course.gap(written(target, chips, start, whole))),
        "SAL": lambda: learned(None),
        "SAL, sensors calibrated": lambda: learned(sensors),
        "calibrated + SAL": lambda: learned(whole),
    }
    return {name: way() for name, way in ways.items()}


def rows(found: dict[str, dict[str, FloatArray]]) -> Iterator[str]:
    """A table: median and 90 % quantile over pairs, for each start."""
    yield f"| chips | {' | '.join(f'{name}: median | 90 %' for name in found)} |"
    yield "|---|" + "---|---|" * len(found)
    for way in next(iter(found.values())):
        numbers = [f"{np.median(of[way]):.3f} | {np.quantile(of[way], 0.9):.3f}" for of in found.values()]
        yield f"| {way} | {' | '.join(numbers)} |"


def figure(found: dict[str, dict[str, FloatArray]], path: Path) -> Path:
    """Cumulative distributions of the asymmetry, a panel for each start."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(10, 4), layout="constrained")
    for panel, (name, of) in zip(picture.subplots(1, len(found), sharey=True), found.items(), strict=True):
        for (way, values), colour in zip(of.items(), COLOURS, strict=False):
            panel.plot(np.sort(values.ravel()), np.linspace(0, 1, values.size), color=colour, label=way)
        panel.set(xlabel="$|W_{ij} - W_{ji}|$ of effective weights", xlim=(0, 1.5))
        tidy(panel, f"nominal weights {name}")
    picture.axes[0].set_ylabel("share of pairs below")
    legend_beside(picture.axes[-1], "chips")
    return write_figure(path, picture, dpi=110)


def sensors_stage(chips: int, measured: float) -> None:
    for name, target in TARGETS.items():
        began = time.perf_counter()
        recovered, found = recover(target, chips, measured)
        for quantity, r in recovered.items():
            error = np.sqrt(np.mean((r.measured - r.true) ** 2))
            print(f"{name}: {quantity}: coverage {r.coverage:.1%} of {r.true.size}, r {r.correlation:.4f}, "
                  f"rms error {error:.4f}, {time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
        noise, offset = (np.nanmean(of["p"]) for of in (found.noise, found.offset))
        print(f"{name}: noise {noise:.3f} pairs, mean offset {offset:+.3f} pairs", flush=True)


def learning_stage(chips: int, measured: float, seconds: float) -> None:
    print("| chips | sensors | median \\|D\\|, end | drift of means, sd | chips that grow | saturated |")
    print("|---|---|---|---|---|---|")
    for name, target in TARGETS.items():
        *courses, made = after_calibration(target, chips, measured, seconds)
        for how, c in zip(("as they are", "calibrated"), courses, strict=True):
            print(
                f"| {name} | {how} | {left(c):.3f} | {c.drift.std():.3f} | {c.growing} | {c.saturated:.1%} |",
                flush=True,
            )
        print(made.summary["sensor"], flush=True)


def both_stage(folder: Path, chips: int, measured: float, seconds: float) -> None:
    """Weights and biases first, then sensors; what was measured is kept in ``folder``, and read by the next call."""
    target = TARGETS["static mismatch, too"]
    chosen, name = target.sample_chips(chips, seed=WAFER), f"{chips}-{measured:g}.h5"
    (learning,) = NET.projections
    fixed = NET.replace(projections=[learning.replace(plasticity=())])

    def kept(what: str, measure: Callable[[], Calibration]) -> Calibration:
        path = folder / f"{what}-{name}"
        if not path.is_file():
            measure().save(path)
        return Calibration.load(path)

    weights = kept("weights", lambda: calibrate(target, chosen, net=fixed, duration=1e3 * measured, rounds=1, seed=21))
    print(weights.summary, flush=True)
    whole = kept("whole", lambda: calibrate_sensors(
        target, chosen, NET, calibration=weights, duration=1e3 * measured, seed=11,
    ))  # fmt: skip
    print(whole.summary, flush=True)
    unknown = {part: np.full_like(getattr(whole, part), np.nan) for part in ("gain", "offset", "slope")}
    sensors = replace(whole, **unknown)  # the same efficacies alone
    found = {name: asymmetries(target, chips, seconds, start, whole, sensors) for name, start in starts(chips).items()}
    print("\n".join(rows(found)), flush=True)
    kept = {f"{start}, {way}": gap for start, of in found.items() for way, gap in of.items()}
    write_arrays(folder / "sal_and_calibration.npz", kept)
    figure(found, folder / "sal_and_calibration.png")


if __name__ == "__main__":
    stage, place, given = sys.argv[1], Path(sys.argv[2]), [float(word) for word in sys.argv[3:]]
    place.mkdir(exist_ok=True)
    count, long, learning = [*given, *(20.0, 60.0, 60.0)[len(given) :]]
    if stage == "sensors":
        sensors_stage(round(count), long)
    elif stage == "learning":
        learning_stage(round(count), long, learning)
    else:
        both_stage(place, round(count), long, learning)
