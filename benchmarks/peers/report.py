"""What was measured, as a table in markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cases import Case
from machine import Floor, Machine
from race import Entry
from workloads import Workload

ORDER = (
    "bare kernel", "salhw", "salhw, on the spike", "salhw, nearest pairs", "Brian2 C++",
    "Brian2 C++, traces per synapse", "NEST", "salhw on NEST", "PyNN on NEST",
)  # fmt: skip
BEGIN, END = "<!-- measured: python benchmarks/peers --docs -->", "<!-- end of what was measured -->"


@dataclass(frozen=True)
class Report:
    """Everything: the machine's limits, the columns of each case, below what no column can go, and workloads."""

    machine: Machine
    results: Mapping[Case, Sequence[Entry]]
    floors: Mapping[Case, Floor]
    workloads: Sequence[Workload]

    @property
    def columns(self) -> list[str]:
        """All names, those of this file first."""
        names = {entry.column for entries in self.results.values() for entry in entries}
        return [name for name in ORDER if name in names] + sorted(names - {*ORDER})


def table(report: Report) -> str:
    """The tables of a report."""
    m = report.machine
    parts = [
        f"Limits of this machine, one thread: {m.triad:.1f} GB/s streamed, {m.draw:.2f} ns for a random number.",
        "### ns of processor time per neuron and step, the fastest of all rounds",
        networks(report),
        "### How many times as long as salhw",
        ratios(report),
        "### Seconds until a network is ready",
        setups(report),
        "### Workloads",
        rows(["workload", "measured", "unit", "beside it", "ratio"], map(workload, report.workloads)),
    ]
    return "\n\n".join(parts)


def networks(report: Report) -> str:
    """Cost of each case in each column."""
    lines = []
    for case, entries in report.results.items():
        best = {entry.column: f"{entry.best(case):.3g}" for entry in entries}
        floor = f"{report.floors[case].scatter:.2g}"
        lines.append([case.label, floor, *(best.get(name, "") for name in report.columns)])
    return rows(["network", "limit", *report.columns], lines)


def ratios(report: Report) -> str:
    """Cost of each column over that of salhw."""
    names, lines = [name for name in report.columns if name != "salhw"], []
    for case, entries in report.results.items():
        best = {entry.column: entry.best(case) for entry in entries}
        ratio = {name: f"{cost / best['salhw']:.3g}" for name, cost in best.items()}
        lines.append([case.label, *(ratio.get(name, "") for name in names)])
    return rows(["network", *names], lines)


def setups(report: Report) -> str:
    """What it takes before a network runs: imports, building, compiling, the first 200 ms."""
    lines = []
    for case, entries in report.results.items():
        setup = {entry.column: f"{entry.setup:.1f}" for entry in entries}
        lines.append([case.label, *(setup.get(name, "") for name in report.columns)])
    return rows(["network", *report.columns], lines)


def workload(one: Workload) -> list[str]:
    """A row."""
    ratio = f"{one.beside / one.value:.3g}" if one.beside else ""
    beside = f"{one.beside:.3g} ({one.peer})" if one.beside else ""
    return [one.name, f"{one.value:.3g}", one.unit, beside, ratio]


def rows(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in markdown."""
    ruler = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ruler, *lines))


def write(report: Report, folder: Path) -> None:
    """table.md and results.json."""
    (folder / "table.md").write_text(table(report) + "\n", encoding="utf-8")
    cases = [
        asdict(case) | {"floor": asdict(report.floors[case]), "columns": [numbers(case, entry) for entry in entries]}
        for case, entries in report.results.items()
    ]
    data = {"machine": asdict(report.machine), "cases": cases, "workloads": [asdict(w) for w in report.workloads]}
    (folder / "results.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def into_document(report: Report, document: Path) -> None:
    """Put the tables between the two marks of a document."""
    text = document.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n{table(report)}\n{END}{after}", encoding="utf-8")


def numbers(case: Case, entry: Entry) -> dict[str, Any]:
    """An entry without its arrays."""
    return {
        "column": entry.column,
        "setup_s": entry.setup,
        "seconds": entry.seconds,
        "ns_best": entry.best(case),
        "ns_median": entry.median(case),
        "spikes_per_step": float(entry.rates(case).mean()),
        "learned": entry.learned,
    }
