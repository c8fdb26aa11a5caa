"""The registry of network builders: functions that return a description, found by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from inspect import getdoc

from salhw.diagnostics import BackendError, DescriptionError, Diagnostic
from salhw.network import Network

GROUP = "salhw.networks"

Builder = Callable[..., Network]


@cache
def builders() -> Mapping[str, Builder]:
    """Every installed builder by name, in the order of the names. Called without arguments each returns its default.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
    """
    found: dict[str, Builder] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            plugin = entry.load()
        except Exception as error:
            raise _broken(
                entry.name, entry.value, f"{type(error).__name__}: {error}", "a module that imports"
            ) from error
        if not callable(plugin):
            raise _broken(entry.name, entry.value, type(plugin).__name__, "a function that returns a Network")
        found[entry.name] = plugin
    return found


def _broken(name: str, where: str, asked: str, supported: str) -> BackendError:
    fix = "reinstall or remove the package that brings it"
    finding = Diagnostic("SAL602", where, asked, supported, fix)
    return BackendError(f"BackendError: network builder {name!r} cannot be used", [finding])


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
