"""One run of a study again, with spikes, weights over time and membranes, held against what its row says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from salhw.comparison.running import probed
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.arguments import as_path, whole
from salhw.io.files import folder as made_folder
from salhw.io.files import write_bytes
from salhw.io.recording_file import save
from salhw.session.recording import Recording
from salhw.study.batches import Batch, Plan, loaded
from salhw.study.experiments import Reproduced
from salhw.study.metrics import Finished
from salhw.study.shards import CALIBRATIONS, finished, read_shard
from salhw.study.working import measured


@dataclass(frozen=True)
class Replayed:
    """What one run did.

    Args:
        position: of the run's chip among the instances of ``recording``, which is the whole session: where random
            numbers are shared, no part of it can be repeated. An experiment has 0, and no recording.
        files: what was left in ``out``: the recording, or an experiment's figure, data and table.
        said, again: each metric, as its row says and as it was measured now.
    """

    batch: Batch
    chip: int
    position: int
    recording: Recording | None
    files: tuple[Path, ...]
    said: dict[str, float]
    again: dict[str, float]

    @property
    def same(self) -> bool:
        """Whether every metric is exactly what it was."""
        return all(np.array_equal(self.said[name], self.again[name], equal_nan=True) for name in self.said)


def replay(folder: str | Path, run: int, out: str | Path | None = None) -> Replayed:
    """Repeat a run, with probes for spikes and for the weights of what learns, as far as the target has them.

    Args:
        run: its number in the table.
        out: an HDF5 file for the recording, ``.h5`` if it has no suffix; of an experiment a folder for its files.

    Raises:
        DescriptionError: no such run, or one that is not finished.
        FileError: ``folder`` holds no study; ``out`` cannot be written.
    """
    folder = as_path(folder).absolute()
    plan = loaded(folder)
    planned, offset = _place(plan, run)
    if planned.key not in finished(folder):
        raise _no_run(run, "it has not run yet", "runs that are finished", "run the study on")
    rows = read_shard(folder, planned.key)
    batch = plan.part(planned, rows["session_first"][offset], rows["session_size"][offset])
    kept: list[Finished | Reproduced] = []
    files: list[Path] = []

    def keep(done: Finished | Reproduced) -> None:
        kept.append(done)
        if isinstance(done, Reproduced) and out is not None:  # whose folder is gone afterwards
            for name in map(str, done.result["files"]):
                files.append(write_bytes(made_folder(as_path(out)) / name, (done.folder / name).read_bytes()))

    again = measured(_with_probes(plan, batch), batch, keep, folder / CALIBRATIONS)
    if not kept:
        raise _no_run(run, again["diagnostic"][0], "a run that can be repeated", "mend what the diagnostic says")
    last = kept[-1]
    recording = last.recording if isinstance(last, Finished) else None
    if recording is not None and out is not None:
        path = as_path(out)
        made_folder(path.parent)
        files.append(save(recording, path if path.suffix else path.with_suffix(".h5")))
    position = rows["chip"][offset] - batch.first
    names = [m.name for m in plan.study.metrics]
    return Replayed(
        batch, rows["chip"][offset], position, recording, tuple(files),
        {name: rows[name][offset] for name in names}, {name: again[name][position] for name in names},
    )  # fmt: skip


def _place(plan: Plan, run: int) -> tuple[Batch, int]:
    total = sum(batch.size for batch in plan.batches)
    try:
        run = whole("run", run, 0, total - 1)
    except DescriptionError:
        raise _no_run(run, f"{run}", f"0..{total - 1}", "see the column `run` of the table") from None
    batch = next(b for b in plan.batches if run < b.run + b.size)
    return batch, run - batch.run


def _with_probes(plan: Plan, batch: Batch) -> Plan:
    if plan.study.experiment:
        return plan
    net = probed(plan.networks[batch.method], plan.varied(batch), plan.study.duration)
    return replace(plan, networks={**plan.networks, batch.method: net})


def _no_run(run: int, asked: str, supported: str, fix: str) -> DescriptionError:
    return DescriptionError(
        f"DescriptionError: run {run} cannot be repeated", [Diagnostic("SAL908", "run", asked, supported, fix)]
    )
