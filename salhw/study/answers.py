"""What a study answers, from its table: a chip counts once, whatever the number of seeds; differences are paired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.arguments import as_path, known_name
from salhw.study.batches import Batch, Plan, loaded
from salhw.study.description import Level, Specification, Study
from salhw.study.intervals import LEVEL, Interval, confidence_sequence, mean_interval, wilson
from salhw.study.shards import assembled, finished, write_table


@dataclass(frozen=True)
class Cell:
    """One target, level and method: what a study compares."""

    target: str
    level: Level
    method: str


@dataclass(frozen=True)
class Answer:
    """One number of a study: of which cell, over how many chips, with its interval over chips."""

    cell: Cell
    chips: int
    interval: Interval


@dataclass(frozen=True)
class Spent:
    """What was spent on a cell, and what it bought.

    Args:
        biological_s: seconds of biological time for which each chip was calibrated; 0 of a method that does not, NaN
            where no run has succeeded.
        chip_s: the same in seconds of the hardware, whose speed-up the target says.
        age: days from the calibration to the run.
    """

    biological_s: float
    chip_s: float
    age: float
    answer: Answer


@dataclass(frozen=True)
class WorstRun:
    """A run that is far from good: ``salhw study replay`` repeats it."""

    run: int
    cell: Cell
    chip: int
    seed: int
    value: float
    diagnostic: str


@dataclass(frozen=True)
class Results:
    """The table of a study, also of one that is still running.

    Args:
        table: a column for each name, sorted by target, level, method, seed and chip; see ``salhw.study.shards``.
        planned: runs in all; ``len(results)`` of them are finished.
    """

    plan: Plan
    folder: Path
    table: dict[str, npt.NDArray[Any]]
    planned: int
    digest: str = ""

    @classmethod
    def load(cls, folder: str | Path) -> Results:
        """What is finished of the study in a folder, as far as its ``stop`` counts it.

        Raises:
            FileError: no study, or a damaged shard.
        """
        folder = as_path(folder).absolute()
        plan = loaded(folder)
        if plan.study.stop is None:
            return cls.of(plan, folder, [plan.batches])
        there = finished(folder)
        for rounds in accumulate(([part] for part in plan.rounds), lambda before, part: before + part):
            results = cls.of(plan, folder, rounds)
            if any(batch.key not in there for batch in rounds[-1]) or enough(results):
                break
        return results

    @classmethod
    def of(cls, plan: Plan, folder: Path, rounds: Sequence[Sequence[Batch]]) -> Results:
        """What is finished of some rounds of batches."""
        digest, table = assembled(plan, folder, [batch for part in rounds for batch in part])
        return cls(plan, folder, table, sum(batch.size for batch in plan.batches), digest)

    def __len__(self) -> int:
        return len(self.table["run"])

    def __repr__(self) -> str:
        return f"Results({self.study.name}: {len(self):,} of {self.planned:,} runs, {self.failed:,} failed)"

    @property
    def study(self) -> Study:
        """The study."""
        return self.plan.study

    @property
    def failed(self) -> int:
        """Runs that ended with a diagnostic."""
        return int((self.table["status"] != "ok").sum()) if len(self) else 0

    @property
    def failures(self) -> dict[str, list[int]]:
        """What went wrong: the runs with each diagnostic, the most frequent first."""
        runs: dict[str, list[int]] = {}
        for run, text in zip(self.table["run"].tolist(), self.table["diagnostic"].tolist(), strict=True):
            if text:
                runs.setdefault(text, []).append(run)
        return dict(sorted(runs.items(), key=lambda entry: -len(entry[1])))

    def save_table(self) -> Path:
        """Write ``table.parquet`` into the study's folder.

        Raises:
            FileError: the place cannot be written to.
        """
        return write_table(self.plan, self.folder, self.digest, self.table)

    @property
    def cells(self) -> Iterator[Cell]:
        """All of them, in the order of the table."""
        for target in self.study.targets:
            for level in self.study.levels:
                for method in self.study.methods:
                    yield Cell(target, level, method.name)

    def rows(self, cell: Cell) -> npt.NDArray[np.intp]:
        """The rows of a cell, sorted by seed and chip."""
        return self._rows.get(cell, np.zeros(0, dtype=np.intp))

    @cached_property
    def _rows(self) -> dict[Cell, npt.NDArray[np.intp]]:
        """Cells lie in one piece each, because the table is sorted by them."""
        if not len(self):
            return {}
        keys = [self.table[name] for name in ("target", *(noise.name for noise in self.study.noises), "method")]
        changes = np.any([key[1:] != key[:-1] for key in keys], axis=0)
        starts = np.concatenate([[0], 1 + np.flatnonzero(changes), [len(self)]]).tolist()

        def cell(row: int) -> Cell:
            target, *level, method = (key[row] for key in keys)
            return Cell(str(target), tuple(map(float, level)), str(method))

        return {cell(a): np.arange(a, b) for a, b in pairwise(starts)}

    def by_chip(self, cell: Cell, metric: str) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """(ids, values) of the chips of a cell, in the order of their ids: the mean over seeds, NaN where none ran."""
        known_name("metric", metric, [m.name for m in self.study.metrics])
        rows = self.rows(cell)
        ids, place = np.unique(self.table["chip"][rows], return_inverse=True)
        value = np.asarray(self.table[metric][rows], dtype=np.float64)
        good = np.isfinite(value)
        count = np.bincount(place[good], minlength=len(ids))
        total = np.bincount(place[good], weights=value[good], minlength=len(ids))
        with np.errstate(invalid="ignore"):
            return ids, total / count

    def means(self, metric: str, level: float = LEVEL) -> list[Answer]:
        """A metric in each cell: its mean over chips, with a bootstrap interval."""
        return [self._answer(cell, self.by_chip(cell, metric)[1], level) for cell in self.cells]

    def differences(self, metric: str, baseline: str | None = None, level: float = LEVEL) -> list[Answer]:
        """How far each method is from ``baseline`` (by default the study's first), on the same chips: mean of the
        chips' own differences."""
        names = [method.name for method in self.study.methods]
        first = known_name("baseline", baseline or names[0], names)
        return [
            self._answer(cell, self._paired(cell, Cell(cell.target, cell.level, first), metric), level)
            for cell in self.cells
            if cell.method != first
        ]

    def _paired(self, one: Cell, other: Cell, metric: str) -> FloatArray:
        """Chip by chip, of those that are in both cells."""
        (a, x), (b, y) = self.by_chip(one, metric), self.by_chip(other, metric)
        _, i, j = np.intersect1d(a, b, return_indices=True)
        return np.asarray(x[i] - y[j])

    def _answer(self, cell: Cell, values: FloatArray, level: float) -> Answer:
        return Answer(cell, int(np.isfinite(values).sum()), mean_interval(values, level))

    def yields(self, specification: Specification | None = None, level: float = LEVEL) -> list[Answer]:
        """The share of chips that meet the specification in each cell, with Wilson's interval. A chip of which nothing
        could be measured does not meet it.

        Raises:
            DescriptionError: the study has no specification, and none is given.
        """
        wanted = self._specification(specification)
        found = []
        for cell in self.cells:
            values = self.by_chip(cell, wanted.metric)[1]
            found.append(Answer(cell, len(values), wilson(int(_good(values, wanted).sum()), len(values), level)))
        return found

    def yield_curve(self, cell: Cell, limits: npt.ArrayLike | None = None) -> tuple[FloatArray, list[Interval]]:
        """The yield of a cell against where the limit of the specification is: (limits, yields with intervals). By
        default 41 limits over all values of the metric."""
        wanted = self._specification(None)
        values = self.by_chip(cell, wanted.metric)[1]
        if limits is None:
            column = np.asarray(self.table[wanted.metric], dtype=np.float64)
            column = column[np.isfinite(column)]
            limits = np.linspace(column.min(), column.max(), 41) if len(column) else np.zeros(0)
        way = "at_most" if wanted.at_most is not None else "at_least"
        grid = np.asarray(limits, dtype=np.float64)
        each = [Specification(metric=wanted.metric, **{way: limit}) for limit in grid.tolist()]
        return grid, [wilson(int(_good(values, one).sum()), len(values)) for one in each]

    def budget(self, metric: str, level: float = LEVEL) -> list[Spent]:
        """What calibration buys for its time, and how that ages: of every method in each cell what it spent, how old
        chips were when they ran, and the metric; the cheapest first, then the youngest."""
        found = []
        for answer in self.means(metric, level):
            seconds = np.asarray(self.table["calibration_s"][self.rows(answer.cell)], dtype=np.float64)
            known = seconds[np.isfinite(seconds)]
            spent = float(known.mean()) if len(known) else float("nan")
            speed_up = self.plan.targets[answer.cell.target].speed_up or 1.0
            found.append(Spent(spent, spent / speed_up, self.plan.method(answer.cell.method).age, answer))
        return sorted(found, key=lambda entry: (entry.biological_s, entry.age))

    def known_to(self, cell: Cell, metric: str, level: float = LEVEL) -> float:
        """Half the width of the confidence sequence around a metric's mean, which holds however often one looks."""
        values = self.by_chip(cell, metric)[1]
        values = values[np.isfinite(values)]
        return float(confidence_sequence(values, level)[-1]) if len(values) else float("inf")

    def worst(self, count: int = 5) -> list[WorstRun]:
        """The runs that are farthest from the specification, those that failed first."""
        wanted = self._specification(None)
        value = np.asarray(self.table[wanted.metric], dtype=np.float64)
        badness = value if wanted.at_most is not None else -value
        order = np.argsort(-np.where(np.isnan(badness), np.inf, badness), kind="stable")[:count]
        owner = {int(row): cell for cell, rows in self._rows.items() for row in rows}
        run, chip, seed, text = (self.table[name].tolist() for name in ("run", "chip", "seed", "diagnostic"))
        return [WorstRun(run[k], owner[k], chip[k], seed[k], float(value[k]), text[k]) for k in order.tolist()]

    def _specification(self, given: Specification | None) -> Specification:
        wanted = given or self.study.specification
        if wanted is None:
            finding = Diagnostic(
                "SAL904", "specification", "", "what counts as good", "add [specification] to the study"
            )
            raise DescriptionError("DescriptionError: this study says not what counts as good", [finding])
        return wanted

    def to_xarray(self) -> Any:
        """The metrics as an xarray Dataset over target, level (with the noises as its coordinates), method, seed and
        chip; NaN where a run is missing or failed."""
        import xarray as xr

        study = self.study
        levels = {level: k for k, level in enumerate(study.levels)}
        chips = range(study.first, study.first + study.chips)
        targets, methods = list(study.targets), [m.name for m in study.methods]
        shape = (len(targets), len(levels), len(methods), len(study.seeds), len(chips))
        data = {m.name: np.full(shape, np.nan) for m in study.metrics}
        for cell, rows in self._rows.items():
            at = targets.index(cell.target), levels[cell.level], methods.index(cell.method)
            seed = [study.seeds.index(value) for value in self.table["seed"][rows].tolist()]
            for m in study.metrics:
                data[m.name][(*at, seed, self.table["chip"][rows] - study.first)] = self.table[m.name][rows]
        dims = ("target", "level", "method", "seed", "chip")
        coords: dict[str, Any] = {"target": targets, "method": methods, "seed": list(study.seeds), "chip": list(chips)}
        for k, noise in enumerate(study.noises):
            coords[noise.name] = ("level", [level[k] for level in study.levels])
        attrs = {"study": study.name, "notes": study.notes}
        return xr.Dataset({name: (dims, values) for name, values in data.items()}, coords=coords, attrs=attrs)


def _good(values: FloatArray, wanted: Specification) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        if wanted.at_most is not None:
            return values <= wanted.at_most
        return values >= float(wanted.at_least or 0.0)


def enough(results: Results) -> bool:
    """Whether the study's ``stop`` is met: in every cell the confidence sequence of the metric is narrow enough. Each
    cell's holds at the level of its own."""
    stop = results.study.stop
    if stop is None:
        return False

    return all(results.known_to(cell, stop.metric, stop.level) <= stop.half_width for cell in results.cells)
