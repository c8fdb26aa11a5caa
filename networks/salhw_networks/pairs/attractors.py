"""Fig 10: other PSP shapes: SAL's attractor beside the diagonal, and how far (Eqs 6, 39, 40).

The attractors are those of the exact two-neuron chain, in which only a neuron's last PSP acts; what a target does with
some of them, with PSPs that stack as well, is measured.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw import Alpha, Rectangular, Target
from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.plots.look import BLUE, GREEN, GREY, ORANGE, tidy
from salhw.theory import attractor, mean_relative_deviation, stdd
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.pairs.measurements import learned
from salhw_networks.pairs.network import network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAU_REF, STEPS = 10.0, 10  # ms; steps per tau_ref, as the authors' code
DT = TAU_REF / STEPS
# A rectangular PSP of tau_ref - 1 steps: on a time grid the one whose attractor is the diagonal, as in continuous time.
KERNELS: dict[str, Kernel] = {
    "rectangular": Rectangular(tau_syn=TAU_REF - DT),
    "short alpha": Alpha(tau_syn=TAU_REF / 3, area=TAU_REF),
    "long alpha": Alpha(tau_syn=TAU_REF / 2, area=TAU_REF),
}
SHOWN = ((0.0, 0.0), (1.0, -1.0), (1.0, 0.0))  # biases of the attractors drawn
STARTS = ((1.5, 0.5), (-0.2, -1.0))  # from here, with the biases SHOWN[1], a target learns
ETA, UPDATE, DURATION, SEED = 1e-3, 600.0, 1_800_000.0, 10
TITLE = "Fig 10: other PSP shapes"


@dataclass(frozen=True)
class Scale:
    """``biases`` between -1 and 1 per neuron, ``points`` of the attractors between -1.5 and 1.5, ``repeats`` on the
    target."""

    biases: int
    points: int
    repeats: int


SCALES = {
    "smoke": Scale(biases=3, points=4, repeats=8),
    "default": Scale(biases=5, points=10, repeats=32),
    "paper": Scale(biases=9, points=10, repeats=64),
}


def experiment(
    out: Path, *, scale: str = "default", target: Target | str = "reference", progress: Progress | None = None
) -> dict[str, Any]:
    """Other PSP shapes: how far SAL's attractor is from the diagonal."""
    size = SCALES[scale]
    work = Work("fig10", out, target, {"scale": asdict(size), "seed": SEED}, 5.0, progress)
    data: Arrays = {"bias": np.linspace(-1.0, 1.0, size.biases), "w": np.linspace(-1.5, 1.5, size.points)}
    for name in KERNELS:
        piece = work.piece(name.replace(" ", "-"), 1.0, partial(attractors, size, name))
        data |= {f"{name}_{key}": value for key, value in piece.items()}
    for superposition in ("last", "sum"):
        piece = work.piece(superposition, 1.0, partial(measured, target, size, superposition))
        data |= {f"{superposition}_{key}": value for key, value in piece.items()}
    return work.finish(TITLE, judge(data), data, partial(draw, data=data), scale=scale)


def attractors(scale: Scale, name: str, progress: Progress) -> Arrays:
    """partners (bias, bias, w): W_01 beside every W_10; D (bias, bias), Eq 40; shown: the same for SHOWN; stdd of
    W = (1, 1) for SHOWN (pair, lag)."""
    kappa, w = KERNELS[name].sample(DT, 5 * STEPS), np.linspace(-1.5, 1.5, scale.points)
    levels, partners = np.linspace(-1.0, 1.0, scale.biases), []
    for k, first in enumerate(levels):
        partners.append([attractor(w, (first, second), kappa, STEPS, missing="nan") for second in levels])
        progress((k + 1) / scale.biases)
    curves = np.array(partners)
    return {
        "partners": curves,
        "D": np.array([[mean_relative_deviation(w, row) for row in rows] for rows in curves]),
        "shown": np.array([attractor(w, bias, kappa, STEPS, missing="nan") for bias in SHOWN]),
        "stdd": np.array([stdd([[0.0, 1.0], [1.0, 0.0]], bias, kappa, STEPS, 40).rate for bias in SHOWN]),
    }


def measured(target: Target | str, scale: Scale, superposition: str, progress: Progress) -> Arrays:
    """Where SAL with the short alpha PSP ends on the target for biases (1, -1).

    Returns: ends (start, repeat, 2), the mean of the last quarter; expected (start, 2), the point of the exact
        attractor with the same sum, which SAL conserves.
    """
    kernel = KERNELS["short alpha"].replace(superposition=superposition)
    net = network(
        bias=SHOWN[1], learning_rate=ETA, update=f"every {UPDATE:g} ms", sample=10 * UPDATE, spikes=False,
        tau_ref=TAU_REF, dt=DT, kernel=kernel, execution="host",
    )  # fmt: skip
    starts = np.array(STARTS)
    _, weights = learned(
        net, starts, target=target, duration=DURATION, repeats=scale.repeats, seed=SEED, progress=progress
    )
    last = weights[:, :, 3 * weights.shape[2] // 4 :].mean(axis=2)
    return {"ends": last, "expected": np.array([on_attractor(sum(start)) for start in STARTS])}


def on_attractor(total: float) -> FloatArray:
    """(W_01, W_10) on the short alpha's attractor for SHOWN[1] with that sum."""
    from scipy.optimize import brentq

    kappa = KERNELS["short alpha"].sample(DT, 5 * STEPS)

    def gap(back: float) -> float:
        return back + float(attractor([back], SHOWN[1], kappa, STEPS)[0]) - total

    back = float(brentq(gap, 0.5 * total - 0.4, 0.5 * total + 0.4, xtol=1e-6))
    return np.array([total - back, back])


def judge(data: Arrays) -> list[Claim]:
    """What section 2.6 says."""
    largest = {name: float(data[f"{name}_D"].max()) for name in KERNELS}
    w = data["w"]
    agree = {}
    for name in KERNELS:
        partners = data[f"{name}_partners"]
        there = ~np.isnan(partners) & (np.abs(w) > 1e-9)
        agree[name] = float((np.sign(partners) == np.sign(w))[there].mean())
    ends, expected = data["last_ends"], data["last_expected"]
    error = ends[..., 0].std(axis=1, ddof=1) / np.sqrt(ends.shape[1])
    off = ends[..., 0].mean(axis=1) - expected[:, 0]
    stacked = data["sum_ends"].mean(axis=1)
    return [
        Claim(
            "D, rectangular PSP, largest over the biases",
            "0",
            f"{largest['rectangular']:.1g}",
            largest["rectangular"] < 1e-6,
        ),
        Claim(
            "D, short alpha PSP",
            "below 10 %; an independent re-run: 5.3 %",
            f"{largest['short alpha']:.1%}",
            largest["short alpha"] < 0.1,
        ),
        Claim("D, long alpha PSP", "larger; re-run: 46 %", f"{largest['long alpha']:.0%}", largest["long alpha"] > 0.1),
        Claim(
            "share of the attractors' points whose two weights have one sign",
            "all, whatever PSP and biases",
            ", ".join(f"{name} {share:.1%}" for name, share in agree.items()),
            min(agree.values()) == 1.0,
        ),
        Claim(
            "SAL's ends with biases (1, -1), short alpha, W_01 and W_10, from two starts",
            f"(theory {', '.join(f'{a:.3f}/{b:.3f}' for a, b in expected)})",
            f"{', '.join(f'{a:.3f}/{b:.3f}' for a, b in ends.mean(axis=1))} (± {error.max():.3f})",
            bool((np.abs(off) < 4.0 * error + 0.01).all()),
        ),
        Claim(
            "the same with PSPs that stack",
            "(matters most for long PSPs)",
            f"{', '.join(f'{a:.3f}/{b:.3f}' for a, b in stacked)}",
        ),
    ]


def draw(figure: Figure, data: Arrays) -> None:
    """Rows a to d: PSP, STDD, attractors, D; a column per PSP."""
    figure.set_size_inches(10.5, 12.5)
    panels = figure.subplots(4, 3)
    age, lag = np.arange(0, 4 * STEPS + 1), np.arange(-40, 41) / STEPS
    for column, (name, kernel) in enumerate(KERNELS.items()):
        a, b, c, d = panels[:, column]
        a.step(age[1:] / STEPS, kernel.sample(DT, 4 * STEPS), where="mid", color=BLUE)
        a.set(xlabel="time ($\\tau_{ref}$)", ylabel="PSP")
        tidy(a, f"a  {name}")
        for k, colour in enumerate((BLUE, ORANGE, GREEN)):
            label = f"b = {SHOWN[k][0]:g}, {SHOWN[k][1]:g}"
            b.plot(lag, data[f"{name}_stdd"][k] * STEPS, color=colour, label=label)
            c.plot(data[f"{name}_shown"][k], data["w"], "o-", color=colour, markersize=3, label=label)
        b.set(xlabel="$t_1 - t_0$ ($\\tau_{ref}$)", ylabel="pairs per $\\tau_{ref}$ and step")
        tidy(b, "b  STDD at W = 1")
        c.axline((0, 0), slope=1, color=GREY, linestyle="--", linewidth=1)
        c.set(xlabel="$W_{01}$", ylabel="$W_{10}$", xlim=(-2, 2), ylim=(-1.6, 1.6))
        if name == "short alpha":
            for superposition, marker in (("last", "s"), ("sum", "x")):
                ends = data[f"{superposition}_ends"].mean(axis=1)
                c.plot(ends[:, 0], ends[:, 1], marker, color="#000000", markersize=6, mfc="none", label=superposition)
        c.legend(frameon=False, fontsize=7)
        tidy(c, "c  attractors (black: measured ends)")
        deviation = data[f"{name}_D"].T
        image = d.imshow(
            deviation, origin="lower", extent=(-1.25, 1.25, -1.25, 1.25), cmap="viridis", vmin=0.0,
            vmax=max(0.01, deviation.max()),  # below, it is rounding
        )  # fmt: skip
        figure.colorbar(image, ax=d)
        d.set(xlabel="$b_0$", ylabel="$b_1$")
        tidy(d, "d  mean relative deviation D")
        d.grid(visible=False)
