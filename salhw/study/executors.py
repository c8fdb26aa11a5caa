"""Who works at the batches of a study: this process, or a pool of processes that may die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing.connection import wait as wait_for_end
from pathlib import Path
from typing import Protocol

from salhw.diagnostics import BackendError, Diagnostic
from salhw.diagnostics.arguments import threads
from salhw.machine import collect_rarely
from salhw.study.batches import Batch, Plan
from salhw.study.shards import joined, read_shard, shard, write_shard
from salhw.study.working import Done, broken, work

WINDOW = 2
"""Batches per worker that are under way at a time."""

Executor = Callable[[Plan, Path, str, Sequence[Batch]], Iterator[Done]]
"""Works at batches of the plan in a folder (with its identity), and yields each as it is finished, in any order."""


def in_this_process(plan: Plan, folder: Path, identity: str, batches: Sequence[Batch]) -> Iterator[Done]:
    """One batch after the other, here. What kills the process ends the study; the next call resumes it."""
    for batch in batches:
        yield work(folder, identity, batch)


class Workers(Protocol):
    """Processes that work at batches, and may die."""

    count: int
    died: type[Exception]
    """What a future raises whose process died."""

    def submit(self, folder: Path, identity: str, batch: Batch) -> Future[Done]:
        """Let one of them ``work`` at a batch; raises ``died`` where that shows at once."""
        ...

    def rebuild(self) -> None:
        """After a death: as many as before."""
        ...

    def finish(self) -> None:
        """When all is done."""
        ...

    def close(self) -> None:
        """End whatever is still running."""
        ...


def with_workers(made: Callable[[], Workers]) -> Executor:
    """An executor of workers that are made when there is work.

    A batch whose process dies is run once more, alone; if that dies, too, it is halved, down to the run that kills.
    """

    def executor(plan: Plan, folder: Path, identity: str, batches: Sequence[Batch]) -> Iterator[Done]:
        waiting = deque(batches)
        if not waiting:
            return
        with closing(made()) as workers:
            while waiting:
                suspects = yield from _until_death(workers, folder, identity, waiting)
                for batch in suspects:
                    yield _alone(workers, plan, folder, identity, batch)
            workers.finish()

    return executor


def in_processes(count: int) -> Executor:
    """A pool of ``count`` spawned processes. Scripts that use it protect their beginning with ``if __name__ ==
    "__main__"``, as multiprocessing asks."""
    return with_workers(lambda: _Pool(count))


def _until_death(
    workers: Workers, folder: Path, identity: str, waiting: deque[Batch]
) -> Generator[Done, None, list[Batch]]:
    """Work until nothing waits, or until a process dies; returns the batches that may have killed it."""
    running: dict[Future[Done], Batch] = {}
    suspects: list[Batch] = []
    while running or (waiting and not suspects):
        while waiting and not suspects and len(running) < WINDOW * workers.count:
            batch = waiting.popleft()
            try:
                running[workers.submit(folder, identity, batch)] = batch
            except workers.died:
                suspects.append(batch)
        ended, _ = wait(running, return_when=FIRST_COMPLETED) if running else (set(), set())
        for future in ended:
            batch = running.pop(future)
            try:
                yield future.result()
            except workers.died:
                suspects.append(batch)
    if suspects:
        workers.rebuild()
    return sorted(suspects, key=lambda batch: batch.index)


def _alone(workers: Workers, plan: Plan, folder: Path, identity: str, batch: Batch) -> Done:
    """A batch that may have killed its process, with nobody beside it who could be blamed."""
    try:
        return workers.submit(folder, identity, batch).result()
    except workers.died:
        workers.rebuild()
    if shard(folder, batch.key).exists():
        rows = read_shard(folder, batch.key)
    elif batch.size == 1:
        finding = Diagnostic("SAL907", f"chip {batch.first}", "", "a run that leaves its process alive", "replay it")
        rows = broken(plan, batch, "died", BackendError("BackendError: its process died", [finding]))
    else:
        half = batch.size // 2
        parts = [plan.part(batch, batch.first, half), plan.part(batch, batch.first + half, batch.size - half)]
        for part in parts:
            _alone(workers, plan, folder, identity, part)
        rows = joined([read_shard(folder, part.key) for part in parts])
    write_shard(folder, batch.key, rows)
    return Done(batch, sum(status != "ok" for status in rows["status"]), 0.0)


class _Pool:
    """A pool that can be had anew, and that leaves no process behind."""

    died: type[Exception] = BrokenProcessPool

    def __init__(self, count: int) -> None:
        self.count = count
        self._before = {process.pid for process in multiprocessing.active_children()}
        self._made = self._make()

    def _make(self) -> ProcessPoolExecutor:
        each = max(1, _cores() // self.count)
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.count, mp_context=context, initializer=_begin, initargs=(threads(each),))

    def submit(self, folder: Path, identity: str, batch: Batch) -> Future[Done]:
        return self._made.submit(work, folder, identity, batch)

    def rebuild(self) -> None:
        """After a death, which leaves nothing of a pool that could be used."""
        self._made.shutdown(wait=True, cancel_futures=True)
        self._made = self._make()

    def finish(self) -> None:
        """When all is done: let the processes end by themselves."""
        self._made.shutdown(wait=True)

    def close(self) -> None:
        """Whatever is still running is ended: a batch takes seconds, and is run again another time."""
        self._made.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process.pid not in self._before:
                process.terminate()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(threads_each: int) -> None:
    """In each process of a pool: its share of the cores; Ctrl-C is its parent's, with whom it ends."""
    os.environ["SALHW_THREADS"] = str(threads_each)
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for_end([sentinel])
    os._exit(1)
