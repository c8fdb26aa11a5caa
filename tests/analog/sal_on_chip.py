"""SAL on virtual chips: 16 reciprocal pairs on each, 60 s, nominal weights from N(0.5, 0.5). What is left of the
differences of reciprocal weights, against what mismatch of the sensors predicts.

``python tests/analog/sal_on_chip.py FOLDER [CHIPS [SECONDS]]`` writes the table, the figure, and its data.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

import salhw
from salhw import GLM, SAL, Network, Population, Projection, Rectangular, ReferencePhase, Spikes, Target
from salhw.description.connectivity import Sparse
from salhw.description.fields import FloatArray
from salhw.io.files import write_arrays, write_figure
from salhw.plots import learning_curves
from salhw.plots.look import BLACK, COLOURS, tidy
from salhw.session.calibration import Calibration
from salhw.session.executable import Executable
from salhw_brainscales2.effective import effective_weights
from salhw_brainscales2.hardware import sensor
from salhw_brainscales2.hardware.variability import profile
from salhw_brainscales2.neurons import CURRENT

PAIRS, PERIOD, CODE = 16, 200.0, 0.04
POST = np.arange(2 * PAIRS)
PRE = POST ^ 1
RATE = 0.05 * CODE * 2.0  # .05 codes per LSB, 2 LSB per pair
NET = Network(
    name="pairs", dt=1.0, populations=[Population(name="n", size=2 * PAIRS, neuron=GLM(bias=0.0, tau_ref=10.0))],
    projections=[Projection(name="p", pre="n", post="n", weights=Sparse(post=POST, pre=PRE, weight=0.0 * POST),
                            kernel=Rectangular(tau_syn=10.0), plasticity=SAL(RATE, update=f"every {PERIOD:g} ms"))],
)  # fmt: skip
TICK = 0.2  # ms: sensors see spikes between the steps, and whole steps would hide the order of many
WEIGHTS, BIASES = "projections.p.weights", "populations.n.bias"
CHIP = salhw.target("brainscales2")
SENSORS = [f"{branch}_{quantity}" for branch in sensor.BRANCHES for quantity in ("amplitude", "tau")]


def ideal_sensors(target: Target) -> Target:
    """Offsets and noise of the converters stay."""
    return target.with_variability(dict.fromkeys(SENSORS, 0.0))


UNCALIBRATED = ("tau_syn_exc", "tau_syn_inh", "tau_m")
"""What the profile spreads more than the target does, which has these as calibration on chip leaves them."""


def mismatched_sensors(spread: float) -> Target:
    """Chips whose sensors alone differ."""
    return CHIP.with_noise(mismatch=False, trial=False).with_variability(dict.fromkeys(SENSORS, spread))


CASES: dict[str, Target] = {
    "(a) ideal": CHIP.with_noise(mismatch=False, trial=False, plasticity=False),
    "(a) ideal sensors, converter noise": ideal_sensors(CHIP.with_noise(mismatch=False, trial=False)),
    "(b) static mismatch": ideal_sensors(CHIP),
    "(b) static mismatch, taus uncalibrated": ideal_sensors(CHIP).with_variability(
        {name: profile()[name].sd for name in UNCALIBRATED}
    ),
    "(c) sensors .05": mismatched_sensors(0.05),
    "(c) sensors .1": mismatched_sensors(0.1),
    "(c) sensors .2": mismatched_sensors(0.2),
}


@dataclass(frozen=True)
class Course:
    """Weights over time, (sample, chip, synapse), nominal and effective; what the branches of each pair's sensors
    differ by, as a log ratio, (chip, pair)."""

    nominal: FloatArray
    effective: FloatArray
    imbalance: FloatArray
    seconds: float

    @staticmethod
    def gap(weights: FloatArray) -> FloatArray:
        return np.asarray(weights[..., 0::2] - weights[..., 1::2])

    @staticmethod
    def mean(weights: FloatArray) -> FloatArray:
        return np.asarray(weights[..., 0::2] + weights[..., 1::2]) / 2

    def ratio(self, weights: FloatArray) -> float:
        """The median difference at the end over that at the start."""
        gap = np.abs(self.gap(weights))
        return float(np.median(gap[-1]) / np.median(gap[0]))

    @property
    def growing(self) -> int:
        """Chips whose mean effective difference has grown."""
        gap = np.abs(self.gap(self.effective)).mean(axis=2)
        return int((gap[-1] > gap[0]).sum())

    @property
    def saturated(self) -> float:
        """Share of weights at an end of their range."""
        return float((np.abs(self.nominal[-1]) > 62.5 * CODE).mean())

    @property
    def drift(self) -> FloatArray:
        """How far each pair's mean has moved."""
        return (self.mean(self.effective)[-1] - self.mean(self.effective)[0]).ravel()


def learn(
    target: Target,
    chips: int,
    seconds: float,
    *,
    start: FloatArray | None = None,
    samples: int = 12,
    calibration: Calibration | None = None,
    reference: ReferencePhase | None = None,
) -> Course:
    """Runs all chips at once. With a calibration, nominal weights are those that the chips then hold."""
    (p,) = NET.projections
    net = NET.replace(projections=[p.replace(plasticity=p.plasticity[0].replace(reference=reference))])
    executable = salhw.compile(net, target, calibration=calibration)
    chosen = target.sample_chips(chips, seed=1)
    drawn = np.random.default_rng(3).normal(0.5, 0.5, (chips, 2 * PAIRS)) if start is None else start
    began, held = time.perf_counter(), []
    with executable.open(chips=chosen, seed=2) as session:
        session.set(WEIGHTS, drawn)
        held.append(session.get(WEIGHTS))
        for _ in range(samples):
            session.run(1000.0 * seconds / samples)
            held.append(session.get(WEIGHTS))
        bias = on_chip(executable, calibration, chips, BIASES, session.get(BIASES))
    nominal = on_chip(executable, calibration, chips, WEIGHTS, np.array(held))
    location = executable.placement.synapses(NET, "p")
    sensors = sensor.of_chips(chosen, PRE, POST, location, neurons=2 * PAIRS, dt=1.0)
    effective = effective_weights(executable, chosen, "p", nominal, bias)
    return Course(nominal, effective, imbalance(sensors), time.perf_counter() - began)


def on_chip(
    executable: Executable, calibration: Calibration | None, chips: int, path: str, value: FloatArray
) -> FloatArray:
    """What the first ``chips`` hold where a session with this calibration says ``value``."""
    return calibration.maps(executable, range(chips))[path].written(value) if calibration else value


def imbalance(sensors: sensor.Sensors) -> FloatArray:
    """The log ratio of the pairs in one order to those in the other at which the sensors of a pair make
    both weights change alike. A branch counts amplitude x (tau / 10 ms)^.43, because pairs are closer than tau."""
    causal, anticausal = (sensors.amplitude * (sensors.tau / 10.0) ** 0.43).swapaxes(0, 1)
    onto_0, onto_1 = slice(0, None, 2), slice(1, None, 2)
    return np.asarray(np.log((anticausal[:, onto_0] + causal[:, onto_1]) / (causal[:, onto_0] + anticausal[:, onto_1])))


def still(weights: FloatArray, bias: FloatArray | float = 0.0) -> Network:
    """Pairs that do not learn, with their spikes in steps of TICK; a weight into each neuron, (neuron,)."""
    post, (p,) = np.arange(len(weights)), NET.projections
    fixed = p.replace(weights=Sparse(post=post, pre=post ^ 1, weight=weights), plasticity=())
    neurons = Population(name="n", size=len(weights), neuron=GLM(bias=bias, tau_ref=10.0))
    return NET.replace(dt=TICK, populations=[neurons], projections=[fixed], probes=[Spikes("n")])


@cache
def steepness(gap: float = 0.6, seconds: float = 20.0, copies: int = 16) -> tuple[FloatArray, FloatArray]:
    """(means, log ratio per unit difference): how the order of a pair's spikes depends on W_01 - W_10 on the ideal
    chip, for fixed weights of these means; ideal sensors count."""
    means = np.arange(-1.5, 2.01, 0.5)
    each = np.stack([means + gap / 2, means - gap / 2], axis=1)  # the second half of the pairs the other way round
    weights = np.concatenate([np.repeat(each, copies, axis=0), np.repeat(each[:, ::-1], copies, axis=0)]).ravel()
    n = len(weights)
    post = np.arange(n)
    with salhw.compile(still(weights), CASES["(a) ideal"]).open(seed=4) as session:
        spikes = session.run(1000.0 * seconds).spikes["n"]
    chips = CASES["(a) ideal"].sample_chips(1)
    ideal = sensor.of_chips(chips, post ^ 1, post, 0 * post, neurons=n, dt=TICK, amplitude=1.0, capacity=1e9)
    charge = sensor.accumulate(ideal, sensor.fresh(ideal), spikes.instance, spikes.neuron, spikes.time / TICK).charge
    causal = charge[0, 0].reshape(2, len(means), copies, 2).sum(axis=2)
    log_ratio = np.log(causal[..., 0] / causal[..., 1])
    return means, (log_ratio[0] - log_ratio[1]) / (2 * gap)


def predicted(course: Course) -> FloatArray:
    """The difference W_01 - W_10 that the sensors' imbalance leaves at the pairs' final means, (chip, pair)."""
    return np.asarray(course.imbalance / np.interp(course.mean(course.effective)[-1], *steepness()))


DERIVED = 0.46 * CURRENT / 1.67
"""The log ratio per unit difference of the prototype (.46, in units of 1.67 sigma), in ours: .386. Nothing is measured
on this chip for it."""


def fitted(course: Course, *, derived: bool = False) -> tuple[float, float, float]:
    """(slope, its standard error, r) of the differences that are left (mean of the last quarter) over those predicted,
    for pairs whose mean has stayed within -1..1: beyond, the order of their spikes says little about the weights.
    ``derived``: predicted by the one constant instead of ``steepness``."""
    from scipy import stats

    late = len(course.nominal) - len(course.nominal) // 4
    left = course.gap(course.effective)[late:].mean(axis=0)
    inside = np.abs(course.mean(course.effective)[-1]) < 1.0
    expected = course.imbalance / DERIVED if derived else predicted(course)
    fit = stats.linregress(expected[inside], left[inside])
    return float(fit.slope), float(fit.stderr), float(fit.rvalue)


def table(courses: dict[str, Course]) -> Iterator[str]:
    """One row per case."""
    heads = [
        "median \\|D\\| (effective), start",
        "end",
        "share left",
        "nominal",
        "chips that grow",
        "drift of means, sd",
    ]
    yield f"| case | {' | '.join(heads)} | saturated | slope | r | slope, k = .386 | r |"
    yield f"|{'---|' * 12}"
    for name, c in courses.items():
        gap = [float(np.median(np.abs(c.gap(w)))) for w in (c.effective[0], c.effective[-1])]
        fits = [fitted(c), fitted(c, derived=True)] if "(c)" in name else []
        fit = " | ".join(f"{slope:.2f} ± {error:.2f} | {r:.2f}" for slope, error, r in fits) or "– | – | – | –"
        ends = f"{gap[0]:.3f} | {gap[1]:.3f} | {c.ratio(c.effective):.2f} | {c.ratio(c.nominal):.2f} | {c.growing}"
        yield f"| {name} | {ends} | {c.drift.mean():+.3f}, {c.drift.std():.3f} | {c.saturated:.1%} | {fit} |"


def drawn(courses: dict[str, Course], seconds: float) -> dict[str, FloatArray]:
    """What the figure shows, kept beside it: per case the median difference of each chip's pairs over time, and of
    cases (c) what is predicted and what is left."""
    kept: dict[str, FloatArray] = {"seconds": np.array(seconds)}
    for name, course in courses.items():
        kept[f"gap {name}"] = np.median(np.abs(course.gap(course.effective)), axis=2).T
        if "(c)" in name:
            inside = np.abs(course.mean(course.effective)[-1]) < 1.0
            left = course.gap(course.effective)[-1]
            kept[f"left {name}"] = np.stack([predicted(course)[inside], left[inside]])
    return kept


def figure(kept: dict[str, FloatArray], path: Path) -> Path:
    """Differences over time, and what is left over what was predicted."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(11, 4), layout="constrained")
    left, right = picture.subplots(1, 2, width_ratios=(1, 0.8))
    gaps = {name.removeprefix("gap "): gap for name, gap in kept.items() if name.startswith("gap ")}
    colours = dict(zip(gaps, COLOURS, strict=False))
    time = np.linspace(0.0, float(kept["seconds"]), next(iter(gaps.values())).shape[1])
    learning_curves(
        time, gaps, left, colours=colours, xlabel="biological time (s)",
        ylabel="|D| of effective weights, median of a chip's pairs",
    )  # fmt: skip
    left.set(ylim=(0.0, None), xlim=(0.0, time[-1]))
    for case in reversed(gaps):  # those that spread most lie behind
        if f"left {case}" in kept:
            right.plot(*kept[f"left {case}"], ".", markersize=4, alpha=0.5, color=colours[case])
    right.axline((0, 0), slope=1, color=BLACK, linewidth=0.8)
    right.set(xlabel="predicted D (pairs with a mean of -1..1)", ylabel="D at the end")
    tidy(right)
    return write_figure(path, picture, dpi=110)


if __name__ == "__main__":
    folder, given = Path(sys.argv[1]), [float(word) for word in sys.argv[2:]]
    chips, seconds = round((*given, 50.0)[0]), given[1] if len(given) > 1 else 60.0
    folder.mkdir(exist_ok=True)
    found: dict[str, Course] = {}
    for name, target in CASES.items():
        found[name] = learn(target, chips, seconds)
        print(f"{name}: {found[name].seconds:.0f} s", flush=True)
    print("\n".join(table(found)), flush=True)
    still = learn(CASES["(a) ideal sensors, converter noise"], chips, seconds, start=np.zeros((chips, 2 * PAIRS)))
    print(f"from zero: mean code {still.nominal[-1].mean() / CODE:+.3f}, sd {still.nominal[-1].std() / CODE:.2f}")
    kept = drawn(found, seconds)
    write_arrays(folder / "sal_on_chip.npz", kept)
    figure(kept, folder / "sal_on_chip.png")
