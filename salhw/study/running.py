"""Run a study: whatever is not there yet, until all of it is, or until enough chips have been seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from salhw.diagnostics.arguments import as_path, whole
from salhw.study.answers import Results, enough
from salhw.study.batches import Batch, Plan, kept, planned
from salhw.study.cluster import on_cluster
from salhw.study.description import Study
from salhw.study.executors import Executor, in_processes, in_this_process
from salhw.study.shards import finished, note, swept
from salhw.study.working import measured

PILOT_SECONDS = 5.0
"""What a batch should take: less, and its overhead shows; more, and a kill costs more than it needs to."""
FEWEST, MOST = 20, 100_000


@dataclass(frozen=True)
class State:
    """How far a study is: its runs, those that are finished, those of them that failed, and runs per second."""

    runs: int
    done: int
    failed: int
    rate: float

    @property
    def remaining(self) -> float:
        """Seconds that the rest takes; NaN before anything is known."""
        return (self.runs - self.done) / self.rate if self.rate else float("nan")


def run(
    study: Study,
    out: str | Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    origin: str | Path = ".",
    progress: Callable[[State], None] | None = None,
) -> Results:
    """Run a study, or what is missing of it; the same call resumes, and a study of more chips keeps those that it has.

    Args:
        out: its folder. Several processes, on several machines, may work at it at a time.
        workers: processes of a pool; 1 works in this process.
        scheduler: the address of a Dask cluster, whose workers do it instead.
        origin: the folder in which metrics of your own are found.

    Raises:
        SalhwError: the study names what there is not.
        FileError: the folder cannot be written to; what is finished is kept.
    """
    folder, count = as_path(out).absolute(), whole("workers", workers, 1, 4096)
    plan = planned(study)
    swept(folder)
    identity = kept(plan, folder, as_path(origin).absolute())
    executor = in_this_process if count == 1 else in_processes(count)
    executor = on_cluster(scheduler) if scheduler else executor
    for _ in _worked(plan, folder, identity, executor, progress):
        pass
    results = Results.load(folder)
    results.save_table()
    return results


def _worked(
    plan: Plan, folder: Path, identity: str, executor: Executor, progress: Callable[[State], None] | None
) -> Iterator[State]:
    """The state after each batch."""
    rounds: Sequence[Sequence[Batch]] = plan.rounds if plan.study.stop else [plan.batches]
    there, began = finished(folder), time.perf_counter()
    total = sum(batch.size for batch in plan.batches)
    done = sum(batch.size for batch in plan.batches if batch.key in there)
    new = failed = 0
    for k, batches in enumerate(rounds):
        for entry in executor(plan, folder, identity, [b for b in batches if b.key not in there]):
            new, failed = new + entry.batch.size, failed + entry.failed
            note(
                folder, key=entry.batch.key, runs=entry.batch.size, failed=entry.failed, seconds=round(entry.seconds, 3)
            )
            state = State(total, done + new, failed, new / (time.perf_counter() - began))
            if progress:
                progress(state)
            yield state
        if plan.study.stop and enough(Results.of(plan, folder, rounds[: k + 1])):
            return


@dataclass(frozen=True)
class Preview:
    """What a study will take, from one batch of each target and method.

    Args:
        runs, batches: in all.
        seconds: of work, of one process.
        disk: bytes.
        batch: the size at which the slowest batch takes about PILOT_SECONDS.
        failed: runs of the pilot that failed, with the first diagnostic.
    """

    runs: int
    batches: int
    seconds: float
    disk: float
    batch: int
    failed: int
    diagnostic: str


def preview(study: Study, progress: Callable[[float], None] | None = None) -> Preview:
    """Run the first batch of each target and method at the last level, and say what all will take; writes nothing.

    Raises:
        SalhwError: the study names what there is not.
    """
    from salhw.study.shards import encoded

    plan = planned(study)
    last = study.levels[-1]
    pilots = [b for b in plan.rounds[0] if b.level == last and b.seed == study.seeds[0]]
    seconds = disk = 0.0
    slowest, failed, diagnostic = 0.0, 0, ""
    for k, batch in enumerate(pilots):
        if study.experiment:  # which may take minutes; its runs are independent
            batch = plan.part(batch, batch.first, 1)
        else:
            measured(plan, plan.part(batch, batch.first, 1))  # compiles whatever is compiled once
        began = time.perf_counter()
        rows = measured(plan, batch)
        took = time.perf_counter() - began
        share = sum(b.size for b in plan.batches if (b.target, b.method) == (batch.target, batch.method)) / batch.size
        seconds, disk = seconds + took * share, disk + len(encoded(rows)) * share
        slowest = max(slowest, took / batch.size)
        failed += sum(status != "ok" for status in rows["status"])
        diagnostic = diagnostic or next(filter(None, rows["diagnostic"]), "")
        if progress:
            progress((k + 1) / len(pilots))
    fewest = 1 if study.experiment else FEWEST
    size = min(MOST, max(fewest, round(PILOT_SECONDS / slowest / fewest) * fewest))
    runs = sum(batch.size for batch in plan.batches)
    return Preview(runs, len(plan.batches), seconds, disk, size, failed, diagnostic)
