"""Recordings in HDF5."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from salhw.diagnostics import file_error
from salhw.io.description import atomically
from salhw.recording import Recording, SpikeTrains, Trace

FORMAT, VERSION = "salhw.recording", 1


def save(recording: Recording, path: Path) -> Path:
    """See Recording.save."""
    import h5py

    def write(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            file.attrs.update(format=FORMAT, version=VERSION, start=recording.start, duration=recording.duration)
            # Data sets, because an attribute holds 64 KB only, less than the ids of a large batch need.
            file.create_dataset("ids", data=np.array(recording.ids, np.int64))
            file.create_dataset("provenance", data=json.dumps(dict(recording.provenance), default=_plain))
            for group, arrays in (("counts", recording.counts), ("occupancy", recording.occupancy_counts)):
                for name, array in arrays.items():
                    file.create_dataset(f"{group}/{name}", data=array)
            for group, traces in (("membrane", recording.membrane_traces), ("weights", recording.weight_traces)):
                for name, trace in traces.items():
                    file.create_dataset(f"{group}/{name}/time", data=trace.time)
                    file.create_dataset(f"{group}/{name}/values", data=trace.values, compression="gzip")
            for name, spikes in recording.spikes.items():
                entry = file.create_group(f"spikes/{name}")
                entry.attrs.update(size=spikes.size, start=spikes.start, stop=spikes.stop)
                for key in ("instance", "neuron", "time"):
                    entry.create_dataset(key, data=getattr(spikes, key), compression="gzip")

    atomically(path, write)
    return path


def _plain(value: Any) -> Any:
    """numpy's numbers and arrays as JSON knows them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"provenance holds a {type(value).__name__}, which JSON has not")


def _traces(file: Mapping[str, Any], group: str) -> dict[str, Trace]:
    return {name: Trace(entry["time"][()], entry["values"][()]) for name, entry in file.get(group, {}).items()}


def load(path: Path) -> Recording:
    """See Recording.load."""
    import h5py

    if not path.is_file():
        raise file_error(path, "", "an existing file", "check the path")
    if not h5py.is_hdf5(path):
        raise file_error(path, "", "an HDF5 file", "write it with Recording.save")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT or file.attrs.get("version") != VERSION:
                asked = f"{file.attrs.get('format')} {file.attrs.get('version')}"
                raise file_error(path, asked, f"{FORMAT} {VERSION}", "upgrade salhw, or record again")
            return _read(file)
    except (OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise file_error(path, "", f"an undamaged recording; {error}", "record again") from None


def _read(file: Any) -> Recording:
    ids = tuple(int(i) for i in file["ids"][()])
    spikes = {
        name: SpikeTrains(
            ids,
            int(entry.attrs["size"]),
            float(entry.attrs["start"]),
            float(entry.attrs["stop"]),
            *(entry[key][()] for key in ("instance", "neuron", "time")),
        )
        for name, entry in file.get("spikes", {}).items()
    }
    return Recording(
        ids=ids,
        start=float(file.attrs["start"]),
        duration=float(file.attrs["duration"]),
        counts={name: data[()] for name, data in file.get("counts", {}).items()},
        spikes=spikes,
        membrane_traces=_traces(file, "membrane"),
        weight_traces=_traces(file, "weights"),
        occupancy_counts={name: data[()] for name, data in file.get("occupancy", {}).items()},
        provenance=json.loads(file["provenance"][()]),
    )
