"""One batch, from its chips to the rows of its shard. What goes wrong in a run is that run's row."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb

import numpy as np

from salhw.comparison.running import status_of
from salhw.compiler.pipeline import compile
from salhw.description.fields import FloatArray
from salhw.diagnostics import DescriptionError, Diagnostic, FileError, SalhwError, shortened
from salhw.diagnostics.wording import shown
from salhw.io.files import FULL, unwritable, write_bytes
from salhw.io.files import folder as made_folder
from salhw.registry import Experiment, measuring
from salhw.session.calibration import Calibration
from salhw.session.executable import Executable
from salhw.study.batches import Batch, Plan, loaded, made_with
from salhw.study.description import Metric
from salhw.study.experiments import OnWafer, Reproduced, wafer
from salhw.study.metrics import Finished
from salhw.study.shards import CALIBRATIONS, Columns, joined, read_shard, shard, write_shard

MESSAGE = 400
"""The most letters of a diagnostic that a row keeps."""


@dataclass(frozen=True)
class Done:
    """What a finished batch tells: how many of its runs failed, and how many seconds it took."""

    batch: Batch
    failed: int
    seconds: float


Extra = Callable[[Finished | Reproduced], None]


@lru_cache(maxsize=2)
def _plan(folder: Path, identity: str) -> Plan:
    """Of this process, once; a study that has grown since is read again.

    Raises:
        FileError: the study in the folder is not the one that was asked for, or this process has other versions.
    """
    plan = loaded(folder)
    if plan.digest != identity.partition("-")[0] or made_with(plan) != plan.made_with:
        supported = "the study, the versions and the functions of whoever sends the work"
        finding = Diagnostic("SAL906", str(folder), plan.digest[:16], supported, "install the same versions everywhere")
        raise FileError("FileError: another study", [finding])
    return plan


def work(folder: Path, identity: str, batch: Batch) -> Done:
    """Run a batch whose shard is not there yet, and write it. In any process that sees the folder.

    Raises:
        FileError: the shard cannot be written, or nothing can be written on this machine.
    """
    began = time.perf_counter()
    if shard(folder, batch.key).exists():
        rows = read_shard(folder, batch.key)
    else:
        rows = measured(_plan(folder, identity), batch, store=folder / CALIBRATIONS)
        write_shard(folder, batch.key, rows)
    failed = sum(status != "ok" for status in rows["status"])
    return Done(batch, failed, time.perf_counter() - began)


def measured(plan: Plan, batch: Batch, extra: Extra | None = None, store: Path | None = None) -> Columns:
    """The rows of a batch. Where a session or metric fails it is halved, until the run is alone that fails.

    Args:
        extra: called with what has finished, before the session closes.
        store: a folder of calibrations, which are looked for and left there; by default they are gone afterwards.

    Raises:
        OSError, FileError: a full disk, which is no run's fault.
    """
    if plan.experiment:
        chips = range(batch.first, batch.first + batch.size)
        return joined([_experiment(plan, plan.experiment, plan.part(batch, chip, 1), extra) for chip in chips])
    method = plan.method(batch.method)
    try:
        executable = _compiled(plan, batch)
    except SalhwError as error:  # which all of its runs would meet
        return broken(plan, batch, "failed", error)
    with _temporary() if method.calibration else nullcontext(Path()) as place:
        return _in_halves(plan, batch, executable, _Calibrating(place, store or place), extra)


def _experiment(plan: Plan, run: Experiment, batch: Batch, extra: Extra | None) -> Columns:
    """The row of one run of an experiment."""
    target = OnWafer.of(plan.varied(batch), wafer(plan.study.wafer, batch.first))
    with _temporary() as place:
        try:
            result = run(place, target=target, progress=None, **plan.arguments[batch.method])
            done = Reproduced(target, result, place)
            values = {m.name: _values(plan, m, done, 1) for m in plan.study.metrics}
        except Exception as error:  # the experiment's, a metric's: whatever it is, the study goes on
            if _no_space(error):
                raise
            return broken(plan, batch, "failed", error)
        if extra:
            extra(done)
    return _rows(batch, {name: column.tolist() for name, column in values.items()}, "ok", "", 0.0)


_kept: dict[str, Executable] = {}
MOST_KEPT = 64


def _compiled(plan: Plan, batch: Batch) -> Executable:
    """The executable of a batch, kept for those of the same target, method and level that this process will meet.

    Raises:
        SalhwError: the target refuses the network.
    """
    cell = plan.cell(batch.target, batch.method, batch.level)
    if cell not in _kept:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[cell] = compile(plan.networks[batch.method], plan.varied(batch), fit=plan.method(batch.method).fit)
    return _kept[cell]


@contextmanager
def _temporary() -> Iterator[Path]:
    """A folder for calibrations, or for an experiment's files, which is gone afterwards.

    Raises:
        FileError: there is no place for it.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="salhw-study-")
    except OSError as error:
        raise unwritable(Path(error.filename or tempfile.gettempdir()), error) from error
    with made as place:
        yield Path(place)


def _no_space(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is a full disk: of the machine, and no run's fault."""
    return error is not None and ((isinstance(error, OSError) and error.errno in FULL) or _no_space(error.__cause__))


def _in_halves(plan: Plan, batch: Batch, executable: Executable, places: _Calibrating, extra: Extra | None) -> Columns:
    try:
        values, spent = _run(plan, batch, executable, places, extra)
    except Exception as error:  # a backend's, a metric's: whatever it is, the study goes on
        if _no_space(error):
            raise
        if batch.size == 1 or status_of(error)[0] == "unavailable":
            return broken(plan, batch, "failed", error)
        half = batch.size // 2
        parts = [
            _in_halves(plan, plan.part(batch, first, size), executable, places, extra)
            for first, size in ((batch.first, half), (batch.first + half, batch.size - half))
        ]
        return joined(parts)
    return _rows(batch, {name: column.tolist() for name, column in values.items()}, "ok", "", spent)


def broken(plan: Plan, batch: Batch, status: str, error: Exception) -> Columns:
    """The rows of runs of which nothing is known but why."""
    text = str(error) if isinstance(error, SalhwError) else f"{type(error).__name__}: {error}{_place(error)}"
    text = "; ".join([text, *getattr(error, "__notes__", ())])
    nothing = {m.name: [float("nan")] * batch.size for m in plan.study.metrics}
    return _rows(batch, nothing, status, shortened(" ".join(text.split()), MESSAGE))


def _place(error: Exception) -> str:
    """Where an error that is none of salhw's arose."""
    frames = extract_tb(error.__traceback__)
    return f", in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def _rows(
    batch: Batch, values: dict[str, list[float]], status: str, diagnostic: str, spent: float = float("nan")
) -> Columns:
    alike = {
        "status": status, "diagnostic": diagnostic, "calibration_s": spent,
        "session_first": batch.first, "session_size": batch.size,
    }  # fmt: skip
    chips = list(range(batch.first, batch.first + batch.size))
    return {"chip": chips, **values, **{name: [value] * batch.size for name, value in alike.items()}}


def _run(
    plan: Plan, batch: Batch, executable: Executable, places: _Calibrating, extra: Extra | None
) -> tuple[dict[str, FloatArray], float]:
    """Each metric of each chip, and the seconds of biological time for which each was calibrated."""
    study, method, spent = plan.study, plan.method(batch.method), 0.0
    if method.calibration is not None:
        calibration = _calibration(plan, batch, executable, places)
        spent = getattr(calibration, "provenance", {}).get("biological_time_ms", float("nan")) / 1000.0
        executable = compile(plan.networks[batch.method], plan.varied(batch), calibration=calibration, fit=method.fit)
    chips = executable.target.sample_chips(
        batch.size, study.wafer, first=batch.first, age=method.age, temperature=method.temperature
    )
    with executable.open(chips=chips, seed=batch.session_seed) as session:
        if study.settle:
            session.run(study.settle)
        if method.protocol:
            recording = plan.protocols[method.name](session, study.duration, **method.options)
        else:
            recording = session.run(study.duration)
        done = Finished(plan.networks[batch.method], executable, recording, session, chips, batch.session_seed)
        if extra:
            extra(done)
        return {m.name: _values(plan, m, done, len(chips)) for m in study.metrics}, spent


def _values(plan: Plan, metric: Metric, done: Finished | Reproduced, size: int) -> FloatArray:
    """What a metric returns, if it is a number for each of ``size`` chips; of an experiment, on one, a number.

    Raises:
        DescriptionError: it is something else.
    """
    name, shape = metric.name, () if isinstance(done, Reproduced) else (size,)
    try:
        found = plan.metrics[name](done, **metric.options)
    except Exception as error:  # whatever it is: its row says which metric it was
        error.add_note(f"metric {name}")
        raise
    values = np.asarray(found)
    if values.shape != shape or values.dtype.kind not in "biuf":
        supported = f"an array of {size} numbers, one for each chip" if shape else "a number"
        finding = Diagnostic("SAL904", f"metrics.{name}", shown(found), supported, "mend it")
        raise DescriptionError("DescriptionError: this is no metric", [finding])
    return values.astype(np.float64).reshape(size)


@dataclass(frozen=True)
class _Calibrating:
    """Folders: one to work in, and one in which calibrations are kept."""

    work: Path
    store: Path


def _calibration(plan: Plan, batch: Batch, executable: Executable, places: _Calibrating) -> Calibration:
    """Of the chips of a batch, as they are at age and temperature 0, for its network: the one that is kept, or one that
    is measured now, and kept."""
    how, package = plan.method(batch.method).calibration, measuring()
    assert how is not None
    net, target = executable.source, executable.target
    if not how.sensors:
        net = net.replace(projections=tuple(p.replace(plasticity=()) for p in net.projections))
    kept = places.store / f"{plan.calibration_key(batch, target, net)}.h5"
    if not kept.exists():
        chips = target.sample_chips(batch.size, plan.study.wafer, first=batch.first)
        result = package.calibrate(
            target, chips, net, duration=how.duration, seed=batch.calibration_seed, out=places.work, progress=None
        )
        write_bytes(made_folder(places.store) / kept.name, (places.work / result["files"][0]).read_bytes())
    return package.load(kept)
