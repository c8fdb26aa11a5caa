"""Another interpreter, a host that is reached through pipes alone, and a search for what is left of a worker."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from proc import alive, marked

from salhw.worker import link
from salhw.worker.environments import find_python
from salhw.worker.worker import Worker

HERE = Path(__file__).parent
MARK = "SALHW_TEST_MARK"

# Like sshd: talks first, starts the command in a session and an environment of its own, and does not pass signals on.
SSH = """#!/bin/sh
while [ $# -gt 1 ]; do shift; done
echo "Welcome to the host"
cd /
env -i PATH=/usr/bin:/bin SALHW_TEST_MARK="$SALHW_TEST_MARK" setsid --wait sh -c "$1"
"""


@pytest.fixture(scope="session")
def python() -> str:
    """The other interpreter."""
    return find_python("3.10")[0]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """In the environment of every process that the test starts."""
    value = uuid.uuid4().hex
    monkeypatch.setenv(MARK, value)
    return value


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An ``ssh`` that runs the command here."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "ssh").write_text(SSH)
    (folder / "ssh").chmod(0o755)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield "somebody@somewhere"


@pytest.fixture(params=["local", "ssh"])
def worker(request: pytest.FixtureRequest, python: str, mark: str) -> Iterator[Worker]:
    """A worker here, and one behind ssh."""
    ssh = request.getfixturevalue("host") if request.param == "ssh" else None
    with Worker(python, sources={"far": HERE / "far"}, ssh=ssh) as worker:
        yield worker


def side_by_side(cases: list[Any], one: Callable[..., None], at_once: int = 4) -> dict[Any, Future[None]]:
    """What comes of ``one`` of each case, after a mark that what the case starts has in its environment. Some cases run
    at the same time, as most of it is waiting."""
    own, environment = threading.local(), link.clean_environment

    def run(case: Any) -> None:
        own.mark = uuid.uuid4().hex
        one(own.mark, *case)

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(at_once) as pool:
        patched.setattr(link, "clean_environment", lambda: environment() | {MARK: own.mark})
        return {case: pool.submit(run, case) for case in cases}


def left(mark: str, pids: list[int], memory: list[str], folder: str) -> list[object]:
    """Everything that is still there of a worker that is gone."""
    here = [pid for pid in pids if alive(pid)]
    files = [path for path in [Path(folder), *(Path("/dev/shm") / name for name in memory)] if path.exists()]
    return [*marked(mark), *here, *files]
