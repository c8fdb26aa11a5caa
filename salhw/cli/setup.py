"""``salhw setup``: the environments of backends that run in another Python interpreter."""

from __future__ import annotations

from typing import Annotated

import typer

from salhw.cli.report import print_json, print_table, reported
from salhw.worker import environments


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(setup)


def setup(
    name: Annotated[
        str | None, typer.Argument(metavar="ENV", help="What to make; the list of them if left out.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="The interpreter to use, of the version that is wanted.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Make it anew even if it is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Make the environment of a backend that needs a Python of its own, such as loihi; again is a no-op."""
    with reported(json):
        if name is None:
            _list(json)
            return
        wanted = environments.environment(name)
        made = environments.make(
            wanted, python=python, force=force, tell=lambda step: None if json else typer.echo(f"{step} ...", err=True)
        )
        if json:
            print_json({"name": name, "made": made, "folder": str(wanted.folder), "python": str(wanted.interpreter)})
        else:
            typer.echo(f"{name} is {'ready' if made else 'there already'}: {wanted.folder}")


def _list(json: bool) -> None:
    known = [
        {"name": e.name, "python": e.python, "made": environments.is_made(e), "description": e.description}
        for e in environments.environments().values()
    ]
    if json:
        print_json(known)
        return
    rows = [[str(e["name"]), str(e["python"]), "yes" if e["made"] else "no", str(e["description"])] for e in known]
    print_table("", ["environment", "Python", "made", "description"], rows)
