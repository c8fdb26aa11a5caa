"""What ``fit`` changed in a description, and how much each change matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from salhw.diagnostics import Diagnostic
from salhw.diagnostics.html import table
from salhw.diagnostics.wording import shortened_list

Origin = Literal["exact", "theory", "reference"]
"""Where a size comes from: arithmetic, the theory of coupled neurons, or a short run of both on the reference."""
ROUNDING = 1e-6
"""The share of a quantity below which a difference is none: weights that stand still have seven digits."""
MOST = 6
"""The most quantities that are named of those that do not move."""


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

    @property
    def moves(self) -> bool:
        """Whether the change makes, or may make, a difference to the quantity that is more than rounding."""
        difference = abs(self.changed - self.written) + self.error
        return difference > ROUNDING * max(abs(self.written), abs(self.changed))

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

    @property
    def effects(self) -> list[str]:
        """Its sizes, a line for each quantity that moves and one for those that do not."""
        moved = [str(size) for size in self.sizes if size.moves]
        still = [f"{size.quantity} of {size.path}" for size in self.sizes if not size.moves]
        return [*moved, f"does not move: {'; '.join(shortened_list(still, MOST))}"] if still else moved

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {
            "path": self.path,
            "written": self.written,
            "changed": self.changed,
            "reason": self.reason.as_dict(),
            "sizes": [size.as_dict() for size in self.sizes],
        }


def tables(changes: Sequence[Change]) -> tuple[str, str]:
    """Changes, and the sizes of them that move something, as two tables of HTML for notebooks; empty without any."""
    sizes = [
        (c.path, s.quantity, s.path, *(f"{v:.4g}" for v in (s.written, s.changed, s.error)), s.unit, s.origin)
        for c in changes
        for s in c.sizes
        if s.moves
    ]
    return (
        table([(c.path, c.written, c.changed, c.because) for c in changes], ("path", "written", "changed", "because")),
        table(sizes, ("change of", "quantity", "of", "written", "changed", "±", "unit", "from")),
    )
