"""A network lowered to one target, with the report of what that took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from salhw.description.network import Network
from salhw.diagnostics import Diagnostic, SessionError
from salhw.diagnostics.arguments import checked_ids, checked_seed, sequence_of
from salhw.machine import NOTHING, Memory, refuse_instances
from salhw.session.calibrated import as_lines, opened
from salhw.session.calibration import Calibration, check_chips
from salhw.session.placement import Placement
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

if TYPE_CHECKING:
    from salhw.session.backend import Backend, Session


@dataclass(frozen=True)
class Report:
    """What compiling changed, and what the result occupies. ``notes`` say how the target realises the network,
    ``calibration`` what a calibration changes (``calibrated.effect``), None without one; ``memory`` is what a
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
            SessionError: SAL221 more than the machine's memory holds; SAL401 a seed that is none; instances and chips
                together, none at all, ids repeated or negative; chips of another target.
            CalibrationError: chips that the calibration was not measured on.
        """
        seed = checked_seed(seed)
        asked, path = (instances, "instances") if chips is None else (chips, "chips")
        refuse_instances(self.report.memory, asked, path)
        ids, chips = self._ids(instances, chips)
        if self.calibration is None:
            return self.plugin.open(self, chips=chips, ids=ids, seed=seed)
        check_chips(self.calibration, chips)
        return opened(self, self.calibration, chips, self.plugin.open(self, chips=chips, ids=ids, seed=seed))

    def _ids(
        self, instances: int | Sequence[int] | None, chips: Sequence[Chip] | None
    ) -> tuple[tuple[int, ...], tuple[Chip, ...]]:
        """The instances' ids, and the chip of each."""
        if chips is None:
            ids = checked_ids(1 if instances is None else instances, "instances")
            return ids, self.target.sample_chips(1) * len(ids)
        if instances is not None:
            raise _refused("instances", "chips as well", "instances or chips", "leave one out")
        try:
            given = sequence_of("chips", chips, Chip, kind=SessionError)
        except SessionError as error:
            finding = error.diagnostics[0]
            raise _refused(finding.path, finding.asked, "chips of this target", "take target.sample_chips") from None
        foreign = [chip for chip in given if chip.target != self.target.name]
        if foreign:
            supported = f"chips of {self.target.name!r}"
            raise _refused("chips", f"chips of {foreign[0].target!r}", supported, "take target.sample_chips")
        return checked_ids([chip.id for chip in given], "chips"), given


def _refused(path: str, asked: str, supported: str, fix: str = "") -> SessionError:
    return SessionError("SessionError: cannot open", [Diagnostic("SAL401", path, asked, supported, fix)])
