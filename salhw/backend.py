"""The protocols that a plug-in satisfies, and the registry that finds plug-ins by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy.typing as npt

from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.compile.lower import Lowering
from salhw.diagnostics import BackendError, Diagnostic
from salhw.fields import FloatArray
from salhw.memory import Memory
from salhw.network import Network
from salhw.plugins import broken, installed
from salhw.recording import Recording
from salhw.refusal import nearest, one_of, shown
from salhw.target import Target

GROUP = "salhw.backends"


class Session(Protocol):
    """An executable loaded and running; a context manager. Several sessions never disturb each other."""

    @property
    def time(self) -> float:
        """Biological time in ms since the session was opened."""
        ...

    def run(self, duration: float, *, progress: Callable[[float], None] | None = None) -> Recording:
        """Run ``duration`` ms of biological time, from where the last run ended. Weights persist.

        ``progress`` may be called with the share that is done, between 0 and 1. It changes no result.
        """
        ...

    def get(self, path: str) -> FloatArray:
        """What the chip holds at ``path``, leading dimension "instance"; see ``salhw.paths``."""
        ...

    def set(self, path: str, value: npt.ArrayLike) -> None:
        """Write ``value``, shaped as ``get`` returns it or broadcast to that (without "instance": for all)."""
        ...

    def close(self) -> None:
        """Release everything. A closed session refuses to run, get and set."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Backend(Protocol):
    """A plug-in that owns targets and opens sessions. Registered under the entry point group ``salhw.backends``."""

    name: str

    def targets(self) -> Mapping[str, Target]:
        """Its targets by name. Must not import a simulator."""
        ...

    def lower(self, net: Network, target: Target) -> Lowering:
        """A network that passed ``check``, as this backend will run it."""
        ...

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """Load an executable: one instance per entry of ``ids`` (and of ``chips``)."""
        ...


@runtime_checkable
class Exporter(Protocol):
    """What a backend offers beside, if it can write an executable as a program that runs without salhw."""

    def export(self, executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
        """Write the program's files into an empty directory and return them. It runs ``duration`` ms of instance 0 of a
        session with this seed."""
        ...


@runtime_checkable
class Weighing(Protocol):
    """What a backend offers beside, if it knows how much memory its sessions take; others are taken to need a lot."""

    def memory(self, net: Network, target: Target) -> Memory:
        """What sessions of a network take of this machine, processes that they start included. Asked before ``lower``,
        so that it must neither list synapses nor rely on what was checked."""
        ...


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
    for name, where, plugin in installed(GROUP, "backend"):
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
