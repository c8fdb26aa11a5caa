"""Pictures of one recording: spikes with rates, membranes, weights over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.diagnostics import SessionError, UnknownNameError, shortened
from salhw.diagnostics.arguments import known_name, whole
from salhw.plots.look import (
    BESIDE,
    COLOURS,
    axes_for,
    band_in_words,
    curve,
    legend_beside,
    new_axes,
    picked,
    tidy,
    time_unit,
)
from salhw.session.recording import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = 60
"""The most neurons that a raster shows, but for populations that are small beside others."""
FEW = 3
"""Of which it shows so many."""
MARKS = 80
"""The most spikes of one neuron that a raster shows: more could not be told apart."""
TRACES = 5
"""The most neurons of a population whose membranes are drawn."""
LINES = 8
"""The most synapses that have a line each; of more the distribution is drawn."""

SERIES = 5000
"""The most weights over time that a distribution is made of."""


def raster(
    recording: Recording, ax: Axes | None = None, *, populations: Sequence[str] | None = None, instance: int = 0,
    most: int = ROWS,
) -> Axes:  # fmt: skip
    """Draw the spikes of one instance, a row for each neuron, with the mean rates of these neurons beside.

    Of a large network evenly spread neurons are shown, of a long run its end; the labels say so. Populations whose
    spike times were not recorded have their rates alone. Axes beside are a child of ``ax``.

    Args:
        populations: which, from top to bottom; all by default.
        instance: position of the instance in ``recording.ids``.
        most: neurons to show, all populations together.

    Raises:
        UnknownNameError: there is no such population.
        SessionError: there is no such instance.
    """
    names = list(recording.counts) if populations is None else [_population(recording, name) for name in populations]
    instance = whole("instance", instance, 0, len(recording.ids) - 1, code="SAL003", kind=SessionError)
    counts = {name: recording.counts[name][instance] for name in names}
    rows = _rows({name: len(count) for name, count in counts.items()}, most)
    ax = axes_for(ax, 1.5 + min(3.0, 0.12 * sum(map(len, rows.values()))))
    low, high = window(recording, instance, rows)
    factor, unit = time_unit(high - low)
    first = 0
    for k, (name, neurons) in enumerate(rows.items()):
        place = np.full(len(counts[name]), -1)
        place[neurons] = first + np.arange(len(neurons))
        if name in recording.spikes:
            spikes = recording.spikes[name]
            own = (spikes.instance == instance) & (place[spikes.neuron] >= 0) & (spikes.time >= low)
            at = place[spikes.neuron[own]]
            ax.vlines(
                spikes.time[own] * factor, at - 0.4, at + 0.4, color=COLOURS[k % len(COLOURS)], linewidth=0.8,
                label=name,
            )  # fmt: skip
        else:
            middle = first + (len(neurons) - 1) / 2
            ax.text(
                (low + high) / 2 * factor, middle, f"spike times of {shortened(name, 20)} not recorded",
                ha="center", va="center", color="0.4", fontsize=8,
            )  # fmt: skip
        first += len(neurons)
    ax.set(xlim=(low * factor, high * factor), ylim=(first - 0.5, -0.5), xlabel=_time_label(recording, low, unit))
    _name_rows(ax, rows, {name: len(count) for name, count in counts.items()})
    of = f"{recording.instances_are} {recording.ids[instance]}" if len(recording.ids) > 1 else ""
    tidy(ax, of).grid(axis="y", visible=False)
    _rates_beside(ax, [counts[name][neurons] * (1000.0 / recording.duration) for name, neurons in rows.items()])
    return ax


def _population(recording: Recording, name: str) -> str:
    return known_name("population", name, recording.counts, kind=UnknownNameError)


def _rows(sizes: Mapping[str, int], most: int) -> dict[str, IntArray]:
    """The neurons of each population to show: all, or a share of ``most`` in proportion, but no fewer than FEW."""
    total = sum(sizes.values())
    return {
        name: picked(size, size if total <= most else max(FEW, most * size // total)) for name, size in sizes.items()
    }


def window(recording: Recording, instance: int, rows: Mapping[str, IntArray]) -> tuple[float, float]:
    """From when until when in ms to draw spikes: all of the run, or its end, as long as the marks of the neuron that
    spikes most can be told apart."""
    start, duration = recording.start, recording.duration
    busiest = max(
        (int(recording.counts[name][instance][neurons].max()) for name, neurons in rows.items()), default=0
    )  # fmt: skip
    if busiest <= MARKS:
        return start, start + duration
    longest = duration * MARKS / busiest
    digit = 10.0 ** math.floor(math.log10(longest))
    length = max(step * digit for step in (1, 2, 5) if step * digit <= longest)
    return start + duration - length, start + duration


def _time_label(recording: Recording, low: float, unit: str) -> str:
    shown = recording.start + recording.duration - low
    if shown == recording.duration:
        return f"time ({unit})"
    factor, of = time_unit(shown)
    return f"time ({unit}); the last {shown * factor:g} {of} of {recording.duration * factor:g}"


def _name_rows(ax: Axes, rows: Mapping[str, IntArray], sizes: Mapping[str, int]) -> None:
    """Numbers of neurons where there is one population, else the populations' names, with how many neurons are
    shown where that is not all."""
    told = {
        name: f"{shortened(name, 18)}, {len(neurons)} of {sizes[name]:,}" if len(neurons) < sizes[name] else
        f"{shortened(name, 18)}, {sizes[name]:,}" for name, neurons in rows.items()
    }  # fmt: skip
    if len(rows) == 1:
        ((name, neurons),) = rows.items()
        marked = np.arange(0, len(neurons), math.ceil(len(neurons) / 8))
        ax.set_yticks(marked, [str(neurons[k]) for k in marked])
        ax.set_ylabel(f"{told[name]} neurons" if len(neurons) < sizes[name] else f"{shortened(name, 18)}, neuron")
        return
    ends = np.cumsum([0, *map(len, rows.values())])
    ax.set_yticks((ends[:-1] + ends[1:] - 1) / 2, [text.replace(", ", "\n", 1) for text in told.values()], fontsize=8)
    for end in ends[1:-1]:
        ax.axhline(end - 0.5, color="0.8", linewidth=0.6)
    ax.set_ylabel("neurons")


def _rates_beside(ax: Axes, rates: Sequence[FloatArray]) -> None:
    from matplotlib.ticker import MaxNLocator

    beside = ax.inset_axes((BESIDE, 0.0, 0.22, 1.0), sharey=ax)
    first = 0
    for k, rate in enumerate(rates):
        beside.barh(first + np.arange(len(rate)), rate, height=0.8, color=COLOURS[k % len(COLOURS)])
        first += len(rate)
    beside.tick_params(labelleft=False, left=False)
    beside.set(xlabel="rate (Hz)", xlim=(0.0, 1.05 * max(map(np.max, rates)) or 1.0))
    beside.xaxis.set_major_locator(MaxNLocator(3, prune="lower"))  # zero would touch the last of the times
    tidy(beside).grid(axis="y", visible=False)


def membranes(
    recording: Recording, ax: Axes | None = None, *, population: str | None = None, instance: int = 0,
    most: int = TRACES, limits: tuple[float, float] | None = None,
) -> Axes:  # fmt: skip
    """Draw the membrane potentials of a population over time, a line for each neuron.

    Args:
        population: the first whose membrane was recorded, by default.
        instance: position of the instance in ``recording.ids``.
        most: neurons to draw, evenly spread.
        limits: from when until when in ms; by default as ``raster`` chooses.

    Raises:
        UnknownNameError: the membrane of that population was not recorded.
        SessionError: there is no such instance.
    """
    name = next(iter(recording.membrane_traces), "") if population is None else population
    trace = recording.membrane_traces[name]
    instance = whole("instance", instance, 0, len(recording.ids) - 1, code="SAL003", kind=SessionError)
    ax = axes_for(ax, 2.2)
    size = trace.values.shape[2]
    low, high = limits or window(recording, instance, {name: picked(size, size)})
    factor, unit = time_unit(high - low)
    inside = trace.time >= low
    neurons = picked(size, most)
    for k, neuron in enumerate(neurons):
        values = trace.values[instance][inside, neuron]
        ax.plot(trace.time[inside] * factor, values, color=COLOURS[k % 8], linewidth=0.9, label=f"neuron {neuron}")
    ax.set(xlim=(low * factor, high * factor), xlabel=_time_label(recording, low, unit))
    ax.set_ylabel(f"membrane,\n{shortened(name, 18)}")
    tidy(ax)
    legend_beside(ax, f"{len(neurons)} of {size:,}" if len(neurons) < size else "")
    return ax


def weights_over_time(
    recording: Recording, ax: Axes | None = None, *, projection: str | None = None,
    nominal: Mapping[str, npt.ArrayLike] | None = None, most: int = LINES,
) -> Axes:  # fmt: skip
    """Draw recorded weights over time: the mean over instances of each synapse, with a band of the central 68 %.

    Of more than ``most`` synapses the median and the central 50 and 90 % of all of them are drawn, projection by
    projection.

    Args:
        projection: which; all whose weights were recorded, by default.
        nominal: what is described, by projection, shaped as the session's weights are: a dashed line.
        most: synapses that may have a line each.

    Raises:
        UnknownNameError: the weights of that projection were not recorded.
    """
    names = list(recording.weight_traces) if projection is None else [projection]
    if not names:
        recording.weight_traces[""]  # whose error says what to do
    ax = axes_for(ax, 2.6)
    end = max(recording.weight_traces[name].time.max(initial=0.0) for name in names)
    factor, unit = time_unit(end - recording.start)
    series = {name: _synapses(recording.weight_traces[name].values) for name in names}
    single = sum(values.shape[2] for _, values in series.values()) <= most
    k = 0
    for name, (where, values) in series.items():
        time = recording.weight_traces[name].time * factor
        given = None if nominal is None or name not in nominal else np.ravel(np.asarray(nominal[name], np.float64))
        described = None if given is None else given[where]
        before = f"{shortened(name, 18)} " if len(names) > 1 else ""
        if single:
            labels = _labels(where, recording.weight_traces[name].values.shape[2:])
            for s, label in enumerate(labels):
                colour = COLOURS[k % len(COLOURS)]
                curve(ax, time, values[:, :, s], colour=colour, label=f"{before}{label}")
                if described is not None:
                    ax.axhline(described[s], color=colour, linestyle="--", linewidth=0.9)
                k += 1
        else:
            _distribution(ax, time, values, COLOURS[k % len(COLOURS)], before)
            if described is not None:
                ax.axhline(np.median(described), color=COLOURS[k % len(COLOURS)], linestyle="--", linewidth=0.9)
            k += 1
    if nominal is not None:
        ax.plot([], [], color="0.3", linestyle="--", linewidth=0.9, label="as described" + (" (median)" * (not single)))
    ax.set_xlim(recording.start * factor, max(end, recording.start + 1e-9) * factor)
    ax.set(xlabel=f"time ({unit})", ylabel="weight" if len(names) > 1 else f"weight of {shortened(names[0], 18)}")
    copies = len(recording.ids)
    told = band_in_words(copies, recording.instances_are)
    if not single:
        told = "median, central 50 and 90 %" + (f" of {copies} {recording.instances_are}s" if copies > 1 else "")
    tidy(ax, told, size=8)
    matrices = all(recording.weight_traces[name].values.ndim == 4 for name in names)
    legend_beside(ax, "pre → post" if single and matrices else "")
    return ax


def _synapses(values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Where in a flattened matrix or list synapses are, and their weights, (instance, time, synapse). A diagonal that
    is zero all the time is that of a population with itself, and holds none."""
    flat = values.reshape(*values.shape[:2], -1)
    where = np.arange(flat.shape[2])
    if values.ndim == 4 and values.shape[2] == values.shape[3]:
        diagonal = where % (values.shape[3] + 1) == 0
        if not flat[:, :, diagonal].any():
            where = where[~diagonal]
    return where, flat[:, :, where]


def _labels(where: IntArray, shape: tuple[int, ...]) -> list[str]:
    """``0 → 1``, from neuron 0 to 1; the number of the synapse where the connector lists them."""
    if len(shape) == 1:
        return [f"synapse {k}" for k in where]
    return [f"{k % shape[1]} → {k // shape[1]}" for k in where]


def _distribution(ax: Axes, time: FloatArray, values: FloatArray, colour: str, before: str) -> None:
    """Over synapses, evenly spread ones where there are very many, and instances."""
    synapses = values.shape[2]
    chosen = picked(synapses, max(1, SERIES // len(values)))
    label = f"{before}{synapses:,} synapses" + (f",\n{len(chosen):,} of them drawn" if len(chosen) < synapses else "")
    every = values[:, :, chosen].swapaxes(1, 2).reshape(-1, values.shape[1])
    low, lower, middle, upper, high = np.quantile(every, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    ax.fill_between(time, low, high, color=colour, alpha=0.12, linewidth=0)
    ax.fill_between(time, lower, upper, color=colour, alpha=0.25, linewidth=0)
    ax.plot(time, middle, color=colour, linewidth=1.5, label=label)


def overview(
    recording: Recording, *, instance: int = 0, weights: bool = False,
    nominal: Mapping[str, npt.ArrayLike] | None = None,
) -> Axes:  # fmt: skip
    """Draw a recording as one figure: spikes with rates, below them membranes and, with ``weights``, weights where they
    were recorded. The raster's axes; ``ax.figure.axes`` has all.

    Raises:
        SessionError: there is no such instance.
    """
    traces, weighted = list(recording.membrane_traces), weights and bool(recording.weight_traces)
    sizes = {name: count.shape[1] for name, count in recording.counts.items()}
    rows = _rows(sizes, ROWS)
    spiking = 0.9 + min(3.0, 0.12 * sum(map(len, rows.values())))
    heights = (spiking, *[1.3] * len(traces), *[1.9] * weighted)
    axes = new_axes(sum(heights) + 0.5 * len(heights), WIDE, heights)
    raster(recording, axes[0], instance=instance)
    limits = window(recording, instance, rows)
    for above, ax, name in zip(axes, axes[1:], traces, strict=False):
        membranes(recording, ax, population=name, instance=instance, limits=limits)
        above.tick_params(labelbottom=False)
        above.set_xlabel("")
    if weighted:
        weights_over_time(recording, axes[-1], nominal=nominal)
    return axes[0]


WIDE = 6.0
"""The width of an overview in inches."""
