"""``salhw demo``: what a package brings under the entry point group ``salhw.demonstrations``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from salhw.cli.compare import Targets, print_overview, target_names
from salhw.cli.places import Force, writing_into
from salhw.cli.progress import progress_bar
from salhw.cli.report import SHORT_FALL, print_json, print_table, print_wrapped, reported, width
from salhw.registry import demonstration


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Directory for the figures, recordings and numbers.")] = Path("salhw-demo"),
    force: Force = False,
    targets: Targets = "all",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Watch SAL make reciprocal weights equal: pairs and a sampling network against theory, a pair on every target."""
    with reported(json):
        chosen = demonstration()
        with writing_into(out, chosen.FILES, force), progress_bar("salhw demo") as progress:
            result = chosen.run(out, progress, target_names(targets))
        if json:
            print_json(dict(result))
        else:
            _print(out, result)
        if not result["converged"]:
            raise typer.Exit(SHORT_FALL)


def _print(out: Path, result: Mapping[str, Any]) -> None:
    rows = [_row(row) for row in result["rows"]]
    print_table("", ["quantity", "start", "end", "target", "within", "good"], rows, numbers=(1, 2, 3, 4))
    typer.echo("Everything has converged." if result["converged"] else "NOT everything has converged.")
    if "comparison" in result:
        from salhw.comparison import Comparison

        print_overview(Comparison.load(out / result["comparison"]["file"]))
    print_wrapped(f"{result['wall_time_s']:.1f} s. In {out}: {', '.join(result['files'])}", width())


def _row(row: Mapping[str, Any]) -> list[str]:
    """As many decimals as make two digits of the tolerance."""
    decimals = max(2, 1 - math.floor(math.log10(row["within"])))
    cells = [", ".join(f"{round(v, decimals) + 0.0:.{decimals}f}" for v in row[k]) for k in ("start", "end", "target")]
    return [row["what"], *cells, f"{row['within']:.{decimals}f}", "yes" if row["good"] else "NO"]
