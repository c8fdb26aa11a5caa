"""Which checks fail for which wrong backend: ``python tests/conformance/mutation_table.py`` rewrites the table in
docs/conformance.md (some minutes), with ``replay`` that of the backends that replay catches. A test holds the names in
bold to the mutants' own."""

from __future__ import annotations

import sys
from pathlib import Path

import mutants_dynamics
import mutants_engineering
import mutants_replay

import salhw
from salhw.conformance.lab import Lab
from salhw.conformance.replay.chance import alarms
from salhw.conformance.replay.surveying import NETWORKS, examined
from salhw.conformance.runner import catalogue, examine, laboratory

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- mutants: begin -->\n", "<!-- mutants: end -->\n"
REPLAYED = "<!-- replayed: begin -->\n", "<!-- replayed: end -->\n"
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


def written(begin: str = BEGIN, end: str = END) -> list[str]:
    """The rows that the page holds now."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(begin) + len(begin) : text.index(end)].splitlines()[2:]


def replayed() -> list[str]:
    """The rows of those that replay catches."""
    return written(*REPLAYED)


def networks_needed(backend) -> tuple[int | None, set[str]]:  # type: ignore[no-untyped-def]
    """How many random networks of the quick profile it takes until a backend departs, None if all are as they should
    be; and the kinds of all departures of that network."""
    lab, tested = laboratory(backend), []
    for count in range(NETWORKS):
        case, _ = examined(lab, count)
        tested += case.tested
        kinds = {d.kind for d in (*case.departures, *(d for _, d in alarms(tested)))}
        if kinds or case.flaw:
            return count + 1, kinds
    return None, set()


def rewrite(rows: list[str], begin: str, end: str) -> None:
    """Put a table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    body = "\n".join(rows) + "\n"
    PAGE.write_text(text[: text.index(begin) + len(begin)] + body + text[text.index(end) :], encoding="utf-8")


def replay() -> None:
    """Measure those that replay catches, and rewrite their table."""
    rows = ["| wrong backend | what departs | random networks |", "|---|---|---|"]
    for mutant in mutants_replay.MUTANTS:
        needed, kinds = networks_needed(mutant.factory())
        rows.append(f"| {mutant.name} | {', '.join(sorted(kinds))} | {needed} |")
        print(rows[-1], flush=True)
    rewrite(rows, *REPLAYED)


def main() -> None:
    """Measure all and rewrite the page."""
    rows = ["| wrong backend | failing checks |", "|---|---|"]
    for name, factory, named in mutants():
        rows.append(row(name, named, failing(factory)))
        print(rows[-1], flush=True)
    rewrite(rows, BEGIN, END)


if __name__ == "__main__":
    replay() if "replay" in sys.argv else main()
