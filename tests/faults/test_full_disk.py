"""A disk that is full: every writer leaves nothing half-done, the old file whole, and what was to be saved usable.

The disk is RLIMIT_FSIZE, which ends a write in the middle as a full disk does (EFBIG), everywhere and without being
root; where tmpfs can be mounted, a disk of 64 KB is really full (ENOSPC).
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disks import full
from fuzz_files import calibration, description, recording
from matplotlib.figure import Figure

import salhw
from salhw import FileError
from salhw.cli.schemas import write as write_schemas
from salhw.conformance.report import ConformanceReport
from salhw.io import files
from salhw.registry import builder
from salhw_networks.experiment import Claim, Work

SCRIPT = Path(sys.executable).with_name("salhw")


def report() -> ConformanceReport:
    return ConformanceReport("reference", "reference", {}, "quick", 0, (), {"some": "x" * 400}, {})


def figure() -> Figure:
    drawn = Figure()
    drawn.subplots().plot([0, 1])
    return drawn


def finished(place: Path) -> Any:
    work = Work("fig0", place.parent, "reference", {"long": "x" * 400}, 1.0)
    return work.finish("title", [Claim("what", "x" * 400, "y")], {"a": np.arange(99)}, lambda _: None)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "recording": lambda place: recording().save(place.with_suffix(".h5")),
    "calibration": lambda place: calibration().save(place.with_suffix(".h5")),
    "calibration into a folder": lambda place: calibration().save(place.parent),
    "description": lambda place: builder("pair")().save(place.with_suffix(".json")),
    "description with arrays": lambda place: description().save(place.with_suffix(".json")),
    "schemas": lambda place: write_schemas(place.parent),
    "report": lambda place: report().save(place.with_suffix(".json")),
    "page": lambda place: files.write_text(place.with_suffix(".html"), "x" * 400),
    "picture": lambda place: files.write_figure(place.with_suffix(".png"), figure(), dpi=50),
    "arrays": lambda place: files.write_arrays(place.with_suffix(".npz"), {"a": np.arange(99)}),
    "experiment": finished,
}


ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "salhw/io/files.py": "the one way",
    "salhw/io/hdf5.py": "into memory",
    "salhw/worker/environments.py": "a virtual environment, which is made anew if it is not whole",
    "salhw/worker/remote.py": "sources of a worker, on the other side",
    "backends/salhw_lava/script.py": "into a folder that `salhw export` puts into place as a whole",
    "backends/salhw_nest/script.py": "the same",
    "backends/salhw_brainscales2/script.py": "the same",
}
"""Where files are written beside ``salhw.io.files``, and why."""


WRITING = re.compile(
    r"(?<!files)(?<!hdf5)\.(write_text|write_bytes|savefig|savez|tofile)\(|(open|File)\([^)]*[\"'](w|a|x|wb|ab|xb|r\+)[\"']"
)


def test_everything_else_writes_through_one_piece_of_code() -> None:
    """A new writer is found here."""
    sources = [path for top in ("salhw", "backends", "calibration", "networks") for path in (ROOT / top).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in sources if WRITING.search(path.read_text())}
    assert found <= {*ELSEWHERE}
    assert "salhw/io/hdf5.py" in found


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", list(WRITERS))
def test_nothing_is_left_of_what_does_not_fit(name: str, tmp_path: Path) -> None:
    """Once where nothing was and once over an older file; what was in memory is then written elsewhere."""
    write, place = WRITERS[name], tmp_path / "disk" / "x"
    place.parent.mkdir()
    for before in (None, b"precious"):
        if before:
            for suffix in ("h5", "json", "html", "png", "npz"):
                place.with_suffix(f".{suffix}").write_bytes(before)
        there = contents(place.parent)
        with full(), pytest.raises(FileError, match="SAL501") as caught:
            write(place)
        assert "too large" in str(caught.value)
        assert contents(place.parent) == there
    write(place)
    assert contents(place.parent) != there


def test_a_recording_that_did_not_fit_is_whole_elsewhere(tmp_path: Path) -> None:
    """HDF5 ended the process here, when its last flush failed; in a process of its own, not to end the tests'."""
    code = """if True:
        import resource, signal, sys
        sys.path.insert(0, sys.argv[1])
        from fuzz_files import recording
        from salhw import FileError, Recording
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        sys.dont_write_bytecode = True
        kept = recording()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for limit in (0, 1, 100, 512, 2000, 10_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                kept.save(sys.argv[2] + "/a.h5")
                sys.exit("it fits")
            except FileError:
                pass
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert Recording.load(kept.save(sys.argv[2] + "/b.h5")).counts["a"].tolist() == kept.counts["a"].tolist()
    """
    done = subprocess.run([sys.executable, "-c", code, Path(__file__).parent, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["b.h5"]


def test_a_full_disk_leaves_no_compiled_module_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would read it the next time, and fail; so the disk of these tests keeps none."""
    (tmp_path / "long_enough.py").write_text("".join(f"name_{k} = {k}\n" for k in range(100)))
    monkeypatch.syspath_prepend(tmp_path)
    with full():
        importlib.import_module("long_enough")
    del sys.modules["long_enough"]
    assert importlib.import_module("long_enough").name_99 == 99


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KB where one can be mounted; elsewhere an ordinary folder, made full by ``limited``."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode
    yield disk
    if mounted == 0:
        subprocess.run(["umount", disk], check=True)


def salhw_on_a_full_disk(
    *arguments: str | Path, env: Mapping[str, str], room: int = 2000, **options: Any
) -> subprocess.CompletedProcess[str]:
    """The command in a process that can write no file above ``room`` bytes; with a disk that has no room either."""
    env = {**env, "PYTHONDONTWRITEBYTECODE": "1"}  # see ``full``

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    return subprocess.run(
        [SCRIPT, *arguments], capture_output=True, text=True, preexec_fn=limit, timeout=120, env=env, **options
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "sampling", "--duration", "20", "--out", "x.h5"),
        ("networks", "pair", "--out", "x.json"),
        ("export", "pair", "--target", "nest", "--out", "x"),
        ("export", "pair", "--target", "loihi2", "--set", "pairing=all", "--out", "x"),
        ("conformance", "reference", "--html", "x.html", "--json", "y.json"),
        ("measure", "weights", "pair", "--duration", "100", "--out", "x"),
        ("calibrate", "pair", "--duration", "500", "--out", "x"),
    ],
    ids=lambda words: " ".join(words[:4]),
)
def test_commands_on_a_full_disk(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error, status 2, nothing left; not even of what is kept elsewhere if the whole machine is full."""
    from typer.testing import CliRunner

    from salhw.cli import app

    if arguments[0] == "conformance":
        module = importlib.import_module("salhw.conformance.runner")
        monkeypatch.setattr(module, "run", lambda *words, **options: report())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with full():
        result = CliRunner().invoke(app, list(arguments))
    assert (result.exit_code, type(result.exception)) == (2, SystemExit), result.output
    assert result.stderr.count("SAL501") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_really_full_disk(small_disk: Path, tmp_path: Path) -> None:
    """The recording of a run is kept in the folder for temporary files, and the message says where."""
    (small_disk / "filler").write_bytes(bytes(40_000))
    (small_disk / "x.json").write_text("old")
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    words = ("run", "sampling", "--duration", "40000", "--set", "sample=100", "--out", small_disk / "x.h5")
    room = 10_000_000 if os.path.ismount(small_disk) else 20_000
    done = salhw_on_a_full_disk(*words, room=room, env=os.environ | {"TMPDIR": str(elsewhere)})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "SAL501" in done.stderr
    assert sorted(path.name for path in small_disk.iterdir()) == ["filler", "x.json"]
    if os.path.ismount(small_disk):
        assert "No space left on device" in done.stderr
        (kept,) = elsewhere.iterdir()
        assert str(kept) in done.stderr
        assert salhw.Recording.load(kept).duration == 40_000.0
        page = subprocess.run(
            [SCRIPT, "networks", "sampling", "--set", "size=60", "--out", small_disk / "x.json", "--force"],
            capture_output=True,
            text=True,
        )
        assert page.returncode == 2
        assert (small_disk / "x.json").read_text() == "old"


def test_an_error_as_json_on_a_full_disk(tmp_path: Path) -> None:
    out = tmp_path / "x.h5"
    env = os.environ | {"TMPDIR": str(tmp_path)}
    done = salhw_on_a_full_disk("run", "pair", "--duration", "400", "--out", out, "--json", room=200, env=env)
    assert done.returncode == 2
    assert json.loads(done.stdout)["diagnostics"][0]["code"] == "SAL501"
    assert list(tmp_path.iterdir()) == []
