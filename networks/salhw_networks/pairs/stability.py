"""Fig 11: why the fixed point is stable: the deviation delta of the STDD and its integral Delta (section 4.2.2)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw import Target
from salhw.description.fields import FloatArray
from salhw.plots.look import BLUE, ORANGE, tidy
from salhw.theory import deviation
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.pairs.measurements import stdds
from salhw_networks.pairs.network import network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAU_REF, STEPS, T_MAX = 10.0, 25, 600  # ms; steps per tau_ref; steps
BIAS, WEIGHTS = (0.0, 1.0), (0.5, -0.5)
VARIANTS = {"paper": 0.005, "code": 0.05}  # the perturbation of both weights
MEASURED = 0.5  # the change that a target's spikes can show in minutes
SEED = 11
TITLE = "Fig 11: the fixed point of SAL is stable"


@dataclass(frozen=True)
class Scale:
    """``duration`` ms per repeat, ``repeats`` per weight."""

    duration: float
    repeats: int


SCALES = {
    "smoke": Scale(duration=60_000.0, repeats=16),
    "default": Scale(duration=600_000.0, repeats=64),
    "paper": Scale(duration=2e6, repeats=64),
}


def experiment(
    out: Path,
    *,
    scale: str = "default",
    target: Target | str = "reference",
    variant: Literal["paper", "code"] = "paper",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The fixed point of SAL is stable: a stronger weight brings its causal pairs forward."""
    size = SCALES[scale]
    work = Work("fig11", out, target, {"scale": asdict(size), "variant": variant, "seed": SEED}, 2.0, progress)
    data = {
        **work.piece("exact", 1.0, partial(exact, VARIANTS[variant])),
        **work.piece("measured", 1.0, partial(measured, target, size)),
    }
    return work.finish(TITLE, judge(data), data, partial(draw, data=data), scale=scale, variant=variant)


def exact(epsilon: float, progress: Progress) -> Arrays:
    """delta and Delta (weight, sign of epsilon, lag) of the theory, in pairs per step; and delta for MEASURED."""
    deviations = []
    for k, w in enumerate(WEIGHTS):
        matrix = [[0.0, w], [w, 0.0]]
        of = [deviation(matrix, e, BIAS, np.ones(STEPS), STEPS, T_MAX) for e in (epsilon, -epsilon, MEASURED)]
        deviations.append([(d.delta, d.integral) for d in of])
        progress((k + 1) / len(WEIGHTS))
    both = np.array(deviations)
    return {
        "delta": both[:, :2, 0],
        "Delta": both[:, :2, 1],
        "expected_delta": both[:, 2, 0],
        "expected_Delta": both[:, 2, 1],
        "epsilon": np.array(epsilon),
    }


def measured(target: Target | str, scale: Scale, progress: Progress) -> Arrays:
    """Delta (weight, repeat, lag) for W_10 = W_01 + MEASURED, from spikes."""
    weights = np.array([(w, w + e) for w in WEIGHTS for e in (0.0, MEASURED)])
    net = network()
    sample = stdds(
        net, weights, np.tile(BIAS, (len(weights), 1)), target=target, duration=scale.duration, repeats=scale.repeats,
        t_max=T_MAX, seed=SEED, progress=progress,
    )  # fmt: skip
    halves = sample[..., T_MAX + 1 :] - sample[..., :T_MAX][..., ::-1]
    delta = halves[1::2] - halves[::2]
    integral = np.concatenate([np.zeros((*delta.shape[:2], 1)), np.cumsum(delta, axis=-1)], axis=-1)
    return {"measured_Delta": integral}


def _standard_error(repeats: FloatArray) -> FloatArray:
    return np.asarray(repeats.std(axis=1, ddof=1) / np.sqrt(repeats.shape[1]))


def judge(data: Arrays) -> list[Claim]:
    """What section 4.2.2 says."""
    area = float(np.abs(data["delta"].sum(axis=-1)).max())
    size = np.abs(data["delta"]).sum(axis=-1).min()
    sign = np.array([1.0, -1.0])[None, :, None] * data["Delta"]
    one_sign = bool(sign.min() > -1e-12 * size)
    mean, error = data["measured_Delta"].mean(axis=1), _standard_error(data["measured_Delta"])
    # Where Delta is large: within two tau_ref. Lags are correlated, so the largest |z| of 50 is held to 4.5.
    near = np.arange(1, 2 * STEPS)
    z = (mean[:, near] - data["expected_Delta"][:, near]) / error[:, near]
    lowest = (mean[:, near] / error[:, near]).min()
    end = mean[:, -1] / np.maximum(error[:, -1], 1e-300)
    return [
        Claim(
            "integral of delta over all lags, as a share of its size",
            "0 (Eq 22)",
            f"{area / size:.1g}",
            area < 1e-9 * size,
        ),
        Claim("Delta has the sign of epsilon at every lag", "yes", "yes" if one_sign else "no", one_sign),
        Claim(
            f"measured Delta for epsilon = {MEASURED:g} against the exact one, largest |z|",
            "(they agree)",
            f"{np.abs(z).max():.1f}",
            bool(np.abs(z).max() < 4.5),
        ),
        Claim(
            "measured Delta up to 2 tau_ref, smallest value in standard errors",
            "positive",
            f"{lowest:.1f}",
            bool(lowest > 0.0),
        ),
        Claim(
            "measured Delta after the longest lag, in standard errors",
            "0",
            ", ".join(f"{e:.1f}" for e in end),
            bool(np.abs(end).max() < 4.5),
        ),
    ]


def draw(figure: Figure, data: Arrays) -> None:
    """delta above, Delta below; positive weights left, negative ones right."""
    figure.set_size_inches(10.5, 7.0)
    panels = figure.subplots(2, 2, sharex=True)
    lag, epsilon = np.arange(T_MAX + 1) / STEPS, float(data["epsilon"])
    mean, error = data["measured_Delta"].mean(axis=1), _standard_error(data["measured_Delta"])
    for k, w in enumerate(WEIGHTS):
        for row, name in enumerate(("delta", "Delta")):
            axes = panels[row, k]
            for s, colour in enumerate((BLUE, ORANGE)):
                label = f"$\\varepsilon$ = {(1 - 2 * s) * epsilon:g}"
                axes.plot(lag, data[name][k, s] / epsilon, color=colour, label=label)
            axes.set(xlabel="t ($\\tau_{ref}$)", ylabel=f"$\\{name}(t) / |\\varepsilon|$", xlim=(0, 6))
            tidy(axes, f"{'ab'[row]}  W = {w:g}")
        axes.errorbar(
            lag[::5], mean[k, ::5] / MEASURED, error[k, ::5] / MEASURED, fmt=".", color="#000000", markersize=3,
            elinewidth=0.6, label=f"measured, $\\varepsilon$ = {MEASURED:g}",
        )  # fmt: skip
        axes.plot(lag, data["expected_Delta"][k] / MEASURED, color="#999999", linewidth=1, label="exact for it")
        axes.legend(frameon=False)
