"""Which checks fail for which wrong backend: ``python tests/conformance/mutation_table.py`` rewrites the table in
docs/conformance.md (some minutes). A test holds the names in bold to the mutants' own."""

from __future__ import annotations

from pathlib import Path

import mutants_dynamics
import mutants_engineering

from salhw.conformance.lab import Lab
from salhw.conformance.runner import catalogue, examine

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- mutants: begin -->\n", "<!-- mutants: end -->\n"
SLOW = {"same-chip-in-another-process"}  # asks the installed backend, never the mutant


def mutants() -> list[tuple[str, object, set[str]]]:
    """(name, backend factory, checks that must catch it) of both halves."""
    dynamics = [(m.name, m.factory, set(m.caught_by)) for m in mutants_dynamics.MUTANTS]
    return dynamics + [(m.name, m.factory, set(m.caught_by)) for m in mutants_engineering.MUTANTS]


def failing(factory) -> set[str]:  # type: ignore[no-untyped-def]
    """All checks of the quick profile that fail for a backend."""
    backend = factory()
    lab = Lab(backend, backend.targets()["reference"], "quick", 1)
    checks = [c for c in catalogue("quick").values() if c.name not in SLOW]
    return {c.name for c in checks if examine(c, lab).outcome == "fail"}


def row(name: str, named: set[str], others: set[str]) -> str:
    """A line of the table."""
    cells = [*(f"**{check}**" for check in sorted(named)), *sorted(others - named)]
    return f"| {name} | {', '.join(cells)} |"


def written() -> list[str]:
    """The rows that the page holds now."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].splitlines()[2:]


def main() -> None:
    """Measure all and rewrite the page."""
    rows = ["| wrong backend | failing checks |", "|---|---|"]
    for name, factory, named in mutants():
        rows.append(row(name, named, failing(factory)))
        print(rows[-1], flush=True)
    text = PAGE.read_text(encoding="utf-8")
    body = "\n".join(rows) + "\n"
    PAGE.write_text(text[: text.index(BEGIN) + len(BEGIN)] + body + text[text.index(END) :], encoding="utf-8")


if __name__ == "__main__":
    main()
