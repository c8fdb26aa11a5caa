"""Reports as one static page: a matrix of targets by checks; every cell opens its figure and its numbers.

The page needs no network, no fonts and no script: each cell links to its details, which open by being linked to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from salhw.conformance.model import Figure, Outcome
from salhw.conformance.report import ConformanceReport
from salhw.diagnostics.html import table

MARKS = {"pass": "✓", "fail": "✗", "known": "≈", "unsupported": "–", "unmeasured": "○", "unavailable": "?"}
MEANINGS = {
    "pass": "within what the target declares",
    "fail": "not within it",
    "known": "an expected failure, within its bound",
    "unsupported": "not declared by the target",
    "unmeasured": "declared, and never measured",
    "unavailable": "simulator or device not installed",
}
SHARED = "salhw.conformance"  # has what all pages share
ROWS = 60  # of a figure's data in a table


def render(reports: Sequence[ConformanceReport]) -> str:
    """The page of one or many reports."""
    labels = _labels(reports)
    title = "Conformance of " + ", ".join(dict.fromkeys(report.target for report in reports))
    parts = {
        "title": escape(title),
        "summary": "".join(_summary(label, report) for label, report in zip(labels, reports, strict=True)),
        "legend": "".join(f"<li>{_mark(name)} <b>{name}</b> {MEANINGS[name]}</li>" for name in MARKS),
        "matrix": _matrix(labels, reports),
        "details": "".join(
            _details(k, label, report) for k, (label, report) in enumerate(zip(labels, reports, strict=True))
        ),
    }
    return page(SHARED, parts)


def page(package: str, parts: Mapping[str, str]) -> str:
    """The ``page.html`` of a package with its parts filled in, below title and summary, in the style that all pages
    share; a ``page.css`` of the package adds to it."""
    text, body, style = (
        files(where).joinpath(name).read_text(encoding="utf-8")
        for where, name in ((SHARED, "shell.html"), (package, "page.html"), (SHARED, "page.css"))
    )
    own = files(package).joinpath("page.css")
    if package != SHARED and own.is_file():
        style += own.read_text(encoding="utf-8")
    for name, part in {"style": style, "body": body, **parts}.items():
        text = text.replace(f"<!--{name}-->", part)
    return text


def _mark(outcome: str) -> str:
    return f'<span class="mark {outcome}">{MARKS[outcome]}</span>'


def _labels(reports: Sequence[ConformanceReport]) -> list[str]:
    """Targets' names; with options or a number, where a name comes twice."""
    labels: list[str] = []
    for report in reports:
        alike = sum(other.target == report.target for other in reports)
        options = ", ".join(f"{key} {value}" for key, value in report.options.items())
        label = f"{report.target} ({options})" if alike > 1 and options else report.target
        labels.append(label if label not in labels else f"{label} #{len(labels) + 1}")
    return labels


def _summary(label: str, report: ConformanceReport) -> str:
    verdict = "conforms" if report.passed else "does not conform"
    counts = ", ".join(f"{count}&nbsp;{name}" for name, count in report.counts.items())
    seconds = sum(outcome.seconds for outcome in report.checks)
    versions = ", ".join(f"{escape(name)} {escape(version)}" for name, version in report.versions.items())
    circumstances = f"{report.profile} profile, seed {report.seed}, {seconds:.1f}&nbsp;s; {versions}"
    state = "pass" if report.passed else "fail"
    gone = dict.fromkeys(outcome.reason for outcome in report.checks if outcome.outcome == "unavailable")
    hints = "".join(f"<br>{escape(reason)}" for reason in gone)
    return (
        f"<li>{_mark(state)} <b>{escape(label)}</b> {verdict}: {counts}.{hints}<br><small>{circumstances}</small></li>"
    )


def _identity(column: int, name: str) -> str:
    return f"r{column}-{''.join(c if c.isalnum() else '-' for c in name)}"


def _matrix(labels: Sequence[str], reports: Sequence[ConformanceReport]) -> str:
    """Checks down, targets across: names of checks are long, and there are more of them."""
    columns = [{outcome.name: outcome for outcome in report.checks} for report in reports]
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    rows, group = [], ""
    for name, where in _names(reports).items():
        if where != group:
            group = where
            rows.append(f'<tr class="group"><th scope="rowgroup" colspan="{len(labels) + 1}">{escape(group)}</th></tr>')
        cells = "".join(_cell(k, outcomes.get(name)) for k, outcomes in enumerate(columns))
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return f'<thead><tr><th scope="col">check</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'


def _names(reports: Sequence[ConformanceReport]) -> dict[str, str]:
    """Every check with its group, groups together."""
    names = {outcome.name: outcome.group for report in reports for outcome in report.checks}
    groups = list(dict.fromkeys(names.values()))
    return dict(sorted(names.items(), key=lambda item: groups.index(item[1])))


def _cell(column: int, outcome: Outcome | None) -> str:
    if outcome is None:
        return '<td class="none">not run</td>'
    numbers = ""
    if outcome.measured is not None:
        beside = "" if outcome.declared is None else f' <span class="declared">/ {_number(outcome.declared)}</span>'
        unit = f' <span class="unit">{escape(outcome.unit)}</span>' if outcome.unit else ""
        numbers = f'<span class="numbers">{_number(outcome.measured)}{beside}{unit}</span>'
    return (
        f'<td class="{outcome.outcome}"><a href="#{_identity(column, outcome.name)}">'
        f'<span class="verdict">{_mark(outcome.outcome)} {outcome.outcome}</span>{numbers}</a></td>'
    )


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "not a number"
    return f"{value:.3g}"


def _details(column: int, label: str, report: ConformanceReport) -> str:
    blocks = "".join(_detail(_identity(column, outcome.name), label, outcome) for outcome in report.checks)
    return f'<section aria-label="{escape(label)}">{blocks}</section>'


def _detail(identity: str, label: str, outcome: Outcome) -> str:
    facts = {
        "measured": None if outcome.measured is None else f"{outcome.measured:.6g} {outcome.unit}",
        "declared": None if outcome.declared is None else f"{outcome.declared:.6g} {outcome.unit}",
        "p": None if outcome.p_value is None else f"{outcome.p_value:.2g}",
        "took": f"{outcome.seconds:.2f} s",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text.strip())}</dd>" for name, text in facts.items() if text)
    figure = "" if outcome.figure is None else f"<figure>{svg(outcome.figure)}</figure>{_data(outcome.figure)}"
    figure += _pairs(outcome.details or {})
    return (
        f'<article id="{identity}" class="{outcome.outcome}">'
        f"<h3>{_mark(outcome.outcome)} {escape(outcome.name)}"
        f" <small>{escape(label)}: {outcome.outcome}</small></h3>"
        f'<p class="specification">{escape(outcome.specification)}</p>'
        f"<p>{escape(outcome.reason)}</p><dl>{rows}</dl>{figure}"
        '<p><a href="#matrix">back to the matrix</a></p></article>'
    )


def _pairs(details: Mapping[str, Any]) -> str:
    """Which kinds were together in a network, as a matrix; nothing where no kinds are named."""
    kinds, met = details.get("kinds", ()), {tuple(sorted(pair)) for pair in details.get("pairs", ())}
    if not kinds:
        return ""
    numbers = "".join(f'<th scope="col">{k + 1}</th>' for k in range(len(kinds)))
    rows = "".join(
        f'<tr><th scope="row">{k + 1} {escape(kind)}</th>'
        + "".join(f"<td>{'●' if tuple(sorted((kind, other))) in met else ''}</td>" for other in kinds[:k])
        + "</tr>"
        for k, kind in enumerate(kinds)
    )
    head = f"<thead><tr><th></th>{numbers}</tr></thead>"
    return f'<div class="scroll"><table class="pairs">{head}<tbody>{rows}</tbody></table></div>'


def _data(figure: Figure) -> str:
    """The figure's numbers, below it; a long one is thinned out."""
    step = max(1, -(-len(figure.x) // ROWS))
    columns = (figure.x, *_full(figure).values())
    rows = [[f"{column[k]:.4g}" for column in columns] for k in range(0, len(figure.x), step)]
    numbers = table(rows, (figure.xlabel, *figure.curves), css="data", most=None)
    thinned = f", one in {step} shown" if step > 1 else ""
    return (
        f'<details><summary>data ({len(figure.x)} rows{thinned})</summary><div class="scroll">{numbers}</div></details>'
    )


def _full(figure: Figure) -> Mapping[str, Sequence[float]]:
    """The curves, as long as the abscissa, numbers where a file had none."""
    n = len(figure.x)
    return {
        name: [math.nan if value is None else float(value) for value in curve[:n]] + [math.nan] * (n - len(curve))
        for name, curve in figure.curves.items()
    }


# figures --------------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 12, 44


def svg(figure: Figure) -> str:
    """The figure as inline SVG: the first curve, what is expected, as a line, the others as points with error bars."""
    curves = _full(figure)
    points = [(x, y) for curve in curves.values() for x, y in zip(figure.x, curve, strict=True) if math.isfinite(y)]
    if not points:
        return "<p>no data</p>"
    errors = {name: [abs(e) if e is not None else 0.0 for e in error] for name, error in figure.errors.items()}
    x_ticks = ticks(min(x for x, _ in points), max(x for x, _ in points))
    spread = [
        y + sign * e
        for name, curve in curves.items()
        for y, e in zip(curve, errors.get(name, [0.0] * len(curve)), strict=False)
        for sign in (-1, 1)
        if math.isfinite(y) and math.isfinite(e)
    ]
    y_ticks = ticks(min(spread), max(spread))

    def across(x: float) -> float:
        return LEFT + (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(y):.1f}" y2="{down(y):.1f}"/>' for y in y_ticks
    ]
    parts += [
        f'<text class="tick" x="{LEFT - 6}" y="{down(y) + 4:.1f}" text-anchor="end">{y:g}</text>' for y in y_ticks
    ]
    parts += [
        f'<text class="tick" x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{x:g}</text>'
        for x in x_ticks
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(figure.xlabel)}</text>'
    )
    centre = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="rotate(-90 13 {centre})"'
    parts.append(
        f'<text class="label" x="13" y="{centre}" text-anchor="middle" {turned}>{escape(figure.ylabel)}</text>'
    )
    for k, (name, curve) in enumerate(curves.items()):
        places = [
            (across(x), down(y), k2) for k2, (x, y) in enumerate(zip(figure.x, curve, strict=True)) if math.isfinite(y)
        ]
        scale = (HEIGHT - TOP - BOTTOM) / (y_ticks[-1] - y_ticks[0])
        parts += _curve(k, places, [e * scale for e in errors.get(name, [])])
    text = f"{figure.ylabel} over {figure.xlabel}: {', '.join(curves)}"
    keys = "".join(
        f'<li><span class="key c{k % 6}">{"—" if k == 0 else "●"}</span> {escape(n)}</li>' for k, n in enumerate(curves)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(text)}">{"".join(parts)}</svg>'
        f'<figcaption><ul class="keys">{keys}</ul></figcaption>'
    )


def _curve(number: int, places: Sequence[tuple[float, float, int]], errors: Sequence[float]) -> Iterator[str]:
    shade = f"c{number % 6}"
    if number == 0:
        yield f'<polyline class="{shade}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)}"/>'
        return
    for x, y, k in places:
        if k < len(errors) and math.isfinite(errors[k]) and errors[k] > 0:
            yield f'<line class="{shade}" x1="{x:.1f}" x2="{x:.1f}" y1="{y - errors[k]:.1f}" y2="{y + errors[k]:.1f}"/>'
        yield f'<circle class="{shade}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'


def ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers that enclose [low, high]."""
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = size * next(m for m in (1, 2, 2.5, 5, 10) if m * size >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, max(last, first + 1) + 1)]
