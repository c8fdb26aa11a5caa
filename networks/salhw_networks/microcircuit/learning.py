"""Fig 6: spiking microcircuits learn from a teacher: SAL against backpropagation (BP) and feedback alignment (FA).

All methods begin with the same weights and learn the same targets from the same patterns, seed by seed.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw.compiler.pipeline import compile, problems
from salhw.plots.look import BLUE, GREEN, GREY, RED, band, curve, legend_beside, tidy
from salhw.registry import resolve
from salhw.substrate.target import Target
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.microcircuit import on_chips, prediction, rates, traps
from salhw_networks.microcircuit.course import (
    LAST,
    SEED,
    SIZES,
    SYMBOLS,
    TEACHER,
    TEACHER_SHARE,
    Place,
    Scale,
    at_end,
    course,
    equivalence,
    taught,
    turned,
    weight,
)
from salhw_networks.microcircuit.network import Method
from salhw_networks.microcircuit.training import Protocol, described

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHODS: tuple[Method, ...] = ("BP", "SAL", "FA")
COLOURS = {"BP": BLUE, "SAL": GREEN, "FA": RED}
RERUN = {"BP": (0.0006, 0.0017), "SAL": (0.0004, 0.0018), "FA": (0.0017, 0.65)}
"""Quartiles of the un-nudged loss in an independent re-run of 20 seeds and 150 epochs. Targets that are measured as
shortly as a student's potential, as there, add .0003 to a loss."""
BIASED = 0.5  # |B12 - W21| there, where the input spikes while SAL aligns; medians of 20 seeds scatter by .04
FACTOR = 2.0  # within which two losses are equivalent; their logarithms scatter by .5 to .7, so 20 seeds settle it
SETTLED = 100  # epochs after which the runs that began with a wrong sign have arrived


SCALES = {
    "smoke": Scale(seeds=4, epochs=2, block=1),
    "default": Scale(seeds=20, epochs=150, block=10),
    "paper": Scale(seeds=20, epochs=150, block=10),
}
CODE = Protocol(
    training=(-3.0, -2.5, -2.0, -0.8, 0.8, 2.0, 2.5, 3.0), validation=(-2.7, -1.8, -0.5, 0.5, 1.8, 2.7), shown=15,
    draw="independent", nudged=("alignment", "validation"), pairing="nearest_symmetric", teaching=200_000.0,
)  # fmt: skip
VARIANTS = {
    "paper": Protocol(),
    "code": CODE,
    "dark": Protocol(align_input="dark"),
    "chunked": Protocol(align_input="dark", chunk=2_000.0),
}
Variant = Literal["paper", "code", "dark", "chunked", on_chips.Kind, "traps", "self-prediction"]
TITLE = "Fig 6: SAL in spiking cortical microcircuits"


def experiment(
    out: Path,
    *,
    scale: str = "default",
    target: Target | str = "reference",
    variant: Variant | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Spiking cortical microcircuits learn from a teacher: BP, FA and SAL.

    A target that cannot hold the paper's form is in a loop with its host (``on_chips``): its chips as they are declared
    (``chips``), ``ideal`` ones, ``tuned``, ``calibrated`` or ``referenced`` ones. ``traps``: what SAL needs while it
    aligns; ``self-prediction``: how small the apical gain has to be.
    """
    variant = variant or suited(target)
    if variant == "traps":
        return traps.experiment(out, scale=scale, target=target, progress=progress)
    if variant == "self-prediction":
        return prediction.experiment(out, scale=scale, target=target, progress=progress)
    if variant in ("chips", "ideal", "tuned", "calibrated", "referenced", "large-gain", "own-teacher", "own-scale"):
        return on_chips.experiment(out, scale=scale, target=target, kind=variant, progress=progress)
    size, protocol = SCALES[scale], VARIANTS[variant]
    for method in METHODS:
        compile(described(protocol, SIZES, method), target)  # what stands in the way is told before anything runs
    key = {"scale": asdict(size), "protocol": asdict(protocol), "seed": SEED}
    work = Work("fig6", out, target, key, TEACHER_SHARE + len(METHODS) * size.epochs, progress)
    data = run(work, protocol, size)
    claims = judge(data, protocol, size)
    return work.finish(TITLE, claims, data, partial(draw, data=data), scale=scale, variant=variant)


def suited(target: Target | str) -> Variant:
    """The paper's form, unless ``target`` can hold only the one with its host in the loop."""
    if not any(problems(described(VARIANTS["paper"], SIZES, method), target) for method in METHODS):
        return "paper"
    return "chips" if resolve(target).host_loop else "paper"


def run(work: Work, protocol: Protocol, scale: Scale) -> Arrays:
    """All methods.

    Returns: targets and validation_targets (seed, pattern, output); for each method METHOD_loss, and METHOD_nudged
        where validation is nudged, (epoch, seed); METHOD_NAME, weights before the first epoch and after each,
        (epoch + 1, seed, post, pre).
    """
    begin, place = taught(work, protocol, scale), Place(work.target)
    data: Arrays = {"targets": begin.targets, "validation_targets": begin.validation}
    for method in METHODS:
        data |= {f"{method}_{n}": v for n, v in course(work, protocol, scale, method, begin, place).items()}
    return data


def judge(data: Arrays, protocol: Protocol, scale: Scale) -> list[Claim]:
    """What section 2.4.2 and the independent re-run say."""
    from scipy.stats import mannwhitneyu

    enough = scale.epochs >= SETTLED and scale.seeds >= 12
    loss = {method: at_end(data, method) for method in METHODS}
    claims = []
    for method in METHODS:
        middle, low, high = band(loss[method], "median")
        least, most = RERUN[method]
        claims.append(
            Claim(
                f"{method}: un-nudged loss over the last {LAST} epochs, median (quartiles)",
                f"(an independent re-run: quartiles {least:g} to {most:g})",
                f"{middle:.5f} ({low:.5f}, {high:.5f})",
                bool(least <= middle <= most) if enough else None,
            )
        )
    ratio, p = equivalence(loss["SAL"], loss["BP"], FACTOR)
    worse = float(mannwhitneyu(loss["FA"], loss["SAL"], alternative="greater").pvalue)
    wrong = weight(data, "SAL", "B12")[0] < 0
    against = weight(data, "FA", "W10")[-1] < 0
    begin = np.stack([weight(data, "FA", name)[0] for name in SYMBOLS])
    expected = rates.feedback_alignment(protocol, np.ravel(TEACHER), begin, scale.epochs)[-1, 0] < 0
    flips = turned(weight(data, "SAL", "B12"))[wrong]
    recovered = weight(data, "SAL", "W10")[-1][wrong]
    apart = float(np.median(np.abs(weight(data, "SAL", "B12")[-1] - weight(data, "SAL", "W21")[-1])))
    dark, biased = protocol.align_input == "dark", protocol.pairing == CODE.pairing
    least, most = (0.0, 0.06) if dark else (BIASED - 0.2, BIASED + 0.2)
    claims += [
        Claim(
            f"SAL's loss over BP's (geometric means), equivalent within a factor of {FACTOR:g}",
            "on par",
            f"{ratio:.2f}, p = {p:.2g} (two one-sided t tests, {scale.seeds} seeds)",
            p < 0.01 if enough else None,
        ),
        Claim(
            "FA's loss against SAL's",
            "SAL outperforms FA",
            f"p = {worse:.2g} (Mann-Whitney)",
            worse < 0.01 if enough else None,
        ),
        Claim(
            "FA: W10 ends with the wrong sign exactly where the rate model of Eq 37 does, all of it where B12 < 0",
            "wrong sign in about 50 %",
            f"{int((against & wrong).sum())} of {int(wrong.sum())} with B12 < 0, {int((against & ~wrong).sum())} of "
            f"{int((~wrong).sum())} others; otherwise than in the model: {int((against != expected).sum())}",
            bool(not (against & ~wrong).any() and (against == expected).all()) if enough else None,
        ),
        Claim(
            "SAL from B12 < 0: epochs until B12 > 0",
            "about 5 (one case; the re-run: 1 to 11)",
            ", ".join(str(int(flip)) for flip in sorted(flips)) or "no such seed",
            bool((flips <= 11).all()) if enough and wrong.any() else None,
        ),
        Claim(
            "SAL from B12 < 0: W10 at the end",
            "converges to 2",
            f"{recovered.min():.2f} to {recovered.max():.2f}" if wrong.any() else "no such seed",
            bool((recovered > 1.0).all()) if enough and wrong.any() else None,
        ),
        Claim(
            "SAL: |B12 - W21| at the end, median",
            "(the re-run: .03)" if dark else f"(the re-run, whose pairs are with the last spike: {BIASED})",
            f"{apart:.3f}",
            least <= apart < most if enough and (dark or biased) else None,
        ),
    ]
    if "validation" in protocol.nudged:
        shares = [float(np.median(at_end(data, method, "nudged") / loss[method])) for method in METHODS]
        claims.append(
            Claim(
                "nudged loss over the un-nudged one (medians): " + ", ".join(METHODS),
                "(theory: (1 - .6)² = .16)",
                ", ".join(f"{share:.2f}" for share in shares),
            )
        )
    return claims


# pictures -----------------------------------------------------------------------------------------------------------


def draw(figure: Figure, data: Arrays) -> None:
    """Panels b1, b2 and c."""
    figure.set_size_inches(13.0, 4.2)
    losses, example, ends = figure.subplots(1, 3, width_ratios=(1.0, 1.0, 1.2))
    epochs = np.arange(1, len(data["BP_loss"]) + 1)
    for method in METHODS:
        curve(losses, epochs, data[f"{method}_loss"].T, colour=COLOURS[method], label=method, centre="median")
    losses.set(xlabel="epoch", ylabel="validation loss, not nudged", yscale="log")
    legend_beside(losses)
    tidy(losses, "b1  median and quartiles")
    _example(example, data)
    _ends(ends, data)


def _example(axes: Axes, data: Arrays) -> None:
    """The seed that began with the most negative feedback weight."""
    seed = int(weight(data, "SAL", "B12")[0].argmin())
    for name, colour in zip(SYMBOLS, (BLUE, GREEN, RED), strict=True):
        axes.plot(weight(data, "SAL", name)[:, seed], color=colour, label=SYMBOLS[name])
    axes.axvline(turned(weight(data, "SAL", "B12"))[seed], color=RED, linewidth=1)
    axes.axhline(2.0, color=GREY, linestyle="--", linewidth=1)
    axes.set(xlabel="epoch", ylabel="weight")
    legend_beside(axes)
    tidy(axes, "b2  SAL from a wrong sign")


def _ends(axes: Axes, data: Arrays) -> None:
    """All seeds' weights at the end."""
    random = np.random.default_rng(0)
    for k, name in enumerate(SYMBOLS):
        for shift, method in zip((-0.25, 0.0, 0.25), METHODS, strict=True):
            values = weight(data, method, name)[-1]
            x = k + shift + 0.06 * random.uniform(-1.0, 1.0, len(values))
            axes.plot(x, values, ".", color=COLOURS[method], alpha=0.7, label=method if k == 0 else None)
    axes.axhline(2.0, color=GREY, linestyle="--", linewidth=1)
    axes.set_xticks(range(3), [*SYMBOLS.values()])
    axes.set(ylabel="weight after training")
    legend_beside(axes)
    tidy(axes, "c  all seeds")
