"""Tables of what was measured on real chips, one value for each circuit: as virtual chips that have these values, or as
the spreads from which others are drawn."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.diagnostics import DescriptionError, Diagnostic, SalhwError, file_error
from salhw.diagnostics.arguments import as_path, whole
from salhw.diagnostics.extras import extra
from salhw.diagnostics.wording import nearest, one_of, shown
from salhw.substrate.chip import Chip, Measured
from salhw.substrate.target import Target
from salhw.substrate.variability import Variability

PLACES = ("neuron", "row", "column")
MOST_PLACE = 2**21 - 1
"""Of rows and columns: a synapse's location, made of both, is exact as a floating-point number."""


@dataclass(frozen=True)
class MeasuredChips:
    """What was measured on the chips of a target: by chip and quantity of its variability, a value at each place."""

    target: Target
    values: Mapping[int, Mapping[str, Measured]]
    source: str

    @classmethod
    def load(cls, path: str | Path, target: Target) -> MeasuredChips:
        """Read a table, CSV or parquet, with a row for each circuit.

        Columns: ``quantity``, a name in the target's variability; ``neuron`` for what a neuron has, ``row`` and
        ``column`` for what a synapse has (those of its presynaptic and its postsynaptic neuron), one of these two for
        what they share; ``chip``, if there are several; and ``value``, the factor by which a relative quantity is off,
        or what is added to an absolute one. Instead of ``value`` it may be ``calibrated``: the parameter with which
        calibration made the circuits alike, so that each by itself is off by the median of all over its own
        (relative), or less its own (absolute).

        Raises:
            FileError: no such file, or no table.
            DescriptionError: a row that means nothing, with its number.
            BackendError: parquet without pyarrow.
        """
        path = as_path(path)
        found: dict[tuple[int, str], list[tuple[int, float]]] = {}
        calibrated: dict[str, list[float]] = {}
        for number, row in enumerate(_rows(path), 1):
            entry = _Row.of(row, target, f"row {number}")
            found.setdefault((entry.chip, entry.quantity), []).append((entry.place, entry.value))
            if entry.calibrated:
                calibrated.setdefault(entry.quantity, []).append(entry.value)
        chips: dict[int, dict[str, Measured]] = {}
        total = Counter(quantity for (_, quantity), entries in found.items() for _ in entries)
        for (chip, quantity), entries in sorted(found.items()):
            place, value = (np.array(column) for column in zip(*sorted(entries), strict=True))
            twice = np.flatnonzero(np.diff(place) == 0)
            if len(twice):
                raise _refused(f"{quantity} of chip {chip}", f"place {place[twice[0]]} twice", "each place once")
            if len(calibrated.get(quantity, ())) not in (0, total[quantity]):
                raise _refused(quantity, "value and calibrated", "one of the two in all of its rows")
            if quantity in calibrated:
                value = _uncalibrated(target.variability[quantity], value, calibrated[quantity])
            chips.setdefault(chip, {})[quantity] = Measured(location=place, value=value)
        if not chips:
            raise file_error(path, "", "a table with rows", "name the file with the measured values")
        return cls(target, chips, path.name)

    def chips(self, wafer: int = 0) -> tuple[Chip, ...]:
        """Virtual chips that have the measured values; what was not measured is drawn as the target declares."""
        spreads = self.target.variability
        return tuple(
            Chip(id=chip, wafer=wafer, target=self.target.name, variability=spreads, measured=dict(values))
            for chip, values in self.values.items()
        )

    @property
    def spreads(self) -> dict[str, Variability]:
        """The spread of each measured quantity, as ``Target.with_variability`` takes it: ``sd`` within chips, and
        ``chip`` between their means, of which that is left which is no scatter of the means themselves. Means over all
        chips are not in it."""
        names = dict.fromkeys(name for values in self.values.values() for name in values)
        return {name: self._spread(name) for name in names}

    def _spread(self, name: str) -> Variability:
        declared = self.target.variability[name]
        off = [declared.deviation(values[name].value) for values in self.values.values() if name in values]
        count = sum(map(len, off))
        freedom = count - len(off)
        if freedom < 1:
            raise _refused(name, f"{count} circuits of {len(off)} chips", "two circuits of a chip at least")
        within = sum(float(((x - x.mean()) ** 2).sum()) for x in off) / freedom
        between = 0.0
        if len(off) > 1:
            means = np.array([x.mean() for x in off])
            own = within * float(np.mean([1.0 / len(x) for x in off]))
            between = max(0.0, float(means.var(ddof=1)) - own)
        source = f"measured: {count} circuits of {len(off)} chip{'s' if len(off) > 1 else ''}, {self.source}"
        return declared.replace(sd=float(np.sqrt(within)), chip=float(np.sqrt(between)), source=source)


@dataclass(frozen=True)
class _Row:
    """A row of the table, understood."""

    chip: int
    quantity: str
    place: int
    value: float
    calibrated: bool

    @classmethod
    def of(cls, row: Mapping[str, Any], target: Target, at: str) -> _Row:
        given = {name: value for name, value in row.items() if value not in (None, "") and value == value}
        quantity, known = str(given.get("quantity", "")), list(target.variability)
        if quantity not in known:
            fix = nearest(quantity, known, "name a quantity of the target's variability")
            raise _refused(f"{at}.quantity", shown(quantity), one_of(known), fix)
        place = {name: _whole(f"{at}.{name}", given[name]) for name in PLACES if name in given}
        spread = target.variability[quantity]
        names = [name for name in ("value", "calibrated") if name in given]
        if len(names) != 1:
            raise _refused(at, ", ".join(names) or "no number", "either value or calibrated")
        try:
            value = float(given[names[0]])
        except (TypeError, ValueError):
            value = np.nan
        positive = spread.distribution == "lognormal" or (names[0] == "calibrated" and spread.mode == "relative")
        if not np.isfinite(value) or (positive and value <= 0.0):
            supported = "a positive number" if positive else "a number"
            raise _refused(f"{at}.{names[0]}", shown(given[names[0]]), supported)
        chip = _whole(f"{at}.chip", given.get("chip", 0))
        return cls(chip, quantity, _location(at, spread, place), value, names[0] == "calibrated")


def _location(at: str, spread: Variability, place: Mapping[str, int]) -> int:
    """Where a draw of the quantity is, as ``Chip.vary`` counts places."""
    if spread.per == "chip":
        return 0
    if spread.per and spread.per in place:
        return place[spread.per]
    if place.keys() == {"neuron"} and spread.per is None:
        return place["neuron"]
    if place.keys() == {"row", "column"} and spread.per in (None, "synapse"):
        return (place["column"] << 32) + place["row"]
    wanted = {"synapse": "row and column", None: "neuron, or row and column"}.get(spread.per, str(spread.per))
    raise _refused(at, " and ".join(place) or "no place", wanted)


def _whole(path: str, value: object) -> int:
    """A whole number; of a spreadsheet also 3.0 and "3"."""
    try:
        number = float(value)  # type: ignore[arg-type]  # what is none is refused
    except (TypeError, ValueError):
        number = np.nan
    return whole(path, int(number) if number == np.floor(number) else value, 0, MOST_PLACE)


def _uncalibrated(spread: Variability, own: FloatArray, all_chips: list[float]) -> FloatArray:
    """How far circuits are off by themselves which these parameters make alike."""
    median = float(np.median(all_chips))
    return median / own if spread.mode == "relative" else median - own


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    fix = "give a CSV file with a line of names, or a parquet file; docs/studies.md says which columns"
    try:
        if path.suffix.lower() == ".parquet":
            parquet = extra("pyarrow.parquet", "parquet files need pyarrow", "pip install 'salhw[study]', or use CSV")
            yield from parquet.read_table(path).to_pylist()
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from csv.DictReader(file)
    except SalhwError:
        raise
    except (OSError, ValueError, csv.Error) as error:  # ArrowInvalid is a ValueError
        raise file_error(path, "", f"a table; {error}"[:200], fix) from None


def _refused(path: str, asked: str, supported: str, fix: str = "mend the table") -> DescriptionError:
    finding = Diagnostic("SAL909", path, asked, supported, fix)
    return DescriptionError("DescriptionError: this table of measured values cannot be used", [finding])
