"""The protocols that a plug-in satisfies. ``Backend`` and ``Session`` stand beside ``Executable``, which uses both."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.machine import Memory
from salhw.session.executable import Backend, Executable, Session
from salhw.substrate.target import Target

__all__ = ["Backend", "Exporter", "Fitting", "Session", "Weighing"]


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


@runtime_checkable
class Fitting(Protocol):
    """What a backend offers beside, if it knows more than ``fit`` does about how its own findings can be answered."""

    def remedies(self, net: Network, target: Target, finding: Diagnostic) -> Iterable[Network | Target]:
        """Networks, or targets with other options, that change as little as answers a finding of ``lower``; the best
        first, none where there is no such thing. ``fit`` takes the first of which the finding is gone, nothing that is
        to be kept has changed, and everything else can be answered, too."""
        ...
