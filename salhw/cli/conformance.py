"""``salhw conformance TARGET``."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from salhw.cli.places import Force, saved, writable, writing_into
from salhw.cli.progress import Bar, progress_bar
from salhw.cli.report import SHORT_FALL, print_json, reported
from salhw.diagnostics import FileError
from salhw.diagnostics.wording import number
from salhw.io.files import is_device, write_text
from salhw.registry import resolve

if TYPE_CHECKING:
    from salhw.conformance.failures import Saved
    from salhw.conformance.lab import Lab
    from salhw.conformance.model import Outcome
    from salhw.conformance.report import ConformanceReport
    from salhw.substrate.target import Target

STYLES = {
    "pass": "green", "known": "yellow", "unmeasured": "yellow", "unsupported": "dim", "unavailable": "magenta",
    "fail": "bold red",
}  # fmt: skip
EVERY = 1.0
"""s between two writings of a report that is not whole yet."""

Profile = Literal["quick", "full"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(conformance)


def conformance(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A name that `salhw targets` lists.")],
    profile: Annotated[Profile | None, typer.Option(help="How much to measure; quick by default.")] = None,
    check: Annotated[
        list[str] | None, typer.Option(help="A check to run, or a pattern such as 'psp-*'; repeatable. By default all.")
    ] = None,
    from_failures: Annotated[
        Path | None,
        typer.Option(help="Run what failed, or is unfinished, in an earlier JSON report, with its profile and seed."),
    ] = None,
    failures: Annotated[
        Path | None,
        typer.Option(help="A folder for the networks of failures; random ones as small as still fail."),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="A network from such a folder: say in what the target departs from it.")
    ] = None,
    known: Annotated[Path | None, typer.Option(help="TOML file of expected failures.")] = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Where to write the report as JSON while it grows; - prints it alone."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write the report as a page.")] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="An earlier JSON report, to stand beside this one in the page; repeatable."),
    ] = None,
    force: Force = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random in the checks; 0 by default.")] = None,
    ideal: Annotated[
        bool, typer.Option("--ideal", help="The target without variability and quantisation, target.ideal().")
    ] = False,
) -> None:
    """Measure whether a target does what a description says, beside what it declares."""
    from salhw.conformance.html import render
    from salhw.conformance.known import load

    alone = json == "-"
    with reported(alone):
        expected = load(known) if known else ()
        if beside and html is None:
            raise typer.BadParameter("is for the page: give --html as well", param_hint="'--beside'")
        if from_failures and check:
            raise typer.BadParameter("names the checks already: leave --check out", param_hint="'--from-failures'")
        others = [_shown_report(path) for path in beside or []]
        if from_failures:  # before the file is written anew
            earlier = _shown_report(from_failures)
            failed = [outcome.name for outcome in earlier.checks if outcome.outcome == "fail"]
            check = [*failed, *earlier.unfinished]
            profile, seed = profile or earlier.profile, earlier.seed if seed is None else seed
            if not check and not alone:
                typer.echo(f"Nothing failed, and nothing is unfinished, in {from_failures}.")
                return
        data = writable(Path(json), force, ".json") if json and not alone else None
        page = writable(html, force, ".html", ".htm") if html else None
        subject = resolve(target)
        if ideal:
            subject = subject.ideal().replace(name=f"{target} (ideal)")
        if replay:
            _replay(subject, replay, alone)
            return
        typed = f"{shlex.quote(target)}{' --ideal' if ideal else ''}"
        asked = {"profile": profile or "quick", "seed": seed or 0, "known": expected, "checks": check}
        report, networks = _run(typed, subject, failures, data, force, asked)
        if page:
            text = render([report, *others])
            saved(lambda path: write_text(path, text, new=not force), page)
        if alone:
            print_json(report.as_json())
        else:
            _print(report)
            if not failures and report.counts.get("fail"):
                typer.echo("With --failures DIR the networks of what fails are kept, and made small.")
            for each in networks:
                typer.echo(f"{each.check}: its network is in {each.path}; once more: {each.command}")
            for written in filter(None, (data, page)):
                typer.echo(f"The report is in {written}.")
        if not report.passed:
            raise typer.Exit(SHORT_FALL)


def _run(
    typed: str, subject: Target, failures: Path | None, data: Path | None, force: bool, asked: dict[str, Any]
) -> tuple[ConformanceReport, list[Saved]]:
    """The report, and the networks of failures, written as they come; ``asked`` are arguments of ``run``."""
    from salhw.conformance.failures import saved_network
    from salhw.conformance.runner import chosen, run

    files = [f"{check.name}.json" for check in chosen(asked["profile"], asked["checks"])]
    networks: list[Saved] = []
    with (
        writing_into(failures, files, force) if failures else nullcontext() as folder,
        progress_bar(f"conformance of {subject.name}") as bar,
        _journal(data, new=not force) as journal,
    ):

        def each(lab: Lab, report: ConformanceReport) -> None:
            outcome = report.checks[-1]
            _tell(bar, report)
            journal(report)
            if folder and outcome.outcome == "fail" and (kept := saved_network(lab, outcome, folder, typed)):
                networks.append(kept)

        report = run(subject.name, subject, progress=bar, each=each, **asked)
        journal(report)
    return report, networks


@contextmanager
def _journal(data: Path | None, *, new: bool) -> Iterator[Callable[[ConformanceReport], None]]:
    """Writes a growing report every second, and what there is in the end, however that comes; into a pipe only that."""
    latest: list[ConformanceReport] = []
    written = time.monotonic()

    def keep(report: ConformanceReport) -> None:
        nonlocal written, new
        latest[:] = [report]
        if data and not is_device(data) and time.monotonic() - written > EVERY:
            with suppress(FileError):  # there may be room again in the end
                report.save(data, new=new)
                new = False  # from now on the file is ours
            written = time.monotonic()

    try:
        yield keep
    finally:
        if data and latest:
            saved(lambda path: latest[-1].save(path, new=new), data)


def _tell(bar: Bar | None, report: ConformanceReport) -> None:
    """How the latest check went: beside the bar, or as a line for files and pipes."""
    outcome, done = report.checks[-1], len(report.checks)
    said = f"{done}/{done + len(report.unfinished)} {outcome.outcome} {outcome.name}"
    if bar:
        bar.note(said)
        return
    why = f": {outcome.reason}" if outcome.outcome == "fail" else ""
    print(f"{said}, {outcome.seconds:.1f} s{why}", file=sys.stderr, flush=True)


def _replay(target: Target, path: Path, alone: bool) -> None:
    """Say in what a target departs from what a saved network and its spikes imply."""
    from salhw.conformance.replay import Example
    from salhw.conformance.runner import laboratory

    departs = [text for _, text in Example.load(path).said(laboratory(target.backend, target))]
    if alone:
        print_json({"target": target.name, "network": str(path), "departures": departs})
    else:
        typer.echo("\n".join(departs) or f"{target.name} does what {path} and its own spikes imply.")
    if departs:
        raise typer.Exit(SHORT_FALL)


def _shown_report(path: Path) -> ConformanceReport:
    """An earlier report, if a page can be made of it: asked before the work begins.

    Raises:
        FileError: it holds something else.
    """
    from salhw.conformance.html import render
    from salhw.conformance.report import ConformanceReport
    from salhw.diagnostics import file_error

    report = ConformanceReport.load(path)
    try:
        render([report])
    except Exception as error:  # any type may stand anywhere in a file
        supported = f"a report of `salhw conformance --json`; {type(error).__name__}: {error}"[:200]
        raise file_error(path, "", supported, "run the suite again") from None
    return report


def shown(outcome: Outcome) -> tuple[str, str]:
    """Measured and declared, with the unit."""
    unit = f" {outcome.unit}" if outcome.unit else ""
    measured, declared = (
        "" if value is None else f"{value:.3g}{unit}" for value in (outcome.measured, outcome.declared)
    )
    return measured, declared


def _print(report: ConformanceReport) -> None:
    from rich.text import Text

    from salhw.cli.report import console, print_table

    rows: list[list[str | Text]] = []
    sections, group = {}, ""
    for outcome in report.checks:
        if outcome.group != group:
            group = sections[len(rows)] = outcome.group
        p = "" if outcome.p_value is None else f"{outcome.p_value:.1g}"
        verdict = Text(outcome.outcome, style=STYLES[outcome.outcome])
        rows.append([outcome.name, verdict, *shown(outcome), p, f"{outcome.seconds:.2f}"])
    title = f"{report.target}: {report.profile} profile, seed {report.seed}"
    columns = ("check", "outcome", "measured", "declared", "p", "s")
    print_table(title, columns, rows, numbers=(2, 3, 4, 5), sections=sections)
    out = console()
    for outcome in report.checks:
        if outcome.outcome != "pass":
            out.print(Text.assemble((outcome.outcome, STYLES[outcome.outcome]), f" {outcome.name}: {outcome.reason}"))
            if outcome.traceback:
                out.print(Text(outcome.traceback))
    seconds = sum(outcome.seconds for outcome in report.checks)
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    out.print(f"{len(report.checks)} checks in {number(round(seconds, 1))} s: {counts}")
