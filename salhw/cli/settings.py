"""``--set NAME=VALUE``: the arguments that the builder of an installed network takes."""

from __future__ import annotations

from typing import Annotated

import typer

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a setting of an installed network, as `salhw networks NAME` lists them; repeatable.",
    ),
]
