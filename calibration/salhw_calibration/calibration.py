"""A Calibration: what was measured on some chips, by physical place, and what to write into them instead."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.connectivity import synapses, values
from salhw.diagnostics import file_error
from salhw.fields import FloatArray, IntArray
from salhw.io.description import atomically
from salhw.neurons import GLM
from salhw.target import Range
from salhw_calibration.measuring import refused

FORMAT, VERSION = "salhw.calibration", 1


@dataclass(frozen=True, eq=False)
class Calibration:
    """Measured corrections for some chips of one target. Places are those of ``Executable.placement``, ascending.

    Args:
        target, target_hash: the target's name and content hash; of another one it is stale.
        wafer, ids: which chips.
        synapses, neurons: the places that were measured.
        gain: (chip, synapse): effective over written weight; NaN: unknown, taken as 1.
        offset, slope: (chip, neuron): a neuron that is told b acts as ``offset + slope * b``; NaN: 0 and 1.
        weight_success, bias_success: the same shapes: measured, correctable, and within the goal afterwards.
        spread: per quantity and "before" or "after", (chip,): the spread of the relative error of weights and of the
            error of biases, without the noise of measuring it.
        provenance: how it was measured.
    """

    target: str
    target_hash: str
    wafer: int
    ids: tuple[int, ...]
    synapses: IntArray
    neurons: IntArray
    gain: FloatArray
    offset: FloatArray
    slope: FloatArray
    weight_success: FloatArray
    bias_success: FloatArray
    spread: Mapping[str, FloatArray]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def weight_yield(self) -> FloatArray:
        """The share of each chip's synapses that were calibrated with success."""
        return np.asarray(self.weight_success.mean(axis=1))

    @property
    def bias_yield(self) -> FloatArray:
        """The share of each chip's neurons that were calibrated with success."""
        return np.asarray(self.bias_success.mean(axis=1))

    @property
    def content_hash(self) -> str:
        """sha256 over everything but the provenance."""
        sink = hashlib.sha256(f"{self.target}/{self.target_hash}/{self.wafer}/{self.ids}".encode())
        for name, array in sorted(_arrays(self).items()):
            sink.update(f"{name}{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return sink.hexdigest()

    def settings(self, exe: Executable, chips: Sequence[Chip]) -> dict[str, FloatArray]:
        """What to write into a session of ``exe`` on these ``chips``, by path, (chip, ...), so that they do what the
        description says. Weights end at the target's limits.

        Raises:
            MeasurementError: measured on another target or on other chips, or not at the places that the network has.
        """
        rows = self._rows(exe, chips)
        net, written = exe.source, {}
        for p in net.populations:
            if isinstance(p.neuron, GLM):
                at = self._places(self.neurons, exe.placement.neurons(net, p.name), f"populations.{p.name}")
                offset, slope = (a[np.ix_(rows, at)] for a in (self.offset, self.slope))
                bias = np.broadcast_to(p.neuron.bias, (p.size,))
                written[f"populations.{p.name}.bias"] = (bias - np.nan_to_num(offset)) / np.nan_to_num(slope, nan=1.0)
        limits = exe.target.projections.get("weights")
        for q in net.projections:
            at = self._places(self.synapses, exe.placement.synapses(net, q.name), f"projections.{q.name}")
            nominal = np.array(values(q.weights, *net.ends(q.name)))
            full = np.repeat(nominal[None], len(rows), axis=0)
            position = synapses(q.weights, *net.ends(q.name))[2]
            flat = full.reshape(len(rows), -1)
            flat[:, position] /= np.nan_to_num(self.gain[np.ix_(rows, at)], nan=1.0)
            if isinstance(limits, Range):
                np.clip(full, limits.min, limits.max, out=full)
            written[f"projections.{q.name}.weights"] = full
        return written

    def _rows(self, exe: Executable, chips: Sequence[Chip]) -> IntArray:
        if exe.target.content_hash != self.target_hash:
            supported = f"the target {self.target!r} as it was when it was measured"
            raise refused("SAL811", "calibration.target", exe.target.name, supported, "calibrate again")
        known = {(self.wafer, identity): k for k, identity in enumerate(self.ids)}
        for chip in chips:
            if (chip.seed, chip.id) not in known or chip.target != self.target:
                supported = f"chips {', '.join(map(str, self.ids))} of wafer {self.wafer}"
                raise refused("SAL811", "calibration.chips", f"chip {chip.id} of wafer {chip.seed}", supported,
                              "calibrate that chip")  # fmt: skip
        return np.array([known[chip.seed, chip.id] for chip in chips], dtype=np.int64)

    @staticmethod
    def _places(known: IntArray, wanted: IntArray, path: str) -> IntArray:
        at: IntArray = np.minimum(np.searchsorted(known, wanted), max(0, len(known) - 1)).astype(np.int64)
        if len(wanted) and (not len(known) or np.any(known[at] != wanted)):
            missing = len(wanted) if not len(known) else int(np.sum(known[at] != wanted))
            fix = "calibrate with this network, or one that holds it"
            raise refused("SAL812", path, f"{missing} places", "places that were measured", fix)
        return at

    def save(self, path: str | Path) -> Path:
        """Write one HDF5 file. Into a folder, it is called by its content hash.

        Raises:
            FileError: the place cannot be written to.
        """
        import h5py

        path = Path(path)
        path = path / f"{self.target}-{self.content_hash[:16]}.h5" if path.is_dir() else path

        def write(temporary: Path) -> None:
            with h5py.File(temporary, "w") as file:
                file.attrs.update(format=FORMAT, version=VERSION, sha256=self.content_hash)
                file.attrs.update(target=self.target, target_hash=self.target_hash, wafer=self.wafer)
                file.create_dataset("ids", data=np.array(self.ids, dtype=np.int64))
                file.create_dataset("provenance", data=json.dumps(dict(self.provenance), default=str))
                for name, array in _arrays(self).items():
                    file.create_dataset(name, data=array)

        atomically(path, write)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what ``save`` wrote.

        Raises:
            FileError: no such file, not a calibration, or changed since it was written.
        """
        import h5py

        path = Path(path)
        if not path.is_file() or not h5py.is_hdf5(path):
            raise file_error(path, "", "an existing calibration file", "check the path")
        try:
            with h5py.File(path, "r") as file:
                if file.attrs.get("format") != FORMAT or file.attrs.get("version") != VERSION:
                    raise file_error(path, str(file.attrs.get("format")), f"{FORMAT} {VERSION}", "calibrate again")
                spread = {name: data[()] for name, data in file["spread"].items()}
                arrays = {name: file[name][()] for name in _NAMES}
                about = json.loads(file["provenance"][()])
                ids = tuple(int(i) for i in file["ids"][()])
                target, target_hash = str(file.attrs["target"]), str(file.attrs["target_hash"])
                found = cls(
                    target, target_hash, int(file.attrs["wafer"]), ids, **arrays, spread=spread, provenance=about
                )  # fmt: skip
                expected = file.attrs["sha256"]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise file_error(path, "", f"an undamaged calibration; {error}", "calibrate again") from None
        if found.content_hash != expected:
            raise file_error(path, "", "a calibration that nobody changed", "calibrate again")
        return found


_NAMES = ("synapses", "neurons", "gain", "offset", "slope", "weight_success", "bias_success")


def _arrays(c: Calibration) -> dict[str, Any]:
    return {name: getattr(c, name) for name in _NAMES} | {f"spread/{name}": a for name, a in c.spread.items()}
