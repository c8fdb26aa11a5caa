"""A network lowered to one target, with the report of what that took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING, Any

from salhw.calibrated import Calibration, as_lines, check_chips, opened
from salhw.chip import Chip
from salhw.compile.place import Placement
from salhw.diagnostics import Diagnostic, SessionError
from salhw.memory import NOTHING, Memory, refuse_instances
from salhw.network import Network
from salhw.target import Target

if TYPE_CHECKING:
    from salhw.backend import Backend, Session


@dataclass(frozen=True)
class Report:
    """What compiling changed, and what the result occupies. ``notes`` say how the target realises the network,
    ``calibration`` what a calibration changes (``salhw.calibrated.effect``), None without one; ``memory`` is what a
    session takes of this machine's."""

    network: str
    target: str
    approximations: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    used: dict[str, int] = field(default_factory=dict)
    available: dict[str, int] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    memory: Memory = NOTHING

    def __str__(self) -> str:
        amount = [
            f"{count:,} of {self.available[name]:,} {name}" if name in self.available else f"{count:,} {name}"
            for name, count in self.used.items()
        ]
        lines = [f"{self.network} on {self.target}: {', '.join(amount)}", f"  {self.memory}"]
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  {line}" for line in as_lines(self.calibration)] if self.calibration else []
        lines += [f"  approximated: {item}" for item in self.approximations] or ["  nothing is approximated"]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """The report as plain data, for ``--json``."""
        return {
            "network": self.network,
            "target": self.target,
            "used": self.used,
            "available": self.available,
            "notes": list(self.notes),
            "approximations": [item.as_dict() for item in self.approximations],
            "calibration": self.calibration,
            "memory": {"bytes": self.memory.once, "bytes_per_instance": self.memory.each},
        }


@dataclass(frozen=True)
class Executable:
    """``network`` is the lowered one, ``source`` the description as given, ``plugin`` the backend that runs it.

    With a ``calibration``, sessions are open for its chips only. They speak the description's units: what is written
    is corrected on its way to the chip, learning rates included, and what is read or recorded on its way back.
    """

    network: Network
    source: Network
    target: Target
    placement: Placement
    report: Report
    plugin: Backend
    calibration: Calibration | None = None

    def open(
        self, *, instances: int | Sequence[int] | None = None, chips: Sequence[Chip] | None = None, seed: int = 0
    ) -> Session:
        """Load the network and return a session (a context manager).

        Args:
            instances: how many independent copies (ids 0, 1, ...), or the ids themselves. An instance's random numbers
                depend on ``seed`` and its id only: ``instances=[3]`` repeats instance 3 of ``instances=20``.
            chips: the chips to run on, one instance each, with the chips' ids. Excludes ``instances``; without it, all
                instances run on chip 0 of wafer 0, with its fixed pattern.
            seed: of the trial-to-trial randomness; the fixed pattern belongs to the chips.

        Raises:
            SessionError: SAL221 more than the machine's memory holds; SAL401 both or neither usable: instances and
                chips together, none at all, ids repeated, or chips of another target.
            CalibrationError: chips that the calibration was not measured on.
        """
        refuse_instances(self.report.memory, instances, chips)
        ids = self._ids(instances, chips)
        chips = tuple(chips) if chips is not None else self.target.sample_chips(1) * len(ids)
        if self.calibration is None:
            return self.plugin.open(self, chips=chips, ids=ids, seed=seed)
        check_chips(self.calibration, chips)
        return opened(self, self.calibration, chips, self.plugin.open(self, chips=chips, ids=ids, seed=seed))

    def _ids(self, instances: int | Sequence[int] | None, chips: Sequence[Chip] | None) -> tuple[int, ...]:
        if chips is not None:
            foreign = [chip for chip in chips if chip.target != self.target.name]
            if instances is not None:
                raise _refused("instances", "chips as well", "instances or chips", "leave one out")
            if foreign:
                raise _refused(
                    "chips",
                    f"chips of {foreign[0].target!r}",
                    f"chips of {self.target.name!r}",
                    "take target.sample_chips",
                )
            ids = tuple(chip.id for chip in chips)
        elif instances is None:
            ids = (0,)
        else:
            try:
                ids = (
                    tuple(map(index, instances)) if isinstance(instances, Iterable) else tuple(range(index(instances)))
                )
            except TypeError:
                supported = "a number of instances, or their ids"
                raise _refused("instances", repr(instances)[:40], supported, "give whole numbers") from None
        if not ids or min(ids) < 0 or len(set(ids)) != len(ids):
            path, fix = ("chips" if chips is not None else "instances"), "open at least one, and each only once"
            raise _refused(path, str(ids)[:40], "different ids >= 0, at least one", fix)
        return ids


def _refused(path: str, asked: str, supported: str, fix: str = "") -> SessionError:
    return SessionError("SessionError: cannot open", [Diagnostic("SAL401", path, asked, supported, fix)])
