"""A Calibration: what was measured on some chips, by physical place, and what to write into them instead."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.diagnostics import CalibrationError, Diagnostic, counted, file_error
from salhw.diagnostics.arguments import as_path
from salhw.diagnostics.documents import from_json
from salhw.io import hdf5
from salhw.session.calibration import Map
from salhw.session.compiled import Compiled
from salhw.session.executable import Executable
from salhw.session.paths import Address, addresses
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw_calibration.kinds import stochastic
from salhw_calibration.measuring import refused
from salhw_calibration.summary import Summarised
from salhw_calibration.verdict import Deviations, Verdict, judged

Bools = npt.NDArray[np.bool_]
FORMAT, VERSION = "salhw.calibration", 3
LEAST = 0.1  # gain or slope: what is weaker, or acts the other way round, cannot be corrected


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Summarised):
    """Measured corrections for some chips of one target. Places are those of ``Executable.placement``, ascending.

    Args:
        target, target_hash: the target's name and capability hash; of one that does something else it is stale.
        wafer, ids: which chips.
        synapses, neurons: the places that were measured.
        gain: (chip, synapse, sign): effective over written weight, of positive weights and of negative ones (analog
            chips have an input for each); NaN: unknown, taken as 1.
        offset, slope: (chip, neuron): a neuron that holds the bias b acts as ``offset + slope * b``; NaN: 0 and 1.
        efficacy: (chip, synapse, branch), causal first: what a synapse's correlation sensors make of pairs over what
            they should (``CorrelationSensors.efficacy``); NaN where nothing learns, or unknown: 1.
        weight_success (chip, synapse), bias_success and slope_success (chip, neuron), sensor_success (chip, synapse):
            measured, correctable, and within the goal afterwards.
        spread: per quantity and "before" or "after", (chip,): the spread of the relative error of weights, slopes and
            efficacies and of the error of biases, without the noise of measuring it.
        provenance: how it was measured.
        moments: what ``spread`` and ``verdicts`` follow from, (chip, 3) by the same names, see ``Deviations``; empty in
            calibrations that were saved before there were verdicts.
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
    efficacy: FloatArray
    weight_success: Bools
    bias_success: Bools
    slope_success: Bools
    sensor_success: Bools
    spread: Mapping[str, FloatArray]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    moments: Mapping[str, FloatArray] = field(default_factory=dict)

    _columns = ("quantity", "calibrated", "spread before", "after", "verdict")

    def _title(self) -> str:
        return f"Calibration of {self.target}, wafer {self.wafer}: {counted('chip', self.ids)}"

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """What was calibrated and how well."""
        for name, entry in self.summary.items():
            spread = (f"{entry[when]:.3g}" for when in ("before", "after"))
            yield name, f"{entry['yield']:.1%}", *spread, entry.get("verdict", "")

    @property
    def weight_yield(self) -> FloatArray:
        """The share of each chip's synapses that were calibrated with success."""
        return np.asarray(self.weight_success.mean(axis=1))

    @property
    def bias_yield(self) -> FloatArray:
        """The share of each chip's neurons whose bias was calibrated with success."""
        return np.asarray(self.bias_success.mean(axis=1))

    @property
    def slope_yield(self) -> FloatArray:
        """The share of each chip's neurons for which a difference of biases was."""
        return np.asarray(self.slope_success.mean(axis=1))

    @property
    def sensor_yield(self) -> FloatArray:
        """The share of each chip's synapses that learn whose sensors were calibrated with success."""
        return np.asarray(self.sensor_success[:, self._learns].mean(axis=1))

    @property
    def _learns(self) -> Bools:
        """(synapse,): whether something is known of its sensors."""
        return np.asarray(np.isfinite(self.efficacy).any(axis=(0, 2)))

    @property
    def _success(self) -> dict[str, Bools]:
        """The masks of the quantities that there are at these places."""
        sensors = self.sensor_success[:, self._learns]
        masks = {
            "weight": self.weight_success, "bias": self.bias_success, "slope": self.slope_success, "sensor": sensors
        }  # fmt: skip
        return {name: success for name, success in masks.items() if success.size}

    @property
    def content_hash(self) -> str:
        """sha256 over everything but the provenance."""
        sink = hashlib.sha256(f"{self.target}/{self.target_hash}/{self.wafer}/{self.ids}".encode())
        for name, array in sorted(_arrays(self).items()):
            sink.update(f"{name}{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return sink.hexdigest()

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Per quantity: whether its goal is met, whether the recording was long enough to know, and which chips got
        worse."""
        about = {name: value for name, value in self.provenance.items() if isinstance(value, int | float)}
        with_goals = [name for name in self._success if f"{name} after" in self.moments and f"goal_{name}" in about]
        return {
            name: judged(
                name, *(Deviations.from_array(self.moments[f"{name} {when}"]) for when in ("before", "after")),
                goal=about[f"goal_{name}"], duration=about.get("duration_ms", np.nan),
                ids=self.ids, of=len(with_goals),
            )
            for name in with_goals
        }  # fmt: skip

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """Per quantity: the share that was calibrated with success, the spread before and after, r.m.s. over the
        chips, and the verdict in words."""
        verdicts = self.verdicts

        def of(name: str, success: Bools) -> dict[str, Any]:
            spread = {when: float(np.sqrt(np.mean(self.spread[f"{name} {when}"] ** 2))) for when in ("before", "after")}
            verdict = {"verdict": verdicts[name].words} if name in verdicts else {}
            return {"yield": float(success.mean()), **spread, **verdict}

        return {name: of(name, success) for name, success in self._success.items() if f"{name} after" in self.spread}

    def maps(self, executable: Compiled, ids: Sequence[int]) -> dict[str, Map]:
        """What to write into a session of ``executable`` on the chips ``ids``, by path; see ``salhw.Calibration``.

        Learning rates are divided by the mean gain of both signs, where the target has one for each synapse, and the
        amplitudes of windows by the efficacy of their branch.

        Raises:
            CalibrationError: not measured at the places that the network takes.
        """
        rows = np.array([self.ids.index(identity) for identity in ids], dtype=np.int64)
        net, maps = executable.source, {}
        noisy = {p.name for p in stochastic(net)}
        for path, address in addresses(net, executable.target).items():
            if address.field == "bias" and address.owner in noisy:
                at = self._places(
                    self.neurons, executable.placement.neurons(net, address.owner), f"populations.{address.owner}"
                )
                slope, offset = (a[np.ix_(rows, at)] for a in (self.slope, self.offset))
                maps[path] = Map(usable(slope), np.nan_to_num(offset), usable(slope))
            elif address.field in ("weights", "amplitude") or (
                address.field == "learning_rate" and _each(executable, address)
            ):
                p = net.projection(address.owner)
                at = self._places(self.synapses, executable.placement.weights(net, p.name), f"projections.{p.name}")
                above, below = usable(np.moveaxis(self.gain[np.ix_(rows, at)], 2, 0))
                if address.field == "learning_rate":
                    above = below = (above + below) / 2.0
                elif address.field == "amplitude":
                    above = below = usable(self.efficacy[..., BRANCHES.index(address.part)][np.ix_(rows, at)])
                full = np.ones((2, len(rows), int(np.prod(address.shape, dtype=np.int64))))
                full[:, :, synapses(p.weights, *net.ends(p.name))[2]] = above, below
                above, below = full.reshape(2, len(rows), *address.shape)
                maps[path] = Map(above, np.zeros_like(above), below)
        return maps

    @staticmethod
    def _places(known: IntArray, wanted: IntArray, path: str) -> IntArray:
        at: IntArray = np.minimum(np.searchsorted(known, wanted), max(0, len(known) - 1)).astype(np.int64)
        if len(wanted) and (not len(known) or np.any(known[at] != wanted)):
            missing = len(wanted) if not len(known) else int(np.sum(known[at] != wanted))
            fix = "calibrate with this network, or one that holds it"
            finding = Diagnostic("SAL812", path, f"{missing} places", "places that were measured", fix)
            raise CalibrationError("CalibrationError: measured elsewhere on the chip", [finding])
        return at

    def save(self, path: str | Path) -> Path:
        """Write one HDF5 file. Into a folder, it is called by its content hash.

        Raises:
            FileError: the place cannot be written to.
        """
        path = as_path(path)
        path = path / f"{self.target}-{self.content_hash[:16]}.h5" if path.is_dir() else path

        def fill(file: Any) -> None:
            file.attrs.update(format=FORMAT, version=VERSION, sha256=self.content_hash)
            file.attrs.update(target=self.target, target_hash=self.target_hash, wafer=self.wafer)
            file.create_dataset("ids", data=np.array(self.ids, dtype=np.int64))
            file.create_dataset("provenance", data=json.dumps(dict(self.provenance), default=str))
            for name, array in _arrays(self).items():
                file.create_dataset(name, data=array)

        return hdf5.write(path, fill)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what ``save`` wrote.

        Raises:
            FileError: no such file, not a calibration, or changed since it was written.
        """
        path = as_path(path)
        with hdf5.reading(path, "an undamaged calibration", "calibrate again", verified=True) as file:
            if file.attrs.get("format") != FORMAT or file.attrs.get("version") != VERSION:
                asked = f"{file.attrs.get('format')} {file.attrs.get('version')}"[:80]
                raise file_error(path, asked, f"{FORMAT} {VERSION}", "calibrate again")
            ids = tuple(int(i) for i in hdf5.array(file, "ids", "iu", (None,)))
            spread = {name: hdf5.array(file["spread"], name, "f", (len(ids),)) for name in file["spread"]}
            moments = {name: hdf5.array(file["moments"], name, "f", (len(ids), 3)) for name in file.get("moments", ())}
            places = {name: hdf5.array(file, name, "iu", (None,)) for name in ("synapses", "neurons")}
            measured = {name: hdf5.array(file, name, *_form(name, len(ids), places)) for name in _NAMES[2:]}
            loaded = cls(
                str(file.attrs["target"]), str(file.attrs["target_hash"]), int(file.attrs["wafer"]), ids,
                **places, **measured, spread=spread, provenance=dict(from_json(file["provenance"][()])),
                moments=moments,
            )  # fmt: skip
            unchanged = loaded.content_hash == str(
                file.attrs["sha256"]
            )  # here: a name may have letters that there are not
        if not unchanged:
            raise file_error(path, "", "a calibration that nobody changed", "calibrate again")
        return loaded


def unjudged(
    target: Target,
    exe: Executable,
    chips: Sequence[Chip],
    gain: FloatArray | None = None,
    offset: FloatArray | None = None,
    slope: FloatArray | None = None,
) -> Calibration:
    """What is known (None: nothing) of the places that a network takes, in the order of ``places_of``; no verdict yet.
    ``target`` is what ``exe`` was compiled for: lowering may have chosen its options.

    Raises:
        MeasurementError: no chips, or chips of different wafers.
    """
    of_one_wafer(chips)
    synapses, neurons = places_of(exe)
    nothing = np.full((len(chips), len(synapses), 2), np.nan)
    gain = nothing if gain is None else in_order(gain, synapses)
    offset, slope = (
        np.full((len(chips), len(neurons)), np.nan) if known is None else in_order(known, neurons)
        for known in (offset, slope)
    )
    ids = tuple(chip.id for chip in chips)
    return Calibration(
        target.name, target.capability_hash, chips[0].wafer, ids, np.sort(synapses), np.sort(neurons),
        gain, offset, slope, nothing, np.asarray(np.isfinite(gain).any(axis=2)), np.isfinite(offset),
        np.isfinite(slope), np.zeros(gain.shape[:2], dtype=np.bool_), {},
    )  # fmt: skip


def places_of(exe: Executable) -> tuple[IntArray, IntArray]:
    """The physical places of all synapses, and of all stochastic neurons, in the order of the network."""
    net, placement, none = exe.network, exe.placement, np.zeros(0, dtype=np.int64)
    return (
        np.concatenate([none, *(placement.weights(net, p.name) for p in net.projections)]),
        np.concatenate([none, *(placement.neurons(net, p.name) for p in stochastic(net))]),
    )


def in_order(values: Any, places: IntArray) -> Any:
    """(chip, place, ...) in ascending order of the places."""
    return values[:, np.argsort(places)]


_NAMES = (
    "synapses", "neurons", "gain", "offset", "slope", "efficacy", "weight_success", "bias_success", "slope_success",
    "sensor_success",
)  # fmt: skip


def _form(name: str, chips: int, places: Mapping[str, IntArray]) -> tuple[str, tuple[int, ...]]:
    """Of one of ``_NAMES`` beyond the places: numpy's letter of its type, and its shape."""
    of_neurons = name in ("offset", "slope", "bias_success", "slope_success")
    shape = (chips, len(places["neurons" if of_neurons else "synapses"]))
    return "b" if name.endswith("success") else "f", shape if name not in ("gain", "efficacy") else (*shape, 2)


def of_one_wafer(chips: Sequence[Chip]) -> None:
    """What a calibration is of.

    Raises:
        MeasurementError: no chips, or chips of different wafers.
    """
    if len({chip.wafer for chip in chips}) != 1:
        raise refused("SAL811", "chips", f"{len(chips)} chips", "at least one, all of one wafer", "one wafer at a time")


def usable(factor: FloatArray) -> FloatArray:
    """Factors to divide by: 1 for what is unknown or too small."""
    return np.where(factor >= LEAST, factor, 1.0)


def _each(executable: Compiled, address: Address) -> bool:
    """Whether the target has a learning rate for each synapse, and learns by the rule itself."""
    kind = executable.source.projection(address.owner).plasticity[address.rule].kind
    target = executable.target
    arrays = target.plasticity.get(kind, target.host.get(kind, {})).get("arrays", ())
    return isinstance(arrays, tuple) and "learning_rate" in arrays


def _arrays(c: Calibration) -> dict[str, Any]:
    groups = {"spread": c.spread, "moments": c.moments}
    grouped = {f"{group}/{name}": array for group, of in groups.items() for name, array in of.items()}
    return {name: getattr(c, name) for name in _NAMES} | grouped


def deviations(quantities: Mapping[str, Deviations]) -> dict[str, Any]:
    """``spread`` and ``moments`` of a calibration, by quantity and "before" or "after"."""
    return {
        "spread": {name: of_chips.spread for name, of_chips in quantities.items()},
        "moments": {name: of_chips.array for name, of_chips in quantities.items()},
    }
