"""Sessions whose worker dies: one clear error at once, nothing left, and the next session works.

Each target in another process: NEST in one, Lava's runtime in five. Who is killed: the worker itself, the supervisor
that looks after it, or the keeper above that. ``salhw.worker`` has the same without simulators.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from proc import alive, parent

import salhw
from salhw import GLM, AllToAll, Exponential, Network, Population, Projection
from salhw.worker.supervisor import descendants, wait
from salhw.worker.worker import Worker

AT_MOST = 10.0  # s from the fault to the error
SYNAPSES = Projection(name="p", pre="a", post="a", weights=AllToAll(weight=0.5), kernel=Exponential(tau_syn=10.0))
PAIR = Network(
    name="n",
    dt=1.0,
    populations=[Population(name="a", size=2, neuron=GLM(bias=-1.0, tau_ref=10.0))],
    projections=[SYNAPSES],
)


def worker_of(session: Any) -> Worker:
    engine = session.engine
    found = engine.lease if hasattr(engine, "lease") else engine.process.lease
    assert isinstance(found.worker, Worker)
    return found.worker


@pytest.fixture
def executable(request: pytest.FixtureRequest) -> salhw.Executable:
    return salhw.compile(PAIR, request.param)


def works(executable: salhw.Executable) -> bool:
    with executable.open(seed=2) as session:
        return int(session.run(200.0).counts["a"].sum()) > 0


@pytest.mark.parametrize(
    ("executable", "who"),
    [("nest", "worker"), *(("loihi2", who) for who in ("worker", "supervisor", "keeper"))],
    indirect=["executable"],
)
def test_killed_during_a_run(executable: salhw.Executable, who: str) -> None:
    """What becomes of all five processes whoever is killed shows in those that have children of their own."""
    with executable.open(seed=1) as session:
        session.run(20.0)
        worker = worker_of(session)
        pid = worker.pid
        assert pid is not None
        supervisor = parent(pid)
        keeper = parent(supervisor)
        folder = worker.call("os:getcwd", limit=10.0)
        everybody = [keeper, *descendants(keeper, without=0)]
        memory = [path for path in Path("/dev/shm").glob("psm_*") if any(_maps(p, path.name) for p in everybody)]
        victim = {"worker": pid, "supervisor": supervisor, "keeper": keeper}[who]

        def kill() -> None:
            os.kill(victim, signal.SIGKILL)
            killed.append(time.monotonic())

        killed: list[float] = []
        threading.Timer(0.2, kill).start()
        with pytest.raises(salhw.BackendError, match="SAL604") as caught:
            session.run(1e8)
        assert time.monotonic() - killed[0] < AT_MOST
        said = "it was" if who == "worker" else "its supervisor was"
        assert f"{said} killed by signal 9 (SIGKILL)" in str(caught.value)
        assert ("perhaps because memory ran out" in str(caught.value)) == (who == "worker")
        assert wait(AT_MOST, lambda: not [p for p in everybody if alive(p)])
        assert wait(AT_MOST, lambda: not Path(folder).exists())
        assert wait(AT_MOST, lambda: not [path for path in memory if path.exists()])
        with pytest.raises(salhw.BackendError, match="SAL604"):
            session.run(20.0)
    assert works(executable)


def _maps(pid: int, name: str) -> bool:
    try:
        return name in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("executable", ["nest"], indirect=True)
def test_a_folder_that_vanished_between_two_sessions(executable: salhw.Executable) -> None:
    """Somebody tidied temporary files up: the worker that waits in one for the next session is replaced."""
    with executable.open(seed=1) as session:
        session.run(20.0)
        folder = worker_of(session).call("os:getcwd", limit=10.0)
    shutil.rmtree(folder)
    assert works(executable)
    assert works(executable)
