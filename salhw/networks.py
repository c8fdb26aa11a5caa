"""The registry of network builders: functions that return a description, found by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from inspect import getdoc

from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.network import Network
from salhw.plugins import broken, installed

GROUP = "salhw.networks"

Builder = Callable[..., Network]


@cache
def builders() -> Mapping[str, Builder]:
    """Every installed builder by name, in the order of the names. Called without arguments each returns its default.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
    """
    found: dict[str, Builder] = {}
    for name, where, plugin in installed(GROUP, "network builder"):
        if not callable(plugin):
            supported = "a function that returns a Network"
            raise broken("network builder", name, where, type(plugin).__name__, supported)
        found[name] = plugin
    return found


def builder(name: str) -> Builder:
    """The builder of that name.

    Raises:
        DescriptionError: not installed.
    """
    known = builders()
    if name not in known:
        supported = f"a file that exists, or one of {', '.join(known) or 'none'}"
        finding = Diagnostic("SAL009", "network", repr(name), supported, "see `salhw networks`")
        raise DescriptionError(f"DescriptionError: no network {name!r}", [finding])
    return known[name]


def summary(build: Builder) -> str:
    """The first line of a builder's docstring."""
    return (getdoc(build) or "").partition("\n")[0]
