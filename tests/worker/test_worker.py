"""A worker as a backend uses it: what travels, one call after the other, and how it comes up."""

from __future__ import annotations

import functools
import json
import math
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, side_by_side
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from proc import marked

from salhw import BackendError
from salhw.worker import link, remote
from salhw.worker.worker import Worker, shared

FAR = {"far": HERE / "far"}

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**31) - 2, 2**31 + 2), st.floats(), st.text(), st.binary()
)
dtypes = st.one_of(
    hnp.scalar_dtypes(),
    hnp.byte_string_dtypes(min_len=1),
    hnp.unicode_string_dtypes(min_len=1),
).filter(lambda dtype: dtype.char not in "gG")
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
values = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def here() -> Iterator[Worker]:
    """A worker that has numpy."""
    with Worker(sys.executable, sources=FAR) as worker:
        yield worker


def same(a: Any, b: Any) -> bool:
    """Equal in type and to the last bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return struct.pack("d", a) == struct.pack("d", b) if isinstance(a, float) else bool(a == b)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values)
def test_data_goes_there_and_comes_back(here: Worker, value: Any) -> None:
    assert same(here.call("far:echo", value, limit=20.0), value)


@settings(max_examples=30, deadline=None)
@given(array=arrays)
def test_scalars_of_arrays_stay_scalars_of_arrays(here: Worker, array: Any) -> None:
    items = list(array.reshape(-1)[:3])
    assert same(here.call("far:echo", items, limit=20.0), items)


def test_arrays_arrive_as_arrays_in_any_layout_and_can_be_written(here: Worker) -> None:
    weights = np.asfortranarray(np.arange(12.0).reshape(3, 4))[::2, ::-1]
    assert here.call("far:described", weights, limit=20.0) == ["ndarray", "float64", [2, 4]]
    back = here.call("far:echo", weights, limit=20.0)
    assert np.array_equal(back, weights)
    back[0, 0] = 7.0
    assert here.call("far:described", True, limit=20.0) == ["bool", "", []]
    assert here.call("far:described", np.float32(1.5), limit=20.0) == ["float32", "float32", []]


@pytest.mark.parametrize("dtype", ["<i8", "<f8", ">f8", "<f4"])
@pytest.mark.parametrize("lengths", [(3, 0, 2), (0, 0), (1,), (2, 2)])
def test_trains_that_travel_together_arrive_one_by_one(here: Worker, dtype: str, lengths: tuple[int, ...]) -> None:
    """As lists of arrays of other kinds do, and lists with something else among the arrays."""
    trains = [np.arange(n).astype(dtype) + k for k, n in enumerate(lengths)]
    for value in (trains, [*trains, np.zeros((2, 2), dtype)], [*trains, np.zeros(2, "?")], [*trains, 1.0]):
        back = here.call("far:echo", value, limit=20.0)
        assert same(back, value)
        for train in back[: len(trains)]:
            train += 1  # is the caller's own


def looped() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "args[0] is a builtins.object"),
        ({"weights": [1.0, {2}]}, "args[0]['weights'][1] is a builtins.set"),
        ({1: 2}, "a key of args[0] is a int, not a str"),
        (np.array([object()]), "args[0] holds object"),
        (np.zeros(2, [("a", float)]), "args[0] holds [('a', '<f8')]"),
        (np.ma.masked_array([1.0], [True]), "args[0] is a numpy.ma.MaskedArray"),
        (np.longdouble(1.0), "args[0] holds float128"),
        (looped(), "nested deeper than 50 levels"),
        ("\ud800", "utf-8"),
    ],
)
def test_what_cannot_travel_is_refused_and_the_worker_lives_on(here: Worker, value: Any, said: str) -> None:
    here.call("far:echo", 0, limit=20.0)
    starts = here.starts
    with pytest.raises(BackendError) as caught:
        here.call("far:echo", value, limit=20.0)
    assert [finding.code for finding in caught.value.diagnostics] == ["SAL607"]
    assert said in str(caught.value)
    assert here.call("far:echo", [1], limit=20.0) == [1]
    assert here.starts == starts


def test_results_that_cannot_travel_are_refused_too(here: Worker) -> None:
    with pytest.raises(BackendError, match=r"SAL607 far:unsendable = the result\['bad'\]\[0\] is a builtins.object"):
        here.call("far:unsendable", limit=20.0)
    with pytest.raises(BackendError, match="SAL607 builtins:chr = DumpError"):
        here.call("builtins:chr", 0xD800, limit=20.0)


def test_what_is_there(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Python with its own folder, without our packages, with the packages that were sent."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    about = worker.call("far:about", limit=20.0)
    assert about["version"] == [3, 10]
    assert about["pid"] == worker.pid
    assert about["salhw"] == []
    assert about["main thread"]
    assert about["path"] is None
    assert about["text"] == "a file that is not code"
    assert all(Path(file).is_relative_to(about["folder"]) for file in about["files"])
    assert about["temporary"] == about["folder"]
    worker.close()
    assert worker.pid is None
    assert not Path(about["folder"]).exists()


def test_variables_for_the_worker(python: str) -> None:
    with Worker(python, sources=FAR, environment={"SALHW_TEST_VARIABLE": "ä = 1"}) as worker:
        assert worker.call("far:about", limit=20.0)["variable"] == "ä = 1"


def test_two_programs_in_one_worker_and_many_threads(worker: Worker, mark: str) -> None:
    """Calls from anywhere queue up, get their own answers, and the state of a program is its own."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda k: worker.call("far:slowly", k, limit=1.0), range(16)))
        assert answers == list(range(16))
        list(pool.map(lambda k: worker.call("far:add", "even" if k % 2 == 0 else "odd", k, limit=5.0), range(10)))
    assert worker.call("far:add", "even", 0, limit=5.0) == 20
    assert worker.call("far:add", "odd", 0, limit=5.0) == 25
    assert worker.starts == 1


def test_requests_start_no_thread_and_closing_ends_the_one_that_watches(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting a thread for each takes several times as long as a short request."""
    worker.call("far:echo", 0, limit=20.0)
    assert worker._link is not None
    watcher = worker._link._alarm._watcher
    assert watcher is not None
    with monkeypatch.context() as patched:
        patched.delattr(threading.Thread, "start")
        assert [worker.call("far:echo", k, limit=limit) for k, limit in enumerate((20.0, 5.0, 60.0))] == [0, 1, 2]
    worker.close()
    watcher.join(20.0)
    assert not watcher.is_alive()


def test_closing_while_another_thread_waits(worker: Worker, mark: str) -> None:
    worker.call("far:echo", 0, limit=20.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: worker.call("far:hang", limit=1000.0))
        threading.Event().wait(0.3)
        worker.close()
        with pytest.raises(BackendError, match="SAL604 far:hang: it was closed meanwhile"):
            waiting.result(10.0)
    assert marked(mark) == []
    assert worker.call("far:echo", 1, limit=20.0) == 1


def test_nothing_that_a_worker_prints_reaches_the_user(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    worker.call("far:noise", 5000, limit=20.0)
    with pytest.raises(BackendError) as caught:
        worker.call("far:leave", 1, limit=20.0)
    assert capfd.readouterr() == ("", "")
    assert "noise 4999 on stdout" in str(caught.value)
    assert len(str(caught.value)) < 2000


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


NO_INTERPRETERS = [
    ("echo 'pyenv: python3.10: command not found' >&2; exit 127", "SAL604", ("status 127", "pyenv: python3.10")),
    ("exec sleep 1000", "SAL605", ("start: no answer within 0.5 s",)),
    ("trap '' TERM; exec cat", "SAL605", ("start: no answer within 0.5 s",)),
    ("echo hello; exit 0", "SAL604", ("exit status 0",)),
    (f"exec {sys.executable} -c 'import nothing_like_that'", "SAL604", ("exit status 1", "nothing_like_that")),
]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Future[None]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(link, "PATIENCE", 1.0)  # with what does not listen to SIGTERM
        return side_by_side(NO_INTERPRETERS, functools.partial(does_not_come_up, tmp_path_factory))


@pytest.mark.parametrize("case", NO_INTERPRETERS, ids=lambda case: case[0])
def test_an_interpreter_that_does_not_come_up(started: dict[Any, Future[None]], case: Any) -> None:
    started[case].result()


def does_not_come_up(folders: pytest.TempPathFactory, mark: str, text: str, code: str, words: tuple[str, ...]) -> None:
    python = script(folders.mktemp("python") / "python", text)
    with Worker(python, start_limit=0.5) as worker, pytest.raises(BackendError) as caught:
        worker.call("os:getpid", limit=20.0)
    assert [(f.code, f.path) for f in caught.value.diagnostics] == [(code, "start")]
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert marked(mark) == []


def test_no_interpreter_and_no_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for python in (str(tmp_path / "python"), "no-such-python", str(tmp_path)):
        with pytest.raises(BackendError, match=r"SAL603 worker.python = .*no such file"):
            Worker(python).call("os:getpid", limit=20.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match=r"(?s)SAL603 .*fix: install ssh"):
        Worker("python", ssh="host").call("os:getpid", limit=20.0)
    script(tmp_path / "ssh", "echo 'Could not resolve hostname host' >&2; exit 255")
    with pytest.raises(BackendError, match=r"(?s)SAL604 start: ssh ended with exit status 255.*not resolve hostname"):
        Worker("python", ssh="host").call("os:getpid", limit=20.0)


def test_wrong_use(here: Worker) -> None:
    for limit in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=r"limit must be positive"):
            here.call("far:echo", 1, limit=limit)
    with pytest.raises(ValueError, match=r"package.module:function"):
        here.call("far.echo", 1, limit=1.0)
    assert here.call("far:echo", 1, limit=math.inf) == 1
    for name, folder in (("far", HERE / "nowhere"), ("../far", HERE / "far")):
        with pytest.raises(ValueError, match="no package"):
            Worker(sys.executable, sources={name: folder})


def test_a_host_without_space_for_the_sources(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails over there before the first call is told, too."""
    with Worker(python, sources=FAR) as worker:
        monkeypatch.setattr(link, "read_package", lambda folder: {"a": b"", "a/b.py": b""})  # a file and a folder
        with pytest.raises(BackendError, match=r"(?s)SAL604 start.*(NotADirectoryError|FileExistsError)"):
            worker.call("os:getpid", limit=20.0)
        monkeypatch.undo()
        assert worker.call("far:echo", 1, limit=20.0) == 1


def test_a_worker_is_shared_by_what_makes_it(python: str) -> None:
    one = shared(python, sources=FAR)
    assert shared(python, sources=FAR) is one
    assert shared(python, sources=FAR, environment={"A": "1"}) is not one
    assert shared(python) is not one
    assert one.starts == 0  # nothing runs before the first call


FORK = """
import os, sys, time
from pathlib import Path
from salhw.worker.worker import Worker
worker = Worker(sys.argv[1], sources={"far": Path(sys.argv[2])})
pid = worker.call("os:getpid", limit=10.0)
for uses in (False, True):
    child = os.fork()
    if not child:
        if uses:
            assert worker.call("os:getpid", limit=10.0) != pid
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert worker.call("os:getpid", limit=10.0) == pid
assert worker.starts == 1
child = os.fork()
if not child:
    time.sleep(60.0)
    os._exit(0)
start = time.monotonic()
worker.close()
os.kill(child, 9)
assert time.monotonic() - start < 4.0  # a child that lives on holds no end of a pipe that matters
"""


def test_a_fork_of_the_user_s_process_has_a_worker_of_its_own(python: str, mark: str) -> None:
    done = subprocess.run([sys.executable, "-c", FORK, python, str(HERE / "far")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert marked(mark) == []


def test_the_far_side_needs_the_standard_library_alone(python: str) -> None:
    """What is sent over compiles and imports in the other Python, where nothing is installed."""
    code = "import json, remote, supervisor; print(json.dumps(remote.encode([1, 2**40])))"
    folder = Path(remote.__file__).parent
    done = subprocess.run([python, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert json.loads(done.stdout) == [1, {"0": "int", "1": "0x10000000000"}]
