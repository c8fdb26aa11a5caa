"""The same table whoever works at a study, and whatever happens to them: killed, side by side, on a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from disks import an_ordinary_user, full
from proc import alive
from study_examples import HERE, children, mine, pair_study, table, wait_for

from salhw import FileError
from salhw.study import Calibrating, Method, run
from salhw.study.batches import kept, loaded, planned
from salhw.study.shards import finished, note, swept
from salhw.study.working import work


def test_a_run_that_kills_its_process_is_found_and_costs_no_other(tmp_path: Path) -> None:
    study = pair_study(noises=(), chips=4, batch=4, metrics=mine("kills", chip=2), specification=None)
    found = run(study.replace(methods=(Method(name="SAL"),)), tmp_path, workers=2, origin=HERE).table
    assert found["status"].tolist() == ["ok", "ok", "died", "ok"]
    assert "SAL907 chip 2" in found["diagnostic"][2]
    np.testing.assert_equal(found["m"], [0, 1, np.nan, 3])


def test_a_pool_of_which_a_process_dies_makes_the_same_table(tmp_path: Path) -> None:
    study = pair_study(metrics=mine("kills_once", flag=str(tmp_path / "flag")), specification=None)
    found = run(study, tmp_path / "pool", workers=2, origin=HERE).table
    assert (tmp_path / "flag").exists()
    assert found["status"].tolist() == ["ok"] * 24
    run(study, tmp_path / "here")
    assert table(tmp_path / "pool") == table(tmp_path / "here")


RUN = """if True:
    import sys
    sys.path.insert(0, {here!r})
    from study_examples import pair_study
    from salhw.study import run
    if __name__ == "__main__":
        run(pair_study(**{size!r}), {out!r}, workers={workers})
"""


SMALL = {"chips": 6, "duration": 4000.0}
LARGE = {"chips": 100, "duration": 40_000.0}  # about 40 s


def started(tmp_path: Path, out: Path, workers: int = 1, size: dict[str, float] = SMALL) -> subprocess.Popen[bytes]:
    """A study in a process of its own."""
    script = tmp_path / f"script{workers}.py"
    script.write_text(RUN.format(here=str(HERE), out=str(out), workers=workers, size=size))
    return subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of the study that ``started`` runs."""
    folder = tmp_path_factory.mktemp("longer")
    run(pair_study(**SMALL), folder)
    return table(folder)


def killed_and_resumed(tmp_path: Path, moments: Sequence[float], size: dict[str, float]) -> tuple[int, bytes]:
    """How often a study was killed while it worked, at ``moments`` in s after its beginning, and the table once it was
    resumed."""
    out, killed = tmp_path / "killed", 0
    for moment in moments:
        process = started(tmp_path, out, size=size)
        wait_for(lambda begun=process: (out / "study.json").exists() or begun.poll() is not None, 60.0)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            killed += 1
            process.send_signal(signal.SIGKILL)
            process.wait()
    run(pair_study(**size), out)
    return killed, table(out)


def test_killed_and_resumed_the_table_is_that_of_an_undisturbed_run(tmp_path: Path, longer: bytes) -> None:
    killed, resumed = killed_and_resumed(tmp_path, [0.0, 0.2], SMALL)
    assert killed  # the first time for certain: what has just begun has not ended
    assert resumed == longer


@pytest.mark.slow
def test_killed_twenty_times(tmp_path: Path) -> None:
    killed, resumed = killed_and_resumed(tmp_path, list(np.random.default_rng(1).uniform(0.0, 2.0, 20)), LARGE)
    assert killed == 20
    run(pair_study(**LARGE), tmp_path / "undisturbed")
    assert resumed == table(tmp_path / "undisturbed")


def test_two_processes_in_one_folder(tmp_path: Path, longer: bytes) -> None:
    both = [started(tmp_path, tmp_path / "both") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert table(tmp_path / "both") == longer


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_study_that_ends_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    process = started(tmp_path, tmp_path / "out", 2)
    wait_for(lambda: list((tmp_path / "out" / "shards").glob("*.parquet")), 60.0)
    before = children(process.pid)
    assert before
    process.send_signal(how)
    process.wait(20)
    wait_for(lambda: not any(map(alive, before)), 20.0)
    assert not any(map(alive, before))


def test_a_full_disk_stops_everything_with_one_message_and_loses_nothing(tmp_path: Path, undisturbed: Path) -> None:
    plan = planned(pair_study())
    swept(tmp_path)
    digest = kept(plan, tmp_path, HERE)
    work(tmp_path, digest, plan.batches[0])
    size = (tmp_path / "study.json").stat().st_size
    shard = (tmp_path / "shards" / f"{plan.batches[0].key}.parquet").stat().st_size
    assert size < shard  # so that the study can be written, and no shard can
    with (
        full(shard - 10),
        pytest.raises(FileError, match=r"SAL501 .*parquet: a place to write to; File too large") as told,
    ):
        run(pair_study(), tmp_path)
    assert len(told.value.diagnostics) == 1
    with full(1), pytest.raises(FileError, match=r"SAL501 .*log.jsonl: a place to write to"):
        note(tmp_path, key="0")
    assert finished(tmp_path) == {plan.batches[0].key}
    assert not list(tmp_path.rglob(".salhw-*"))
    run(pair_study(), tmp_path)
    assert table(tmp_path) == table(undisturbed)


def test_no_room_for_temporaries_is_no_runs_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/dev/full/none")
    method = Method(name="calibrated", calibration=Calibrating(duration=400.0))
    with pytest.raises(FileError, match=r"SAL501 .*a place to write to"):
        run(pair_study(noises=(), methods=(method,)), tmp_path)
    assert not finished(tmp_path)


def test_a_read_only_folder_is_told(undisturbed: Path) -> None:
    """One that everybody may read, nobody write. (The fixture has run a study, so all that it imports is there.)"""
    with tempfile.TemporaryDirectory() as made:  # tmp_path lies in a folder that only its owner may enter
        folder = Path(made)
        folder.chmod(0o555)
        with an_ordinary_user(), pytest.raises(FileError, match=r"SAL501 .*Permission denied"):
            run(pair_study(), folder / "out")
        assert not list(folder.iterdir())
        folder.chmod(0o755)


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"SAL501 .*Not a directory"):
        run(pair_study(), tmp_path / "file" / "out")


def test_a_folder_holds_one_study(undisturbed: Path) -> None:
    with pytest.raises(FileError, match="it holds the study 'pair'"):
        run(pair_study(name="other"), undisturbed)
    assert loaded(undisturbed).study == pair_study()


def test_a_worker_with_other_versions_is_refused(undisturbed: Path) -> None:
    batch = planned(pair_study(duration=200.0)).batches[0]
    with pytest.raises(FileError, match="SAL906"):
        work(undisturbed, "another", batch)


def test_old_temporaries_are_swept_and_fresh_ones_left(tmp_path: Path) -> None:
    swept(tmp_path)
    old, fresh = tmp_path / "shards" / ".salhw-0", tmp_path / ".salhw-1"
    old.touch()
    os.utime(old, (0, 0))
    fresh.touch()
    swept(tmp_path)
    assert (old.exists(), fresh.exists()) == (False, True)
