"""A comparison as one static page: verdicts, pictures, numbers. It needs no network, no fonts and no script."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from salhw.comparison import wording
from salhw.comparison.comparison import MEANINGS, Comparison, Outcome
from salhw.comparison.judge import Row
from salhw.conformance.html import page
from salhw.description.network import Network
from salhw.io.files import picture_of, write_bytes, write_text

MARKS = {"equivalent": "✓", "different": "✗", "undecided": "?", "ran": "·", "refused": "–", "failed": "!",
         "unavailable": "○"}  # fmt: skip
CLASSES = {"equivalent": "pass", "different": "fail", "undecided": "known", "ran": "unsupported",
           "refused": "unsupported", "failed": "fail", "unavailable": "unavailable"}  # fmt: skip
"""The classes of the style that all pages share."""
PAGE = "index.html"
DPI = 200


def render(comparison: Comparison, pictures: Mapping[str, tuple[str, bytes]]) -> str:
    """The page; ``pictures`` by file name are a title and a PNG, which become part of it."""
    legend = [name for name in MEANINGS if name in _seen(comparison)]  # the reference needs no explanation
    return page(
        "salhw.comparison",
        {
            "title": escape(_title(comparison)),
            "summary": "".join(map(_summary, (comparison.reference, *comparison.outcomes))),
            "legend": "".join(f"<li>{_mark(name)} <b>{name}</b> {MEANINGS[name]}</li>" for name in legend),
            "pictures": "".join(picture(title, image) for title, image in pictures.values()),
            "rates": escape(wording.error_rates(comparison)).replace(" %", "&nbsp;%"),
            "matrix": _matrix(comparison),
            "details": _details(comparison),
        },
    )


def file_names(net: Network, targets: Iterable[str]) -> list[str]:
    """Every file that a comparison may leave in its folder."""
    pictures = ["rasters", "intervals", "rates", "stdd", *(f"states-{p.name}" for p in net.populations)]
    pictures += [f"{what}-{p.name}" for p in net.projections for what in ("weights", "asymmetry")]
    recordings = [f"{target}.h5" for target in ("reference", *targets)]
    return [PAGE, "comparison.json", *recordings, *(f"{name}.png" for name in pictures)]


def save_page(comparison: Comparison, place: Path) -> list[str]:
    """Pictures and page of a comparison in a folder; the names of the files.

    Raises:
        FileError: they cannot be written.
    """
    from salhw.comparison.pictures import pictures

    images = {
        name: (title, picture_of(figure, "png", dpi=DPI)) for name, (title, figure) in pictures(comparison).items()
    }
    for name, (_, image) in images.items():
        write_bytes(place / name, image)
    write_text(place / PAGE, render(comparison, images))
    return [*images, PAGE]


def _title(comparison: Comparison) -> str:
    names = ", ".join(outcome.target for outcome in comparison.outcomes)
    return f"{comparison.network}: {names} against the reference" if names else f"{comparison.network} on the reference"


def _seen(comparison: Comparison) -> set[str]:
    return {o.verdict for o in comparison.outcomes} | {row.verdict for o in comparison.outcomes for row in o.rows}


def _mark(verdict: str) -> str:
    return f'<span class="mark {CLASSES[verdict]}">{MARKS[verdict]}</span>'


def _summary(outcome: Outcome) -> str:
    tally = wording.tally(outcome).removeprefix("different in ").removesuffix(f" {outcome.verdict}")
    told = [tally] if tally else []
    told += [f"mean |W_ij - W_ji| {wording.closing(gap).replace('->', '→')}" for gap in outcome.gaps]
    message = f"<pre>{escape(outcome.message)}</pre>" if outcome.message else ""
    who = ""
    if outcome.instances:
        kind = "chips" if outcome.chips else "instances"
        who = f"<br><small>{outcome.instances} {kind}, {outcome.seconds:.1f}&nbsp;s"
        who += "; " + ", ".join(f"{escape(n)} {escape(v)}" for n, v in outcome.versions.items()) + "</small>"
    return (
        f"<li>{_mark(outcome.verdict)} <b>{escape(outcome.target)}</b> {outcome.verdict}"
        f"{': ' + escape('; '.join(told)) if told else ''}.{who}{message}</li>"
    )


def picture(title: str, image: bytes) -> str:
    """A PNG under its title, as part of the page."""
    data = base64.b64encode(image).decode("ascii")
    text = escape(title)
    return f'<figure><figcaption>{text}</figcaption><img alt="{text}" src="data:image/png;base64,{data}"></figure>'


def _matrix(comparison: Comparison) -> str:
    """Quantities down, targets across."""
    told = [outcome for outcome in comparison.outcomes if outcome.rows]
    if not told:
        return "<tbody><tr><td>Nothing was compared.</td></tr></tbody>"
    columns = [{(row.path, row.quantity): row for row in outcome.rows} for outcome in told]
    head = "".join(f'<th scope="col">{escape(outcome.target)}</th>' for outcome in told)
    keys = list(dict.fromkeys(key for column in columns for key in column))
    rows, group = [], ""
    for path, quantity in sorted(keys, key=lambda key: [k[0] for k in keys].index(key[0])):
        if path != group:
            group = path
            rows.append(f'<tr><th scope="rowgroup" colspan="{len(told) + 1}"><small>{escape(path)}</small></th></tr>')
        cells = "".join(
            _cell(column.get((path, quantity)), outcome, comparison.duration)
            for column, outcome in zip(columns, told, strict=True)
        )
        title = escape(wording.meaning(quantity))
        rows.append(f'<tr><th scope="row" title="{title}">{escape(quantity.replace("_", " "))}</th>{cells}</tr>')
    return f'<thead><tr><th scope="col">quantity</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'


def _cell(row: Row | None, outcome: Outcome, duration: float) -> str:
    if row is None:
        return '<td class="none">not measured</td>'
    measured, reference = wording.values(row)
    unit = f" {escape(row.unit)}" if row.unit else ""
    beside = f' <span class="declared">/ {escape(reference)}</span>' if reference else ""
    where = f"{escape(row.where)}: " if row.where and row.where != "mean" else ""
    more = wording.decides(row, outcome, duration)
    lines = [f"<small>{where}off by {escape(wording.off_by(row))}</small>"]
    lines += [f"<small>{escape(more)}</small>"] if more else []
    return (
        f'<td class="{CLASSES[row.verdict]}"><div><span class="verdict">{_mark(row.verdict)} {row.verdict}</span>'
        f'<span class="numbers">{escape(measured)}{beside}{unit}</span>{"<br>".join(lines)}</div></td>'
    )


def _details(comparison: Comparison) -> str:
    """What fit changed, how far states are from theory, what is approximated; and what the quantities are."""
    parts = []
    predicted = [(o, entry) for o in comparison.outcomes for entry in o.predicted]
    changes = [(o.target, change) for o in comparison.outcomes for change in o.changes]
    if changes:
        parts.append("<h2>What was changed to fit the targets</h2>" + plain(("target", "change"), changes))
    if predicted:
        columns = ("target", "change", "quantity", "predicted", "measured")
        beside = [(o.target, e.change, f"{e.quantity} of {e.path}", *wording.prediction(e)) for o, e in predicted]
        parts.append("<h2>Predicted and measured</h2>" + plain(columns, beside))
    theory = [
        (wording.name(row), row.path, wording.values(row)[0], wording.off_by(row), row.verdict)
        for row in comparison.reference.rows
    ]
    if theory:
        heads = ("quantity", "of", "measured", "off by / margin", "verdict")
        parts.append("<h2>The reference, held against theory</h2>" + plain(heads, theory))
    approximated = [
        (outcome.target, text.replace("\n       fix:", "; fix:"))
        for outcome in comparison.outcomes
        for text in outcome.approximations
    ]
    if approximated:
        parts.append("<h2>What the targets approximate</h2>" + plain(("target", "what"), approximated))
    measured = dict.fromkeys(row.quantity for o in (comparison.reference, *comparison.outcomes) for row in o.rows)
    if measured:
        known = [(name.replace("_", " "), wording.meaning(name)) for name in measured]
        parts.append("<h2>What the quantities are</h2>" + plain(("quantity", "meaning, and the usual margin"), known))
    return "".join(parts)


def plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
