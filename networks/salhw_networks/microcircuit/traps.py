"""Two traps of aligning that the paper does not name: lateral weights that stay on, and input that spikes.

W10 = W21 = 2 are held, and B12 begins at 1. It should come to rest at W21. With lateral weights on it runs away;
spiking input biases it, by as much as the pairing of spikes lets it. In the dark (``align_input``) every pairing is
exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, GREEN, GREY, ORANGE, RED, band, curve, legend_beside, tidy
from salhw.substrate.target import Target
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.microcircuit.course import SEED, SIZES, SYMBOLS, TEACHER, Place, Scale, weight
from salhw_networks.microcircuit.course import course as learned
from salhw_networks.microcircuit.training import Class, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

START, REST = 1.0, 2.0  # of B12, and what it should come to
SCALES = {
    "smoke": Scale(seeds=2, epochs=3, block=3),
    "default": Scale(seeds=8, epochs=18, block=18),
    "paper": Scale(seeds=20, epochs=36, block=36),
}
NEAR = 0.06  # of REST, for a mean of eight that scatters by .02 at most
MINUTE = Protocol(shown=0, validation=(0.0,), present=3_000.0, align_present=10_000.0, lag=2_000.0, aligning=6)


@dataclass(frozen=True)
class Condition:
    """A way to align, and how its curve is drawn."""

    name: str
    protocol: Protocol
    colour: str


CONDITIONS = (
    Condition("silent input", replace(MINUTE, align_input="dark"), GREEN),
    Condition("input as in training", MINUTE, BLUE),
    Condition("the same, last spike whatever lies between", replace(MINUTE, pairing="nearest_symmetric"), ORANGE),
    Condition("input as in training, lateral weights on", replace(MINUTE, align_laterals=True), RED),
)


def experiment(out: Path, *, scale: str, target: Target | str, progress: Progress | None) -> dict[str, Any]:
    """Where B12 comes to rest, by what is on while SAL aligns it."""
    size = SCALES[scale]
    key = {"scale": asdict(size), "conditions": [asdict(c) for c in CONDITIONS], "seed": SEED}
    work = Work("fig6", out, target, key, float(len(CONDITIONS) * size.epochs), progress)
    data = run(work, size)
    title = "Fig 6: what SAL needs while it aligns"
    return work.finish(title, judge(data, size), data, partial(draw, data=data), scale=scale, variant="traps")


def run(work: Work, scale: Scale) -> Arrays:
    """The courses of all conditions.

    Returns: for each condition's number k, k_B12 and the other weights, (minute + 1, seed, post, pre).
    """
    data = Arrays()
    for k, condition in enumerate(CONDITIONS):
        begin = held(condition.protocol, scale.seeds)
        course = learned(work, condition.protocol, scale, "SAL", begin, Place(work.target), f"{k}-")
        data |= {f"{k}_{name}": value for name, value in course.items()}
    return data


def held(protocol: Protocol, count: int) -> Class:
    """Students that know all but the feedback weight; nobody asks for their targets."""
    w10, w21, b12 = (np.full((count, 1, 1), value) for value in (TEACHER[0][0, 0], TEACHER[1][0, 0], START))
    targets = (np.zeros((count, len(voltages), 1)) for voltages in (protocol.training, protocol.validation))
    return Class(SIZES, (w10, w21), (b12,), *targets)


def ends(data: Mapping[str, FloatArray], k: int) -> FloatArray:
    """B12 at the end of condition ``k``, by seed."""
    return np.asarray(weight(data, str(k), "B12")[-1])


def judge(data: Arrays, scale: Scale) -> list[Claim]:
    """Where B12 ends, beside W21."""
    enough = scale.epochs >= SCALES["default"].epochs
    wanted = ("W21 = 2", "below it", "further below", "(runs away)")
    right = (
        abs(np.median(ends(data, 0)) - REST) < NEAR,
        np.median(ends(data, 1)) < np.median(ends(data, 0)),
        np.median(ends(data, 2)) < np.median(ends(data, 1)),
        np.median(ends(data, 3)) > REST + 1.0,
    )
    claims = []
    for k, condition in enumerate(CONDITIONS):
        middle, low, high = band(ends(data, k), "median")
        claims.append(
            Claim(
                f"B12 after {scale.epochs} minutes, {condition.name}",
                wanted[k],
                f"{middle:.2f} ({low:.2f}, {high:.2f})",
                bool(right[k]) if enough else None,
            )
        )
    return claims


def draw(figure: Figure, data: Arrays) -> None:
    """B12 over minutes of SAL."""
    figure.set_size_inches(8.5, 3.6)
    axes = figure.subplots()
    for k, condition in enumerate(CONDITIONS):
        values = weight(data, str(k), "B12")
        minutes = np.arange(len(values))
        curve(axes, minutes, values.T, colour=condition.colour, label=condition.name, centre="median")
    axes.axhline(REST, color=GREY, linestyle="--", linewidth=1)
    axes.set(xlabel="minutes of SAL", xticks=range(0, len(values), 3), ylabel=SYMBOLS["B12"])
    legend_beside(axes)
    tidy(axes, "$W_{2,1}$ = 2 is held; median and quartiles")
