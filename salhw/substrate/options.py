"""Options of a target: what a user may choose about a backend, declared in the target's TOML.

[options.threads]
type = "integer"
default = 1
range = [1, 4096]
meaning = "threads of NEST; its random numbers depend on it"

What a choice changes of the target's capabilities, it says itself:

[options.weight_exponent.declares.auto]
"projections.weights" = [-63.5, 63.5]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from salhw.description.fields import Model, Number
from salhw.diagnostics.wording import as_whole, invalid, nearest, number, one_of, shown
from salhw.substrate.capabilities import Entry

Value = int | float | str
_DECIMAL = re.compile(r"[+-]?([0-9]{1,15}([.][0-9]{0,15})?|[.][0-9]{1,15})")


class Option(Model):
    """One option of a target: what it may be, and what it is.

    Args:
        type: ``integer``, ``number``, ``text``, or ``choice`` from a list.
        range: the least and the largest integer or number.
        choices: what a choice may be, or words that may stand in place of a number (``auto``).
        default: what it is unless somebody chooses otherwise.
        meaning: what it does, for the reader.
        fits: the value that ``salhw.fit`` may choose where a network then fits; None where it leaves the option alone.
        changes_target: whether it changes what the target can do, so that a calibration made before no longer holds.
        value: what it is. A number may be given as text, as on a command line; it is held as a number.
        declares: per choice, the capabilities that a target has with it, by the path of the field in its TOML; the
            target's own are those of the default.
    """

    type: Literal["integer", "number", "text", "choice"]
    range: tuple[Number, Number] | None = None
    choices: tuple[str, ...] = ()
    default: Value
    meaning: str
    fits: Value | None = None
    changes_target: bool = True
    value: Value = ""
    declares: dict[str, dict[str, Entry]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _declared(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            return {"value": data.get("default", ""), **data}
        if isinstance(data, Option):
            return data
        fix = f'write it as {{ type = "text", default = {shown(data)}, meaning = "..." }}'
        raise invalid("SAL001", shown(data), "a table of type, default and meaning", fix)

    @field_validator("default", "fits", "value", mode="plain")
    @classmethod
    def _held(cls, value: Any, info: ValidationInfo) -> Any:
        """``value`` with the type that is declared."""
        data, kind, choices = info.data, info.data.get("type", ""), info.data.get("choices", ())
        limits: Any = data.get("range")
        numeric = kind in ("integer", "number")
        if value is None and info.field_name == "fits":
            return None
        if not kind or (numeric and not limits) or (info.field_name == "value" and "default" not in data):
            return value  # what is declared is wrong, and refused for that
        if isinstance(value, str) and (value in choices or kind == "text"):
            return str(value)
        supported = worded(kind, limits, choices)
        asked = value if isinstance(value, str) and value.isprintable() else shown(value)
        otherwise = f"give {data.get('default', (*choices, *(limits or ()), '')[0])!r}"
        if kind == "choice" and isinstance(value, str):
            raise invalid("SAL005", asked, supported, nearest(value, choices, otherwise))
        given = _number(value) if numeric else None
        if given is None or (kind == "integer" and given != round(given)):
            raise invalid("SAL001", asked, supported, otherwise)
        if not limits[0] <= given <= limits[1]:
            raise invalid("SAL005", number(given), supported, f"give {number(limits[given > limits[1]])}")
        return int(given) if kind == "integer" else float(given)

    @model_validator(mode="after")
    def _suits_its_type(self) -> Option:
        numeric = self.type in ("integer", "number")
        if numeric and (self.range is None or self.range[0] > self.range[1]):
            raise invalid("SAL005", shown(self.range), "[low, high] with low <= high", "give the range", at="range")
        if self.range is not None and not numeric:
            raise invalid("SAL005", shown(self.range), "of integers and numbers only", "leave it out", at="range")
        if self.choices and self.type == "text":
            raise invalid("SAL005", shown(self.choices), "none for text", 'type = "choice"', at="choices")
        if unknown := self.declares.keys() - {*self.choices}:
            raise invalid("SAL005", shown(min(unknown)), one_of(self.choices), "name a choice", at="declares")
        return self

    @property
    def supported(self) -> str:
        """What it may be, in words."""
        return worded(self.type, self.range, self.choices)

    def __str__(self) -> str:
        """Its value as text, which gives the same value again."""
        return repr(self.value).removesuffix(".0") if isinstance(self.value, float) else str(self.value)


def worded(kind: str, limits: tuple[float, float] | None, choices: tuple[str, ...]) -> str:
    """What an option may be, in words: ``a whole number 1..63, or auto``."""
    if kind == "choice":
        return one_of(choices)
    noun = {"integer": "a whole number", "number": "a number"}.get(kind, kind)
    ends = f" {number(limits[0])}..{number(limits[1])}" if limits else ""
    return ", or ".join([f"{noun}{ends}", *choices])


def _number(value: object) -> float | None:
    """A finite number, given as such or as text; None for all else, bools among it."""
    if isinstance(value, str):
        return float(value) if _DECIMAL.fullmatch(value) else None
    if (count := as_whole(value)) is not None:
        return count
    return float(value) if isinstance(value, float | np.floating) and isfinite(value) else None
