"""A study as one static page, as those of conformance and comparisons: pictures, tables, and what it was made with."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from salhw.comparison.html import DPI, picture, plain
from salhw.conformance.html import page
from salhw.io.files import picture_of, write_bytes, write_text
from salhw.study.answers import Answer, Cell, Results
from salhw.study.shards import TABLE
from salhw.study.tables import limit, tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE, LATEX = "index.html", "tables.tex"


def save_page(results: Results) -> list[Path]:
    """Write the page, its pictures and the tables for a paper into the study's folder.

    Raises:
        FileError: they cannot be written.
    """
    told = tables(results)
    images = {name: (title, picture_of(figure, "png", dpi=DPI)) for name, title, figure in figures(results)}
    files = [write_bytes(results.folder / f"{name}.png", image) for name, (_, image) in images.items()]
    parts = {
        "title": escape(results.study.name),
        "summary": _summary(results),
        "pictures": "".join(picture(title, image) for title, image in images.values()),
        "tables": "".join(f"<h2>{escape(t.title)}</h2>{plain(t.columns, t.rows)}" for t in told),
    }
    files.append(write_text(results.folder / PAGE, page("salhw.study", parts)))
    files.append(write_text(results.folder / LATEX, "\n".join(table.latex() for table in told)))
    return files


def _summary(results: Results) -> str:
    study = results.study
    made = ", ".join(f"{name} {text[:16]}" for name, text in results.plan.made_with.items())
    lines = [
        f"{len(results):,} of {results.planned:,} runs, {results.failed:,} failed; {study.duration:g} ms each",
        f"{study.chips:,} chips of wafer {study.wafer}; {', '.join(study.targets)}",
        f"table {results.digest[:16]} in {TABLE}; {made}",
    ]
    lines += [study.notes] if study.notes else []
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def figures(results: Results) -> list[tuple[str, str, Figure]]:
    """(name, title, figure) of what there is: each metric and the yield against the first noise, and yields against
    the limit at the last level. The other noises are at their first level."""
    if not len(results):
        return []
    study = results.study
    found = []
    if study.noises and not study.sobol:
        against = f"against {study.noises[0].name}"
        for name in (m.name for m in study.metrics):
            found.append((f"mean-{name}", f"{name} {against}", _against_level(results, results.means(name), name)))
        if study.specification:
            title = f"yield ({limit(study.specification)}) {against}"
            found.append(("yield", title, _against_level(results, results.yields(), "share of good chips")))
    if study.specification:
        found.append(("yield-curve", "yield against the limit, at the last level", _curves(results)))
    return found


def _drawn(draw: Callable[[Axes], None]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    ax = figure.subplots()
    draw(ax)
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
            curves.setdefault(_name(results, answer.cell), []).append(answer)

    def draw(ax: Axes) -> None:
        for name, points in curves.items():
            x, ends = [p.cell.level[0] for p in points], [p.interval for p in points]
            # A bootstrap interval need not hold the mean, and a bar cannot be negative.
            bars = [[max(0.0, e.value - e.low) for e in ends], [max(0.0, e.high - e.value) for e in ends]]
            ax.errorbar(x, [e.value for e in ends], bars, fmt="o-", markersize=3, capsize=2, label=name)
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
            (line,) = ax.plot(limits, [y.value for y in yields], label=_name(results, cell))
            ax.fill_between(
                limits, [y.low for y in yields], [y.high for y in yields], alpha=0.2, color=line.get_color()
            )
        ax.set_xlabel(study.specification.metric if study.specification else "")
        ax.set_ylabel("share of good chips")

    return _drawn(draw)


def _name(results: Results, cell: Cell) -> str:
    return cell.method if len(results.study.targets) == 1 else f"{cell.method}, {cell.target}"
