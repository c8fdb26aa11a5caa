"""What a measurement found, on one screen and in notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np

from salhw.description.summary import span
from salhw.diagnostics.html import ROWS, section, table
from salhw.diagnostics.wording import shortened_list, shown


class Summarised:
    """A frozen result whose arrays, most of them by population or projection, are summarised where it is shown. To be
    inherited by dataclasses with ``repr=False``."""

    _columns: ClassVar[tuple[str, ...]] = ("", "known", "median", "lowest to highest")

    def _title(self) -> str:
        about: Mapping[str, Any] = getattr(self, "provenance", {})
        where = f" on {about['target']}" if "target" in about else ""
        return f"{type(self).__name__}{where}, ids {shown(getattr(self, 'ids', ()))}"

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """Of each array its name, how many of its numbers are known, their median and their range."""
        for field in fields(self):  # type: ignore[arg-type]  # who inherits this is a dataclass
            value = getattr(self, field.name)
            for name, array in value.items() if isinstance(value, Mapping) else [("", value)]:
                if isinstance(array, np.ndarray):
                    yield (f"{field.name} {name}".strip().replace("_", " "), *_numbers(array))

    def __repr__(self) -> str:
        """A line for each row."""
        lines = []
        for name, *cells in self._rows():
            words = [f"{column} {cell}" for column, cell in zip(self._columns[1:], cells, strict=True) if cell]
            lines.append(f"  {name}: {', '.join(words)}")
        return "\n".join([self._title(), *shortened_list(lines, ROWS)])

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        return section(self._title(), table(self._rows(), self._columns))


def _numbers(array: np.ndarray[Any, Any]) -> tuple[str, str, str]:
    known = np.asarray(array, dtype=np.float64)[np.isfinite(array)]
    median = f"{np.median(known):.4g}" if known.size else "none"
    return f"{known.size:,} of {array.size:,}", median, span(known)
