"""``salhw conformance TARGET``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salhw.refusal import number

if TYPE_CHECKING:
    from salhw.conformance.model import Outcome
    from salhw.conformance.report import Report

STYLES = {"pass": "green", "known": "yellow", "unsupported": "dim", "unavailable": "magenta", "fail": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(conformance)


def conformance(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A name that `salhw targets` lists.")],
    profile: Annotated[Literal["quick", "full"], typer.Option(help="How much to measure.")] = "quick",
    known: Annotated[Path | None, typer.Option(help="TOML file of expected failures.")] = None,
    json: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Where to write the report as JSON; - prints it alone.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write the report as a page.")] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="An earlier JSON report, to stand beside this one in the page; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random in the checks.")] = 0,
    ideal: Annotated[
        bool, typer.Option("--ideal", help="The target without variability and quantisation, target.ideal().")
    ] = False,
) -> None:
    """Measure whether a target does what a description says, beside what it declares."""
    from salhw.backend import resolve
    from salhw.cli.progress import progress_bar
    from salhw.cli.report import SHORT_FALL, print_json, reported
    from salhw.conformance.html import render
    from salhw.conformance.known import load
    from salhw.conformance.report import Report
    from salhw.conformance.run import run

    alone = json == "-"
    with reported(alone):
        expected = load(known) if known else ()
        if beside and html is None:
            raise typer.BadParameter("is for the page: give --html as well", param_hint="'--beside'")
        others = [Report.load(path) for path in beside or []]
        for path in (Path(json) if json and not alone else None, html):
            if path is not None:
                _refuse_unwritable(path)
        subject = resolve(target)
        if ideal:
            subject = subject.ideal().replace(name=f"{target} (ideal)")
        with progress_bar(f"conformance of {subject.name}") as progress:
            report = run(target, subject, profile=profile, seed=seed, known=expected, progress=progress)
        if json and not alone:
            report.save(Path(json))
        if html:
            html.write_text(render([report, *others]), encoding="utf-8")
        if alone:
            print_json(report.as_json())
        else:
            _print(report)
            for written in filter(None, (json, html)):
                typer.echo(f"The report is in {written}.")
        if not report.passed:
            raise typer.Exit(SHORT_FALL)


def _refuse_unwritable(path: Path) -> None:
    """Ask before the work begins.

    Raises:
        FileError: the directory does not exist, or it is one itself.
    """
    from salhw.diagnostics import file_error

    if path.is_dir():
        raise file_error(path, "a directory", "the name of a file")
    if not path.parent.is_dir():
        raise file_error(path, "", f"there is no directory {path.parent}", "create it first")


def shown(outcome: Outcome) -> tuple[str, str]:
    """Measured and declared, with the unit."""
    unit = f" {outcome.unit}" if outcome.unit else ""
    measured, declared = (
        "" if value is None else f"{value:.3g}{unit}" for value in (outcome.measured, outcome.declared)
    )
    return measured, declared


def _print(report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    from salhw.cli.report import console

    title = f"{report.target}: {report.profile} profile, seed {report.seed}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("check", overflow="fold")
    table.add_column("outcome")
    table.add_column("measured", justify="right")
    table.add_column("declared", justify="right")
    table.add_column("p", justify="right")
    table.add_column("s", justify="right")
    group = ""
    for outcome in report.checks:
        if outcome.group != group:
            group = outcome.group
            table.add_section()
            table.add_row(Text(group, style="italic"))
        measured, declared = shown(outcome)
        p = "" if outcome.p_value is None else f"{outcome.p_value:.1g}"
        verdict = Text(outcome.outcome, style=STYLES[outcome.outcome])
        table.add_row(Text(outcome.name), verdict, measured, declared, p, f"{outcome.seconds:.2f}")
    out = console()
    out.print(table)
    for outcome in report.checks:
        if outcome.outcome != "pass":
            out.print(Text.assemble((outcome.outcome, STYLES[outcome.outcome]), f" {outcome.name}: {outcome.reason}"))
    seconds = sum(outcome.seconds for outcome in report.checks)
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    out.print(f"{len(report.checks)} checks in {number(round(seconds, 1))} s: {counts}")
