"""What packages bring, found by entry point: backends with their targets, networks, and whatever else has a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from inspect import getdoc

from salhw.description.network import Network
from salhw.diagnostics import BackendError, DescriptionError, Diagnostic
from salhw.diagnostics.wording import nearest, one_of, shown
from salhw.session.backend import Backend
from salhw.substrate.target import Target

BACKENDS, NETWORKS = "salhw.backends", "salhw.networks"


def installed(group: str, what: str) -> Iterator[tuple[str, str, object]]:
    """(name, where it is, object) of every entry point of a group, in the order of the names.

    Raises:
        BackendError: one that cannot be loaded; ``what`` says what it should have been.
    """
    for entry in sorted(entry_points(group=group), key=lambda e: e.name):
        try:
            yield entry.name, entry.value, entry.load()
        except Exception as error:
            asked = f"{type(error).__name__}: {error}"
            raise broken(what, entry.name, entry.value, asked, "a module that imports") from error


def broken(what: str, name: str, path: str, asked: str, supported: str) -> BackendError:
    """The error for a plug-in that cannot be used."""
    finding = Diagnostic("SAL602", path, asked, supported, "mend or uninstall the package that brings it")
    return BackendError(f"BackendError: {what} {name!r} is broken", [finding])


def _unknown(what: str, name: object, known: Sequence[str], fix: str) -> BackendError:
    asked = shown(name)
    finding = Diagnostic("SAL601", what, asked, one_of(sorted(known)), nearest(name, known, fix))
    return BackendError(f"BackendError: no {what} {asked}", [finding])


@cache
def backends() -> Mapping[str, Backend]:
    """Every installed backend by name.

    Raises:
        BackendError: a plug-in that cannot be loaded or does not satisfy the protocol.
    """
    found: dict[str, Backend] = {}
    for name, where, plugin in installed(BACKENDS, "backend"):
        if not isinstance(plugin, Backend):
            supported = "an object with name, targets(), lower() and open()"
            raise broken("backend", name, where, type(plugin).__name__, supported)
        if plugin.name in found:
            raise broken("backend", name, where, f"a second backend called {plugin.name!r}", "names that differ")
        found[plugin.name] = plugin
    return found


def backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        BackendError: not installed.
    """
    known = backends()
    if not isinstance(name, str) or name not in known:
        raise _unknown("backend", name, list(known), "install the package that brings it")
    return known[name]


@cache
def targets() -> Mapping[str, Target]:
    """Every target of every installed backend, by name.

    Raises:
        BackendError: a backend that cannot be loaded, cannot list its targets, or repeats another's.
    """
    found: dict[str, Target] = {}
    for plugin in backends().values():
        path = f"{plugin.name}.targets"
        try:
            own = plugin.targets()
        except Exception as error:
            raise broken(
                "backend", plugin.name, path, f"{type(error).__name__}: {error}", "its targets by name"
            ) from error
        for name, target in own.items():
            if name in found:
                asked = f"a second target called {name!r}, which is {found[name].backend!r}'s"
                raise broken("backend", plugin.name, path, asked, "names that differ")
            found[name] = target
    return found


def resolve(target: Target | str) -> Target:
    """A target from itself or its name.

    Raises:
        BackendError: no such target.
    """
    if isinstance(target, Target):
        return target
    known = targets()
    if not isinstance(target, str) or target not in known:
        raise _unknown("target", target, list(known), "see `salhw targets`")
    return known[target]


Builder = Callable[..., Network]


@cache
def builders() -> Mapping[str, Builder]:
    """Every installed builder by name, in the order of the names. Called without arguments each returns its default.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
    """
    found: dict[str, Builder] = {}
    for name, where, plugin in installed(NETWORKS, "network builder"):
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
