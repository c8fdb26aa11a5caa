"""Recordings in HDF5."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from salhw.diagnostics import file_error
from salhw.diagnostics.documents import from_json
from salhw.io import hdf5
from salhw.session.recording import Recording, SpikeTrains, TimeSeries

FORMAT, VERSION = "salhw.recording", 1


def save(recording: Recording, path: Path, *, new: bool = False) -> Path:
    """See Recording.save. With ``new`` a file that is there is kept, and the recording refused."""

    def fill(file: Any) -> None:
        file.attrs.update(format=FORMAT, version=VERSION, start=recording.start, duration=recording.duration)
        # Data sets, because an attribute holds 64 KB only, less than the ids of a large batch need.
        file.create_dataset("ids", data=np.array(recording.ids, np.int64))
        file.create_dataset("provenance", data=json.dumps(dict(recording.provenance), default=_plain))
        for group, arrays in (("counts", recording.counts), ("occupancy", recording.occupancy_counts)):
            for name, array in arrays.items():
                file.create_dataset(f"{group}/{name}", data=array)
        sampled = {"membrane": recording.membrane_traces, "weights": recording.weight_traces}
        for group, traces in (sampled | {"samples": recording.samples}).items():
            for name, trace in traces.items():
                file.create_dataset(f"{group}/{name}/time", data=trace.time)
                file.create_dataset(f"{group}/{name}/values", data=trace.values, compression="gzip")
                if trace.places is not None:
                    file.create_dataset(f"{group}/{name}/places", data=trace.places)
                if trace.of == "synapse":
                    file[f"{group}/{name}"].attrs["of"] = trace.of
        for name, spikes in recording.spikes.items():
            entry = file.create_group(f"spikes/{name}")
            entry.attrs.update(size=spikes.size, start=spikes.start, stop=spikes.stop)
            for key in ("instance", "neuron", "time"):
                entry.create_dataset(key, data=getattr(spikes, key), compression="gzip")
            if spikes.neurons is not None:
                entry.create_dataset("neurons", data=spikes.neurons)

    return hdf5.write(path, fill, new=new)


def _plain(value: Any) -> Any:
    """numpy's numbers and arrays as JSON knows them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"provenance holds a {type(value).__name__}, which JSON has not")


def load(path: Path) -> Recording:
    """See Recording.load."""
    with hdf5.reading(path, "an undamaged recording", "record again") as file:
        if file.attrs.get("format") != FORMAT or file.attrs.get("version") != VERSION:
            asked = f"{file.attrs.get('format')} {file.attrs.get('version')}"[:80]
            raise file_error(path, asked, f"{FORMAT} {VERSION}", "upgrade salhw, or record again")
        return _read(file)


def _read(file: Any) -> Recording:
    """The recording in an open file.

    Raises:
        Exception: of any kind, where the file holds something else.
    """
    ids = tuple(int(i) for i in hdf5.array(file, "ids", "iu", (None,)))
    provenance = from_json(file["provenance"][()])
    if not isinstance(provenance, dict):
        raise ValueError("the provenance is no table")
    start, duration = (float(file.attrs[name]) for name in ("start", "duration"))
    if not (math.isfinite(start) and math.isfinite(duration)):
        raise ValueError(f"it runs from {start} ms for {duration} ms")
    return Recording(
        ids=ids,
        start=start,
        duration=duration,
        counts=_counts(file, "counts", len(ids)),
        spikes={name: _spikes(entry, ids) for name, entry in file.get("spikes", {}).items()},
        membrane_traces=_traces(file, "membrane", len(ids), (3,)),
        weight_traces=_traces(file, "weights", len(ids), (3, 4)),
        occupancy_counts=_counts(file, "occupancy", len(ids)),
        samples=_traces(file, "samples", len(ids), range(2, 9)),
        provenance=provenance,
    )


def _counts(file: Any, group: str, instances: int) -> Mapping[str, Any]:
    return {name: hdf5.array(file[group], name, "iu", (instances, None)) for name in file.get(group, ())}


def _traces(file: Any, group: str, instances: int, dimensions: Collection[int]) -> dict[str, TimeSeries]:
    traces = {}
    for name, entry in file.get(group, {}).items():
        time = hdf5.array(entry, "time", "f", (None,))
        rest = (None,) * (entry["values"].ndim - 2)
        values = hdf5.array(entry, "values", "f", (instances, len(time), *rest))
        if values.ndim not in dimensions:
            raise ValueError(f"{group}/{name} has {values.ndim} dimensions")
        places = hdf5.array(entry, "places", "iu", values.shape[-1:]) if "places" in entry else None
        traces[name] = TimeSeries(time, values, places, "synapse" if "of" in entry.attrs else "neuron")
    return traces


def _spikes(entry: Any, ids: tuple[int, ...]) -> SpikeTrains:
    size, start, stop = int(entry.attrs["size"]), float(entry.attrs["start"]), float(entry.attrs["stop"])
    time = hdf5.array(entry, "time", "f", (None,))
    instance, neuron = (hdf5.array(entry, key, "iu", time.shape) for key in ("instance", "neuron"))
    for index, many in ((instance, len(ids)), (neuron, size)):
        if len(index) and (index.min() < 0 or index.max() >= many):
            raise ValueError(f"{entry.name} has spikes of neurons or instances that are not there")
    neurons = hdf5.array(entry, "neurons", "iu", (None,)) if "neurons" in entry else None
    return SpikeTrains(ids, size, start, stop, instance, neuron, time, neurons)
