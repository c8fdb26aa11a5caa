"""``salhw export``: a network as a program of its target, which runs without salhw."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from salhw.cli.places import Force, writing_into
from salhw.cli.report import print_json, reported
from salhw.cli.settings import Settings
from salhw.cli.target_options import Fit, Options, chosen_target
from salhw.compiler.pipeline import compile
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.diagnostics import BackendError, Diagnostic, UnsupportedNetworkError, file_error
from salhw.io.files import unwritable
from salhw.registry import targets
from salhw.session.backend import Exporter
from salhw.session.executable import Executable
from salhw.session.folding import hosted
from salhw.session.paths import duration_steps
from salhw.session.reference_phase import referenced_rules


def write(executable: Executable, out: Path, *, duration: float, seed: int, force: bool = False) -> list[Path]:
    """Write the program into the folder ``out``, whole or not at all.

    Raises:
        BackendError: the target's backend writes no programs.
        UnsupportedNetworkError: the target's host works out a part of the network.
        FileError: the folder holds something already, and ``force`` is not set; or it cannot be written to.
        SessionError: a duration that is no whole number of steps.
    """
    plugin: Any = executable.plugin
    if not isinstance(plugin, Exporter):
        if isinstance(_plugin(executable.target.backend), Exporter):
            raise _with_host(executable)
        able = sorted(name for name, target in targets().items() if isinstance(_plugin(target.backend), Exporter))
        supported = f"one of {', '.join(able) or 'none'}"
        finding = Diagnostic("SAL608", "target", executable.target.name, supported, "choose one of these, or run it")
        raise BackendError(f"BackendError: target {executable.target.name!r} has no export", [finding])
    duration_steps(executable.network, duration)
    with writing_into(out):
        if any(out.iterdir()) and not force:
            raise file_error(out, "", "the folder is not empty", "another folder, or --force to replace the files")
        try:
            with tempfile.TemporaryDirectory(dir=out, prefix=".writing-") as folder:
                written = plugin.export(executable, Path(folder), duration=duration, seed=seed)
                for path in written:
                    _to_disk(path)
                return [_moved(path, Path(folder), out) for path in written]
        except OSError as error:
            raise unwritable(out, error) from error


def _with_host(executable: Executable) -> UnsupportedNetworkError:
    """The error of a network of which the target's host works out a part: a program is the target's alone."""
    supported, fix = "what the target works out itself, in a program", "leave it out, or run it here"
    parts = [*hosted(executable.source)]
    for p, k in referenced_rules(executable.source):
        parts.append((f"projections.{p.name}.{rule_name(p, k)}.reference", "a reference phase"))
    findings = [Diagnostic("SAL101", path, f"{asked}, by the host", supported, fix) for path, asked in parts]
    name = executable.source.name
    return UnsupportedNetworkError(f"UnsupportedNetworkError: {name!r} cannot be exported", findings)


def _to_disk(path: Path) -> None:
    """A disk may say only now that it is full."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _moved(path: Path, folder: Path, out: Path) -> Path:
    """A file of ``folder`` at its place in ``out``."""
    place = out / path.relative_to(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(place)


def how_to_run(files: list[Path]) -> str | None:
    """The command line that runs what was written; None if no file of it is called ``run.py``."""
    return next((f"python {shlex.quote(str(path))}" for path in files if path.name == "run.py"), None)


def _plugin(name: str) -> object:
    from salhw.registry import backend

    return backend(name)


def register(app: typer.Typer, network: Any) -> None:
    """Add the command to the command line; ``network`` turns the argument NET into a network."""

    @app.command()
    def export(
        net: Annotated[str, typer.Argument(metavar="NET", help="A network file, or a name of `salhw networks`.")],
        target: Annotated[str, typer.Option("--target", "-t", help="A name that `salhw targets` lists.")],
        out: Annotated[Path, typer.Option(help="The folder to write to.")],
        duration: Annotated[float, typer.Option(help="Biological time in ms that the program runs.")] = 10_000.0,
        seed: Annotated[int, typer.Option(min=0, help="Of the trial-to-trial randomness.")] = 0,
        options: Options = None,
        fit: Fit = False,
        given: Settings = None,
        force: Force = False,
        json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    ) -> None:
        """Write a network as a program in its target's own language, which runs without salhw."""
        with reported(json):
            described: Network = network(net, given)
            executable = compile(described, chosen_target(target, options), fit=fit)
            files = write(executable, out, duration=duration, seed=seed, force=force)
            names = [str(path.relative_to(out)) for path in files]
            runs = how_to_run(files)
            if json:
                report = executable.report.as_dict()
                print_json({"files": [str(path) for path in files], "run": runs, "report": report})
                return
            for change in executable.report.changes:
                typer.echo(f"changed: {change}")
            typer.echo(f"{described.name} for {target}, in {out}: {', '.join(names)}")
            if runs:
                readme = next((name for name in names if name.startswith("README")), None)
                needs = f"{out / readme} says" if readme else "its first lines say"
                typer.echo(f"Run it with: {runs}   ({needs} what it needs; salhw it does not)")
