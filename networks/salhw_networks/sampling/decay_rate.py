"""Fig 14: which decay rate lambda is best for Kolen-Pollack in sampling networks?

All curves have Fig 4's learning rates. SAL's results stand beside them for reference. The best lambda goes as one over
the number of cycles: the paper's 4e-5 is that of Fig 4's 20,000 (variant ``long``), not of section 5.2's 2,000.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, ORANGE, band, legend_beside
from salhw.substrate.target import Target
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.sampling import sweep
from salhw_networks.sampling.sweep import Condition, Scale
from salhw_networks.sampling.synaptic_noise import RATE, SAL
from salhw_networks.sampling.training import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECAYS = (0.0, 1e-5, 2e-5, 4e-5, 1e-4, 2e-4, 4e-4, 1e-3, 2e-3)
CHOSEN = 4e-5  # the paper's lambda
NOISE = {"synaptic": ((0.2, 0.0), (0.8, 0.0)), "plasticity": ((0.2, 0.01), (0.2, 0.05))}
SCALES = {
    "smoke": Scale(distributions=2, seeds=2, cycles=40, checks=1, measure=200_000.0, speed=50.0),
    "default": Scale(distributions=5, seeds=4, cycles=400, checks=1, measure=1e6, speed=5.0),
    "paper": Scale(distributions=5, seeds=4, cycles=2_000, checks=1, measure=1e7),
}
VARIANTS = {
    "paper": Training(noise_in="sleep"),
    "code": Training(noise_in="code", bounds=2.0),
    "long": Training(noise_in="sleep"),  # Fig 4's 20,000 cycles: every rate, lambda too, ten times as high again
}
TITLE = "Fig 14: the Kolen-Pollack decay rate in sampling networks"


def conditions() -> list[Condition]:
    """Per noise: every decay rate, then SAL."""
    return [
        condition
        for synaptic, plastic in (noise for pair in NOISE.values() for noise in pair)
        for condition in (
            *(Condition("KP", synaptic, plastic, RATE, decay=decay) for decay in DECAYS),
            Condition("SAL", synaptic, plastic, RATE, sal=SAL),
        )
    ]


def experiment(
    out: Path,
    *,
    scale: str = "default",
    target: Target | str = "reference",
    variant: Literal["paper", "code", "long"] = "paper",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Kolen-Pollack's trade-off: more decay, less asymmetry, but a worse D_KL."""
    size, training = SCALES[scale], VARIANTS[variant]
    size = replace(size, speed=10.0 * size.speed) if variant == "long" else size
    chosen = conditions()
    work = Work("fig14", out, target, sweep.key(training, size, chosen), sweep.total(size), progress)
    data = sweep.run(work, training, size, chosen)
    claims = judge(data, size)
    return work.finish(TITLE, claims, data, partial(draw, data=data), scale=scale, variant=variant, best=best(data))


def table(values: FloatArray) -> FloatArray:
    """(condition, run) as (noise, decay and SAL, run)."""
    return np.asarray(values.reshape(4, len(DECAYS) + 1, -1))


def best(data: Arrays) -> list[float]:
    """The decay rate with the lowest median D_KL, per noise."""
    medians = np.median(table(data["forward"][-1]), axis=2)[:, :-1]
    return [DECAYS[k] for k in medians.argmin(axis=1)]


def judge(data: Arrays, scale: Scale) -> list[Claim]:
    """What section 5.2 says."""
    enough = scale.runs >= 12
    d, a, lowest = table(data["forward"][-1]), table(data["asymmetry"][-1]), best(data)
    middle = np.median(a, axis=2)
    monotone = bool((np.diff(middle[:2, :-1], axis=1) < 0).all())
    beaten = [sweep.worse(d[k, DECAYS.index(lowest[k])], d[k, -1]) for k in range(4)]
    too_much = [sweep.worse(d[k, len(DECAYS) - 1], d[k, DECAYS.index(lowest[k])]) for k in range(4)]
    return [
        Claim("more decay, less asymmetry (synaptic noise)", "better symmetrisation", str(monotone).lower(), monotone),
        Claim(
            f"D_KL at the strongest decay ({DECAYS[-1]:g}) against the best one, four noises",
            "stalls learning",
            f"worse with p = {', '.join(f'{p:.1g}' for p in too_much)}",
            bool(max(too_much) < 0.05) if enough else None,
        ),
        Claim(
            "best lambda, synaptic noise .2 and .8",
            "differ; 4e-5 chosen for .8",
            f"{lowest[0]:g}, {lowest[1]:g}",
            bool(lowest[1] >= lowest[0]) if enough else None,
        ),
        Claim(
            "best lambda, plasticity noise .01 and .05",
            "so small that KP is practically disabled; 4e-5 chosen",
            f"{lowest[2]:g}, {lowest[3]:g}",
        ),
        Claim(
            "D_KL at the best lambda against SAL, four noises",
            "SAL below or level with the best KP",
            f"worse with p = {', '.join(f'{p:.1g}' for p in beaten)}",
        ),
    ]


def draw(figure: Figure, data: Arrays) -> None:
    """Asymmetry and D_KL against lambda, synaptic noise on the left, plasticity noise on the right."""
    figure.set_size_inches(10.5, 7.5)
    panels = figure.subplots(2, 2, sharex=True)
    x = np.array([DECAYS[1] / 3, *DECAYS[1:]])  # a place on the logarithmic axis for 0
    for row, (name, y) in enumerate((("asymmetry", "Var($W_{ij} - W_{ji}$)"), ("forward", "$D_{KL}(p\\,||\\,p^*)$"))):
        middle, low, high = band(np.moveaxis(table(data[name][-1]), 2, 0), "median")
        for column, (kind, noises) in enumerate(NOISE.items()):
            axes = panels[row, column]
            for k, (noise, colour) in enumerate(zip(noises, (BLUE, ORANGE), strict=True)):
                n, level = 2 * column + k, noise[column]
                bars = np.stack([middle[n] - low[n], high[n] - middle[n]])[:, :-1]
                axes.errorbar(
                    x, middle[n, :-1], bars, fmt="o-", color=colour, markersize=4, capsize=2, label=f"{level:g}"
                )
                axes.axhline(middle[n, -1], color=colour, linestyle="--", linewidth=1)
                if name == "forward":
                    lowest = int(middle[n, :-1].argmin())
                    axes.plot(x[lowest], middle[n, lowest], "o", markersize=11, mfc="none", mec="#D55E00")
            axes.set_xscale("log")
            sweep.finished(axes, f"{kind} noise", "lambda (leftmost: 0)" if row else "", "" if column else y)
            if row == 0:
                legend_beside(axes, "noise; dashed: SAL")
