"""Reports as one static page: a matrix of targets by checks, each with its numbers, its place within the margin and a
small picture; every cell opens its figure and its data. Below it what random networks have covered.

The page needs no network, no fonts and no script: each cell links to its details, which open by being linked to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

from salhw.conformance.drawing import full, on_margin, small, svg
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
        "coverage": "".join(_coverage(label, report) for label, report in zip(labels, reports, strict=True)),
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
    if report.unfinished:
        counts += f"; not whole, {len(report.unfinished)} not run"
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
        cells = "".join(_cell(k, outcomes.get(name), len(labels) == 1) for k, outcomes in enumerate(columns))
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return f'<thead><tr><th scope="col">check</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'


def _names(reports: Sequence[ConformanceReport]) -> dict[str, str]:
    """Every check with its group, groups together."""
    names = {outcome.name: outcome.group for report in reports for outcome in report.checks}
    groups = list(dict.fromkeys(names.values()))
    return dict(sorted(names.items(), key=lambda item: groups.index(item[1])))


def _cell(column: int, outcome: Outcome | None, alone: bool) -> str:
    """What was found; with the reason, too, where the target has the page for itself, ``alone``."""
    if outcome is None:
        return '<td class="none">not run</td>'
    numbers = ""
    if outcome.measured is not None:
        beside = "" if outcome.declared is None else f' <span class="declared">/ {_number(outcome.declared)}</span>'
        unit = f' <span class="unit">{escape(outcome.unit)}</span>' if outcome.unit else ""
        numbers = f'<span class="numbers">{_number(outcome.measured)}{beside}{unit}</span>'
    picture = small(outcome.figure) if outcome.figure else ""
    why = f"<small>{escape(outcome.reason)}</small>" if alone else ""
    return (
        f'<td class="{outcome.outcome}"><a href="#{_identity(column, outcome.name)}"{" class=alone" if alone else ""}>'
        f'<span><span class="verdict">{_mark(outcome.outcome)} {outcome.outcome}</span>{numbers}</span>'
        f"<span>{_axis(outcome)}</span><span>{picture}</span>{why}</a></td>"
    )


def _axis(outcome: Outcome) -> str:
    """What was measured on the axis of its margin; nothing without a margin, as where a null hypothesis was kept."""
    measured, declared = outcome.measured, outcome.declared
    if measured is None or declared is None or (outcome.outcome == "pass" and measured and not declared):
        return ""
    return on_margin(measured, declared)


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
    if outcome.traceback:
        figure += f'<pre class="scroll">{escape(outcome.traceback)}</pre>'
    return (
        f'<article id="{identity}" class="{outcome.outcome}">'
        f"<h3>{_mark(outcome.outcome)} {escape(outcome.name)}"
        f" <small>{escape(label)}: {outcome.outcome}</small></h3>"
        f'<p class="specification">{escape(outcome.specification)}</p>'
        f"<p>{escape(outcome.reason)}</p><dl>{rows}</dl>{figure}"
        '<p><a href="#matrix">back to the matrix</a></p></article>'
    )


def _coverage(label: str, report: ConformanceReport) -> str:
    """Which kinds random networks had, on the diagonal, and which of them together, as a matrix, and what was never in
    one; nothing for reports without replay."""
    told = next((outcome.details for outcome in report.checks if (outcome.details or {}).get("kinds")), None) or {}
    kinds, met = told.get("kinds", ()), {tuple(sorted(pair)) for pair in told.get("pairs", ())}
    if not kinds:
        return ""
    gone = told.get("unmeasured", ())
    met |= {(kind, kind) for kind in kinds if kind not in gone}
    numbers = "".join(f'<th scope="col">{k + 1}</th>' for k in range(len(kinds)))

    def cell(kind: str, other: str) -> str:
        both = escape(kind if kind == other else f"{kind} with {other}")
        return f'<td class="met" title="{both}">●</td>' if tuple(sorted((kind, other))) in met else "<td></td>"

    rows = "".join(
        f'<tr><th scope="row">{escape(kind)} {k + 1}</th>{"".join(cell(kind, other) for other in kinds[: k + 1])}</tr>'
        for k, kind in enumerate(kinds)
    )
    never = f"<p>Never: {', '.join(map(escape, gone))}.</p>" if gone else ""
    return (
        f"<section><h2>What random networks had on {escape(label)}</h2>{never}"
        f'<div class="scroll"><table class="pairs"><thead><tr><th></th>{numbers}</tr></thead><tbody>{rows}</tbody>'
        "</table></div></section>"
    )


def _data(figure: Figure) -> str:
    """The figure's numbers, below it; a long one is thinned out."""
    step = max(1, -(-len(figure.x) // ROWS))
    columns = (figure.x, *full(figure).values())
    rows = [[f"{column[k]:.4g}" for column in columns] for k in range(0, len(figure.x), step)]
    numbers = table(rows, (figure.xlabel, *figure.curves), css="data", most=None)
    thinned = f", one in {step} shown" if step > 1 else ""
    return (
        f'<details><summary>data ({len(figure.x)} rows{thinned})</summary><div class="scroll">{numbers}</div></details>'
    )
