"""Simulators that run the same network in turn, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
from cases import Case, Floats, Integers

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "SALHW_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@dataclass
class Entry:
    """What one column showed in all rounds of a case.

    Args:
        setup: seconds from nothing to a network that has run ``cases.LEAD`` ms, compilation included.
        seconds: of each round.
        counts: spikes of each neuron in all rounds together.
        learned: of each round, see protocol.Measured; empty where it is not told.
    """

    column: str
    setup: float
    seconds: list[float] = field(default_factory=list)
    counts: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    learned: list[float] = field(default_factory=list)

    def best(self, case: Case) -> float:
        """ns per neuron and step in the fastest round."""
        return 1e9 * min(self.seconds) / case.neuron_steps

    def median(self, case: Case) -> float:
        """ns per neuron and step in the median round."""
        return 1e9 * float(np.median(self.seconds)) / case.neuron_steps

    def rates(self, case: Case) -> Floats:
        """Spikes per step of each neuron."""
        return self.counts / (len(self.seconds) * case.steps)


class Worker:
    """A peer with a network, see worker.py; a context manager."""

    def __init__(self, peer: str, python: str, case: Case, column: str) -> None:
        command = [python, str(HERE / "worker.py"), peer, json.dumps(asdict(case)), column]
        self.name = column
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in __exit__; a pipe that nobody reads fills up)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.said}
        self.process = subprocess.Popen(command, text=True, env=os.environ | ONE_THREAD, **pipes)

    def answer(self) -> dict[str, Any]:
        """The next line that it says.

        Raises:
            RuntimeError: it ended instead; the message has what it wrote to stderr.
        """
        assert self.process.stdout is not None
        if line := self.process.stdout.readline():
            return dict(json.loads(line))
        self.process.wait()
        self.said.seek(0)
        raise RuntimeError(f"{self.name} ended:\n{self.said.read()[-3000:]}")

    def run(self) -> dict[str, Any]:
        """One round."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def peers() -> dict[str, Any]:
    """The peers of this folder, by the names of their files."""
    return {path.stem: import_module(path.stem) for path in sorted(HERE.glob("with_*.py"))}


def interpreter(peer: Any) -> str:
    """Of a peer; one that is not there is an empty string."""
    path = ROOT / peer.PYTHON if peer.PYTHON else Path(sys.executable)
    return str(path) if path.exists() else ""


def columns(case: Case) -> Iterator[tuple[str, str, str]]:
    """Peer, interpreter and column of everybody who runs a case here."""
    for name, peer in peers().items():
        if python := interpreter(peer):
            yield from ((name, python, column) for column in peer.columns(case))


def race(case: Case, rounds: int) -> list[Entry]:
    """All columns of a case, built one after the other and then run in turn, so that a busy moment hits all alike."""
    with ExitStack() as stack:
        workers, entries = [], []
        for peer, python, column in columns(case):
            worker = stack.enter_context(Worker(peer, python, case, column))
            workers.append(worker)
            entries.append(Entry(column, worker.answer()["setup"], counts=np.zeros(case.neurons, dtype=np.int64)))
        for _ in range(rounds):
            for worker, entry in zip(workers, entries, strict=True):
                measured = worker.run()
                entry.seconds.append(measured["seconds"])
                entry.counts += np.array(measured["counts"])
                entry.learned += [] if measured["learned"] is None else [measured["learned"]]
    return entries
