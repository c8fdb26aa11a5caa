"""``--option NAME=VALUE`` and ``--fit``: the target of a command, and whether the network is fitted to it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from salhw.compiler.fit import Fitted
from salhw.compiler.fit import fit as fitted_to
from salhw.description.network import Network
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.registry import resolve
from salhw.substrate.target import Target

Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        help="Change an option that `salhw targets` lists; repeatable.",
    ),
]
Fit = Annotated[bool, typer.Option("--fit", help="Change the network as little as the target needs; see `salhw fit`.")]


def chosen_target(name: str, given: Sequence[str] | None) -> Target:
    """A target with the options that were given.

    Raises:
        BackendError: no such target.
        DescriptionError: an option without a value, that the target does not have, or that it may not have.
    """
    target = resolve(name)
    pairs = [text.partition("=") for text in given or ()]
    for option, equals, _ in pairs:
        if not equals:
            finding = Diagnostic("SAL001", "--option", option[:80], "NAME=VALUE", "write it as in --option threads=2")
            raise DescriptionError("DescriptionError: an option without a value", [finding])
    return target.with_options(**{option: value for option, _, value in pairs}) if pairs else target


def fitted(net: Network, target: Target, wanted: bool, keep: Sequence[str] = ()) -> Fitted:
    """A network fitted to a target, if that is ``wanted``; otherwise both as they are."""
    return fitted_to(net, target, keep=keep) if wanted else Fitted(net, target, (), net)


def as_arguments(before: Target, after: Target) -> str:
    """The options in which two targets differ, as a command line gives them."""
    changed = [f"{name}={option}" for name, option in after.options.items() if option != before.options[name]]
    return " ".join(f"--option {shlex.quote(text)}" for text in changed)
