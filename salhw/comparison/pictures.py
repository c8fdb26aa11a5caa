"""Pictures of a comparison: every target in its colour, the reference in black, keys outside of the axes.

Each picture is as wide as a column of a page, so that its letters can be read on a telephone, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from salhw.comparison.comparison import Comparison
from salhw.comparison.exact import boltzmann, exact_timing
from salhw.comparison.measures import (
    Measure,
    Run,
    asymmetry,
    coupled_pairs,
    measures,
    stretches,
    trajectory,
)
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.description.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's, which people of every colour vision can tell apart; the reference is black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "^", "s", "D", "v", "P")
WIDTH, PANEL = 4.8, 2.9
"""Inches: the width of a picture, and the height of its only panel."""
SHOWN = 1000.0
"""ms of a raster."""
DECADES = 30.0
"""How far probabilities have to be apart for axes that are logarithmic."""
STYLES = ("-", "--", ":", "-.")
"""Lines of synapses whose weights are drawn one by one, where there are no more of them."""
FEW = 6
"""The most populations that are drawn."""


def pictures(comparison: Comparison) -> dict[str, tuple[str, Figure]]:
    """Every picture that the recordings of a comparison allow, by file name, with its title."""
    runs = comparison.runs
    if "reference" not in runs:
        return {}
    net, cut = runs["reference"].network, stretches([*runs.values()])
    measured = {label: measures(run, net, cut) for label, run in runs.items()}
    found: dict[str, tuple[str, Figure]] = {}
    for name in runs["reference"].final:
        found[f"weights-{name}.png"] = f"Weights of {name}", _weights(runs, name)
        if any(asymmetry(run, name, run.final[name]) is not None for run in runs.values() if name in run.final):
            found[f"asymmetry-{name}.png"] = f"Asymmetry of {name}", _asymmetry(runs, name)
    if any(run.recording.spikes for run in runs.values()):
        found["rasters.png"] = "Spikes of the first instance", _rasters(runs)
        found["intervals.png"] = "Inter-spike intervals", _intervals(runs, net)
    if len(runs) > 1:
        found["rates.png"] = "Rates of the neurons, against the reference's", _rates(runs)
    if any(m.quantity == "stdd" for m in measured["reference"]):
        found["stdd.png"] = "Spike-timing differences of coupled pairs", _stdd(runs, measured, net)
    for m in measured["reference"]:
        if m.quantity == "states":
            name = m.path.removeprefix("populations.")
            found[f"states-{name}.png"] = f"States of {name}", _states(measured, net, name, m.path)
    return found


def _figure(panels: int, height: float = PANEL) -> tuple[Figure, list[Axes]]:
    """A picture of panels below each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 0.5 + height * panels), layout="constrained")
    axes = [*figure.subplots(panels, 1, squeeze=False).ravel()]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
    return figure, axes


def _grid(panels: int) -> tuple[Figure, list[Axes]]:
    """A picture of panels with the same axes, two in a row."""
    from matplotlib.figure import Figure

    rows, columns = -(-panels // 2), min(panels, 2)
    figure = Figure(figsize=(WIDTH, 0.7 + 1.9 * rows), layout="constrained")
    axes = [*figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()]
    for each in axes[panels:]:
        each.remove()
    for k, each in enumerate(axes[:panels]):
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8, labelbottom=k + columns >= panels)
    return figure, axes[:panels]


def _key(figure: Figure, axes: Axes) -> None:
    """The key of a picture, above its panels."""
    handles, labels = axes.get_legend_handles_labels()
    rows = dict(zip(labels, handles, strict=True))
    figure.legend([*rows.values()], [*rows], loc="outside upper left", ncols=2, frameon=False, fontsize=8)


def _looks(runs: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """Colour and marker of every target."""
    others = [label for label in runs if label != "reference"]
    return {"reference": ("black", ".")} | {
        label: (COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]) for k, label in enumerate(others)
    }


def _rasters(runs: Mapping[str, Run]) -> Figure:
    """A panel for each target: all populations below each other."""
    figure, panels = _figure(len(runs), 1.3)
    looks = _looks(runs)
    for axes, (label, run) in zip(panels, runs.items(), strict=True):
        start, base = run.recording.start, 0
        for trains in run.recording.spikes.values():
            seen = (trains.instance == 0) & (trains.time < start + SHOWN)
            height = max(1.0, 60.0 / sum(each.size for each in run.recording.spikes.values()))
            axes.plot(
                trains.time[seen] - start, trains.neuron[seen] + base, "|", color=looks[label][0],
                markersize=min(height, 12.0), markeredgewidth=0.7,
            )  # fmt: skip
            base += trains.size
        axes.set(xlim=(0, min(SHOWN, run.recording.duration)), ylim=(-0.7, max(base, 1) - 0.3))
        axes.set_ylabel("neuron", fontsize=8)
        axes.set_title(label, loc="left", fontsize=9, color=looks[label][0])
        axes.locator_params(axis="y", integer=True, nbins=5)
    panels[-1].set_xlabel("time (ms)", fontsize=9)
    return figure


def _rates(runs: Mapping[str, Run]) -> Figure:
    """Each neuron's rate on a target over its rate on the reference; bars are standard errors of the means."""
    figure, (axes,) = _figure(1, 3.8)
    looks = _looks(runs)
    there = [np.asarray(rates) for rates in runs["reference"].recording.rates.values()]
    for label, run in runs.items():
        if label == "reference":
            continue
        colour, marker = looks[label]
        here = [np.asarray(rates) for rates in run.recording.rates.values()]
        pairs = [(x, y) for x, y in zip(there, here, strict=True) if x.shape[1] == y.shape[1]]
        for x, y in pairs:
            axes.errorbar(
                x.mean(axis=0), y.mean(axis=0), xerr=_error(x), yerr=_error(y), fmt=marker, color=colour, label=label,
                markersize=4, linewidth=0.8, alpha=0.8,
            )  # fmt: skip
    means = np.concatenate([rates.mean(axis=0) for rates in there])
    room = 0.1 * float(np.ptp(means)) + 0.05 * float(means.max()) + 0.5
    ends = [max(0.0, float(means.min()) - room), float(means.max()) + room]
    axes.plot(ends, ends, color="#777777", linewidth=0.9, linestyle="--", zorder=0, label="equal")
    axes.set(xlim=ends)
    axes.set_xlabel("rate on the reference (Hz)", fontsize=9)
    axes.set_ylabel("rate on the target (Hz)", fontsize=9)
    _key(figure, axes)
    return figure


def _error(values: FloatArray) -> FloatArray | None:
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def _intervals(runs: Mapping[str, Run], net: Network) -> Figure:
    """The density of the intervals of all neurons, a panel for each population."""
    names = [p.name for p in net.populations if any(p.name in run.recording.spikes for run in runs.values())][:FEW]
    figure, panels = _figure(len(names), PANEL if len(names) < 3 else 1.8)
    looks = _looks(runs)
    for axes, name in zip(panels, names, strict=True):
        found = {}
        for label, run in runs.items():
            if name in run.recording.spikes:
                trains = run.recording.spikes[name]
                owner = trains.instance * trains.size + trains.neuron
                order = np.lexsort((trains.time, owner))
                found[label] = np.diff(trains.time[order])[np.diff(owner[order]) == 0]
        told = [each for each in found.values() if len(each)]
        top = float(np.quantile(np.concatenate(told), 0.98)) if told else 1.0
        steps = max(1, round(top / 60 / net.dt)) * net.dt
        edges = (np.arange(round(top / steps) + 2) - 0.5) * steps
        for label, each in found.items():
            if len(each):
                density = np.histogram(each, edges)[0] / len(each) / steps * 1000.0
                axes.stairs(density, edges, color=looks[label][0], label=label, linewidth=_line(label))
        axes.set(xlim=(0, edges[-1]), ylim=(0, None))
        axes.set_ylabel("density (1/s)", fontsize=9)
        axes.set_title(name, loc="left", fontsize=9)
    panels[-1].set_xlabel("inter-spike interval (ms)", fontsize=9)
    _key(figure, panels[0])
    return figure


def _line(label: str) -> float:
    return 2.0 if label == "reference" else 1.1


def _stdd(runs: Mapping[str, Run], measured: Mapping[str, list[Measure]], net: Network) -> Figure:
    """The shares of nearest pairs at each lag, a panel for each pair of neurons, with theory's where it has them."""
    pairs = [p for p in coupled_pairs(net) if any(m.path == p.path for m in measured["reference"])]
    figure, panels = _figure(len(pairs), PANEL if len(pairs) == 1 else 1.8)
    looks = _looks(runs)
    for axes, pair in zip(panels, pairs, strict=True):
        inner = slice(1, -1)  # the outermost bins hold everything beyond
        for label, sample in measured.items():
            for m in sample:
                if m.quantity == "stdd" and m.path == pair.path:
                    share = 100 * m.values.mean(axis=0)
                    axes.plot(
                        m.support[inner], share[inner], color=looks[label][0], label=label, linewidth=_line(label)
                    )
        exact = exact_timing(net, runs["reference"], pair)
        if exact is not None:
            axes.plot(pair.lags[inner], 100 * exact[inner], ":", color="#E69F00", linewidth=2.0, label="theory")
        axes.axvline(0.0, color="#999999", linewidth=0.7, zorder=0)
        axes.set(xlim=(pair.lags[1], pair.lags[-2]), ylim=(0, None))
        axes.set_ylabel("% of pairs", fontsize=9)
        title = f"{pair.post[0]}[{pair.post[1]}] after {pair.pre[0]}[{pair.pre[1]}]"
        axes.set_title(title, loc="left", fontsize=9)
    panels[-1].set_xlabel("spike-timing difference (ms)", fontsize=9)
    _key(figure, panels[0])
    return figure


def _states(measured: Mapping[str, list[Measure]], net: Network, name: str, path: str) -> Figure:
    """The share of time in each state over the Boltzmann distribution, or over the reference where there is none."""
    figure, (axes,) = _figure(1, 3.8)
    looks, exact = _looks(measured), boltzmann(net, name)
    states = {
        label: m for label, sample in measured.items() for m in sample if (m.quantity, m.path) == ("states", path)
    }
    over = states["reference"].values.mean(axis=0) if exact is None else exact
    for label, m in states.items():
        if label == "reference" and exact is None:
            continue
        share = m.values.mean(axis=0)
        seen = (share > 0) & (over > 0)
        colour, marker = looks[label]
        axes.plot(over[seen], share[seen], marker, color=colour, markersize=3.5, alpha=0.7, label=label)
    axes.plot((over.min(), over.max()), (over.min(), over.max()), "--", color="#777777", linewidth=0.9, zorder=0)
    if over.min() > 0 and over.max() > DECADES * over.min():
        axes.set(xscale="log", yscale="log")
    known = "on the reference" if exact is None else "Boltzmann distribution"
    axes.set_xlabel(f"probability of the state, {known}", fontsize=9)
    axes.set_ylabel("share of time in the state", fontsize=9)
    _key(figure, axes)
    return figure


def _weights(runs: Mapping[str, Run], name: str) -> Figure:
    """A panel for each target: median and quartiles over instances of each weight, or of the mean over many."""
    there = {label: run for label, run in runs.items() if name in run.final}
    figure, panels = _grid(len(there))
    looks, handles = _looks(runs), panels[0]
    for axes, (label, run) in zip(panels, there.items(), strict=True):
        time, weights = trajectory(run, name)
        post, pre, _ = synapses(run.network.projection(name).weights, *run.network.ends(name))
        many = len(post) > len(STYLES)
        curves = weights.mean(axis=2, keepdims=True) if many else weights
        for k in range(curves.shape[2]):
            text = f"mean of {len(post)}" if many else f"$W_{{{post[k]},{pre[k]}}}$"
            _band(axes, time, curves[:, :, k], looks[label][0], text, style=STYLES[k])
        axes.set_title(label, loc="left", fontsize=9, color=looks[label][0])
    figure.supxlabel("time (s)", fontsize=9)
    figure.supylabel("weight", fontsize=9)
    _key(figure, handles)
    return figure


def _asymmetry(runs: Mapping[str, Run], name: str) -> Figure:
    """mean |W_ij - W_ji| over time: median and quartiles over instances."""
    figure, (axes,) = _figure(1)
    looks = _looks(runs)
    for label, run in runs.items():
        if name in run.final:
            time, weights = trajectory(run, name)
            gap = asymmetry(run, name, weights)
            if gap is not None:
                _band(axes, time, gap, looks[label][0], label, _line(label))
    axes.set(ylim=(0, 1.05 * axes.get_ylim()[1]))
    axes.set_xlabel("time (s)", fontsize=9)
    axes.set_ylabel("mean $|W_{ij} - W_{ji}|$", fontsize=9)
    _key(figure, axes)
    return figure


def _band(
    axes: Axes, time: FloatArray, values: FloatArray, colour: str, label: str, width: float = 1.4, style: str = "-"
) -> None:
    """Median and quartiles of (instance, time) over time in ms."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    axes.fill_between(time / 1000.0, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(time / 1000.0, middle, color=colour, linewidth=width, linestyle=style, label=label)
