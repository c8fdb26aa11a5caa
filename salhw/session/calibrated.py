"""Sessions on calibrated chips: they speak the description's units and write what makes the chip do as described."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.session.calibration import Calibration, Map
from salhw.session.closing import Closing
from salhw.session.paths import Address, addresses, as_numbers, described, find, refuse_outside
from salhw.session.recording import Recording, Trace
from salhw.substrate.chip import Chip

if TYPE_CHECKING:
    from salhw.session.backend import Session
    from salhw.session.executable import Executable


def opened(executable: Executable, calibration: Calibration, chips: Sequence[Chip], session: Session) -> Session:
    """A session of ``executable`` on ``chips``, which were measured, as one that speaks the description's units; the
    chips then hold what the description says. ``session`` is closed if that fails."""
    try:
        maps = calibration.maps(executable, [chip.id for chip in chips])
        found = CalibratedSession(session, executable, maps, len(chips), calibration.content_hash)
        known = addresses(executable.source, executable.target)
        for path in maps:
            found.set(path, described(executable.source, known[path]))
    except BaseException:
        session.close()
        raise
    return found


class CalibratedSession(Closing):
    """See salhw.session.backend.Session: ``session`` behind the ``maps``, whose content hash recordings name."""

    def __init__(
        self, session: Session, executable: Executable, maps: Mapping[str, Map], instances: int, name: str
    ) -> None:
        self._session, self._executable, self._maps = session, executable, maps
        self._instances, self._name = instances, name
        self._ended: dict[str, int] = {}
        self._addresses = addresses(executable.source, executable.target)

    @property
    def time(self) -> float:
        """Biological time in ms since the session was opened."""
        return self._session.time

    def get(self, path: str) -> FloatArray:
        """See Session: what the chip does, by what is known of it."""
        held = self._session.get(path)
        return self._maps[path].does(held) if path in self._maps else held

    def set(self, path: str, value: npt.ArrayLike) -> None:
        """See Session. What may be written is in the description's units, too: all that is described, and all that the
        chip can do. A correction ends at the target's limits; ``get`` then reads what the chip does, and recordings
        count such values, as ``calibration_at_limits``."""
        if path not in self._maps:
            self._session.set(path, value)
            return
        address, correction = find(self._addresses, path), self._maps[path]
        wanted = as_numbers(address, value, self._instances)
        self._refuse_beyond(address, value, wanted)
        free = correction.written(wanted)
        corrected = limited(address, free)
        self._session.set(path, corrected)
        self._ended[path] = int(np.sum(corrected != free))

    def _refuse_beyond(self, address: Address, value: npt.ArrayLike, wanted: FloatArray) -> None:
        if address.allowed is None:
            return
        low, high = (
            pick(end, self._maps[address.path].does(np.full(wanted.shape, end)))
            for pick, end in ((np.minimum, address.allowed.min), (np.maximum, address.allowed.max))
        )
        if np.any((wanted < low) | (wanted > high)):
            now = self.get(address.path)
            refuse_outside(address, value, wanted, np.minimum(low, now), np.maximum(high, now))

    def run(self, duration: float, *, progress: Callable[[float], None] | None = None) -> Recording:
        """See Session. Recorded weights are in the description's units, too."""
        recording = self._session.run(duration, progress=progress)
        traces = {name: self._mapped(name, trace) for name, trace in recording.weight_traces.items()}
        ended = {path: count for path, count in self._ended.items() if count}
        told = {**recording.provenance, "calibration": self._name, "calibration_at_limits": ended}
        return replace(recording, weight_traces=traces, provenance=told)

    def _mapped(self, projection: str, trace: Trace) -> Trace:
        chosen = self._maps.get(f"projections.{projection}.weights")
        if chosen is None:
            return trace
        per_sample = Map(*(array[:, None] for array in (chosen.scale, chosen.shift, chosen.below)))
        return replace(trace, values=per_sample.does(trace.values))

    def _release(self) -> None:
        self._session.close()


def limited(address: Address, corrected: FloatArray) -> FloatArray:
    """Corrected values within what a session may be written."""
    allowed = address.allowed
    return corrected if allowed is None else np.clip(corrected, allowed.min, allowed.max)


def effect(executable: Executable, calibration: Calibration) -> dict[str, Any]:
    """What a calibration makes of the values that ``executable`` describes, for its report: over all of its chips, per
    field the largest and the rms correction of what is written, and how many values end at the target's limits.

    Raises:
        CalibrationError: places that were not measured.
    """
    net, known = executable.source, addresses(executable.source, executable.target)
    moved: dict[str, list[FloatArray]] = {}
    ended: dict[str, int] = {}
    for path, correction in calibration.maps(executable, calibration.ids).items():
        address = known[path]
        wanted = described(net, address)[None]
        free = correction.written(wanted)
        written = limited(address, free)
        change = (written - wanted).reshape(len(calibration.ids), -1)
        if address.field != "bias":  # the diagonal of a recurrent matrix holds no synapses
            p = net.projection(address.owner)
            change = change[:, synapses(p.weights, *net.ends(p.name))[2]]
        moved.setdefault(address.field, []).append(change.ravel())
        ended[address.field] = ended.get(address.field, 0) + int(np.sum(written != free))
    corrections = {name: np.concatenate(changes) for name, changes in moved.items()}
    return {
        "hash": calibration.content_hash,
        "wafer": calibration.wafer,
        "chips": list(calibration.ids),
        "measured": {name: dict(entry) for name, entry in calibration.summary.items()},
        "corrections": {
            name: {
                "largest": float(np.abs(change).max(initial=0.0)),
                "rms": float(np.sqrt(np.mean(change**2))) if change.size else 0.0,
                "at_limits": ended[name],
            }
            for name, change in corrections.items()
        },
    }


def as_lines(told: Mapping[str, Any]) -> list[str]:
    """``effect`` in words."""
    count = len(told["chips"])
    lines = [f"calibration {told['hash'][:16]} of {count} chip{'s' if count > 1 else ''} of wafer {told['wafer']}"]
    for name, entry in told["measured"].items():
        spread = f"spread {entry['after']:.3g} after {entry['before']:.3g}"
        verdict = f", {entry['verdict']}" if entry.get("verdict") else ""
        lines.append(f"  {name}: {entry['yield']:.1%} calibrated, {spread}{verdict}")
    for name, entry in told["corrections"].items():
        limits = f", {entry['at_limits']} at the target's limits" if entry["at_limits"] else ""
        what = name.replace("_", " ")
        lines.append(f"  {what} corrected by at most {entry['largest']:.3g}, {entry['rms']:.3g} rms{limits}")
    return lines
