"""``salhw compare``: one network on every target, each held against the reference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salhw.cli.measure import SomeChips, chip_range, loaded
from salhw.cli.outlook import tell
from salhw.cli.places import Force, writing_into
from salhw.cli.progress import progress_bar
from salhw.cli.report import SHORT_FALL, print_json, print_table, print_wrapped, reported, width
from salhw.cli.settings import Settings
from salhw.description.network import Network
from salhw.diagnostics import DescriptionError, Diagnostic, counted
from salhw.machine import CHIP, NOTHING, refuse_instances
from salhw.registry import targets as known_targets
from salhw.session.calibration import Calibration

if TYPE_CHECKING:
    from salhw.comparison import Comparison, Outcome

DURATION = 10_000.0
MOST = 4
"""Undecided quantities of a target that are told what would decide them."""
STYLES = {"equivalent": "green", "different": "bold red", "undecided": "yellow"}


Targets = Annotated[str, typer.Option("--targets", "-t", metavar="all|A,B,..", help="Which targets.")]


def target_names(text: str) -> str | list[str]:
    """What ``--targets`` names."""
    return "all" if text == "all" else [name.strip() for name in text.split(",") if name.strip()]


def register(app: typer.Typer, network: Callable[[str, list[str] | None], Network]) -> None:
    """Add the command to the command line; ``network`` turns the argument NET into a network."""

    @app.command()
    def compare(
        net: Annotated[str, typer.Argument(metavar="NET", help="A network file, or a name of `salhw networks`.")],
        targets: Targets = "all",
        duration: Annotated[float, typer.Option(help="Biological time in ms of every run.")] = DURATION,
        seed: Annotated[int, typer.Option(min=0, help="Of the trial-to-trial randomness.")] = 0,
        instances: Annotated[
            int | None, typer.Option(min=1, help="Instances of each target; chips, where they differ. 16 by default.")
        ] = None,
        chips: SomeChips = None,
        calibration: Annotated[
            list[Path] | None, typer.Option(help="A file of `salhw calibrate`, of any of the targets; repeatable.")
        ] = None,
        keep: Annotated[
            list[str] | None, typer.Option(metavar="PATH", help="A path that fitting leaves alone; repeatable.")
        ] = None,
        fit: Annotated[
            bool, typer.Option("--fit/--no-fit", help="Change the network as little as each target needs.")
        ] = True,
        margin: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME=VALUE", help="How far a target may be off, as rate=0.1; repeatable."),
        ] = None,
        given: Settings = None,
        out: Annotated[Path, typer.Option(help="Folder for recordings, numbers, pictures and page.")] = Path(
            "salhw-compare"
        ),
        force: Force = False,
        json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    ) -> None:
        """Run a network on every target, and say what each makes of it, held against the reference."""
        from salhw.comparison import compare as compare_all
        from salhw.comparison.html import file_names

        with reported(json):
            described = network(net, given)
            chosen = target_names(targets)
            options: dict[str, Any] = {
                "chips": None if chips is None else _ids(chips),
                "calibrations": _by_target(calibration or []),
                "margin": _margins(margin or []),
            }
            names = known_targets() if chosen == "all" else chosen
            with (
                writing_into(out, file_names(described, names), force),
                progress_bar(f"comparing {described.name}") as progress,
            ):
                result = compare_all(
                    described, chosen, duration=duration, seed=seed, instances=instances, fit=fit, keep=keep or (),
                    out=out, progress=progress, told=partial(tell, f"{described.name} on all targets"), **options,
                )  # fmt: skip
            if json:
                print_json(result.as_dict() | {"out": str(out)})
            else:
                _print(result, out)
            if result.different or any(o.verdict == "failed" for o in result.outcomes):
                raise typer.Exit(SHORT_FALL)


def _ids(chips: str) -> range:
    """The chips A:B.

    Raises:
        DescriptionError: no range.
        SessionError: SAL221 more than fit into memory.
    """
    ids = range(*chip_range(chips))
    refuse_instances(replace(NOTHING, each=CHIP), ids.stop - ids.start, "chips")
    return ids


def _by_target(files: list[Path]) -> dict[str, Calibration]:
    known = [loaded(path) for path in files]
    return {calibration.target: calibration for calibration in known if calibration is not None}


def _margins(given: list[str]) -> dict[str, float]:
    """Margins as they are written: ``rate=0.1``.

    Raises:
        DescriptionError: one that is not.
    """
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            finding = Diagnostic("SAL001", "--margin", text[:80], "NAME=VALUE", "write it as in --margin rate=0.1")
            raise DescriptionError("DescriptionError: this margin cannot be used", [finding]) from None
    return found


def _print(result: Comparison, out: Path) -> None:
    from rich.text import Text

    from salhw.comparison import wording
    from salhw.comparison.html import PAGE

    if not result.outcomes:
        typer.echo("No target beside the reference is installed; `salhw targets` lists them.")
    print_overview(result)
    rows: list[list[str | Text]] = []
    sections: dict[int, str] = {}
    for outcome in (result.reference, *result.outcomes):
        sections |= {len(rows): _heading(outcome)} if outcome.rows else {}
        for row in outcome.rows:
            measured, reference = wording.values(row)
            what = wording.whose(row)
            verdict = Text(row.verdict, style=STYLES[row.verdict])
            rows.append([what, measured, reference, wording.off_by(row), verdict])
    columns = ("quantity", "measured", "reference", "off by / margin", "verdict")
    if rows:
        print_table("Every quantity", columns, rows, numbers=(1, 2, 3), sections=sections)
    for outcome in result.outcomes:
        for line in remarks(outcome, result):
            print_wrapped(line, width(), "  ")
    if rows:
        print_wrapped(wording.error_rates(result), width())
    print_wrapped(f"In {out}: the page {PAGE}, pictures, recordings and comparison.json.", width())


def print_overview(result: Comparison) -> None:
    """A table with a row for each target."""
    from salhw.comparison import wording

    title = (
        f"{result.network} on the reference and on {counted('target', result.outcomes)}, {result.duration:g} ms, "
        f"seed {result.seed}"
    )
    print_table(title, *wording.overview(result))


def _heading(outcome: Outcome) -> str:
    who = f", {outcome.instances} {'chips' if outcome.chips else 'instances'}" if outcome.instances else ""
    return f"{outcome.target}{who}: {outcome.verdict}"


def remarks(outcome: Outcome, result: Comparison) -> list[str]:
    """What stands against a target, what fit changed, and what would decide."""
    from salhw.comparison import wording

    lines = [f"{outcome.target} {outcome.verdict}: {' '.join(outcome.message.split())}"] if outcome.message else []
    lines += [f"{outcome.target} changed: {change}" for change in outcome.changes]
    for entry in outcome.predicted:
        said, measured = wording.prediction(entry)
        beside = measured if entry.measured is None else f"measured {measured}"
        lines.append(f"{outcome.target} {entry.quantity} of {entry.path}: predicted {said}, {beside}")
    open_rows = sorted(
        (row for row in outcome.rows if row.verdict == "undecided"),
        key=lambda row: math.inf if row.more is None else row.more,
    )
    if open_rows:
        names = Counter(row.quantity for row in outcome.rows)
        told = [
            f"{wording.name(row) if names[row.quantity] == 1 else wording.whose(row)}: "
            f"{wording.decides(row, outcome, result.duration)}"
            for row in open_rows[:MOST]
        ]
        rest = f"; and {len(open_rows) - MOST} more" if len(open_rows) > MOST else ""
        lines.append(f"{outcome.target} undecided in {len(open_rows)}. {'; '.join(told)}{rest}")
    return lines
