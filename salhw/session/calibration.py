"""Calibrations: measured corrections of the chips of one target, and to whom they apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from salhw.description.fields import FloatArray
from salhw.diagnostics import CalibrationError, Diagnostic
from salhw.diagnostics.arguments import described as what
from salhw.diagnostics.arguments import wrong
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

if TYPE_CHECKING:
    from salhw.session.executable import Executable


@dataclass(frozen=True, eq=False)
class Map:
    """What to write for a described value, element by element: ``(value - shift) / scale``, or ``(value - shift) /
    below`` for values below the shift. Arrays (instance, *shape of the path); scales are positive."""

    scale: FloatArray
    shift: FloatArray
    below: FloatArray

    def written(self, value: FloatArray) -> FloatArray:
        """What to write so that the chip does ``value``."""
        return np.asarray((value - self.shift) / np.where(value < self.shift, self.below, self.scale))

    def does(self, written: FloatArray) -> FloatArray:
        """What the chip does that holds ``written``."""
        return np.asarray(self.shift + written * np.where(written < 0.0, self.below, self.scale))


class Calibration(Protocol):
    """Measured corrections for some chips of one target; whoever measures chips implements it."""

    @property
    def target(self) -> str:
        """The target's name."""
        ...

    @property
    def target_hash(self) -> str:
        """Its capability hash: of a target with that name that does something else the calibration is stale."""
        ...

    @property
    def wafer(self) -> int:
        """The wafer of the chips."""
        ...

    @property
    def ids(self) -> tuple[int, ...]:
        """The chips."""
        ...

    @property
    def content_hash(self) -> str:
        """Names it in reports and recordings."""
        ...

    @property
    def summary(self) -> Mapping[str, Mapping[str, Any]]:
        """Per calibrated quantity: its ``yield`` (share) and its spread ``before`` and ``after``; and a ``verdict`` in
        words, where there is one: whether its goal is met, or that nobody can know yet."""
        ...

    def maps(self, executable: Executable, ids: Sequence[int]) -> Mapping[str, Map]:
        """The corrections of ``executable`` on these chips, by path of a session; paths without stay as they are.

        Raises:
            CalibrationError: places of the chip that were not measured (SAL812).
        """
        ...


def check_target(calibration: Calibration, target: Target) -> None:
    """Refuse a calibration of another target, or of one that did something else when it was measured.

    Calibrations once stored the target's ``content_hash``; where it is still the same, so is what the target does.

    Raises:
        CalibrationError: SAL811; what is no calibration.
    """
    if not all(
        hasattr(calibration, name) for name in ("target", "target_hash", "wafer", "ids", "content_hash", "maps")
    ):
        supported, fix = "a calibration", "give what salhw_calibration.calibrate returned, or Calibration.load reads"
        raise wrong("calibration", what(calibration), supported, fix, kind=CalibrationError)
    unchanged = calibration.target_hash in (target.capability_hash, target.content_hash)
    if calibration.target != target.name or not unchanged:
        supported = f"the target {calibration.target!r} as it was when it was measured"
        finding = Diagnostic("SAL811", "calibration.target", target.name, supported, "calibrate again")
        raise CalibrationError("CalibrationError: measured on another target", [finding])


def check_chips(calibration: Calibration, chips: Sequence[Chip]) -> None:
    """Refuse chips that were not measured.

    Raises:
        CalibrationError: SAL811.
    """
    known = {(calibration.target, calibration.wafer, identity) for identity in calibration.ids}
    for chip in chips:
        if (chip.target, chip.wafer, chip.id) not in known:
            supported = f"chips {', '.join(map(str, calibration.ids))} of wafer {calibration.wafer}"
            asked = f"chip {chip.id} of wafer {chip.wafer}"
            finding = Diagnostic("SAL811", "calibration.chips", asked, supported, "calibrate that chip")
            raise CalibrationError("CalibrationError: measured on other chips", [finding])


def refuse_calibrated(executable: Executable) -> None:
    """To be called by exporters: a program that runs without salhw has nobody who corrects what it writes.

    Raises:
        CalibrationError: SAL608.
    """
    if executable.calibration is not None:
        asked, supported = executable.calibration.content_hash[:16], "none: an export writes what is described"
        finding = Diagnostic("SAL608", "calibration", asked, supported, "compile without the calibration")
        raise CalibrationError("CalibrationError: a calibrated network cannot be exported", [finding])
