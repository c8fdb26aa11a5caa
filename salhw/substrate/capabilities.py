"""What a target declares: ranges and choices, by the fields of the description."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any

from pydantic import BeforeValidator

from salhw.description.fields import Model
from salhw.diagnostics.wording import invalid, shown


class Range(Model):
    """An inclusive range of numbers."""

    min: float
    max: float

    def __str__(self) -> str:
        return f"{self.min:g}..{self.max:g}" if self.min < self.max else f"{self.min:g}"


def _entry(value: Any) -> Range | tuple[str, ...]:
    """TOML's ``[low, high]`` is a range, ``["a", "b"]`` a choice."""
    if isinstance(value, Mapping) and value.keys() == {"min", "max"}:
        value = [value["min"], value["max"]]
    if isinstance(value, Range):
        return value
    if isinstance(value, list | tuple):
        if all(isinstance(v, str) for v in value):
            return tuple(value)
        if len(value) == 2 and all(isinstance(v, int | float) and isfinite(v) for v in value) and value[0] <= value[1]:
            return Range(min=value[0], max=value[1])
    supported = "a range [low, high] with low <= high, or a list of names"
    raise invalid("SAL001", shown(value), supported, "write it as one of these")


Entry = Annotated[Range | tuple[str, ...], BeforeValidator(_entry)]


Capability = dict[str, Entry]
"""Field name -> what it may be. A field that is absent may only have its default; ``arrays`` lists the fields that may
differ between neurons or synapses, ``required`` times that may not be left out, ``settable`` those of windows that a
session can change, and ``written_amplitude`` how far, if not as far as described."""
