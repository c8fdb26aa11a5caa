"""Which checks fail for which wrong backend and wrong host.

``PYTHONPATH=tests python tests/conformance/mutation_table.py`` rewrites both tables in docs/conformance.md (some
minutes), with ``hosts`` that of wrong hosts alone (seconds). A test holds the names in bold to the mutants' own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import mutants_dynamics
import mutants_engineering
import mutants_hosts

import salhw
from salhw.conformance.lab import Lab
from salhw.conformance.runner import catalogue, examine

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
SLOW = {"same-chip-in-another-process"}  # asks the installed backend, never the mutant


def mutants() -> list[tuple[str, object, set[str]]]:
    """(name, backend factory, checks that must catch it) of both halves."""
    dynamics = [(m.name, m.factory, set(m.caught_by)) for m in mutants_dynamics.MUTANTS]
    return dynamics + [(m.name, m.factory, set(m.caught_by)) for m in mutants_engineering.MUTANTS]


def failing(factory) -> set[str]:  # type: ignore[no-untyped-def]
    """All checks of the quick profile that fail for a backend."""
    lab = Lab(factory(), salhw.target("reference"), "quick", 1)
    checks = [c for c in catalogue("quick").values() if c.name not in SLOW]
    return {c.name for c in checks if examine(c, lab).outcome == "fail"}


def row(name: str, named: set[str], others: set[str]) -> str:
    """A line of the table."""
    cells = [*(f"**{check}**" for check in sorted(named)), *sorted(others - named)]
    return f"| {name} | {', '.join(cells)} |"


def hosts() -> list[tuple[str, set[str]]]:
    """(name, checks that must catch it) of wrong hosts."""
    return [(name, set(caught_by)) for name, (_, _, _, caught_by) in mutants_hosts.MUTANTS.items()]


def marks(table: str) -> tuple[str, str]:
    """What begins and ends a table of the page."""
    return f"<!-- {table}: begin -->\n", f"<!-- {table}: end -->\n"


def written(table: str) -> list[str]:
    """The rows that the page holds now."""
    text, (begin, end) = PAGE.read_text(encoding="utf-8"), marks(table)
    return text[text.index(begin) + len(begin) : text.index(end)].splitlines()[2:]


def write(table: str, title: str, found: Iterable[str]) -> None:
    """Measure all rows of a table and put them into the page."""
    rows = [f"| {title} | failing checks |", "|---|---|"]
    for line in found:
        rows.append(line)
        print(line, flush=True)
    text, (begin, end) = PAGE.read_text(encoding="utf-8"), marks(table)
    body = "\n".join(rows) + "\n"
    PAGE.write_text(text[: text.index(begin) + len(begin)] + body + text[text.index(end) :], encoding="utf-8")


def main(which: list[str]) -> None:
    """Measure the tables that are named, or both, and rewrite the page."""
    if not which or "backends" in which:
        write("mutants", "wrong backend", (row(name, named, failing(factory)) for name, factory, named in mutants()))
    if not which or "hosts" in which:
        write("hosts", "wrong host", (row(name, named, mutants_hosts.failing(name)) for name, named in hosts()))


if __name__ == "__main__":
    main(sys.argv[1:])
