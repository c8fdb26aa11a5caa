"""The protocols that a plug-in satisfies, and the registry that finds plug-ins by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.machine import Memory
from salhw.session.executable import Executable
from salhw.session.lowering import Lowering
from salhw.session.recording import Recording
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target


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
        """What the chip holds at ``path``, leading dimension "instance"; see ``salhw.session.paths``."""
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
