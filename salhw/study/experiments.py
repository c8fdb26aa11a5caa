"""An experiment as what a study runs: any of those that ``salhw reproduce`` lists, on chips of each run's own.

A run is the whole experiment at one level, on a wafer that the run's chip stands for. Its metrics are functions of a
``Reproduced``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.arguments import MAX_ID, known_name
from salhw.diagnostics.wording import shown
from salhw.io import hdf5
from salhw.registry import CHOICES, Experiment, experiment, refuse_choice
from salhw.study.named import chosen, users_function
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

SCALE = "smoke"
"""The scale of a study's experiment that asks for none: a study is many of them."""
REDUCED: Mapping[str, Callable[..., Any]] = {
    "mean": np.nanmean, "median": np.nanmedian, "std": np.nanstd, "min": np.nanmin, "max": np.nanmax
}  # fmt: skip
"""What ``data`` may make of several elements, by name; NaN is left out."""


class OnWafer(Target):
    """A target whose wafers are counted from ``first_wafer``: an experiment that samples its own chips, or takes the
    first, gets those of its run."""

    first_wafer: int = 0

    @classmethod
    def of(cls, target: Target, first_wafer: int) -> OnWafer:
        """The same target with other wafers."""
        fields = {name: getattr(target, name) for name in type(target).model_fields}
        return cls.model_validate(fields | {"first_wafer": first_wafer})

    def sample_chips(self, count: int, seed: int = 0, **options: Any) -> tuple[Chip, ...]:
        """See Target."""
        return super().sample_chips(count, seed + self.first_wafer, **options)


def wafer(of_study: int, chip: int) -> int:
    """The wafer that a chip of a study's wafer stands for; the upper half of all is left to the experiment's own."""
    digest = hashlib.sha256(f"salhw study/wafer/{of_study}/{chip}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % (MAX_ID // 2)


@dataclass(frozen=True)
class Reproduced:
    """An experiment that has finished: what its metrics are given.

    Args:
        target: with the spreads of the run's level, and its wafer.
        result: what the experiment returned, see ``salhw.registry.Experiment``.
        folder: where its files are, until the metrics are measured.
    """

    target: Target
    result: Mapping[str, Any]
    folder: Path


Judging = Callable[..., float]
"""A metric of an experiment."""


def agrees(done: Reproduced, row: str = "") -> float:
    """The share of what the experiment judges that agrees with the paper; NaN where it judges nothing at this scale.

    Args:
        row: the beginning of the lines that count, as the experiment's table calls them; by default all.
    """
    found = [entry["agrees"] for entry in done.result["rows"] if str(entry["what"]).startswith(row)]
    if not found:
        lines = "; ".join(str(entry["what"]) for entry in done.result["rows"])
        raise _refused("agrees.row", row, f"the beginning of one of: {lines}", "see the experiment's table")
    judged = [value for value in found if value is not None]
    return float(np.mean(judged)) if judged else float("nan")


def data(done: Reproduced, array: str, at: str = "", take: str = "mean") -> float:
    """A number of the arrays that the experiment keeps beside its figure: the mean of some elements of one.

    Args:
        array: its name in the HDF5 file.
        at: which elements, as an index: ``0, :, -1``; by default all.
        take: ``mean``, ``median``, ``std``, ``min`` or ``max``; elements that are NaN are left out.
    """
    reduced = REDUCED[known_name("metrics.data.take", take, REDUCED)]
    files = [done.folder / name for name in done.result["files"] if str(name).endswith(".h5")]
    if not files:
        raise _refused("data.array", array, "an experiment that keeps an HDF5 file", "another metric")
    with hdf5.reading(files[0], "the data of an experiment", "run it again") as file:
        arrays = {name: np.asarray(file[name][()]) for name in file}
    values = arrays[known_name("metrics.data.array", array, [n for n, v in arrays.items() if v.dtype.kind in "biuf"])]
    try:
        picked = values[tuple(slice(None) if part.strip() == ":" else int(part) for part in at.split(",") if part)]
    except (ValueError, IndexError):
        shape = " x ".join(map(str, values.shape))
        raise _refused("data.at", at, f"an index of {array!r}, {shape}, as in '0, :'", "mend it") from None
    return float("nan") if np.isnan(picked).all() else float(reduced(picked))


CORE: Mapping[str, Judging] = {"agrees": agrees, "data": data}


def of_experiment(name: str, path: str) -> Judging:
    """The metric of an experiment, one of CORE or a user's.

    Raises:
        DescriptionError: SAL904 no such metric.
    """
    return chosen(name, CORE, path)


def named(name: str) -> Experiment:
    """The experiment of this name, installed or a user's.

    Raises:
        DescriptionError: SAL901, SAL904 no such experiment.
    """
    return users_function(name, "experiment") if ":" in name else experiment(name)


def arguments(name: str, run: Experiment, settings: Mapping[str, Any], path: str) -> dict[str, str]:
    """What an experiment is called with: settings, and the smallest scale if they have none.

    Raises:
        DescriptionError: SAL009, SAL902 something that it does not take.
    """
    asked = {"scale": SCALE, **settings}
    for argument, value in asked.items():
        refuse_choice(name, run, known_name(path, argument, CHOICES), value, f"{path}.{argument}")
    return asked


def _refused(path: str, asked: str, supported: str, fix: str) -> DescriptionError:
    finding = Diagnostic("SAL904", f"metrics.{path}", shown(asked), supported, fix)
    return DescriptionError("DescriptionError: this experiment has no such number", [finding])
