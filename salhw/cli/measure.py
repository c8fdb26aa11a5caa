"""``salhw measure`` and ``salhw calibrate``: what a package brings under the entry point group ``salhw.measuring``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from salhw.cli.places import Force, writing_into
from salhw.cli.progress import progress_bar
from salhw.cli.report import print_json, print_table, reported
from salhw.cli.settings import Settings
from salhw.cli.target_options import Fit, Options, chosen_target, fitted
from salhw.compiler.pipeline import compile
from salhw.description.network import Network
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.wording import nearest
from salhw.machine import CHIP, NOTHING, Memory, refuse_instances
from salhw.registry import measuring
from salhw.session.calibration import Calibration
from salhw.session.changes import Change
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

OneChip = Annotated[int | None, typer.Option("--chip", min=0, help="One chip.")]
SomeChips = Annotated[str | None, typer.Option("--chips", metavar="A:B", help="Chips A to B - 1, an instance each.")]
Wafer = Annotated[int, typer.Option("--wafer", help="Of which wafer the chips are.")]
CalibrationFile = Annotated[
    Path | None, typer.Option("--calibration", help="A file of `salhw calibrate`, for the chips that it was made with.")
]


def loaded(path: Path | None) -> Calibration | None:
    """The calibration in a file; None without one."""
    return None if path is None else measuring().load(path)


def chosen(
    target: Target, chip: int | None, chips: str | None, wafer: int, memory: Memory = NOTHING
) -> tuple[Chip, ...] | None:
    """The chips that the options name; None if they name none. ``memory`` is what a session with them takes.

    Raises:
        DescriptionError: both, or no range.
        SessionError: SAL221 more than fit into memory.
    """
    if chip is not None and chips is not None:
        raise _no_range("chip", f"{chip}", "one chip or a range of them")
    if chip is not None:
        return target.sample_chips(1, wafer, first=chip)
    if chips is None:
        return target.sample_chips(1, wafer) if wafer else None
    first, last = chip_range(chips)
    refuse_instances(replace(memory, each=memory.each + CHIP), last - first, "chips")
    return target.sample_chips(last - first, wafer, first=first)


def chip_range(chips: str) -> tuple[int, int]:
    """The first of the chips A:B, and the first after them.

    Raises:
        DescriptionError: no range.
    """
    ends = re.fullmatch("([0-9]{1,18}):([0-9]{1,18})", chips)
    first, last = (int(end) for end in ends.groups()) if ends else (0, 0)
    if first >= last:
        raise _no_range("chips", chips, "A:B with whole numbers A < B")
    return first, last


def _no_range(path: str, asked: str, supported: str) -> DescriptionError:
    finding = Diagnostic("SAL822", path, asked, supported, "write --chip 3 or --chips 0:20")
    return DescriptionError("DescriptionError: which chips?", [finding])


def _answer(result: Mapping[str, Any], out: Path, json: bool, changes: Sequence[Change]) -> None:
    """What was measured, and what was changed in the network before."""
    if json:
        told = {"changes": [change.as_dict() for change in changes]} if changes else {}
        print_json({**result["data"], **told, "files": [str(out / name) for name in result["files"]]})
        return
    for change in changes:
        typer.echo(f"changed: {change}")
    print_table(result["title"], result["columns"], result["rows"], numbers=range(1, len(result["columns"])))
    typer.echo(f"In {out}: {', '.join(result['files'])}")


Net = Annotated[str, typer.Argument(metavar="NET", help="A network file, or a name that `salhw networks` lists.")]
TargetName = Annotated[str, typer.Option("--target", "-t", help="A name that `salhw targets` lists.")]
Duration = Annotated[float, typer.Option(help="Biological time in ms of each measurement.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the trial-to-trial randomness.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def register(app: typer.Typer, network: Callable[[str, list[str] | None], Network]) -> None:
    """Add the commands to the command line; ``network`` turns the argument NET into a network."""

    @app.command()
    def measure(
        what: Annotated[str, typer.Argument(metavar="WHAT", help="What to measure: weights, neurons or sensors.")],
        net: Net,
        target: TargetName = "reference",
        chip: OneChip = None,
        chips: SomeChips = None,
        wafer: Wafer = 0,
        duration: Duration = 100_000.0,
        method: Annotated[
            str | None, typer.Option(help="How, where there are several ways; the recommended one by default.")
        ] = None,
        options: Options = None,
        fit: Fit = False,
        calibration: CalibrationFile = None,
        seed: Seed = 0,
        out: Annotated[Path, typer.Option(help="Folder for numbers and pictures.")] = Path("salhw-measure"),
        given: Settings = None,
        force: Force = False,
        json: Json = False,
    ) -> None:
        """Measure what a network's synapses, neurons or correlation sensors do on a target, with standard errors."""
        with reported(json):
            known = measuring().measurements
            if what not in known:
                supported, fix = f"one of {', '.join(known)}", nearest(what, known)
                finding = Diagnostic("SAL821", "measure", repr(what), supported, fix)
                raise DescriptionError(f"DescriptionError: cannot measure {what!r}", [finding])
            wanted = chosen_target(target, options)
            executable = compile(network(net, given), wanted, calibration=loaded(calibration), fit=fit)
            picked = chosen(executable.target, chip, chips, wafer, executable.report.memory)
            bar = progress_bar(f"{what} of {executable.source.name} on {target}")
            with writing_into(out, (f"{what}.json", f"{what}.png"), force), bar as progress:
                result = known[what](
                    executable, chips=picked, duration=duration, seed=seed, method=method, out=out, progress=progress
                )
            _answer(result, out, json, executable.report.changes)

    @app.command()
    def calibrate(
        out: Annotated[Path, typer.Option(help="Folder for the calibration and its picture.")],
        net: Annotated[
            str | None,
            typer.Argument(metavar="[NET]", help="Whose places; by default those of the first neurons, all to all."),
        ] = None,
        target: TargetName = "reference",
        chip: OneChip = None,
        chips: SomeChips = None,
        wafer: Wafer = 0,
        options: Options = None,
        fit: Fit = False,
        duration: Duration = 100_000.0,
        seed: Seed = 0,
        given: Settings = None,
        json: Json = False,
    ) -> None:
        """Measure chips at the places that a network takes, and save what makes them do what it describes."""
        with reported(json):
            described, resolved = None if net is None else network(net, given), chosen_target(target, options)
            made = None if described is None else fitted(described, resolved, fit)
            if made is not None:
                described, resolved = made.network, made.target
            picked = chosen(resolved, chip, chips, wafer) or resolved.sample_chips(1, wafer)
            with writing_into(out), progress_bar(f"calibrating {len(picked)} chips of {target}") as progress:
                result = measuring().calibrate(
                    resolved, picked, described, duration=duration, seed=seed, out=out, progress=progress
                )
            _answer(result, out, json, made.changes if made else ())
