"""``salhw reproduce FIG``: the experiments that packages bring under the entry point group ``salhw.experiments``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from salhw.cli.outlook import Watch, tell
from salhw.cli.places import Force, writing_into
from salhw.cli.progress import progress_bar
from salhw.cli.report import SHORT_FALL, print_json, print_table, reported
from salhw.diagnostics.documents import read_json
from salhw.registry import choices, experiment, experiments, refuse_choice, resolve, summary

AGREES = {True: "yes", False: "NO", None: "not judged"}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(reproduce)


def reproduce(
    fig: Annotated[
        str | None, typer.Argument(metavar="FIG", help="A figure, such as fig4; the list of them if left out.")
    ] = None,
    scale: Annotated[
        Literal["smoke", "default", "medium", "paper"],
        typer.Option(
            help="Seconds to see that it works; at most half an hour on two cores; hours, where an experiment "
            "has it; all that the paper ran."
        ),
    ] = "default",
    target: Annotated[str, typer.Option("--target", "-t", help="A name that `salhw targets` lists.")] = "reference",
    variant: Annotated[
        str | None,
        typer.Option(help="Where paper and authors' code differ, or for a target; `salhw reproduce` lists them."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The data set, of experiments that have several; `salhw reproduce` lists them.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for figure, data and table, and for finished pieces; by default salhw-FIG."),
    ] = None,
    force: Force = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Repeat a figure of the paper: what the paper says beside what was measured. A killed run goes on where it was."""
    with reported(json):
        if fig is None:
            for option, value in (("--out", out), ("--variant", variant), ("--data", data)):
                if value is not None:
                    raise typer.BadParameter("needs the name of a figure", param_hint=f"'{option}'")
            _list(json)
            return
        run = experiment(fig)
        chosen = {name: value for name, value in (("variant", variant), ("data", data)) if value is not None}
        for argument, value in ({"scale": scale} | chosen).items():
            refuse_choice(fig, run, argument, value)
        folder = out or Path(f"salhw-{fig}")
        wanted = {"target": resolve(target).name, "scale": scale, **chosen}
        with (
            writing_into(folder, _others(folder, fig, wanted), force),
            progress_bar(f"{fig} on {target}, {scale}") as progress,
        ):
            watch = Watch(progress, partial(tell, f"{fig} on {target}, {scale}"))
            result = run(folder, scale=scale, target=target, progress=watch, **chosen)
        if json:
            print_json(dict(result))
        else:
            _print(folder, result)
        if not result["agrees"]:
            raise typer.Exit(SHORT_FALL)


def _others(folder: Path, fig: str, wanted: Mapping[str, str]) -> list[str]:
    """The file of an earlier result in the folder that is no repetition of this one: of another target, say."""
    numbers = folder / f"{fig}.json"
    try:
        earlier = read_json(numbers)
        same = all(earlier.get(key, value) == value for key, value in wanted.items())
    except (OSError, ValueError, AttributeError):
        same = False
    return [] if same else [numbers.name]


def _list(json: bool) -> None:
    rows = [(name, summary(run), choices(run, "variant"), choices(run, "data")) for name, run in experiments().items()]
    if json:
        print_json(
            [{"name": name, "description": text, "variants": list(names), "data": list(data)}
             for name, text, names, data in rows]
        )  # fmt: skip
    else:
        shown = [[name, text, ", ".join(names), ", ".join(data)] for name, text, names, data in rows]
        print_table("", ["experiment", "description", "variants", "data"], shown)


def _print(folder: Path, result: Mapping[str, Any]) -> None:
    rows = [[row["what"], row["paper"], row["measured"], AGREES[row["agrees"]]] for row in result["rows"]]
    print_table(result["title"], ["", "paper says", "we measured", "agrees"], rows)
    reused = result.get("pieces_reused", 0)
    again = f", {reused} finished piece{'s' if reused > 1 else ''} taken over" if reused else ""
    typer.echo(f"{result['wall_time_s']:.1f} s{again}. In {folder}: {', '.join(result['files'])}")
