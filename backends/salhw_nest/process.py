"""NEST processes: one for each open session, because NEST holds one network at a time; later sessions reuse them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salhw.diagnostics.arguments import folded
from salhw.session.executable import Executable
from salhw.worker.worker import Worker, WorkerLease
from salhw_nest.plan import Plan

ENGINE = "salhw_nest_simulator.engine"
STRETCH = 2_000_000  # cell-ticks per call, so that progress and Ctrl-C come through
_idle: list[Worker] = []


def _worker() -> Worker:
    if _idle:
        return _idle.pop()
    sources = {ENGINE.partition(".")[0]: Path(__file__).parent / "simulator"}
    return Worker(sys.executable, sources=sources, environment={"OMP_WAIT_POLICY": "passive"}, start_limit=120.0)


def nest_seed(seed: int, ids: Sequence[int]) -> int:
    """The seed of NEST's random numbers, which has 31 bits. They are shared by all instances of a batch."""
    return 1 + int(seeded(seed, ids).generate_state(1)[0]) % (2**31 - 2)


def seeded(seed: int, ids: Sequence[int]) -> np.random.SeedSequence:
    """numpy would write a number of more than 32 bits as several, which may be another seed's and id's."""
    return np.random.SeedSequence([folded(number, 32) for number in (seed, *ids)])


class Process:
    """A NEST process with a plan's network in it.

    Raises:
        BackendError: NEST refuses the network, or the process died.
    """

    def __init__(self, executable: Executable, plan: Plan, ids: Sequence[int], seed: int) -> None:
        option = executable.target.option
        worker, self._limit = _worker(), float(option("time_limit"))
        arguments = plan.as_data(), nest_seed(seed, ids), int(option("threads"))
        try:
            worker.call(f"{ENGINE}:open_network", *arguments, limit=self._limit)
        except BaseException:
            _idle.append(worker)
            raise
        self.lease = WorkerLease(worker)

    def call(self, function: str, *args: Any) -> Any:
        """Call a function of the engine.

        Raises:
            BackendError: SAL604 the network is gone; what NEST says; the time limit.
        """
        return self.lease.call(f"{ENGINE}:{function}", *args, limit=self._limit)

    def close(self) -> None:
        """Forget the network, and keep the process for the next session."""
        if self.lease.alive:
            self.call("close_network")
        _idle.append(self.lease.worker)
