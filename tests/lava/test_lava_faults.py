"""What goes wrong in Lava costs the call: one clear error within 10 s, nothing left, and the next call works.

tests/faults/test_workers.py kills the worker itself, and who looks after it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from lava_examples import LOIHI, in_process, pairs
from proc import marked

import salhw
import salhw_lava
from salhw import BackendError
from salhw.session.session import EngineSession
from salhw.worker.worker import Worker, shared
from salhw_lava import SOURCES, backend, engine, environment

AT_MOST = 10.0  # s from the fault to the error


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """In the environment of every process that the test starts."""
    value = uuid.uuid4().hex
    monkeypatch.setenv("SALHW_TEST_MARK", value)
    return value


@pytest.fixture
def worker(mark: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker of this test alone."""
    with Worker(str(environment.interpreter), sources=SOURCES) as own:
        monkeypatch.setattr(salhw_lava, "worker", lambda target: own)
        yield own


def shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("psm_*")}


def opened(seed: int = 1) -> EngineSession:
    found = salhw.compile(pairs(2), LOIHI, plugin=backend).open(seed=seed)
    assert isinstance(found, EngineSession)
    return found


def left_after(mark: str, before: set[str], among: list[int]) -> list[object]:
    """Lava's processes and shared memory that are still there after a while."""
    end = time.monotonic() + 5.0
    while left := [*(p for p in among if p in marked(mark)), *(shared_memory() - before)]:
        if time.monotonic() > end:
            return left
        time.sleep(0.05)
    return []


def works() -> bool:
    with opened() as again:
        return int(again.run(50.0).counts["a"].sum()) > 0


def lava_processes(mark: str, worker: Worker, ready: list[int]) -> list[int]:
    return [pid for pid in marked(mark) if pid not in ready]


def test_an_exception_in_a_process_model(worker: Worker, mark: str) -> None:
    before = shared_memory()
    with opened() as broken:
        ready = marked(mark)
        broken.run(20.0)
        mine = lava_processes(mark, worker, ready)
        assert len(mine) >= 3  # neurons, synapses, Lava's runtime service
        rule = {"dw": "no rule at all", "x1_impulse": 1.0, "y1_impulse": 1.0, "x2_impulse": 0.0}
        broken.engine.call("write_rule", "p", rule)
        start = time.monotonic()
        with pytest.raises(BackendError) as caught:
            broken.run(20.0)
        assert time.monotonic() - start < AT_MOST
    (finding,) = caught.value.diagnostics
    assert finding.code == "SAL606"
    assert "_renew_rule" in str(caught.value)  # the traceback of the Lava process, not only of the worker
    assert left_after(mark, before, mine) == []
    assert worker.pid is not None  # the worker itself lives on
    assert works()


def test_a_lava_process_that_is_killed(worker: Worker, mark: str) -> None:
    before = shared_memory()
    with opened() as broken:
        ready = marked(mark)
        broken.run(20.0)
        mine = lava_processes(mark, worker, ready)
        threading.Timer(0.3, lambda: os.kill(max(mine), signal.SIGKILL)).start()
        start = time.monotonic()
        with pytest.raises(BackendError, match=r"Lava's processes died|Lava process"):
            broken.run(1e6)
        assert time.monotonic() - start < AT_MOST
    assert left_after(mark, before, mine) == []
    assert works()


def test_a_run_beyond_its_time_limit(worker: Worker, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shared_memory()
    with opened() as slow:
        slow.run(20.0)
        with monkeypatch.context() as patched:
            patched.setattr(engine, "CALLING", 0.5)
            patched.setattr(slow.engine, "patience", 0.0)
            start = time.monotonic()
            with pytest.raises(BackendError) as caught:
                slow.run(5000.0)
            assert time.monotonic() - start < AT_MOST
    assert caught.value.diagnostics[0].code == "SAL605"
    assert left_after(mark, before, marked(mark)) == []
    assert works()


def test_a_python_without_lava() -> None:
    executable = salhw.compile(pairs(2), LOIHI.with_options(python=sys.executable), plugin=backend)
    with pytest.raises(BackendError) as caught:
        executable.open()
    (finding,) = caught.value.diagnostics
    assert finding.code == "SAL603"
    assert "setup loihi" in finding.fix
    shared(sys.executable, sources=SOURCES).close()


def test_without_the_environment_everything_works_but_opening(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SALHW_HOME", str(tmp_path))
    executable = salhw.compile(pairs(2), in_process(LOIHI), plugin=backend)
    with pytest.raises(BackendError) as caught:
        executable.open()
    assert [(f.code, f.fix) for f in caught.value.diagnostics] == [("SAL603", "salhw setup loihi")]


SSH = """#!/bin/sh
while [ $# -gt 1 ]; do shift; done
cd /
env -i PATH=/usr/bin:/bin setsid --wait sh -c "$1"
"""


def test_another_host_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh that runs the command here: nothing is shared but the pipes."""
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    there = {"ssh": "somebody@somewhere", "python": str(environment.interpreter)}
    counts = []
    for options in ({}, there):
        executable = salhw.compile(pairs(2), LOIHI.with_options(**options), plugin=backend)
        with executable.open(seed=4) as found:
            counts.append(found.run(100.0).counts["a"])
    shared(there["python"], sources=SOURCES, ssh=there["ssh"]).close()
    assert counts[0].sum() > 10
    assert (counts[0] == counts[1]).all()


def test_a_host_without_an_interpreter() -> None:
    executable = salhw.compile(pairs(1), LOIHI.with_options(ssh="somebody@somewhere"), plugin=backend)
    with pytest.raises(BackendError, match="SAL603"):
        executable.open()
