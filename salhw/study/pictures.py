"""The pictures of a study: metrics and yields against levels, methods side by side, which noise matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from salhw.study.answers import Answer, Results
from salhw.study.intervals import Interval
from salhw.study.sensitivity import effects
from salhw.study.tables import limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figures(results: Results) -> list[tuple[str, str, Figure]]:
    """(name, title, figure) of what there is: each metric and the yield against the first noise (the others at their
    first level), or by method where there is no noise; the effects of several noises; and yields against the limit at
    the last level."""
    if not len(results):
        return []
    study = results.study
    found = []
    names = [m.name for m in study.metrics]
    if study.noises and not study.sobol and study.design == "full":
        against = f"against {study.noises[0].name}"
        for name in names:
            found.append((f"mean-{name}", f"{name} {against}", _against_level(results, results.means(name), name)))
        if study.specification:
            title = f"yield ({limit(study.specification)}) {against}"
            found.append(("yield", title, _against_level(results, results.yields(), "share of good chips")))
    if not study.noises and len(study.methods) > 1:
        found += [
            (f"methods-{name}", f"{name} by method, each chip a dot", _by_method(results, name)) for name in names
        ]
    if len(study.noises) > 1 and not study.sobol:
        title = "from the lowest to the highest level of one noise, on the same chips"
        found += [(f"effects-{name}", f"{name}: {title}", _effects(results, name)) for name in names]
    if study.specification:
        found.append(("yield-curve", "yield against the limit, at the last level", _curves(results)))
    return found


def _by_method(results: Results, metric: str) -> Figure:
    """The chips of each method and target, and their mean with its interval."""
    answers = [answer for answer in results.means(metric) if answer.chips]

    def draw(ax: Axes) -> None:
        for k, answer in enumerate(answers):
            values = results.by_chip(answer.cell, metric)[1]
            ax.plot(values, np.full(len(values), k + 0.18), "o", markersize=2, color="0.6", linestyle="none")
            _bar(ax, k, answer.interval, "C0")
        ax.set_yticks(range(len(answers)), [_name(results, a.cell.method, a.cell.target) for a in answers])
        ax.invert_yaxis()
        ax.set_xlabel(f"{metric}: mean over chips, 95 % interval")

    return _drawn(draw, legend=False)


def _effects(results: Results, metric: str) -> Figure:
    """The effect of each noise alone and beside all others, a colour for each method and target."""
    found = effects(results, metric)
    noises = [noise.name for noise in results.study.noises]
    cells = list(dict.fromkeys((e.target, e.method) for e in found))
    step = 0.8 / (2 * len(cells))

    def draw(ax: Axes) -> None:
        for n, (target, method) in enumerate(cells):
            name = _name(results, method, target)
            for e in (e for e in found if (e.target, e.method) == (target, method)):
                at = noises.index(e.noise) - 0.4 + step * (2 * n + 0.5)
                first = e.noise == noises[0]
                _bar(ax, at, e.alone, f"C{n}", "o", f"{name}: alone" if first else None)
                _bar(ax, at + step, e.last, f"C{n}", "s", f"{name}: beside all others" if first else None)
        ax.axvline(0.0, color="0.8", linewidth=0.8, zorder=0)
        ax.set_yticks(range(len(noises)), noises)
        ax.invert_yaxis()
        ax.set_xlabel(f"change of {metric}")

    return _drawn(draw, height=1.6 + 0.45 * len(noises))


def _bar(ax: Axes, at: float, interval: Interval, colour: str, mark: str = "o", label: str | None = None) -> None:
    """An estimate with its interval, lying."""
    ax.errorbar(
        [interval.value], [at], xerr=_reach([interval]), fmt=mark, markersize=3.5, capsize=2, color=colour, label=label,
        markerfacecolor="white" if mark == "s" else colour,
    )  # fmt: skip


def _reach(intervals: Sequence[Interval]) -> list[list[float]]:
    """How far error bars go down and up. A bootstrap interval need not hold the mean, and a bar cannot be negative."""
    return [[max(0.0, i.value - i.low) for i in intervals], [max(0.0, i.high - i.value) for i in intervals]]


def _drawn(draw: Callable[[Axes], None], *, height: float = 3.2, legend: bool = True) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, height), layout="constrained")
    ax = figure.subplots()
    draw(ax)
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=7, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _against_level(results: Results, answers: list[Answer], label: str) -> Figure:
    """Means with their intervals over the levels of the first noise, a curve for each method and target."""
    study = results.study
    rest = study.levels[0][1:]
    curves: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.cell.level[1:] == rest and answer.chips:
            curves.setdefault(_name(results, answer.cell.method, answer.cell.target), []).append(answer)

    def draw(ax: Axes) -> None:
        for name, points in curves.items():
            x, ends = [p.cell.level[0] for p in points], [p.interval for p in points]
            ax.errorbar(x, [e.value for e in ends], _reach(ends), fmt="o-", markersize=3, capsize=2, label=name)
        if len(study.noises[0].levels) < 8:
            ax.set_xticks(study.noises[0].levels)
        ax.set_xlabel(f"{study.noises[0].name} ({study.noises[0].unit})")
        ax.set_ylabel(label)

    return _drawn(draw)


def _curves(results: Results) -> Figure:
    """Yields with their intervals as bands."""
    study = results.study
    last = study.levels[-1]

    def draw(ax: Axes) -> None:
        for cell in (cell for cell in results.cells if cell.level == last and len(results.rows(cell))):
            limits, yields = results.yield_curve(cell)
            (line,) = ax.plot(limits, [y.value for y in yields], label=_name(results, cell.method, cell.target))
            ax.fill_between(
                limits, [y.low for y in yields], [y.high for y in yields], alpha=0.2, color=line.get_color()
            )
        ax.set_xlabel(study.specification.metric if study.specification else "")
        ax.set_ylabel("share of good chips")

    return _drawn(draw)


def _name(results: Results, method: str, target: str) -> str:
    return method if len(results.study.targets) == 1 else f"{method}, {target}"
