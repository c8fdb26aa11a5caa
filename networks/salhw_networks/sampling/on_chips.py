"""Fig 4's comparison on chips: does SAL recover D_KL where asymmetric weights are the hardware's?

The network learns on chips of one target, a chip for each run, with SAL as the chip's own rule; wake-sleep and
Kolen-Pollack's decay are the host's, which keeps what is finer than the chip's weights (``training``).

*Chips that differ* (a target that declares a spread of its synapses): nominal weights begin symmetric, effective ones
do not, because each synapse has its own strength. ``synapses x 4``: four times the declared spread. ``Gaussian 0.8``:
the paper's noise, written into the weights of chips as they are declared. SAL learns with sensors that are equal, and
with sensors whose amplitudes and time constants differ, ``slow SAL`` at a tenth of its rate, ``referenced SAL`` with
a reference phase each time that a session is opened. Noise from trial to trial
is off but in ``trial``, the chip with all that its target declares. The baseline is the ideal chip.

*Digital chips*: the Gaussian as given, and what their own rounding adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw import Chip, Target, compile
from salhw.description.fields import FloatArray
from salhw.plots.look import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, band, curve, legend_above
from salhw_networks.experiment import Arrays, Claim, Progress, Work, side_by_side
from salhw_networks.sampling import sweep
from salhw_networks.sampling.sweep import Condition, Scale
from salhw_networks.sampling.training import BIAS, WEIGHTS, Cases, Training, asymmetry, description

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYNAPSES = ("weight", "gain_exc", "gain_inh")
"""What makes the strength of a synapse differ from its nominal weight, of those quantities that a target varies."""
SENSORS = (0.0, 0.05, 0.1)
SLOW = 0.1  # of SAL's rate: what sensors and rounding add to the weights is then a tenth, beside wake-sleep's pull
COLOURS = {"baseline": BLUE, "none": ORANGE, "KP": RED, "SAL": GREEN, "slow SAL": BLACK, "slow SAL, sensors 0.1": BLACK}
REFERENCE = 60_000.0  # ms of a reference phase
REFERENCED = "referenced SAL"
COLOURS |= {f"{REFERENCED}, sensors {spread:g}": colour for spread, colour in ((0.1, GREY), (0.2, "tab:brown"))}
COLOURS |= {f"SAL, sensors {spread:g}": c for spread, c in zip(SENSORS, (GREEN, SKY, PURPLE), strict=True)}
LEVEL = 0.05
ENOUGH = 6  # runs: with fewer Wilcoxon's test cannot reach the level


@dataclass(frozen=True)
class Curve:
    """A condition and the chips that it runs on.

    Args:
        noise: what makes the weights asymmetric; ``baseline``: nothing.
        mismatch: times the declared spread of the synapses; None: the ideal chip.
        sensors: relative spread of the plasticity circuits' amplitudes and time constants.
        trial: noise from trial to trial is on.
    """

    noise: str
    condition: Condition
    mismatch: float | None = None
    sensors: float | None = None
    trial: bool = False

    @property
    def label(self) -> str:
        """The method, and the sensors where they matter."""
        method = self.condition.method
        return f"{method}, sensors {self.sensors:g}" if "SAL" in method and self.sensors is not None else method

    def of(self, target: Target) -> Target:
        """``target`` as this curve wants it."""
        if self.mismatch is None:
            return target.ideal()
        spreads = {name: self.mismatch * target.variability[name].sd for name in varied(target)}
        if self.sensors is not None:
            relative = [n for n, v in target.variability.items() if v.group == "plasticity" and v.mode == "relative"]
            spreads |= dict.fromkeys(relative, self.sensors)
        return target.with_variability(spreads).with_noise(trial=self.trial)


def varied(target: Target) -> list[str]:
    """The quantities of SYNAPSES that differ on chips of this target."""
    return [name for name in SYNAPSES if name in target.variability and target.variability[name].sd > 0]


def curves(target: Target, methods: dict[str, tuple[float, float]], rate: float) -> list[Curve]:
    """All conditions; ``methods``: rates of SAL and of the decay by name. SAL is tried at a tenth of its rate, too."""
    methods = methods | {"slow SAL": (SLOW * methods["SAL"][0], 0.0)}
    referenced = {REFERENCED: methods["SAL"]}

    def condition(method: str, gaussian: float = 0.0) -> Condition:
        return Condition(method, gaussian, 0.0, rate, *(methods | referenced).get(method, ()))

    every = [Curve("baseline", condition("baseline"))]
    if not varied(target):
        return every + [Curve("Gaussian 0.8", condition(m, 0.8)) for m in methods]
    noises = (
        ("Gaussian 0.8", 1.0, 0.8, SENSORS),
        ("synapses x 4", 4.0, 0.0, SENSORS[::2]),
        ("synapses", 1.0, 0.0, SENSORS[-1:]),
    )
    for noise, mismatch, gaussian, sensors in noises:
        for method in methods | referenced:
            worse = (0.2,) if method == REFERENCED and gaussian else ()
            for spread in sensors if method == "SAL" else (SENSORS[-1], *worse):
                every.append(Curve(noise, condition(method, gaussian), mismatch, spread))
    return every + [
        Curve("trial", condition(m), 1.0, SENSORS[-1], trial=True) for m in ("none", "SAL", "slow SAL", REFERENCED)
    ]


def run(work: Work, training: Training, scale: Scale, chosen: Sequence[Curve], target: Target) -> Arrays:
    """Train all curves. On chips that differ each is a session of its own on the same chips, two at a time; else those
    with one rate of SAL are one batch.

    Returns: cycle (check + 1,); forward D_KL(p || p*), asymmetry of what the chips nominally hold, (check + 1, curve,
        run); effective (2, curve, run): asymmetry before and after, as measured from spikes where chips differ.
    """
    if varied(target):

        def one(k: int) -> Arrays:
            chips = chosen[k].of(target).sample_chips(scale.runs, seed=sweep.SEED)
            reference = REFERENCE if chosen[k].condition.method == REFERENCED else None
            own = replace(training, reference=reference)
            return _trained(work, own, scale, [chosen[k].condition], chosen[k].of(target), chips, f"{k:02d}")

        parts, order = side_by_side(work, [partial(one, k) for k in range(len(chosen))]), np.arange(len(chosen))
    else:
        batches = one_rate_each([c.condition.sal for c in chosen])
        parts = [
            _trained(work, training, scale, [chosen[k].condition for k in batch], target, None, f"batch{n}")
            for n, batch in enumerate(batches)
        ]
        order = np.argsort(np.concatenate(batches))
    cycle = scale.speed * scale.part * np.arange(scale.checks + 1)
    return {"cycle": cycle, **{name: np.concatenate([f[name] for f in parts], axis=1)[:, order] for name in parts[0]}}


def one_rate_each(rates: Sequence[float]) -> list[list[int]]:
    """Which curves go together on chips whose synapses all learn at one rate, or not at all."""
    learning = sorted(set(rates) - {0.0}) or [0.0]
    return [
        [k for k, rate in enumerate(rates) if rate == one or (rate == 0.0 and not n)] for n, one in enumerate(learning)
    ]


def _trained(
    work: Work,
    training: Training,
    scale: Scale,
    conditions: Sequence[Condition],
    target: Target,
    chips: Sequence[Chip] | None,
    name: str,
) -> Arrays:
    def effective(batch: Cases) -> Arrays:
        return {"effective": measured(training, batch.weights, batch.bias, 0.5 * scale.measure, target, chips or ())}

    shape = (len(conditions), scale.runs)
    checks = sweep.trained(
        work, training, scale, conditions, target, chips=chips, name=f"{name}-", size=len(conditions) * scale.runs,
        ends=effective if chips else None,
    )  # fmt: skip
    ends = [f["effective"] if chips else f["weights"] for f in (checks[0], checks[-1])]
    return {
        "forward": np.stack([f["forward"].reshape(shape) for f in checks]),
        "asymmetry": np.stack([asymmetry(f["weights"]).reshape(shape) for f in checks]),
        "effective": np.stack([asymmetry(w).reshape(shape) for w in ends]),
    }


def measured(
    training: Training, weights: FloatArray, bias: FloatArray, duration: float, target: Target, chips: Sequence[Chip]
) -> FloatArray:
    """Effective weights from ``duration`` ms of spikes, (chip, post, pre); 0 where the spikes do not determine one."""
    from salhw_calibration import effective_weights

    effective = effective_weights(
        compile(description(training, plastic=False), target), chips=chips, duration=duration, seed=300 * sweep.SEED,
        weights={WEIGHTS: weights, BIAS: bias},
    ).weights["recurrent"]  # fmt: skip
    return np.nan_to_num(effective)


def total(scale: Scale, count: int) -> float:
    """Work of ``count`` curves."""
    return count * scale.runs * sweep.total(scale)


# what is asked -----------------------------------------------------------------------------------------------


def questions(data: Arrays, chosen: Sequence[Curve], scale: Scale) -> list[Claim]:
    """For each noise: what it costs, and whether SAL recovers it. Wilcoxon's signed ranks over log D_KL, run by run
    (same chip, desired distribution and initial values), one-sided at level .05. SAL is judged where nothing is worse
    than the baseline by the same test."""
    d = {(c.noise, c.label): data["forward"][-1, k] for k, c in enumerate(chosen)}
    e = {(c.noise, c.label): data["effective"][:, k] for k, c in enumerate(chosen)}
    base, claims = d["baseline", "baseline"], []
    began = " -> ".join(_quartiles(row) for row in data["forward"][[0, -1], 0])
    claims.append(Claim("baseline: D_KL before and after", "-", began))
    for noise in dict.fromkeys(c.noise for c in chosen[1:]):
        none = d[noise, "none"]
        lost = sweep.worse(none, base)
        claims.append(
            Claim(
                f"{noise}: D_KL without symmetrisation, over the baseline's",
                "higher",
                f"{_ratio(none, base)} ({_quartiles(none)}), p = {lost:.2g}",
            )
        )
        for label in dict.fromkeys(c.label for c in chosen if c.noise == noise and c.label != "none"):
            row = d[noise, label]
            helps, harms = sweep.worse(none, row), sweep.worse(row, none)
            judged = "SAL" in label and scale.runs >= ENOUGH and lost < LEVEL
            left = np.median(e[noise, label][1]) / np.median(e[noise, "none"][1])
            claims.append(
                Claim(
                    f"{noise}: D_KL with {label}, over that without / the baseline's",
                    "recovered: lower than without" if "SAL" in label else "-",
                    f"{_ratio(row, none)} (p = {helps:.2g} lower, {harms:.2g} higher) / {_ratio(row, base)}; "
                    f"{_quartiles(row)}; asymmetry {left:.2g} times that without",
                    helps < LEVEL if judged else None,
                )
            )
    return claims


def _ratio(first: FloatArray, second: FloatArray) -> str:
    return f"{np.median(first) / np.median(second):.2f}"


def _quartiles(values: FloatArray) -> str:
    middle, low, high = band(values, "median")
    return f"{middle:.4f} [{low:.4f}, {high:.4f}]"


def draw(figure: Figure, data: Arrays, chosen: Sequence[Curve]) -> None:
    """Asymmetry of effective weights and D_KL at the end, by noise and method; D_KL during training for two noises."""
    figure.set_size_inches(11, 7.5)
    panels = figure.subplots(2, 2)
    noises = list(dict.fromkeys(c.noise for c in chosen[1:]))
    _by_noise(panels[0, 0], data["effective"][0], chosen, noises, filled=False)
    _by_noise(panels[0, 0], data["effective"][1], chosen, noises)
    _by_noise(panels[0, 1], data["forward"][-1], chosen, noises)
    sweep.finished(panels[0, 0], "a  effective weights, after training (open: before)", "", "Var($W_{ij} - W_{ji}$)")
    sweep.finished(panels[0, 1], "b  after training", "", "$D_{KL}(p\\,||\\,p^*)$")
    panels[0, 0].set_ylim(bottom=max(1e-3, 0.5 * float(np.median(data["effective"], axis=2).min())))
    strongest = sorted(noises, key=lambda n: -np.median(data["effective"][0][[c.noise == n for c in chosen]]))[:2]
    legend_above(figure, panels[0, 1], "median and quartiles")
    for axes in panels[1, len(strongest) :]:
        axes.set_axis_off()
    for axes, noise, letter in zip(panels[1], strongest, "cd", strict=False):
        for k, c in enumerate(chosen):
            if c.noise in ("baseline", noise):
                curve(
                    axes, data["cycle"], data["forward"][:, k].T, colour=COLOURS[c.label], label=c.label,
                    centre="median",
                )  # fmt: skip
        sweep.finished(axes, f"{letter}  {noise}", "cycle", "$D_{KL}(p\\,||\\,p^*)$")


def _by_noise(
    axes: Axes, values: FloatArray, chosen: Sequence[Curve], noises: list[str], *, filled: bool = True
) -> None:
    """Medians and quartiles over the runs, methods side by side above the name of their noise."""
    middle, low, high = band(values.T, "median")
    if filled:
        axes.axhspan(low[0], high[0], color=BLUE, alpha=0.15, linewidth=0)
        axes.axhline(middle[0], color=BLUE, linewidth=1, label="baseline")
    labels = list(dict.fromkeys(c.label for c in chosen[1:]))
    for n, label in enumerate(labels):
        rows = [k for k, c in enumerate(chosen) if k and c.label == label]
        x = [noises.index(chosen[k].noise) + 0.14 * (n - (len(labels) - 1) / 2) for k in rows]
        bars = np.stack([middle - low, high - middle])[:, rows]
        axes.errorbar(
            x, middle[rows], bars, fmt="o", color=COLOURS[label], markersize=4, capsize=2,
            mfc=COLOURS[label] if filled else "white", alpha=1.0 if filled else 0.5, label=label if filled else None,
        )  # fmt: skip
    axes.set_xticks(range(len(noises)), noises)
    axes.set_xlim(-0.6, len(noises) - 0.4)


def experiment(
    out: Path, *, training: Training, scale: Scale, target: Target, methods: dict[str, tuple[float, float]],
    rate: float, progress: Progress | None, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """Fig 4 on chips of ``target``; ``more`` goes into the JSON file."""
    chosen = curves(target, methods, rate)
    key = {
        "training": asdict(training),
        "scale": asdict(scale),
        "curves": [asdict(c) for c in chosen],
        "seed": sweep.SEED,
    }
    work = Work("fig4", out, target, key, total(scale, len(chosen)), progress)
    data = run(work, training, scale, chosen, target)
    title = f"Fig 4 on {target.name}: does SAL recover D_KL on chips?"
    about = {"curves": [[c.noise, c.label] for c in chosen], **more}
    return work.finish(title, questions(data, chosen, scale), data, lambda figure: draw(figure, data, chosen), **about)
