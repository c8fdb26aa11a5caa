"""``salhw conformance TARGET``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salhw.cli.places import Force, saved, writable
from salhw.cli.progress import progress_bar
from salhw.cli.report import SHORT_FALL, print_json, reported
from salhw.diagnostics.wording import number
from salhw.io.files import write_text
from salhw.registry import resolve

if TYPE_CHECKING:
    from salhw.conformance.model import Outcome
    from salhw.conformance.report import ConformanceReport

STYLES = {
    "pass": "green", "known": "yellow", "unmeasured": "yellow", "unsupported": "dim", "unavailable": "magenta",
    "fail": "bold red",
}  # fmt: skip


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
    force: Force = False,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random in the checks.")] = 0,
    ideal: Annotated[
        bool, typer.Option("--ideal", help="The target without variability and quantisation, target.ideal().")
    ] = False,
) -> None:
    """Measure whether a target does what a description says, beside what it declares."""
    from salhw.conformance.html import render
    from salhw.conformance.known import load
    from salhw.conformance.runner import run

    alone = json == "-"
    with reported(alone):
        expected = load(known) if known else ()
        if beside and html is None:
            raise typer.BadParameter("is for the page: give --html as well", param_hint="'--beside'")
        others = [_shown_report(path) for path in beside or []]
        data = writable(Path(json), force, ".json") if json and not alone else None
        page = writable(html, force, ".html", ".htm") if html else None
        subject = resolve(target)
        if ideal:
            subject = subject.ideal().replace(name=f"{target} (ideal)")
        with progress_bar(f"conformance of {subject.name}") as progress:
            report = run(target, subject, profile=profile, seed=seed, known=expected, progress=progress)
        if data:
            saved(lambda path: report.save(path, new=not force), data)
        if page:
            text = render([report, *others])
            saved(lambda path: write_text(path, text, new=not force), page)
        if alone:
            print_json(report.as_json())
        else:
            _print(report)
            for written in filter(None, (data, page)):
                typer.echo(f"The report is in {written}.")
        if not report.passed:
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
    seconds = sum(outcome.seconds for outcome in report.checks)
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    out.print(f"{len(report.checks)} checks in {number(round(seconds, 1))} s: {counts}")
