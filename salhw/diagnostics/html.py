"""Small pieces of static HTML for notebooks and pages: everything is escaped, nothing needs a script or a style sheet.

A ``_repr_html_`` is ``section(title, table(rows, head), ...)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

ROWS = 30
"""The most rows of a table that a notebook shows."""


def section(title: str, *blocks: str, note: str = "") -> str:
    """A title above blocks of HTML (tables, pictures), with a ``note`` in small letters below it."""
    below = f'<p style="margin:.2em 0"><small>{escape(note)}</small></p>' if note else ""
    return f"<section><p style='margin:.4em 0 .2em'><b>{escape(title)}</b></p>{below}{''.join(blocks)}</section>"


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = (), *, css: str = "", most: int | None = ROWS) -> str:
    """A table with a line for each of ``rows``, the first cell of which names it; empty if there are no rows.

    Args:
        rows: cells in any type that ``str`` knows.
        head: names of the columns.
        css: the table's class, for pages that have a style sheet.
        most: rows beyond that many are counted only; None shows all.
    """
    every = iter(rows)
    lines = ["".join(map(_cell, row)) for row in islice(every, most)]
    if not lines:
        return ""
    if more := sum(1 for _ in every):
        lines.append(f'<td colspan="{max(len(head), 1)}">... and {more} more</td>')
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    above = f"<thead><tr>{heads}</tr></thead>" if head else ""
    style = f' class="{escape(css)}"' if css else ""
    return f"<table{style}>{above}<tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"


def _cell(value: object) -> str:
    return f"<td>{escape(str(value))}</td>"
