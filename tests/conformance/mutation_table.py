"""What catches which wrong backend and wrong host.

``PYTHONPATH=tests python tests/conformance/mutation_table.py`` rewrites the tables in docs/conformance.md (some
minutes), with the name of one of them that one: ``mutants``, ``hosts`` (seconds) or ``replayed``. Tests hold the names
in bold to the mutants' own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import mutants_dynamics
import mutants_engineering
import mutants_hosts
import mutants_replay

from salhw.conformance import Check
from salhw.conformance.lab import Lab
from salhw.conformance.replay.chance import alarms
from salhw.conformance.replay.surveying import NETWORKS, examined
from salhw.conformance.runner import catalogue, examine, laboratory

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
SLOW = {"same-chip-in-another-process"}  # asks the installed backend, never the mutant


def mutants() -> list[tuple[str, object, set[str]]]:
    """(name, backend factory, checks that must catch it) of both halves."""
    dynamics = [(m.name, m.factory, set(m.caught_by)) for m in mutants_dynamics.MUTANTS]
    return dynamics + [(m.name, m.factory, set(m.caught_by)) for m in mutants_engineering.MUTANTS]


def besides_replay() -> list[Check]:
    """The checks of the quick profile, but for replay, which has a table of its own, and what asks no mutant."""
    return [c for c in catalogue("quick").values() if c.name not in SLOW and c.group != "replay"]


def failing(factory) -> set[str]:  # type: ignore[no-untyped-def]
    """Which of these checks fail for a backend."""
    backend = factory()
    lab = Lab(backend, backend.targets()["reference"], "quick", 1)
    return {c.name for c in besides_replay() if examine(c, lab).outcome == "fail"}


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


def networks_needed(backend, wanted: Sequence[str] = ()) -> tuple[int | None, set[str]]:  # type: ignore[no-untyped-def]
    """How many random networks of the quick profile it takes until a backend departs in one of the ``wanted`` kinds, or
    in any if none is named; None if it never does. And the kinds of all departures of the last of these networks."""
    lab, tested = laboratory(backend), []
    for count in range(NETWORKS):
        case, _ = examined(lab, count)
        tested += case.tested
        kinds = {d.kind for d in (*case.departures, *(d for _, d in alarms(tested)))}
        if kinds & set(wanted) if wanted else kinds or case.flaw:
            return count + 1, kinds
    return None, set()


def replayed() -> Iterable[str]:
    """The rows of those that replay catches."""
    for mutant in mutants_replay.MUTANTS:
        needed, kinds = networks_needed(mutant.factory())
        yield f"| {mutant.name} | {', '.join(sorted(kinds))} | {needed} |"


def write(table: str, titles: Sequence[str], found: Iterable[str]) -> None:
    """Measure all rows of a table and put them into the page."""
    rows = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for line in found:
        rows.append(line)
        print(line, flush=True)
    text, (begin, end) = PAGE.read_text(encoding="utf-8"), marks(table)
    body = "\n".join(rows) + "\n"
    PAGE.write_text(text[: text.index(begin) + len(begin)] + body + text[text.index(end) :], encoding="utf-8")


def main(which: list[str]) -> None:
    """Measure the tables that are named, or all, and rewrite the page."""
    if not which or "mutants" in which:
        found = (row(name, named, failing(factory)) for name, factory, named in mutants())
        write("mutants", ["wrong backend", "failing checks"], found)
    if not which or "hosts" in which:
        found = (row(name, named, mutants_hosts.failing(name)) for name, named in hosts())
        write("hosts", ["wrong host", "failing checks"], found)
    if not which or "replayed" in which:
        write("replayed", ["wrong backend", "what departs", "random networks"], replayed())


if __name__ == "__main__":
    main(sys.argv[1:])
