"""What ``fit`` changed in a description, and how much each change matters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from salhw.diagnostics import Diagnostic

Origin = Literal["exact", "theory", "reference"]
"""Where a size comes from: arithmetic, the theory of coupled neurons, or a short run of both on the reference."""


@dataclass(frozen=True)
class Size:
    """How much a change matters, in one quantity of the network: what it is as written and as changed.

    Args:
        quantity: its name, such as ``drift``, ``attractor``, ``weight noise``, ``spike probability``, ``rate``,
            ``weight``.
        path: of the part of the network that has the quantity.
        written, changed: its value in the network as written, and with this change made.
        error: half the width of the 95 % interval of ``changed - written``; 0 where that is exact.
        unit: of all three, "" if they have none.
    """

    quantity: str
    path: str
    written: float
    changed: float
    error: float
    unit: str
    origin: Origin

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        within = f" +- {self.error:.2g}" if self.error else ""
        return f"{self.quantity} of {self.path} {self.written:.4g} -> {self.changed:.4g}{within}{unit} ({self.origin})"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return dict(vars(self))


@dataclass(frozen=True)
class Change:
    """One change of a description or of a target's option.

    Args:
        path: of what changed, ``projections.p.plasticity.pairing`` or ``target.options.epoch``.
        written, changed: the value, as text.
        reason: what the target said about the description as written.
        sizes: how much it matters.
    """

    path: str
    written: str
    changed: str
    reason: Diagnostic
    sizes: tuple[Size, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.path} = {self.written} -> {self.changed}"

    @property
    def because(self) -> str:
        """The finding that it answers; where it is about another path, with that."""
        told = f"{self.reason.code}: {self.reason.supported}"
        return told if self.reason.path == self.path else str(self.reason).splitlines()[0]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {
            "path": self.path,
            "written": self.written,
            "changed": self.changed,
            "reason": self.reason.as_dict(),
            "sizes": [size.as_dict() for size in self.sizes],
        }
