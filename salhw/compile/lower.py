"""What a backend's lowering returns."""

from __future__ import annotations

from dataclasses import dataclass

from salhw.diagnostics import Diagnostic
from salhw.network import Network


@dataclass(frozen=True)
class Lowering:
    """The network as the target will run it; ``findings`` are named approximations with their sizes, or errors;
    ``notes`` say what it becomes on the target."""

    network: Network
    findings: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
