"""The session of every target: it runs, reads, writes, corrects, records and closes, over a backend's engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.probes import Rates, StateOccupancy, Weights
from salhw.diagnostics.wording import number, shown
from salhw.session.calibration import Calibration, Map, limited
from salhw.session.engine import CountingEngine, Engine
from salhw.session.executable import Executable, Form
from salhw.session.memory import Room
from salhw.session.paths import Address, addresses, as_written, described, duration_steps, find, session_error
from salhw.session.recorder import Raster, Recorded, provenance, recording, refractory_steps, sample_steps
from salhw.session.recording import Recording
from salhw.session.trains import as_trains
from salhw.substrate.chip import Chip


@dataclass(frozen=True)
class _View:
    """An array as ``get`` and ``set`` shape it, and where each neuron or synapse of the engine's lies in it, flattened:
    ``index``, or None where both have one order."""

    address: Address
    index: IntArray | None = None

    def flat(self, array: FloatArray) -> FloatArray:
        """(instance, neuron or synapse) of (instance, *shape); a new array."""
        rows = array.reshape(len(array), -1)
        return np.array(rows) if self.index is None else rows[:, self.index]

    def shaped(self, flat: FloatArray, around: FloatArray | None = None) -> FloatArray:
        """(instance, *shape) of (instance, neuron or synapse); ``around`` stands where no synapse is, else 0."""
        shape = (len(flat), *self.address.shape)
        if self.index is None:
            return np.array(flat.reshape(shape))
        array = np.zeros(shape) if around is None else np.array(around)
        array.reshape(len(flat), -1)[:, self.index] = flat
        return array


class EngineSession:
    """A Session (see ``salhw.Session``) over an engine.

    With a calibrated executable it speaks the description's units: what is written is corrected so that the chip does
    it, what is read or recorded is what the chip does. A correction ends at the target's limits; recordings count the
    values for which it does, as ``calibration_at_limits``.

    Args:
        executable, chips, ids, seed: what ``Backend.open`` was given.
        engine: with the executable's network loaded, as it is described. It is closed with the session, or at once if
            no session comes about.
        versions: of the packages that the backend uses, for the provenance.

    Raises:
        CalibrationError: places of the chips that were not measured.
    """

    def __init__(
        self,
        executable: Executable,
        engine: Engine,
        *,
        chips: Sequence[Chip],
        ids: Sequence[int],
        seed: int,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.executable, self.engine, self.closed = executable, engine, False
        self.chips, self.ids, self.seed = tuple(chips), tuple(ids), seed
        self._provenance = provenance(executable, chips, seed, versions or {})
        self._maps: dict[str, Map] = {}
        self._at_limits: dict[str, int] = {}
        self._counting = isinstance(engine, CountingEngine)  # asked once: a sixth of a short run
        try:
            net, instances = executable.network, len(ids)
            self._addresses = addresses(net, executable.target)
            self._positions = {p.name: synapses(p.weights, *net.ends(p.name))[2] for p in net.projections}
            self._written = {  # the engine holds weights; the rest is read from here, unless it says that it holds it
                path: np.broadcast_to(described(net, address), (instances, *address.shape))
                for path, address in self._addresses.items()
                if address.field != "weights"
            }
            self._before = {p.population: Raster.joined([]) for p in only(net.probes, StateOccupancy)}
            if self.calibration is not None:
                self._calibrate(self.calibration)
        except BaseException:
            self.close()
            raise

    @property
    def calibration(self) -> Calibration | None:
        """What corrects the session, if anything does."""
        return self.executable.calibration

    def _calibrate(self, calibration: Calibration) -> None:
        """Make the chips do what the description says."""
        maps = calibration.maps(self.executable, [chip.id for chip in self.chips])
        for path, correction in maps.items():
            arrays = correction.scale, correction.shift, correction.below
            self._maps[path] = Map(*map(self._view(path).flat, arrays))
        for path in maps:
            if self._addresses[path].copy_of:
                continue
            self.set(path, described(self.executable.source, self._addresses[path]))

    # reading and writing ------------------------------------------------------------------------------------------

    def get(self, path: str, *, form: Form = "array") -> FloatArray:
        """See Session.

        Raises:
            SessionError: SAL402 no such path or form; SAL405; SAL412 weights that are no numbers any more.
        """
        self._refuse_closed()
        return self._view(path, form).shaped(self._done(path), self._written.get(path))

    def set(self, path: str, value: npt.ArrayLike, *, form: Form = "array") -> None:
        """See Session. What may be written is the declared range, all that the session holds, and all that a calibrated
        chip can do.

        Raises:
            SessionError: SAL402 no such path or form; SAL403 what does not fit, or may not be written; SAL405.
        """
        self._refuse_closed()
        view, correction = self._view(path, form), self._maps.get(path)
        if view.address.trains:
            self._set_trains(view.address, value)
            return
        does = None if correction is None else lambda end: view.shaped(correction.does(view.flat(end)), end)
        array = as_written(view.address, value, len(self.ids), lambda: self.get(path, form=form), does)
        wanted = view.flat(array)
        exact = wanted if correction is None else correction.written(wanted)
        held = exact if correction is None else limited(view.address, exact)
        self.engine.write(self._addresses[path], held)
        if correction is not None:
            self._at_limits[path] = int(np.sum(held != exact))
        if path in self._written:
            around = array if form == "array" else self._written[path]
            self._written[path] = self._view(path).shaped(held, around)

    def _set_trains(self, address: Address, value: Any) -> None:
        """Give a stimulus other spike times; how long the array is that holds them follows from these."""
        trains = as_trains(address, value, self._written[address.path], self.engine.step, self.executable.network.dt)
        now = replace(address, shape=trains.shape[1:])
        self.engine.write(now, trains.reshape(len(trains), -1))
        self._addresses[address.path], self._written[address.path] = now, trains

    def _done(self, path: str) -> FloatArray:
        """What the chip does, in the engine's order of neurons or synapses."""
        flat = self._read(path)
        if self._addresses[path].field == "weights" and not np.isfinite(flat).all():
            asked = f"{np.count_nonzero(~np.isfinite(flat))} of {flat.size} no numbers any more"
            fix = "bounds for its rules, or a smaller learning_rate"
            raise session_error("SAL412", path, asked, "weights that stay finite", fix)
        return self._maps[path].does(flat) if path in self._maps else flat

    def _read(self, path: str) -> FloatArray:
        """What the engine holds, or was last given."""
        address = self._addresses[path]
        if address.field in self.engine.holds:
            return self.engine.read(address)
        return self._view(path).flat(self._written[path])

    def _view(self, path: str, form: Form = "array") -> _View:
        address = find(self._addresses, path)
        position = self._positions.get(address.owner) if path.startswith("projections.") else None
        if form not in ("array", "synapses") or (form == "synapses" and position is None):
            supported = "'array' or 'synapses'" if position is not None else "'array', since neurons are not synapses"
            raise session_error("SAL402", path, f"form={shown(form)}", supported, "form='array'")
        if form == "synapses" and position is not None and len(address.shape) > 1:
            return _View(replace(address, shape=position.shape, hollow=False))
        return _View(address, position)

    # running ------------------------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Biological time in ms since the session was opened."""
        return self.engine.step * self.executable.network.dt

    def run(self, duration: float, *, progress: Callable[[float], None] | None = None) -> Recording:
        """See Session. ``progress`` is called with the share that is done, between 0 and 1.

        An error that ends a run has what was recorded until then as its attribute ``recording``.

        Raises:
            SessionError: SAL404, SAL405; SAL411 the recording does not fit into memory; SAL412 of sampled weights.
        """
        self._refuse_closed()
        began, net, engine = time.perf_counter(), self.executable.network, self.engine
        count = duration_steps(net, duration, progress)
        start = engine.step
        stop = start + count
        samples = sample_steps(net, start, stop, counting=self._counting)
        room = Room(net, self.executable.report.memory, len(self.ids), start, stop)
        sampled = {start: self._sampled(only(samples[start], Weights))} if samples else {}
        try:
            engine.begin(stop)
            while engine.step < stop:
                spikes = engine.advance(samples.after(engine.step))
                if due := samples[engine.step]:
                    sampled[engine.step] = self._sampled(due)
                if progress:
                    progress((engine.step - start) / count)
                if engine.step < stop and room.full(spikes):
                    break
            engine.finish()
        except BaseException as error:
            if engine.step > start:
                error.recording = self._recording(start, sampled, began)  # type: ignore[attr-defined]
                error.add_note(f"What was recorded up to {number(self.time)} ms is this error's attribute `recording`.")
            raise
        return room.checked(self._recording(start, sampled, began))

    def _sampled(self, due: Sequence[Weights | Rates]) -> dict[str, FloatArray]:
        """What some probes show now: weights, or the spikes of the run so far; by the probes' labels."""
        sampled: dict[str, FloatArray] = {}
        for probe in due:
            if isinstance(probe, Weights):
                path = f"projections.{probe.projection}.weights"
                chosen = probe.synapses
                sampled[probe.label] = self.get(path) if chosen is None else self._done(path)[:, chosen]
            elif isinstance(self.engine, CountingEngine):
                sampled[probe.label] = self.engine.counted()[probe.population].astype(np.float64)
        return sampled

    def _recording(self, start: int, sampled: Mapping[int, Mapping[str, FloatArray]], began: float) -> Recording:
        net, stop, recorded = self.executable.network, self.engine.step, self.engine.recorded()
        of_this_run: dict[str, Any] = {
            "wall_time_s": time.perf_counter() - began,
            "biological_time_ms": (stop - start) * net.dt,
        }
        if self.calibration is not None:
            at_limits = {path: count for path, count in self._at_limits.items() if count}
            of_this_run |= {"calibration": self.calibration.content_hash, "calibration_at_limits": at_limits}
        before, self._before = self._before, self._lasting(recorded, stop)
        return recording(
            net, self.ids, start, stop, recorded, before=before, sampled=sampled,
            provenance=self._provenance | of_this_run | dict(recorded.provenance),
        )  # fmt: skip

    def _lasting(self, recorded: Recorded, stop: int) -> dict[str, Raster]:
        """The spikes that states of the next run depend on, where the engine does not count states."""
        if recorded.occupancy is not None:
            return self._before
        net = self.executable.network
        return {
            name: Raster.joined([earlier, recorded.rasters[name]]).since(stop - int(refractory_steps(net, name).max()))
            for name, earlier in self._before.items()
        }

    # the end ------------------------------------------------------------------------------------------------------

    def _refuse_closed(self) -> None:
        if self.closed:
            raise session_error("SAL405", "session", "closed", "an open session", "open the executable again")

    def close(self) -> None:
        """See Session. Closing again does no harm."""
        if not self.closed:
            self.closed = True
            self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
