"""salhw beside Brian2, NEST, PyNN and a bare loop: ``make benchmark-peers``, or ``python benchmarks/peers --quick``.

The same networks are run by all in turn; that their results agree is checked before any time is told. Written are
table.md, results.json and cost.png.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from agree import disagreements
from cases import Case, cases
from figure import draw_figure
from machine import floor, machine
from race import ROOT, Entry, interpreter, peers, race
from report import Report, into_document, table, write
from workloads import workloads


def main() -> int:
    """Measure, check, write; 1 if the simulators disagree."""
    options = arguments()
    began = time.perf_counter()
    for name, peer in peers().items():
        if not interpreter(peer):
            print(f"{name} is left out: {peer.PYTHON} is not there; make benchmark-peers installs it", file=sys.stderr)
    limits, results, floors = machine(), dict[Case, list[Entry]](), {}
    for case in chosen(options):
        tell(f"{time.perf_counter() - began:4.0f} s  {case.label}")
        results[case] = race(case, options.rounds or (3 if options.quick else 5))
        (ours,) = (entry for entry in results[case] if entry.column == "salhw")
        floors[case] = floor(limits, case, float(ours.rates(case).mean()))
    if wrong := disagreements(results):
        print("The simulators did not run the same network:", *wrong, sep="\n  ", file=sys.stderr)
        return 1
    tell(f"{time.perf_counter() - began:4.0f} s  workloads")
    report = Report(limits, results, floors, workloads(options.quick))
    options.out.mkdir(parents=True, exist_ok=True)
    write(report, options.out)
    draw_figure(report, options.out / "cost.png")
    if options.docs:
        into_document(report, ROOT / "docs" / "speed.md")
        draw_figure(report, ROOT / "docs" / "speed.png")
    print(table(report))
    tell(f"{time.perf_counter() - began:4.0f} s. In {options.out}: table.md, results.json, cost.png")
    return 0


def chosen(options: argparse.Namespace) -> list[Case]:
    """The cases that were asked for."""
    return [case for case in cases(options.quick) if not options.panel or case.panel in options.panel]


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four networks and shorter runs: below three minutes")
    parser.add_argument("--docs", action="store_true", help="put tables and figure into docs/speed.md, too")
    parser.add_argument("--panel", action="append", help="the networks of one panel of the figure; may be repeated")
    parser.add_argument("--rounds", type=int, help="how often each simulator runs each network")
    parser.add_argument("--out", type=Path, default=Path("build/peers"), help="folder for table, numbers and figure")
    return parser.parse_args()


def tell(line: str) -> None:
    """Progress, which is no result."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
