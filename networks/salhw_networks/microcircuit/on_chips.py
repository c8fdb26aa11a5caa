"""Fig 6's comparison with a chip in the loop: does SAL keep the signs of weights right where FA does not?

The chip runs the network and aligns its feedback weights by a rule of its own; between chunks of 1 s the host works out
Eq 37, the teacher's nudge and copies from spikes. Every student begins with a feedback weight of the wrong sign, and
learns by SAL and by FA, from the same start, for the same targets, on the same chip; and once more on the reference,
which has neither the chip's neurons nor its steps.

A chip's time is dear where it is simulated: learning rates are 60 times Table 2's, patterns last 4 s. Voltages are
those that all chips can have as biases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from salhw import Calibration, Chip, Network
from salhw.compiler.pipeline import compile, problems
from salhw.description.fields import FloatArray
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.plots.look import BLUE, GREEN, GREY, RED, band, curve, legend_above, tidy
from salhw.registry import resolve
from salhw.session.folding import predicted
from salhw.substrate.target import Target
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.microcircuit.course import (
    SEED,
    SIZES,
    SYMBOLS,
    TEACHER_SHARE,
    Place,
    Scale,
    at_end,
    course,
    taught,
    turned,
    weight,
)
from salhw_networks.microcircuit.network import APICAL, Method
from salhw_networks.microcircuit.training import Class, Protocol, described

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["chips", "ideal", "tuned", "calibrated", "referenced", "large-gain", "own-teacher", "own-scale"]
Truths = npt.NDArray[np.bool_]
METHODS: tuple[Method, ...] = ("SAL", "FA")
SCALES = {
    "smoke": Scale(seeds=2, epochs=1, block=1),
    "default": Scale(seeds=10, epochs=8, block=2),
    "paper": Scale(seeds=20, epochs=16, block=2),
}
PROTOCOL = Protocol(
    training=(-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0), validation=(-1.75, 1.75), shown=18, aligning=1,
    align_input="dark", dark=-5.0, chunk=1_000.0, present=4_000.0, lag=1_000.0, align_present=16_000.0,
    validate_present=8_000.0, teaching=200_000.0, speed=60.0, align_speed=10.0,
)  # fmt: skip
LARGE = 0.1
FORMS = (
    replace(PROTOCOL, align_update="spike", apical=LARGE),
    replace(PROTOCOL, align_update="every 200 ms"),
    replace(PROTOCOL, align_update="every 10 ms", pairing="all", apical=LARGE),
)
"""When a chip updates by SAL, which pairs it sees, and the apical gain in training; the first that a target has is
taken. Steps of 1/32 resolve a gain of .1. In noisy leaky neurons it makes output and interneuron differ, since only one
of them is in a loop that excites; .02 does not, though an analog chip's code is then 2 of B12."""
OPTIONS: dict[str, int | float | str] = {
    "execution": "in-process",
    "weight_exponent": "auto",
    "epoch": "auto",
    "rows_per_weight": 2,
}
"""Of targets that have them: no runtime between the host and the models of a chip; steps and range that suit weights of
±3 and what becomes of them."""
LAST = 3  # epochs over which what is at the end is averaged
LEVEL = 0.05
ENOUGH = 10  # seeds
SPAN = 20_000.0  # ms of each part of a calibration
REFERENCE = 60_000.0  # ms of a reference phase
TUNING = 80_000.0  # ms in which interneurons are tuned to what they predict, to about 1 Hz
OWN_TEACHING = 20_000.0  # ms for which a teacher on a chip is averaged: adds .0003 to losses of .01 and more


CHANGES: dict[str, dict[str, Any]] = {
    "large-gain": {"apical": LARGE},
    "own-teacher": {"apical": LARGE, "teaching": OWN_TEACHING},
    "own-scale": {"apical": APICAL, "copied": True},
    "tuned": {"tuning": TUNING},
    "calibrated": {"tuning": TUNING},
    "referenced": {"tuning": TUNING, "reference": REFERENCE},
}
"""Of a chip's protocol, by variant."""


def experiment(out: Path, *, scale: str, target: Target | str, kind: Kind, progress: Progress | None) -> dict[str, Any]:
    """SAL against FA on chips of ``target``: as they are declared (``chips``), so with interneurons that are ``tuned``
    to what they predict, ``calibrated`` and tuned, tuned and with a reference phase of SAL (``referenced``), ``ideal``,
    ideal with an apical gain of .1 (``large-gain``), so and with targets that a teacher on the chip has given
    (``own-teacher``), or with a gain of .02 whose weights have steps of their own (``own-scale``)."""
    size, chosen = SCALES[scale], prepared(resolve(target), kind)
    protocol = replace(protocol_for(chosen), **CHANGES.get(kind, {}))
    for method in METHODS:
        compile(described(protocol, SIZES, method), chosen)  # what stands in the way is told before anything runs
    key = {"scale": asdict(size), "protocol": asdict(protocol), "chips": kind, "seed": SEED}
    total = 2.0 * TEACHER_SHARE + 2.0 * len(METHODS) * size.epochs
    work = Work("fig6", out, chosen, key, total, progress)
    drawn = taught(work, protocol, size, chosen if kind == "own-teacher" else "reference")
    data = run(work, protocol, size, drawn, place(work, chosen, protocol, size, kind))
    title = f"Fig 6 on {chosen.name} ({kind}): SAL against FA with a chip in the loop"
    return work.finish(
        title, judge(data, size), data, partial(draw, data=data, name=chosen.name), scale=scale, variant=kind
    )


def prepared(target: Target, kind: Kind) -> Target:
    """The target with the options that suit students, ideal if that is asked for.

    Raises:
        DescriptionError: SAL902 there is nothing to calibrate; SAL009 projections have no steps of their own.
    """
    target = target.with_options(**{name: value for name, value in OPTIONS.items() if name in target.options})
    if kind == "own-scale":
        target = target.with_options(projection_exponents="each")
    if kind == "calibrated" and not target.variability:
        supported = f"chips: those of {target.name} do not differ"
        finding = Diagnostic("SAL902", "variant", "'calibrated'", supported, "variant chips")
        raise DescriptionError(f"DescriptionError: nothing to calibrate on {target.name}", [finding])
    return target.ideal() if kind in ("ideal", "large-gain", "own-teacher") else target


def protocol_for(target: Target) -> Protocol:
    """With the first form of SAL that the target has itself; the first of all if it has none."""
    return next((form for form in FORMS if not problems(described(form, SIZES, "SAL"), target)), FORMS[0])


def place(work: Work, target: Target, protocol: Protocol, scale: Scale, kind: Kind) -> Place:
    """A chip for each student, where chips differ; calibrated if that is asked for."""
    if not target.variability:
        return Place(target)
    chips = target.sample_chips(scale.seeds, seed=SEED)
    return Place(target, chips, calibrated(work, target, protocol, chips) if kind == "calibrated" else None)


def calibrated(work: Work, target: Target, protocol: Protocol, chips: Sequence[Chip]) -> Calibration:
    """The calibration of chips for students, measured once and kept with the pieces of work."""
    from salhw_calibration import Calibration as Measured
    from salhw_calibration import calibrate

    kept = work.path("calibration", calibrate)  # whose code it depends on
    if not kept.exists():
        calibrate(target, chips, net=alone(described(protocol, SIZES, "SAL")), duration=SPAN, seed=SEED).save(kept)
    return Measured.load(kept)


def alone(net: Network) -> Network:
    """What a chip itself does of a network: nobody teaches, copies, or works out rules from traces."""
    learns = [
        p.replace(plasticity=[rule for k, rule in enumerate(p.plasticity) if k not in predicted(p)])
        for p in net.projections
    ]
    return net.replace(projections=learns, stimuli=(), ties=(), traces=())


def run(work: Work, protocol: Protocol, scale: Scale, drawn: Class, chips: Place) -> Arrays:
    """Both methods on the chips and on the reference, of students as they were ``drawn`` but for the feedback's sign.

    Returns: for each method METHOD_loss (epoch, seed) and METHOD_NAME, weights before the first epoch and after each,
        (epoch + 1, seed, post, pre); the same for the reference as reference_METHOD_...
    """
    data, begin = Arrays(), replace(drawn, feedback=tuple(-np.abs(b) for b in drawn.feedback))
    plain = replace(protocol, reference=None)  # all sensors of the reference are equal
    for prefix, where, own in (("reference_", Place(), plain), ("", chips, protocol)):
        for method in METHODS:
            learned = course(work, own, scale, method, begin, where, prefix)
            data |= {f"{prefix}{method}_{name}": value for name, value in learned.items()}
    return data


# numbers ------------------------------------------------------------------------------------------------------------


def right(data: Mapping[str, FloatArray], method: str) -> Truths:
    """Of which seeds W10 and W21 end with the teacher's signs."""
    means = [weight(data, method, name)[-LAST:].mean(axis=0) for name in ("W10", "W21")]
    return np.asarray((means[0] > 0) & (means[1] > 0))


def more_often(first: Truths, second: Truths) -> float:
    """p of the exact one-sided sign test that the first of two paired outcomes is the more frequent one (McNemar)."""
    from scipy.stats import binomtest

    gained, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return float(binomtest(gained, gained + lost, alternative="greater").pvalue) if gained + lost else 1.0


def judge(data: Arrays, scale: Scale) -> list[Claim]:
    """What is asked of chips, each line with the same on the reference."""
    from scipy.stats import wilcoxon

    enough = scale.seeds >= ENOUGH and scale.epochs >= SCALES["default"].epochs
    claims = []
    for method in METHODS:
        both = [_quartiles(at_end(data, prefix + method, last=LAST)) for prefix in ("", "reference_")]
        claims.append(
            Claim(f"{method}: loss over the last {LAST} epochs, median (quartiles)", f"(reference: {both[1]})", both[0])
        )
    p = float(wilcoxon(*(np.log(at_end(data, m, last=LAST)) for m in METHODS), alternative="less").pvalue)
    claims.append(
        Claim(
            "SAL's loss against FA's, paired by seed", "lower", f"p = {p:.2g} (Wilcoxon)", p < LEVEL if enough else None
        )
    )
    chip, reference = ([right(data, prefix + method) for method in METHODS] for prefix in ("", "reference_"))
    p = more_often(*chip)
    claims.append(
        Claim(
            "right signs of W10 and W21 at the end: SAL; FA",
            f"(reference: {reference[0].sum()}; {reference[1].sum()})",
            f"{chip[0].sum()}; {chip[1].sum()} of {len(chip[0])}, p = {p:.2g} (sign test)",
            p < LEVEL if enough else None,
        )
    )
    flips = [sorted(turned(weight(data, prefix + "SAL", "B12"))) for prefix in ("", "reference_")]
    claims.append(
        Claim(
            "SAL: epochs until B12 > 0",
            f"(reference: {', '.join(str(int(flip)) for flip in flips[1])})",
            ", ".join(str(int(flip)) for flip in flips[0]),
            bool(max(flips[0]) < scale.epochs) if enough else None,
        )
    )
    for name in ("W10", "W21"):
        there, here = (weight(data, prefix + "SAL", name)[-LAST:].mean(axis=0) for prefix in ("reference_", ""))
        off, error = (here - there).mean(), (here - there).std(ddof=1) / np.sqrt(len(here))
        claims.append(
            Claim(
                f"SAL: {name} at the end, mean",
                f"(reference: {there.mean():.2f})",
                f"{here.mean():.2f}; chip - reference {off:+.2f} ± {error:.2f}",
            )
        )
    gaps = [
        np.median(np.abs(weight(data, prefix + "SAL", "B12") - weight(data, prefix + "SAL", "W21"))[-LAST:])
        for prefix in ("", "reference_")
    ]
    claims.append(Claim("SAL: |B12 - W21| at the end, median", f"(reference: {gaps[1]:.2f})", f"{gaps[0]:.2f}"))
    return claims


def _quartiles(values: FloatArray) -> str:
    middle, low, high = band(values, "median")
    return f"{middle:.4f} ({low:.4f}, {high:.4f})"


# pictures -----------------------------------------------------------------------------------------------------------

COLOURS = {"SAL": GREEN, "FA": RED}


def draw(figure: Figure, data: Arrays, name: str) -> None:
    """Losses, chip and reference; W10 of all seeds; all weights at the end."""
    figure.set_size_inches(13.0, 4.2)
    losses, courses, ends = figure.subplots(1, 3, width_ratios=(1.0, 1.0, 1.2))
    epochs = np.arange(1, len(data["SAL_loss"]) + 1)
    for method in METHODS:
        curve(
            losses,
            epochs,
            data[f"{method}_loss"].T,
            colour=COLOURS[method],
            label=f"{method} on {name}",
            centre="median",
        )
        reference = np.median(data[f"reference_{method}_loss"], axis=1)
        losses.plot(epochs, reference, "--", color=COLOURS[method], linewidth=1, label=f"{method} on the reference")
    losses.set(xlabel="epoch", ylabel="validation loss, not nudged", yscale="log")
    legend_above(figure, losses)
    tidy(losses, "a  median and quartiles")
    _courses(courses, data)
    _ends(ends, data)


def _courses(axes: Axes, data: Arrays) -> None:
    """W10 of all seeds, epoch by epoch."""
    for method in METHODS:
        axes.plot(weight(data, method, "W10"), color=COLOURS[method], linewidth=0.8, alpha=0.7)
    axes.axhline(0.0, color=GREY, linewidth=1)
    axes.set(xlabel="epoch", ylabel=SYMBOLS["W10"])
    tidy(axes, "b  all seeds")


def _ends(axes: Axes, data: Arrays) -> None:
    """Each seed's weights on the chip beside those on the reference."""
    random = np.random.default_rng(0)
    columns = [(prefix, method) for method in METHODS for prefix in ("", "reference_")]
    for k, name in enumerate(SYMBOLS):
        for shift, (prefix, method) in zip((-0.3, -0.15, 0.15, 0.3), columns, strict=True):
            values = weight(data, prefix + method, name)[-LAST:].mean(axis=0)
            x = k + shift + 0.05 * random.uniform(-1.0, 1.0, len(values))
            face = "none" if prefix else COLOURS[method]
            axes.plot(x, values, "o", color=COLOURS[method], markerfacecolor=face, markersize=3, alpha=0.7)
    axes.axhline(0.0, color=GREY, linewidth=1)
    axes.axhline(2.0, color=BLUE, linestyle="--", linewidth=1)
    axes.set_xticks(range(3), [*SYMBOLS.values()])
    axes.set(ylabel="weight at the end")
    tidy(axes, "c  all seeds (open: on the reference)")
