"""A network lowered to one target, with the report of what that took; and the protocols of who opens it as what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.diagnostics import CalibrationError, Diagnostic, SessionError, counted
from salhw.diagnostics.arguments import checked_ids, checked_seed, sequence_of
from salhw.diagnostics.html import section, table
from salhw.machine import NOTHING, Memory, refuse_instances
from salhw.session.calibration import Calibration, as_lines, check_chips
from salhw.session.changes import Change, tables
from salhw.session.compiled import Compiled
from salhw.session.lowering import Lowering
from salhw.session.recording import Recording
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

Form = Literal["array", "synapses"]
"""How a session shapes the values of a projection's synapses."""


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

    def get(self, path: str, *, form: Form = "array") -> FloatArray:
        """What the chip holds at ``path``, leading dimension "instance"; see ``salhw.session.paths``.

        ``form="synapses"`` shapes a projection's values (instance, synapse) whatever its connectivity: synapses in the
        order in which they are listed, or row by row of a matrix, of which only what is a synapse counts.
        """
        ...

    def set(self, path: str, value: npt.ArrayLike, *, form: Form = "array") -> None:
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


@dataclass(frozen=True)
class Report:
    """What compiling changed, and what the result occupies. ``notes`` say how the target realises the network,
    ``calibration`` what a calibration changes (``calibration.effect``), None without one; ``memory`` is what a
    session takes of this machine's; ``changes`` are what ``fit`` made of the description before. ``rounding`` is how
    far the target may be off in what it works out as it runs, by path, because it holds it in steps: of a population in
    its potentials; of a projection that learns in each change of a weight (a step, up or down at random), and of its
    ``plasticity`` in what a step of a trace makes of a weight; behind a gain, in weights times the gain."""

    network: str
    target: str
    approximations: Sequence[Diagnostic] = ()
    notes: tuple[str, ...] = ()
    used: dict[str, int] = field(default_factory=dict)
    available: dict[str, int] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    memory: Memory = NOTHING
    changes: tuple[Change, ...] = ()
    rounding: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        amount = [
            f"{count:,} of {self.available[name]:,} {name}" if name in self.available else f"{count:,} {name}"
            for name, count in self.used.items()
        ]
        lines = [f"{self.network} on {self.target}: {', '.join(amount)}", f"  {self.memory}"]
        for change in self.changes:
            lines += [f"  changed: {change}", *(f"    {effect}" for effect in change.effects)]
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  {line}" for line in as_lines(self.calibration)] if self.calibration else []
        lines += [f"  approximated: {item}" for item in self.approximations] or ["  nothing is approximated"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same as tables, for notebooks."""
        amounts = [(name, f"{count:,}", f"{self.available.get(name, 0):,}" if name in self.available else "")
                   for name, count in self.used.items()]  # fmt: skip
        rows = [(item.code, item.path, item.asked, item.supported) for item in self.approximations]
        notes = [(line.strip(),) for line in (*self.notes, *(as_lines(self.calibration) if self.calibration else ()))]
        return section(
            f"{self.network} on {self.target}",
            table(amounts, ("occupies", "", "available")),
            *tables(self.changes),
            table(notes),
            table(rows, ("approximated", "where", "asked", "size")),
            note=f"{self.memory}; {counted('approximation', rows)}",
        )

    def as_dict(self) -> dict[str, object]:
        """The report as plain data, for ``--json``."""
        return {
            "network": self.network,
            "target": self.target,
            "used": self.used,
            "available": self.available,
            "changes": [change.as_dict() for change in self.changes],
            "notes": list(self.notes),
            "approximations": [item.as_dict() for item in self.approximations],
            "calibration": self.calibration,
            "memory": {"bytes": self.memory.once, "bytes_per_instance": self.memory.each},
        }


@dataclass(frozen=True)
class Executable(Compiled):
    """A compiled network that can be opened; ``plugin`` is the backend that runs it.

    With a ``calibration``, sessions are open for its chips only. They speak the description's units: what is written
    is corrected on its way to the chip, learning rates included, and what is read or recorded on its way back.
    ``written`` is the description before ``fit`` changed it or drawn synapses were listed; None where it is ``source``.
    """

    report: Report
    plugin: Backend
    calibration: Calibration | None = None
    written: Network | None = None

    def open(
        self, *, instances: int | Sequence[int] | None = None, chips: Sequence[Chip] | None = None, seed: int = 0
    ) -> Session:
        """Load the network and return a session (a context manager).

        Args:
            instances: how many independent copies (ids 0, 1, ...), or the ids themselves. An instance's random numbers
                depend on ``seed`` and its id only: ``instances=[3]`` repeats instance 3 of ``instances=20``.
            chips: the chips to run on, one instance each, with the chips' ids. Excludes ``instances``; without it, all
                instances run on chip 0 of wafer 0, with its fixed pattern. Chips bring the spreads of the target that
                drew them; what the executable's own has switched off (``with_noise``, ``ideal``) has to be off in them.
            seed: of the trial-to-trial randomness; the fixed pattern belongs to the chips.

        Raises:
            SessionError: SAL221 more than the machine's memory holds; SAL401 a seed that is none; instances and chips
                together, none at all, ids repeated or negative; chips of another target, or with noise that is off.
            CalibrationError: chips that the calibration was not measured on.
        """
        seed = checked_seed(seed)
        asked, path = (instances, "instances") if chips is None else (chips, "chips")
        refuse_instances(self.report.memory, asked, path)
        ids, chips = self._ids(instances, chips)
        if self.calibration is not None:
            check_chips(self.calibration, chips)
        session = self.plugin.open(self, chips=chips, ids=ids, seed=seed)
        if self.calibration is not None and getattr(session, "calibration", None) is not self.calibration:
            session.close()
            supported = f"none: sessions of the backend {self.plugin.name!r} do not correct what they write"
            finding = Diagnostic("SAL811", "calibration", self.calibration.content_hash[:16], supported, "leave it out")
            raise CalibrationError("CalibrationError: this backend's sessions take no calibration", [finding])
        return session

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
        self._refuse_noise_that_is_off(given)
        return checked_ids([chip.id for chip in given], "chips"), given

    def _refuse_noise_that_is_off(self, chips: Sequence[Chip]) -> None:
        """Chips bring their spreads: what was switched off in the executable's target is on in those of another."""
        theirs = {id(chip.variability): chip.variability for chip in chips}.values()
        varied = {name for spreads in theirs for name, spread in spreads.items() if spread.varies}
        silent = {name for name in varied if not _varies(self.target, name)}
        declared = self.plugin.targets().get(self.target.name) if silent else None
        off = sorted(name for name in silent if declared and _varies(declared, name))
        if off:
            fix = "sample_chips of the target that you compile for, or compile for the one that drew them"
            supported = f"no spread of {', '.join(off)}, which the executable's target has switched off"
            raise _refused("chips", "chips that vary in it", supported, fix)


def _varies(target: Target, name: str) -> bool:
    return name in target.variability and target.variability[name].varies


def _refused(path: str, asked: str, supported: str, fix: str = "") -> SessionError:
    return SessionError("SessionError: cannot open", [Diagnostic("SAL401", path, asked, supported, fix)])
