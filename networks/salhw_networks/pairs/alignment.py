"""Fig 2: the principle of SAL: spike-timing differences show the weights' asymmetry, and SAL takes it away."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from salhw import Target, compile
from salhw.description.plasticity import Pairing
from salhw.plots.look import BLUE, GREEN, GREY, ORANGE, RED, legend_below, tidy
from salhw.theory import attractor, phase_plane, stdd
from salhw_networks.experiment import Arrays, Claim, Progress, Work
from salhw_networks.pairs.measurements import learned, matrices, misfit, stdds
from salhw_networks.pairs.network import network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAU_REF, STEPS, T_MAX = 10.0, 25, 100  # ms; steps per tau_ref; steps
PAIRS = ((0.4, 0.8), (-0.4, -0.8))  # (into 0, into 1)
START, BIAS = (1.5, 0.5), (-0.5, -0.2)
ETA, UPDATE, UPDATES = 5e-4, 600.0, 1500  # .03 per update of 1500 steps, averaged over its 60 tau_ref
SIDES = {"both learn": (1.0, 1.0), "the first learns": (1.0, 0.0), "the second learns": (0.0, 1.0)}
SEED, ENOUGH = 2, 10.0
GRID = np.arange(-2.0, 2.01, 0.25)
VARIANTS: dict[str, Pairing] = {"paper": "nearest_restricted", "code": "all"}
TITLE = "Fig 2: the principle of SAL"


@dataclass(frozen=True)
class Scale:
    """``stdd_ms`` per repeat, ``repeats`` of everything, ``points`` of the phase plane per axis measured for
    ``plane_ms`` each."""

    stdd_ms: float
    repeats: int
    points: int
    plane_ms: float


SCALES = {
    "smoke": Scale(stdd_ms=60_000.0, repeats=16, points=5, plane_ms=60_000.0),
    "default": Scale(stdd_ms=600_000.0, repeats=64, points=9, plane_ms=2e6),
    "paper": Scale(stdd_ms=600_000.0, repeats=64, points=17, plane_ms=1e7),
}


def experiment(
    out: Path,
    *,
    scale: str = "default",
    target: Target | str = "reference",
    variant: Literal["paper", "code"] = "paper",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The principle of SAL: timing differences, a pair that aligns, the phase plane."""
    size = SCALES[scale]
    work = Work("fig2", out, target, {"scale": asdict(size), "variant": variant, "seed": SEED}, 4.0, progress)
    data = {
        **work.piece("stdd", 1.0, partial(timing, target, size)),
        **work.piece("paths", 1.0, partial(aligning, target, size, variant)),
        **work.piece("plane", 2.0, partial(plane, target, size)),
    }
    return work.finish(TITLE, judge(data, size), data, partial(draw, data=data), scale=scale, variant=variant)


def timing(target: Target | str, scale: Scale, progress: Progress) -> Arrays:
    """Fig 2c."""
    weights, bias = np.array(PAIRS), np.full((len(PAIRS), 2), -0.5)
    net = network()
    sample = stdds(
        net, weights, bias, target=target, duration=scale.stdd_ms, repeats=scale.repeats, t_max=T_MAX, seed=SEED,
        progress=progress,
    )  # fmt: skip
    exact = [stdd(w, b, np.ones(STEPS), STEPS, T_MAX).rate for w, b in zip(matrices(weights), bias, strict=True)]
    return {"stdd_measured": sample, "stdd_exact": np.array(exact)}


def aligning(target: Target | str, scale: Scale, variant: str, progress: Progress) -> Arrays:
    """Fig 2d: 1,500 updates of 1,500 steps."""
    net = network(
        bias=BIAS,
        update=f"every {UPDATE:g} ms",
        sample=10 * UPDATE,
        spikes=False,
        pairing=VARIANTS[variant],
        execution="host",
    )
    time, weights = learned(
        net, np.tile(START, (len(SIDES), 1)), target=target, duration=UPDATES * UPDATE, repeats=scale.repeats,
        seed=SEED, rates=ETA * np.array(list(SIDES.values())), progress=progress,
    )  # fmt: skip
    return {"path_time": time, "path_weights": weights}


def plane(target: Target | str, scale: Scale, progress: Progress) -> Arrays:
    """Fig 2e, b = 0: the exact drift everywhere, measured at some points (pair sums without learning), and the
    attractor. Drifts of (W_01, W_10) per tau_ref and unit learning rate; the exact one is exact_drift[i, j] at W_10 =
    GRID[i], W_01 = GRID[j]."""
    field = phase_plane(GRID, (0.0, 0.0), np.ones(STEPS), STEPS, t_max=20 * STEPS)
    points = np.linspace(-2.0, 2.0, scale.points)
    starts = np.array([(into, back) for back in points for into in points])
    tiny = 1e-9  # the weights stand still: their change is that of the pair sums
    net = network(
        bias=(0.0, 0.0), learning_rate=tiny, update="run end", execution="host", sample=scale.plane_ms, spikes=False
    )
    first, repeats = matrices(starts), max(4, scale.repeats // 8)
    with compile(net, target).open(instances=len(starts) * repeats, seed=SEED + 1) as session:
        session.set("projections.pair.weights", np.repeat(first, repeats, axis=0))
        session.run(scale.plane_ms / repeats, progress=progress)
        change = session.get("projections.pair.weights") - np.repeat(first, repeats, axis=0)
    change /= tiny * scale.plane_ms / repeats / TAU_REF
    measured = np.stack([change[:, 0, 1], change[:, 1, 0]], axis=-1).reshape(len(starts), repeats, 2)
    return {
        "exact_drift": field.drift[..., ::-1] * STEPS,
        "measured_at": starts,
        "measured_drift": measured,
        "exact_at": np.array([_at(field.drift, start) * STEPS for start in starts]),
        "attractor": attractor(GRID, (0.0, 0.0), np.ones(STEPS), STEPS, t_max=20 * STEPS),
    }


def _at(drift: Any, start: Any) -> Any:
    """The exact drift of W_01 at one of the measured points, which lie on GRID."""
    into, back = (int(np.argmin(np.abs(GRID - w))) for w in start)
    return drift[back, into, 1]


def judge(data: Arrays, scale: Scale) -> list[Claim]:
    """What sections 2.2 and 2.3 say."""
    expected = (scale.repeats - 1) / (scale.repeats - 3)
    enough = data["stdd_exact"] * scale.stdd_ms * STEPS / TAU_REF >= ENOUGH
    fit = misfit(data["stdd_measured"], data["stdd_exact"], enough)
    within = 4.0 * expected * np.sqrt(2.0 / enough.sum(axis=1).min())
    near = np.arange(1, STEPS + 1)
    causal, anticausal = (data["stdd_measured"].mean(axis=1)[:, T_MAX + s * near].sum(axis=1) for s in (1, -1))
    ends = data["path_weights"][:, :, -1].mean(axis=1)
    error = data["path_weights"][:, :, -1].std(axis=1, ddof=1).max() / np.sqrt(scale.repeats)
    two, first, second = ends
    z = data["measured_drift"][..., 0]
    z = (z.mean(axis=1) - data["exact_at"]) / (z.std(axis=1, ddof=1) / np.sqrt(z.shape[1]))
    n = data["measured_drift"].shape[1]
    off = float(np.abs(data["attractor"] - GRID).max())
    return [
        Claim(
            "c: pairs within tau_ref, causal / anticausal for the stronger synapse (W = .4/.8, -.4/-.8)",
            "above 1, below 1",
            f"{causal[0] / anticausal[0]:.3f}, {causal[1] / anticausal[1]:.3f}",
            bool(causal[0] > anticausal[0] and causal[1] < anticausal[1]),
        ),
        Claim(
            "c: (measured - exact)² / standard error²",
            "(Fig 13: good agreement)",
            f"{fit[0]:.2f}, {fit[1]:.2f} (expected {expected:.2f} ± {within / 4:.2f})",
            bool((np.abs(fit - expected) < within).all()),
        ),
        Claim(
            "d: both synapses learn, from 1.5 and .5",
            "converge to their common mean (1.0); an independent re-run: .99, 1.01",
            f"{two[0]:.3f}, {two[1]:.3f} (± {error:.3f})",
            bool(np.abs(two - 1.0).max() < 0.05),
        ),
        Claim(
            "d: one synapse learns",
            "converges to the other one (.5; 1.5); re-run: 1.51 for 1.5",
            f"{first[0]:.3f} beside {first[1]:.1f}; {second[1]:.3f} beside {second[0]:.1f}",
            bool(max(abs(first[0] - 0.5), abs(second[1] - 1.5)) < 0.1),
        ),
        Claim(
            "e: largest distance of the exact attractor from the diagonal", "on the diagonal", f"{off:.1g}", off < 1e-6
        ),
        Claim(
            "e: measured drift against the exact one, mean z²",
            "arrows towards the diagonal",
            f"{np.mean(z**2):.2f} over {z.size} points (expected {(n - 1) / max(1, n - 3):.2f})",
        ),
    ]


def draw(figure: Figure, data: Arrays) -> None:
    """Panels c, d, e."""
    figure.set_size_inches(12.5, 4.2)
    c, d, e = figure.subplots(1, 3)
    lag = np.arange(-T_MAX, T_MAX + 1) / STEPS
    for k, colour in enumerate((ORANGE, BLUE)):
        c.plot(lag, data["stdd_measured"][k].mean(axis=0) * STEPS, ".", color=colour, markersize=3, alpha=0.6)
        c.plot(lag, data["stdd_exact"][k] * STEPS, color=colour, label=f"W = {PAIRS[k][0]:g}, {PAIRS[k][1]:g}")
    c.set(xlabel="$t_1 - t_0$ ($\\tau_{ref}$)", ylabel="pairs per $\\tau_{ref}$ and step", xlim=(-4, 4))
    c.set_ylim(top=1.3 * c.get_ylim()[1])  # room for the legend
    c.legend(frameon=False, loc="upper left")
    tidy(c, "c  STDD: dots measured, lines exact")
    time = data["path_time"] / UPDATE
    for k, (name, colour) in enumerate(zip(SIDES, (RED, GREY, GREEN), strict=True)):
        mean = data["path_weights"][k].mean(axis=0)
        d.plot(time, mean[:, 0], color=colour, label=name)
        d.plot(time, mean[:, 1], color=colour, linestyle="--")
    d.set(xlabel="update", ylabel="weight ($W_{01}$, dashed $W_{10}$)")
    legend_below(d, 3, 9)
    tidy(d, "d  alignment")
    drift = data["exact_drift"]  # of (W_01, W_10) at [W_10, W_01]
    e.contourf(GRID, GRID, np.hypot(drift[..., 0], drift[..., 1]), 15, cmap="GnBu", alpha=0.9)
    e.quiver(GRID[::2], GRID[::2], drift[::2, ::2, 0], drift[::2, ::2, 1], pivot="mid", width=0.004)
    e.plot(data["attractor"], GRID, color=BLUE, linewidth=2)
    for k, colour in enumerate((RED, GREY, GREEN)):
        mean = data["path_weights"][k].mean(axis=0)
        e.plot(mean[:, 0], mean[:, 1], color=colour)
    e.set(xlabel="$W_{01}$", ylabel="$W_{10}$", aspect="equal")
    tidy(e, "e  phase plane; blue: attractor")
