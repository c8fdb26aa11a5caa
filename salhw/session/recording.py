"""What a run returns: labelled arrays, spikes, and where all of it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.diagnostics import SessionError, UnknownNameError, counted
from salhw.diagnostics.arguments import as_path, known_name, whole, wrong
from salhw.diagnostics.html import ROWS, section, table
from salhw.diagnostics.wording import shortened_list

if TYPE_CHECKING:
    import neo
    import xarray as xr
    from matplotlib.axes import Axes


V = TypeVar("V")
_TABLES = {
    "counts": "", "spikes": "Spikes", "membrane_traces": "Membrane", "weight_traces": "",
    "occupancy_counts": "StateOccupancy", "samples": "",
}  # fmt: skip


class _Named(dict[str, V]):
    """What was recorded, by name. A name that is not there is an error which says what is."""

    def __init__(self, what: str, entries: Mapping[str, V], probe: str = "", populations: Iterable[str] = ()) -> None:
        super().__init__(entries)
        self.what, self.probe, self.populations = what, probe, frozenset(populations)

    def __getitem__(self, name: str) -> V:
        unseen = isinstance(name, str) and name in self.populations
        fix = f"add {self.probe}({name!r}) to the network's probes" if unseen else "record it: add a probe"
        return super().__getitem__(known_name(self.what, name, self, kind=UnknownNameError, fix=fix))


@dataclass(frozen=True)
class SpikeTrains:
    """The spikes of one population, in the order of instance, time and neuron.

    ``ids`` are the instances' ids; ``instance`` counts positions in it, ``neuron`` neurons; ``time`` is the start of
    the spike's time step in ms of session time. ``neurons`` are those that were recorded; None: all.
    """

    ids: tuple[int, ...]
    size: int
    start: float
    stop: float
    instance: IntArray
    neuron: IntArray
    time: FloatArray
    neurons: IntArray | None = None

    def __len__(self) -> int:
        return len(self.time)

    def __repr__(self) -> str:
        many = f"{counted('neuron', self.recorded)}, {counted('instance', self.ids)}"
        return f"SpikeTrains({counted('spike', range(len(self)))} of {many}, {self.start:g}..{self.stop:g} ms)"

    @property
    def recorded(self) -> Sequence[int]:
        """The neurons that were recorded."""
        return range(self.size) if self.neurons is None else self.neurons.tolist()

    def times(self, neuron: int, instance: int = 0) -> FloatArray:
        """The spike times in ms of one neuron of the instance at position ``instance``.

        Raises:
            SessionError: there is no such neuron or instance, or the neuron was not recorded.
        """
        neuron = whole("neuron", neuron, 0, self.size - 1, code="SAL003", kind=SessionError)
        if neuron not in self.recorded:
            supported = f"one of the {counted('neuron', self.recorded)} that were recorded"
            fix = "add it to the neurons of the Spikes probe"
            raise wrong("neuron", f"{neuron}", supported, fix, code="SAL003", kind=SessionError)
        instance = whole("instance", instance, 0, len(self.ids) - 1, code="SAL003", kind=SessionError)
        low, high = np.searchsorted(self.instance, (instance, instance + 1))
        mine: FloatArray = self.time[low:high][self.neuron[low:high] == neuron]
        return mine

    def to_neo(self) -> neo.Block:
        """A neo Block: a Segment per instance, a SpikeTrain per neuron."""
        import neo

        order = np.lexsort((self.time, self.neuron, self.instance))
        place = self.instance[order] * self.size + self.neuron[order]
        trains = np.split(self.time[order], np.searchsorted(place, np.arange(1, len(self.ids) * self.size)))
        block = neo.Block(name="salhw")
        for position, identity in enumerate(self.ids):
            segment = neo.Segment(name=f"instance {identity}", index=position)
            for neuron in self.recorded:
                times = trains[position * self.size + neuron]
                train = neo.SpikeTrain(times, units="ms", t_start=self.start, t_stop=self.stop, neuron=neuron)
                segment.spiketrains.append(train)
            block.segments.append(segment)
        return block


@dataclass(frozen=True)
class TimeSeries:
    """Samples over time: ``values`` (instance, time, ...) at ``time`` ms. ``places`` are the neurons or synapses of the
    last dimension, where these are not all; ``of`` says which of the two they are where there is one such dimension."""

    time: FloatArray
    values: FloatArray
    places: IntArray | None = None
    of: Literal["neuron", "synapse"] = "neuron"

    def __repr__(self) -> str:
        return f"TimeSeries({counted('sample', range(len(self.time)))}, values {self.values.shape})"


@dataclass(frozen=True)
class Recording:
    """The result of one run. Counts are always there; the rest as the network's probes asked.

    Args:
        ids: the instances' ids.
        start, duration: in ms of session time.
        counts: spikes per population, (instance, neuron).
        spikes: per population with a Spikes probe.
        samples: of all other probes that sample over time, a third party's included, by ``Probe.label``; ``traces`` has
            them labelled.
        provenance: hashes of the network and the target's name, chips, seed, versions, wall time.
    """

    ids: tuple[int, ...]
    start: float
    duration: float
    counts: Mapping[str, IntArray]
    spikes: Mapping[str, SpikeTrains] = field(default_factory=dict)
    membrane_traces: Mapping[str, TimeSeries] = field(default_factory=dict)
    weight_traces: Mapping[str, TimeSeries] = field(default_factory=dict)
    occupancy_counts: Mapping[str, IntArray] = field(default_factory=dict)
    samples: Mapping[str, TimeSeries] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The tables as such that name what they have."""
        for name, probe in _TABLES.items():
            table = _Named(f"recording.{name}", getattr(self, name), probe, self.counts if probe else ())
            object.__setattr__(self, name, table)

    @property
    def instances_are(self) -> Literal["chip", "instance"]:
        """What the leading dimension counts: ``chip`` where each instance ran on a chip of its own."""
        return "chip" if len(self.ids) > 1 and self.provenance.get("chips") == [*self.ids] else "instance"

    def _summary(self) -> tuple[str, list[tuple[str, str]]]:
        """A title, and for each population and projection what is known of it."""
        about = self.provenance
        what = f" of {about['network']} on {about['target']}" if {"network", "target"} <= about.keys() else ""
        title = f"Recording{what}: {self.duration:g} ms from {self.start:g} ms, {counted(self.instances_are, self.ids)}"
        rows = []
        for name, count in self.counts.items():
            tables = {"spike times": self.spikes, "membrane": self.membrane_traces, "states": self.occupancy_counts}
            also = [what for what, known in tables.items() if name in known]
            rate = count.mean() * 1000.0 / self.duration
            many = counted("neuron", range(count.shape[1])), counted("spike", range(count.sum()))
            text = f"{', '.join(many)}, {rate:.4g} Hz on average"
            rows.append((name, f"{text}; {', '.join(also)}" if also else text))
        for name, trace in self.weight_traces.items():
            rows.append(
                (name, f"weights of shape {trace.values.shape[2:]} at {counted('time', range(len(trace.time)))}")
            )
        return title, rows

    def __repr__(self) -> str:
        """What was recorded, a line for each population and projection."""
        title, rows = self._summary()
        return "\n".join([title, *shortened_list([f"  {name}: {text}" for name, text in rows], ROWS)])

    def _repr_html_(self) -> str:
        """What was recorded, for notebooks."""
        title, rows = self._summary()
        return section(title, table(rows))

    @property
    def rates(self) -> dict[str, xr.DataArray]:
        """Mean rate in Hz per population, dimensions (instance, neuron)."""
        return _Named(
            "recording.rates",
            {
                name: self._label(count * (1000.0 / self.duration), ("neuron",), "rate", "Hz")
                for name, count in self.counts.items()
            },
        )

    @property
    def membrane(self) -> dict[str, xr.DataArray]:
        """Membrane potential per population, dimensions (instance, time, neuron)."""
        return _Named(
            "recording.membrane",
            {
                name: self._label(trace.values, ("time", "neuron"), "membrane", "", trace.time, trace.places)
                for name, trace in self.membrane_traces.items()
            },
            "Membrane",
            self.counts,
        )

    @property
    def weights(self) -> dict[str, xr.DataArray]:
        """Weights over time per projection, dimensions (instance, time, post, pre), or (instance, time, synapse)."""
        return _Named(
            "recording.weights",
            {
                name: self._label(
                    trace.values,
                    ("time", "post", "pre") if trace.values.ndim == 4 else ("time", "synapse"),
                    "weights",
                    "",
                    trace.time,
                    trace.places,
                )
                for name, trace in self.weight_traces.items()
            },
            "Weights",
        )

    @property
    def traces(self) -> dict[str, xr.DataArray]:
        """What traces, variables, and probes of kinds that are not the core's were at each sample, by ``Probe.label``:
        dimensions (instance, time, neuron) or (instance, time, synapse); those of other shapes are numbered after the
        time."""
        return _Named(
            "recording.traces",
            {
                name: self._label(
                    trace.values,
                    ("time", trace.of) if trace.values.ndim == 3 else ("time", *map(str, range(trace.values.ndim - 2))),
                    name,
                    "",
                    trace.time,
                    trace.places,
                )
                for name, trace in self.samples.items()
            },
        )

    @property
    def state_occupancy(self) -> dict[str, xr.DataArray]:
        """Share of time in each network state per population, dimensions (instance, state)."""
        return _Named(
            "recording.state_occupancy",
            {
                name: self._label(count / count.sum(axis=1, keepdims=True), ("state",), "state_occupancy", "")
                for name, count in self.occupancy_counts.items()
            },
            "StateOccupancy",
            self.counts,
        )

    def _label(
        self,
        values: npt.NDArray[Any],
        dims: tuple[str, ...],
        name: str,
        units: str,
        time: FloatArray | None = None,
        places: IntArray | None = None,
    ) -> xr.DataArray:
        import xarray as xr

        coords: dict[str, Any] = {"instance": list(self.ids)} | ({} if places is None else {dims[-1]: places})
        if time is not None:
            coords["time"] = ("time", time, {"units": "ms"})
        attrs = {"units": units} if units else {}
        return xr.DataArray(values, dims=("instance", *dims), coords=coords, name=name, attrs=attrs)

    def plot(self, ax: Axes | None = None, *, instance: int = 0) -> Axes:
        """Draw the spikes of the instance at position ``instance`` with its rates, and below them membranes where they
        were recorded; see ``salhw.plots.overview``. Into an ``ax`` that is given go spikes and rates alone, see
        ``salhw.plots.raster``.

        Raises:
            SessionError: there is no such instance.
        """
        from salhw.plots.recordings import overview, raster

        return overview(self, instance=instance) if ax is None else raster(self, ax, instance=instance)

    def plot_weights(
        self,
        projection: str | None = None,
        ax: Axes | None = None,
        *,
        nominal: Mapping[str, npt.ArrayLike] | None = None,
    ) -> Axes:
        """Draw recorded weights over time, the band over instances around their mean; ``nominal`` weights as dashed
        lines. See ``salhw.plots.weights_over_time``.

        Raises:
            UnknownNameError: the weights of that projection were not recorded.
        """
        from salhw.plots.recordings import weights_over_time

        return weights_over_time(self, ax, projection=projection, nominal=nominal)

    def save(self, path: str | Path) -> Path:
        """Write everything to one HDF5 file.

        Raises:
            FileError: the place cannot be written to.
        """
        from salhw.io.recording_file import save

        return save(self, as_path(path))

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read what ``save`` wrote.

        Raises:
            FileError: missing, damaged, or of another version.
        """
        from salhw.io.recording_file import load

        return load(as_path(path))
