"""HDF5 files that are damaged or hold what no writer makes: refused soon and in little memory, or read aright."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fuzz_files as fuzz
import h5py
import numpy as np
import pytest

from salhw import FileError, Network, Recording
from salhw.io import guard, hdf5
from salhw_calibration import Calibration


def test_files_damaged_in_any_way_are_refused_or_read_aright() -> None:
    """Every kind of damage to every kind of file; a fixed sample of what ``fuzz_files.py`` makes."""
    files = 6 * len(fuzz.DAMAGES)  # of each of six files
    code = f"""if True:
        import fuzz_files as fuzz
        print([outcome for outcome in fuzz.fuzz({files}, seed=1) if outcome.fault])
        print(fuzz.peak())
    """
    done = in_a_process(code)
    faults, peak = done.stdout.splitlines()
    assert faults == "[]"
    assert int(peak) < fuzz.LARGE


def in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    """Run code beside ``fuzz_files`` in a process of its own, whose memory is what the code takes."""
    folder = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done


def heap_without_end(content: bytes) -> bytes:
    """The free space at the end of the heap of texts has size 0, as after zeroed bytes: HDF5 steps on by nothing, for
    ever, and is deaf to Ctrl-C meanwhile."""
    at = content.index(b"GCOL") + 16
    while struct.unpack_from("<H", content, at)[0]:
        at += 16 + -(-struct.unpack_from("<Q", content, at + 8)[0] // 8) * 8
    return content[: at + 8] + bytes(8) + content[at + 16 :]


def free_space_named_like_a_text(content: bytes) -> bytes:
    """The same place, with a size that overflows when it is added."""
    at = content.index(b"GCOL") + 16
    return content[: at + 8] + struct.pack("<q", -16) + content[at + 16 :]


@pytest.mark.parametrize(
    ("name", "harm"),
    [("recording", heap_without_end), ("calibration without stamp", free_space_named_like_a_text)],
)
def test_a_file_whose_reading_never_ends(name: str, harm: Callable[[bytes], bytes], tmp_path: Path) -> None:
    kind = next(kind for kind in fuzz.kinds(tmp_path) if kind.name == name)
    kind.place.write_bytes(harm(kind.content))
    began = time.process_time()
    with pytest.raises(FileError, match="SAL501"):
        kind.read()
    assert time.process_time() - began < 1.0  # the guard computes, not we


def test_reading_without_a_guard_would_not_have_ended(tmp_path: Path) -> None:
    """The test above means something: h5py alone does not come back from this file."""
    kind = next(k for k in fuzz.kinds(tmp_path) if k.name == "calibration without stamp")
    kind.place.write_bytes(heap_without_end(kind.content))
    code = f"import h5py; print('begun', flush=True); h5py.File({str(kind.place)!r}).attrs['format']"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)  # a hundred times what it takes
        process.kill()


@pytest.mark.parametrize("name", ["recording", "calibration", "description"])
def test_files_of_an_earlier_salhw_are_read(name: str, tmp_path: Path) -> None:
    """They bear no stamp, so a process with limits reads them first; what they hold is the same."""
    kinds = {kind.name: kind for kind in fuzz.kinds(tmp_path)}
    told = kinds[name].told(kinds[name].read())
    earlier = kinds[f"{name} without stamp"]
    earlier.place.write_bytes(earlier.content)
    assert hdf5.as_written(earlier.place) is None
    assert earlier.told(earlier.read()) == told


def test_a_changed_number_in_a_recording_is_noticed(tmp_path: Path) -> None:
    """HDF5 has no check sum; one bit of one spike time would be another result."""
    path = fuzz.recording().save(tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        file["counts/a"][0, 0] += 1
    with pytest.raises(FileError, match="its content is not what was written"):
        Recording.load(path)


def test_reading_what_was_just_written_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fuzz.recording().save(tmp_path / "run.h5")
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: pytest.fail("a process was started"))
    assert Recording.load(path).duration == 100.0


def bomb(path: Path) -> None:
    """1.6 GB of zeros in 1.6 MB."""
    piece = zlib.compress(bytes(8_000_000))
    with h5py.File(path, "r+") as file:
        del file["counts/a"]
        data = file.create_dataset("counts/a", (2, 100_000_000), "i8", chunks=(1, 1_000_000), compression="gzip")
        for row in range(2):
            for k in range(0, 100_000_000, 1_000_000):
                data.id.write_direct_chunk((row, k), piece)


def promise(path: Path) -> None:
    """8 TB that were never written, of which HDF5 would make zeros."""
    with h5py.File(path, "r+") as file:
        del file["counts/a"]
        file.create_dataset("counts/a", (2, 500_000_000_000), "i8", chunks=(1, 1 << 20))


@pytest.mark.parametrize("harm", [bomb, promise])
def test_more_data_than_the_file_can_hold(harm: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    kind = next(k for k in fuzz.kinds(tmp_path) if k.name == "recording without stamp")
    path.write_bytes(kind.content)
    harm(path)
    code = f"""if True:
        import fuzz_files, salhw
        try:
            salhw.Recording.load({str(path)!r})
        except salhw.FileError as error:
            print(fuzz_files.peak())
    """
    assert int(in_a_process(code).stdout) < fuzz.LARGE


@pytest.mark.parametrize("edit", range(len(fuzz.EDITS)))
def test_contents_that_nobody_writes(edit: int, tmp_path: Path) -> None:
    """Links in circles or to devices, references, other types, attributes gone: one SAL501, or the recording."""
    kind = next(k for k in fuzz.kinds(tmp_path) if k.name == "recording without stamp")
    kind.place.write_bytes(kind.content)
    with h5py.File(kind.place, "r+") as file:
        fuzz.EDITS[edit](file, "spikes/a/time", np.random.default_rng(edit))
    outcome = fuzz.tried(kind, kind.place.read_bytes(), str(edit), None)
    assert outcome.fault == ""


def test_a_piece_of_an_experiment_that_is_damaged_is_computed_again(tmp_path: Path) -> None:
    from salhw_networks.experiment import read, write

    path, arrays = tmp_path / "piece.h5", {"a": np.arange(5.0)}
    write(path, arrays)
    assert read(path) is not None
    path.write_bytes(heap_without_end(fuzz.kinds(tmp_path)[1].content))
    assert read(path) is None


@pytest.mark.parametrize("load", [Recording.load, Calibration.load, Network.load])
@pytest.mark.parametrize("place", ["a" * 300, "a\0b", "loop", "folder", "/dev/null", "/proc/self/mem", "nothing", ""])
def test_places_that_hold_no_file(load: Callable[[Any], Any], place: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="SAL501"):
        load(tmp_path / place)


def test_the_guard_names_what_is_wrong_and_lets_good_files_pass(tmp_path: Path) -> None:
    path = fuzz.recording().save(tmp_path / "run.h5")
    hdf5.guarded(path, "a good file", "")
    walk = guard.Walk(path.stat().st_size)
    with h5py.File(path) as file:
        walk.group(file)
    used = guard.limits(path.stat().st_size)[0] - walk.left
    kept = replace(fuzz.recording())
    arrays = [kept.counts["a"], kept.membrane_traces["a"].values, kept.weight_traces["p"].values, kept.spikes["a"].time]
    assert used > sum(array.nbytes for array in arrays)


@pytest.mark.parametrize("attribute", ["target", "target_hash", "sha256", "wafer"])
def test_letters_that_there_are_not_in_a_calibration(attribute: str, tmp_path: Path) -> None:
    """A byte that is no UTF-8 becomes a letter that cannot be written, or hashed: one SAL501."""
    kind = next(k for k in fuzz.kinds(tmp_path) if k.name == "calibration without stamp")
    kind.place.write_bytes(kind.content)
    with h5py.File(kind.place, "r+") as file:
        file.attrs[attribute] = b"brainscales2\x80"
    outcome = fuzz.tried(kind, kind.place.read_bytes(), attribute, None)
    assert outcome.fault == ""
