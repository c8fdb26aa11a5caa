"""Whatever goes wrong in a worker costs the call, with one clear error within 10 s, and leaves nothing behind."""

from __future__ import annotations

import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, MARK, left, side_by_side
from proc import marked, parent

from salhw import BackendError
from salhw.worker.supervisor import wait
from salhw.worker.worker import Worker, WorkerLease

AT_MOST = 10.0  # s from the fault to the error


def later(action: Callable[[], object], seconds: float = 0.3) -> None:
    threading.Timer(seconds, action).start()


def kill(pid: int) -> Any:
    return lambda: os.kill(pid, signal.SIGKILL)


FAULTS: dict[str, tuple[str, tuple[Any, ...], str, list[str]]] = {
    "hangs": ("far:hang", (), "SAL605", ["no answer within 0.5 s", "in waiting_for_a_spike"]),
    "stops": ("far:stop_self", (), "SAL605", ["no answer within 0.5 s"]),
    "crashes": ("far:crash", (), "SAL604", ["signal 11 (SIGSEGV)", "in crash"]),
    "leaves": ("far:leave", (3,), "SAL604", ["exit status 3", "leaving"]),
    "is killed": ("far:hang", (), "SAL604", ["signal 9 (SIGKILL)", "about to hang"]),
}


PLACES = [*(("local", fault) for fault in FAULTS), ("ssh", "hangs"), ("ssh", "is killed")]


@pytest.fixture(scope="module")
def with_children(python: str, host: str) -> dict[Any, Future[None]]:
    return side_by_side(PLACES, functools.partial(children_and_shared_memory, python, host))


@pytest.mark.parametrize("case", PLACES, ids="-".join)
def test_a_worker_with_children_and_shared_memory(with_children: dict[Any, Future[None]], case: Any) -> None:
    with_children[case].result()


def children_and_shared_memory(python: str, host: str, mark: str, place: str, fault: str) -> None:
    with Worker(python, sources={"far": HERE / "far"}, ssh=host if place == "ssh" else None) as worker:
        costs_the_call(worker, mark, fault)


def costs_the_call(worker: Worker, mark: str, fault: str) -> None:
    function, args, code, words = FAULTS[fault]
    there = worker.call("far:populate", limit=20.0)
    folder = worker.call("far:about", limit=5.0)["folder"]
    missing = [name for name in there["memory"] if not (Path("/dev/shm") / name).exists()]
    assert not missing
    assert len(set(there["pids"]) & set(marked(mark))) == len(there["pids"]) - 1  # one has no environment at all
    if fault == "is killed":
        later(kill(there["pids"][0]))
    start = time.monotonic()
    with pytest.raises(BackendError) as caught:
        worker.call(function, *args, limit=0.5 if code == "SAL605" else 30.0)
    assert time.monotonic() - start < AT_MOST
    assert [finding.code for finding in caught.value.diagnostics] == [code]
    assert caught.value.diagnostics[0].path == function
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(str(caught.value).splitlines()) < 25
    assert left(mark, there["pids"], there["memory"], folder) == []
    assert worker.call("far:add", "next", 2, limit=5.0) == 2  # a new one works, and knows nothing of the old
    assert worker.starts == 2


def test_an_exception_costs_the_call_alone(worker: Worker) -> None:
    worker.call("far:add", "program", 1, limit=5.0)
    with pytest.raises(BackendError) as caught:
        worker.call("far:fail", 100, limit=5.0)
    assert [(f.code, f.path, f.asked) for f in caught.value.diagnostics] == [
        ("SAL606", "far:fail", "ValueError: no such spike")
    ]
    text = str(caught.value)
    assert "KeyError: 'the cause'" in text
    assert 'raise ValueError("no such spike") from error' in text
    assert len(text.splitlines()) < 45  # of a hundred frames the last
    assert worker.call("far:add", "program", 1, limit=5.0) == 2
    assert worker.starts == 1


@pytest.mark.parametrize("function", ["far:nothing", "far.nothing:f", "no_such_package:f"])
def test_a_function_that_is_not_there(worker: Worker, function: str) -> None:
    with pytest.raises(BackendError, match=r"SAL606 .*(nothing|no_such_package)"):
        worker.call(function, limit=5.0)
    with pytest.raises(BackendError, match="SAL606 sys:exit = SystemExit: 3"):
        worker.call("sys:exit", 3, limit=5.0)
    assert worker.starts == 1


def test_a_worker_that_reads_nothing_does_not_hold_up_the_sender(python: str, mark: str) -> None:
    with Worker(python, sources={"far": HERE / "far"}) as worker:
        worker.call("far:freeze_soon", limit=5.0)
        time.sleep(0.5)
        start = time.monotonic()
        with pytest.raises(BackendError, match="SAL605"):
            worker.call("far:echo", b"0" * 10_000_000, limit=0.5)
        assert time.monotonic() - start < AT_MOST
        assert marked(mark) == []


def test_a_worker_that_died_between_two_calls_is_replaced(worker: Worker, mark: str) -> None:
    worker.call("far:add", "program", 1, limit=5.0)
    pid = worker.call("os:getpid", limit=5.0)
    os.kill(pid, signal.SIGKILL)
    assert wait(5.0, lambda: worker.pid is None)
    assert worker.call("far:add", "program", 1, limit=5.0) == 1


LOOKED_AFTER = [*itertools.product([signal.SIGKILL, signal.SIGSTOP], ["supervisor", "keeper", "both"])]


@pytest.fixture(scope="module")
def looked_after(python: str) -> dict[Any, Future[None]]:
    return side_by_side(LOOKED_AFTER, functools.partial(killed_or_stopped, python))


@pytest.mark.parametrize("case", LOOKED_AFTER, ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_supervisor_that_is_killed_or_stopped_itself(looked_after: dict[Any, Future[None]], case: Any) -> None:
    looked_after[case].result()


def killed_or_stopped(python: str, mark: str, number: int, which: str) -> None:
    """Two processes look after a worker, the keeper above the supervisor: whichever is killed, the call ends at once
    with who was killed, and everything that the worker started is gone. Whichever is stopped, the time limit holds.

    Only if both are killed at the same time, what has left the worker's session and its environment is out of reach.
    """
    with Worker(python, sources={"far": HERE / "far"}) as worker:
        there = worker.call("far:populate", limit=20.0)
        folder = worker.call("far:about", limit=5.0)["folder"]
        supervisor = parent(there["pids"][0])
        victims = {"supervisor": [supervisor], "keeper": [parent(supervisor)]}
        chosen = victims.get(which, victims["keeper"] + victims["supervisor"])
        later(lambda: [os.kill(pid, number) for pid in chosen])
        stopped = number == signal.SIGSTOP
        start = time.monotonic()
        said = "SAL605" if stopped else r"supervisor was killed by signal 9 \(SIGKILL\)"
        with pytest.raises(BackendError, match=said):
            worker.call("far:hang", limit=0.8 if stopped else 30.0)
        assert time.monotonic() - start < AT_MOST
        lost = set(there["pids"][4:]) if which == "both" and not stopped else set()  # of other sessions
        assert wait(AT_MOST, lambda: set(left(mark, there["pids"], there["memory"], folder)) <= lost)
        for pid in lost:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert worker.call("far:echo", 1, limit=5.0) == 1


def test_a_worker_whose_folder_vanished_is_replaced(worker: Worker, mark: str) -> None:
    """Somebody tidied /tmp up. Who keeps nothing in the worker gets another, and does not notice; a session is lost."""
    worker.call("far:add", "program", 1, limit=5.0)
    lease = WorkerLease(worker)
    shutil.rmtree(worker.call("far:about", limit=5.0)["folder"])
    with pytest.raises(BackendError, match="SAL604 session"):
        lease.call("far:add", "program", 1, limit=5.0)
    assert worker.call("far:add", "program", 1, limit=5.0) == 1
    shutil.rmtree(worker.call("far:about", limit=5.0)["folder"])
    assert worker.call("far:add", "program", 1, limit=5.0) == 1
    assert worker.starts == 3
    assert len(marked(mark)) <= 8  # of the one worker that is left, two of them ssh's


# The user's process, which is killed, interrupted, or simply ends. argv: what to do, python, folder, ssh.
USER = """
import ctypes, json, os, sys, threading
from pathlib import Path
from salhw.worker.worker import Worker, shared
what, python, folder, ssh = sys.argv[1:]
make = shared if what == "ends" else Worker
worker = make(python, sources={"far": Path(folder)}, ssh=ssh or None)
there = worker.call("far:populate", limit=20.0)
there["folder"] = worker.call("far:about", limit=5.0)["folder"]
if what == "forks":  # past Python, which would tell the worker: the child holds the pipes of its parent
    there["fork"] = ctypes.CDLL(None).fork()
    if not there["fork"]:
        threading.Event().wait(1000.0)
print(json.dumps(there), flush=True)
if what == "thread":
    threading.Thread(target=worker.call, args=("far:hang",), kwargs={"limit": 1000.0}, daemon=True).start()
elif what != "ends":
    worker.call("far:hang", limit=1000.0)
"""


ENDS = [
    ("killed", signal.SIGKILL, "local"),
    ("killed", signal.SIGKILL, "ssh"),
    ("forks", signal.SIGKILL, "local"),
    ("interrupted", signal.SIGINT, "local"),
    ("ends", 0, "local"),
    ("thread", 0, "local"),
]


@pytest.fixture(scope="module")
def ended(python: str, host: str) -> dict[Any, Future[None]]:
    return side_by_side(ENDS, functools.partial(user_ends, python, host))


@pytest.mark.parametrize("case", ENDS, ids=lambda case: f"{case[0]}-{case[2]}")
def test_the_user_s_process_ends(ended: dict[Any, Future[None]], case: Any) -> None:
    ended[case].result()


def user_ends(python: str, host: str, mark: str, what: str, number: int, place: str) -> None:
    command = [sys.executable, "-c", USER, what, python, str(HERE / "far"), host if place == "ssh" else ""]
    pipe, env = subprocess.PIPE, os.environ | {MARK: mark}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env=env) as user:
        assert user.stdout is not None
        assert user.stderr is not None
        there = json.loads(user.stdout.readline())
        start = time.monotonic()
        if number:
            time.sleep(0.3)
            user.send_signal(number)
        status = user.wait(AT_MOST)
        fork = there.pop("fork", None)
        patience = AT_MOST if number == signal.SIGKILL else 0.0  # who can clear up does so before it ends
        assert wait(patience, lambda: set(left(mark, there["pids"], there["memory"], there["folder"])) <= {fork})
        assert time.monotonic() - start < AT_MOST
        if fork:
            os.kill(fork, signal.SIGKILL)
        said = user.stderr.read()
    assert status == -number
    assert ("KeyboardInterrupt" in said) == (what == "interrupted")
    assert "noise" not in said
