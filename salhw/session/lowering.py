"""What a backend's lowering returns."""

from __future__ import annotations

from dataclasses import dataclass

from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.substrate.target import Target


@dataclass(frozen=True)
class Lowering:
    """The network as the target will run it; ``findings`` are named approximations with their sizes, or errors;
    ``notes`` say what it becomes on the target; ``target`` is the one that was asked for with what the backend has
    chosen within it (a weight scale, say), None if nothing was."""

    network: Network
    findings: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    target: Target | None = None
