"""The demo's pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from salhw.io.files import write_figure
from salhw.plots.look import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, legend_above, tidy
from salhw.plots.timing import stdd as draw_stdd
from salhw_networks.demo.pairs import REPEATS, STARTS, Pairs
from salhw_networks.demo.sampling import Sampling
from salhw_networks.demo.timing import LABELS, Timing

COLOURS = (BLUE, RED, GREEN, PURPLE, SKY, ORANGE, BLACK, GREY)
W01, W10 = "$W_{01}$ (from neuron 1 to 0)", "$W_{10}$ (from neuron 0 to 1)"


def weights(path: Path, pairs: Pairs, sampling: Sampling) -> None:
    """The pairs' weights over time and in their plane; the sampling network's asymmetry and what it samples."""
    figure = Figure(figsize=(11.0, 8.6), layout="constrained")
    over_time, plane, asymmetry, states = figure.subplots(2, 2).ravel()
    _pair_over_time(over_time, pairs)
    _plane(plane, pairs)
    _asymmetry(asymmetry, sampling)
    _states(states, sampling)
    write_figure(path, figure, dpi=130)


def _pair_over_time(axes: Axes, pairs: Pairs) -> None:
    middle = sum(STARTS[0]) / 2
    for side, (colour, label) in enumerate(((BLUE, W01), (RED, W10))):
        single = pairs.weights[0, :, :, side]
        axes.plot(pairs.time, single.T, color=colour, alpha=0.3, linewidth=0.7)
        axes.plot(pairs.time, single.mean(axis=0), color=colour, linewidth=2.0, label=f"{label}, mean of {REPEATS}")
        exact = middle + (0.5 - side) * pairs.expected[0]
        axes.plot(pairs.time, exact, "--", color=BLACK, linewidth=1.2, label="exact drift" if side else None)
    axes.set(xlabel="time (s)", ylabel="weight", xlim=(0, pairs.time[-1]))
    axes.legend(frameon=False)
    tidy(axes, "a  A pair under SAL (Fig 2d)", size=11)


def _plane(axes: Axes, pairs: Pairs) -> None:
    for k, (start, colour) in enumerate(zip(STARTS, COLOURS, strict=True)):
        axes.plot(pairs.weights[k, :, :, 0].T, pairs.weights[k, :, :, 1].T, color=colour, alpha=0.2, linewidth=0.7)
        first, second = pairs.weights[k].mean(axis=0).T
        axes.plot(first, second, color=colour, linewidth=1.8)
        axes.plot(*start, "o", color=colour, markersize=6, label="start" if k == 0 else None)
        axes.plot(first[-1], second[-1], "s", mec=BLACK, mfc=colour, markersize=7, label="end" if k == 0 else None)
    axes.axline((0, 0), slope=1, color=GREY, linestyle="--", linewidth=1.2, label="$W_{01} = W_{10}$", zorder=1)
    axes.set(xlabel=W01, ylabel=W10, aspect="equal", xlim=(-2, 2.25), ylim=(-2, 2.25))
    axes.legend(frameon=False, loc="lower right")
    tidy(axes, f"b  {len(STARTS)} starting points, {REPEATS} instances each", size=11)


def _asymmetry(axes: Axes, sampling: Sampling) -> None:
    gaps = np.abs(sampling.gaps)
    axes.plot(sampling.time, gaps, color=SKY, alpha=0.5, linewidth=0.7)
    axes.plot([], [], color=SKY, label=f"$|W_{{ij}} - W_{{ji}}|$ of the {gaps.shape[1]} pairs")
    axes.plot(sampling.time, sampling.asymmetry, color=BLUE, linewidth=2.2, label="root mean square")
    axes.axhline(sampling.floor, color=BLACK, linestyle=":", linewidth=1.4, label="upper limit of SAL's own jitter")
    axes.set(xlabel="time (s)", ylabel="asymmetry of the weights", xlim=(0, sampling.time[-1]), ylim=(0, None))
    axes.legend(frameon=False)
    tidy(axes, "c  A 7-neuron sampling network under SAL", size=11)


def _states(axes: Axes, sampling: Sampling) -> None:
    before, after, _ = sampling.divergence
    cases = ((RED, "^", f"before learning, $D_{{KL}}$ = {before:.4f}"), (BLUE, "o", f"after, {after:.4f}"))
    for sampled, (colour, marker, label) in zip(sampling.sampled[:2], cases, strict=True):
        seen = sampled > 0
        axes.loglog(sampling.exact[seen], sampled[seen], marker, color=colour, markersize=4, alpha=0.7, label=label)
    axes.axline((1e-3, 1e-3), (1e-2, 1e-2), color=GREY, linestyle="--", linewidth=1.2, zorder=1)
    axes.set(xlabel="Boltzmann distribution of the symmetric weights", ylabel="share of time sampled")
    axes.legend(frameon=False)
    tidy(axes, f"d  Probabilities of its {sampling.exact.size} states", size=11)


def stdd(path: Path, timing: Timing) -> None:
    """Measured histogram and exact curve, with the weights before and after learning."""
    figure = Figure(figsize=(11.0, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for k, (axes, label) in enumerate(zip(panels, LABELS, strict=True)):
        draw_stdd(
            timing.lag, timing.measured[k], timing.exact[k], axes, errors=timing.errors[k], legend=False,
            xlabel="$t_1 - t_0$ of neighbouring spikes (ms)", ylabel="",
        )  # fmt: skip
        for side, name in ((-1, "anticausal"), (1, "causal")):
            half = np.sign(timing.lag) == side
            felt = float(timing.exact[k][half] @ timing.window[half])
            where = {"x": 0.5 + 0.47 * side, "y": 0.62, "ha": "right" if side > 0 else "left"}
            axes.text(s=f"{name}, times\nSAL's window:\n{felt:.2f} Hz", transform=axes.transAxes, **where)
        first, second = timing.weights[k]
        tidy(axes, f"{'ab'[k]}  {label}: $W_{{01}}$ = {first:.2f}, $W_{{10}}$ = {second:.2f}", size=11)
    panels[0].set_ylabel(f"spike pairs per s\nand {timing.dt:g} ms of lag")
    panels[0].set_ylim(0, 1.1 * timing.measured.max())
    legend_above(figure, panels[0])
    write_figure(path, figure, dpi=130)
