"""A recording survives its file exactly, and hands out what its docstrings say, from real runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from unit_examples import everything, pair

import salhw
from salhw import FileError, Recording, SpikeTrains
from salhw.session.recorder import ascending
from salhw.session.recording import TimeSeries


@cache
def recorded() -> Recording:
    """Two instances of the network that has everything, from the second run on."""
    with salhw.compile(everything(), "reference").open(instances=[4, 2], seed=3) as session:
        session.run(40.0)
        return session.run(100.0)


def same(a: Any, b: Any) -> bool:
    """Equal, and of the same type and dtype, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, Recording | SpikeTrains | TimeSeries):
        return same(vars(a), vars(b))
    return bool(a == b)


def test_a_recording_survives_its_file_exactly(tmp_path: Path) -> None:
    recording = recorded()
    assert recording.spikes.keys() == {"a", "b"}
    assert len(recording.spikes["a"]) > 0
    assert recording.membrane_traces.keys() == {"b"}
    assert recording.weight_traces.keys() == {"sb"}
    assert recording.occupancy_counts.keys() == {"a"}
    again = Recording.load(recording.save(tmp_path / "run.h5"))
    assert same(again, recording)
    assert not same(again, replace(recording, start=0.0))


@pytest.mark.parametrize("length", [0, 1, 5, 10**7, 10**15, 2**62])
def test_spikes_are_sorted_by_one_number_for_all_keys_as_by_one_key_after_the_other(length: int) -> None:
    """Also where no number holds all keys; equal ones stay in their order."""
    random, many = np.random.default_rng(0), min(length, 300)
    keys = [random.integers(low, low + max(1, size), many) for low, size in ((0, 3), (-length // 2, length), (5, 4))]
    np.testing.assert_array_equal(ascending(*keys), np.lexsort(keys[::-1]))


def test_a_recording_without_a_single_spike_survives(tmp_path: Path) -> None:
    quiet = pair(populations=[pair().populations[0].replace(neuron=salhw.GLM(bias=-900.0))], projections=[])
    recording = salhw.run(quiet, duration=4.0)
    assert len(recording.spikes["neurons"]) == 0
    assert same(Recording.load(recording.save(tmp_path / "run.h5")), recording)
    assert [len(train) for train in recording.spikes["neurons"].to_neo().segments[0].spiketrains] == [0, 0]


def test_a_large_batch_and_numpy_numbers_fit_the_file(tmp_path: Path) -> None:
    ids = tuple(range(20_000))  # more than an HDF5 attribute holds
    provenance = {"chips": list(ids), "seed": np.int64(3), "wall_time_s": np.float64(0.1)}
    recording = Recording(ids, 0.0, 1.0, {"a": np.zeros((len(ids), 1), np.int64)}, provenance=provenance)
    again = Recording.load(recording.save(tmp_path / "run.h5"))
    assert again.ids == ids
    assert again.provenance == {"chips": list(ids), "seed": 3, "wall_time_s": 0.1}


def test_provenance_says_where_it_comes_from() -> None:
    provenance = recorded().provenance
    assert provenance["network_hash"] == everything().content_hash
    assert provenance["target"] == "reference"
    assert provenance["seed"] == 3
    assert provenance["biological_time_ms"] == 100.0
    assert provenance["versions"]["salhw"] == salhw.__version__
    assert json.loads(json.dumps(provenance)) == provenance


def test_neo_has_a_segment_per_instance_and_a_train_per_neuron() -> None:
    spikes = recorded().spikes["a"]
    block = spikes.to_neo()
    assert [segment.name for segment in block.segments] == ["instance 4", "instance 2"]
    for position, segment in enumerate(block.segments):
        assert len(segment.spiketrains) == 3
        for neuron, train in enumerate(segment.spiketrains):
            mine = (spikes.instance == position) & (spikes.neuron == neuron)
            assert train.units.dimensionality.string == "ms"
            assert (float(train.t_start), float(train.t_stop)) == (40.0, 140.0)
            assert train.annotations["neuron"] == neuron
            assert train.magnitude.tolist() == spikes.time[mine].tolist() == spikes.times(neuron, position).tolist()
            assert np.all(np.diff(train.magnitude) > 0)
    total = sum(len(train) for segment in block.segments for train in segment.spiketrains)
    assert total == len(spikes) == recorded().counts["a"].sum()


def test_views_have_the_dimensions_that_they_promise() -> None:
    recording = recorded()
    rates = recording.rates
    assert rates.keys() == {"a", "b", "c", "s"}
    assert rates["a"].dims == ("instance", "neuron")
    assert rates["a"].attrs == {"units": "Hz"}
    assert rates["a"].sel(instance=2).values.tolist() == (recording.counts["a"][1] * 10.0).tolist()
    membrane = recording.membrane["b"]
    assert membrane.dims == ("instance", "time", "neuron")
    assert membrane.shape == (2, 50, 2)
    assert membrane.time.attrs == {"units": "ms"}
    assert membrane.time.values.tolist() == np.arange(40.0, 140.0, 2.0).tolist()
    weights = recording.weights["sb"]
    assert weights.dims == ("instance", "time", "synapse")
    assert weights.time.values.tolist() == np.arange(40.0, 141.0, 10.0).tolist()
    occupancy = recording.state_occupancy["a"]
    assert occupancy.dims == ("instance", "state")
    assert occupancy.shape == (2, 8)
    assert np.allclose(occupancy.sum("state"), 1.0)
    assert recording.occupancy_counts["a"].sum(axis=1).tolist() == [200, 200]
    for view in (*rates.values(), membrane, weights, occupancy):
        assert view.instance.values.tolist() == [4, 2]


def test_dense_weights_are_labelled_post_and_pre() -> None:
    net = pair(probes=[salhw.Weights("pair", every=4.0)])
    weights = salhw.run(net, duration=8.0, instances=3).weights["pair"]
    assert weights.dims == ("instance", "time", "post", "pre")
    assert weights.shape == (3, 3, 2, 2)
    assert weights[:, 0].values.tolist() == [net.projections[0].weights.values.tolist()] * 3


def test_a_crash_while_writing_leaves_the_old_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recorded().save(tmp_path / "run.h5")
    create = h5py.Group.create_dataset

    def crash(self: Any, name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("weights"):
            raise KeyboardInterrupt
        return create(self, name, *args, **options)

    monkeypatch.setattr(h5py.Group, "create_dataset", crash)
    with pytest.raises(KeyboardInterrupt):
        replace(recorded(), start=1.0).save(path)
    monkeypatch.undo()
    assert same(Recording.load(path), recorded())
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def edit(change: Callable[[h5py.File], Any]) -> Callable[[Path], None]:
    """A change of an HDF5 file."""

    def apply(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return apply


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "an existing file"),
        (lambda path: path.write_text("text"), "an HDF5 file"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "an undamaged recording"),
        (edit(lambda file: file.attrs.update(version=2)), "salhw.recording 2"),
        (edit(lambda file: file.attrs.update(format="nwb")), "nwb 1"),
        (edit(lambda file: file.attrs.clear()), "None None"),
        (edit(lambda file: file.__delitem__("ids")), "an undamaged recording"),
        (edit(lambda file: file["spikes/a"].__delitem__("time")), "an undamaged recording"),
        (edit(lambda file: file["membrane/b"].__delitem__("values")), "an undamaged recording"),
        (edit(lambda file: file["provenance"].__setitem__((), "{")), "an undamaged recording"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, damage: Callable[[Path], Any], said: str) -> None:
    path = recorded().save(tmp_path / "run.h5")
    damage(path)
    with pytest.raises(FileError, match=said) as caught:
        Recording.load(path)
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.path) == ("SAL501", str(path))


def test_a_missing_folder_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="SAL501"):
        recorded().save(tmp_path / "none" / "run.h5")
