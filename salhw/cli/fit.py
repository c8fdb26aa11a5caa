"""``salhw fit``: what has to change in a network for a target to run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from salhw.cli.places import Force, writable
from salhw.cli.report import print_json, print_wrapped, reported, width
from salhw.cli.settings import Settings
from salhw.cli.target_options import Options, as_arguments, chosen_target, fitted
from salhw.compiler.fit import Fitted
from salhw.description.network import Network
from salhw.diagnostics import counted
from salhw.io.description import save


def register(app: typer.Typer, network: Callable[[str, list[str] | None], Network]) -> None:
    """Add the command to the command line; ``network`` turns the argument NET into a network."""

    @app.command()
    def fit(
        net: Annotated[str, typer.Argument(metavar="NET", help="A network file, or a name of `salhw networks`.")],
        target: Annotated[str, typer.Option("--target", "-t", help="A name that `salhw targets` lists.")],
        keep: Annotated[
            list[str] | None,
            typer.Option(metavar="PATH", help="What must not change, as in projections.pair.plasticity; repeatable."),
        ] = None,
        options: Options = None,
        given: Settings = None,
        out: Annotated[Path | None, typer.Option(help="JSON file for the changed description.")] = None,
        force: Force = False,
        json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    ) -> None:
        """Change a network as little as a target needs to run it, and say what was changed, and how much it matters."""
        with reported(json):
            place = writable(out, force, ".json") if out else None
            asked = chosen_target(target, options)
            made = fitted(network(net, given), asked, True, keep or ())
            if place:
                save(made.network, place, new=not force)
            needs = as_arguments(asked, made.target)
            if json:
                print_json(made.as_dict() | {"out": str(out) if out else None, "arguments": needs})
                return
            _print(made)
            if place:
                typer.echo(f"The changed description is in {place}.")
            if needs:
                print_wrapped("It runs with the target's options as they were changed:", width())
                typer.echo(f"  salhw run {place or net} --target {target} {needs}")


def _print(made: Fitted) -> None:
    """A line for what changed, and below it why, and each size on lines of its own: a table of five columns would be
    cut off in most terminals."""
    columns = width()
    if not made.changes:
        print_wrapped(str(made), columns, "  ")
        return
    print_wrapped(f"{made.written.name} on {made.target.name}: {counted('change', made.changes)}", columns, "  ")
    for change in made.changes:
        typer.echo("")
        print_wrapped(f"{change.path}: {change.written} -> {change.changed}", columns, "  ")
        print_wrapped(f"  because {change.because}", columns, "    ")
        for effect in change.effects:
            print_wrapped(f"  {effect}", columns, "    ")
