"""``--set NAME=VALUE``: what the builder of an installed network can be told."""

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
