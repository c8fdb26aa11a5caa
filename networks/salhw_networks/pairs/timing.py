"""Fig 13: the exact STDD of two neurons (section 4.2.1) against spikes measured on a target."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw import Alpha, Rectangular, Target
from salhw.description.kernels import Kernel
from salhw.plots.look import legend_above, tidy
from salhw.plots.timing import stdd as draw_stdd
from salhw.theory import stdd
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.pairs.measurements import matrices, misfit, stdds
from salhw_networks.pairs.network import network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAU_REF, STEPS, T_MAX = 10.0, 10, 60  # ms; steps per tau_ref; steps
DRAWS, SEED, ENOUGH = 4, 13, 10.0
KERNELS: dict[str, Kernel] = {
    "rectangular": Rectangular(tau_syn=TAU_REF),
    # The theory's chain knows the partner's last spike only.
    "alpha": Alpha(tau_syn=TAU_REF / 3, area=TAU_REF, superposition="last"),
}
TITLE = "Fig 13: spike-timing difference distributions, theory and measurement"


@dataclass(frozen=True)
class Scale:
    """``duration`` ms per repeat, ``repeats`` per draw."""

    duration: float
    repeats: int


SCALES = {
    "smoke": Scale(duration=40_000.0, repeats=16),
    "default": Scale(duration=33_000.0 * TAU_REF, repeats=32),
    "paper": Scale(duration=33_000.0 * TAU_REF, repeats=64),
}


def experiment(
    out: Path, *, scale: str = "default", target: Target | str = "reference", progress: Progress | None = None
) -> dict[str, Any]:
    """The exact spike-timing difference distribution against measured spikes."""
    size = SCALES[scale]
    work = Work("fig13", out, target, {"scale": asdict(size), "seed": SEED}, 2.0, progress)
    data: Arrays = {}
    for name in KERNELS:
        data |= {f"{name}_{k}": v for k, v in work.piece(name, 1.0, partial(measure, target, size, name)).items()}
    return work.finish(TITLE, judge(data, size), data, partial(draw, data=data), scale=scale)


def measure(target: Target | str, scale: Scale, name: str, progress: Progress) -> Arrays:
    """W, b ~ U(-1, 1); measured and exact pairs per step and lag."""
    random = np.random.default_rng(SEED)
    weights, bias = random.uniform(-1.0, 1.0, (2, DRAWS, 2))
    kernel, dt = KERNELS[name], TAU_REF / STEPS
    net = network(tau_ref=TAU_REF, dt=dt, kernel=kernel)
    sample = stdds(
        net, weights, bias, target=target, duration=scale.duration, repeats=scale.repeats, t_max=T_MAX, seed=SEED,
        progress=progress,
    )  # fmt: skip
    kappa = kernel.sample(dt, 8 * STEPS)
    exact = [stdd(w, b, kappa, STEPS, T_MAX).rate for w, b in zip(matrices(weights), bias, strict=True)]
    return {"weights": weights, "bias": bias, "measured": sample, "exact": np.array(exact)}


def judge(data: Arrays, scale: Scale) -> list[Claim]:
    """Good agreement, as numbers."""
    claims, expected = [], (scale.repeats - 1) / (scale.repeats - 3)
    for name in KERNELS:
        sample, exact = data[f"{name}_measured"], data[f"{name}_exact"]
        enough = exact * scale.duration * STEPS / TAU_REF >= ENOUGH
        fits = misfit(sample, exact, enough)
        within = 4.0 * expected * np.sqrt(2.0 / enough.sum(axis=1))
        apart = 0.5 * np.abs(sample.mean(axis=1) - exact).sum(axis=1) / exact.sum(axis=1)
        claims.append(
            Claim(
                f"{name} PSP: (measured - exact)² / standard error², mean over lags, four draws",
                "good agreement",
                f"{', '.join(f'{m:.2f}' for m in fits)} (expected {expected:.2f} ± {within.max() / 4:.2f}); total "
                f"variation {apart.max():.2%}",
                bool((np.abs(fits - expected) < within).all()),
            )
        )
    return claims


def draw(figure: Figure, data: Arrays) -> None:
    """Two draws for each PSP, with what is left in standard errors over the repeats."""
    figure.set_size_inches(10.5, 8.0)
    lag = np.arange(-T_MAX, T_MAX + 1) / STEPS
    for row, name in zip(figure.subplots(2, 2), KERNELS, strict=True):
        for k, axes in enumerate(row):
            sample = data[f"{name}_measured"][k] * STEPS
            (into, back), (first, second) = data[f"{name}_weights"][k], data[f"{name}_bias"][k]
            draw_stdd(
                lag, sample.mean(axis=0), data[f"{name}_exact"][k] * STEPS, axes,
                errors=sample.std(axis=0, ddof=1) / np.sqrt(len(sample)), legend=False,
                xlabel="$t_1 - t_0$ ($\\tau_{ref}$)", ylabel="pairs per $\\tau_{ref}$ and step",
            )  # fmt: skip
            axes.set_xlim(-4, 4)
            tidy(axes, f"{name}: $W$ = ({into:.2f}, {back:.2f}), $b$ = ({first:.2f}, {second:.2f})")
    legend_above(figure, axes)
