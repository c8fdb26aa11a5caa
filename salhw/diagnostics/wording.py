"""What is wrong with a value, in our words and with its path."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

from pydantic_core import PydanticCustomError

from salhw.diagnostics import LENGTH, printable, shortened


def invalid(code: str, asked: object, supported: str, fix: str = "", at: str = "") -> PydanticCustomError:
    """The error that a validator raises; ``at`` extends the path (``[3]``, ``weights.values``)."""
    texts = {"asked": asked if isinstance(asked, str) else shown(asked), "supported": supported, "fix": fix, "at": at}
    context = {name: printable(text) for name, text in texts.items()}  # pydantic refuses halves of characters
    return PydanticCustomError(code, "{asked}: {supported}", context)


class _Short(reprlib.Repr):
    """Python's own abbreviation, which looks at no more of a value than it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 4, LENGTH, LENGTH
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = self.maxarray = 12

    def repr_int(self, value: int, level: int) -> str:
        """Python refuses to write numbers of thousands of digits."""
        bits = value.bit_length()
        return repr(value) if bits < 200 else f"a whole number of about {int(bits * 0.30103) + 1} digits"

    def repr_bytes(self, value: bytes, level: int) -> str:
        return repr(value[:LENGTH])

    def repr_ndarray(self, value: Any, level: int) -> str:
        return f"an array of shape {value.shape}" if value.size > 12 else " ".join(repr(value).split())

    def repr1(self, x: Any, level: int) -> str:
        """numpy's numbers are numbers, wherever they stand."""
        scalar = type(x).__module__ == "numpy" and getattr(x, "ndim", 1) == 0
        return super().repr1(x.item() if scalar else x, level)


_SHORT = _Short()


def shown(value: object) -> str:
    """A value as a message tells it: as Python writes it, and never longer than ``LENGTH``."""
    return shortened(_SHORT.repr(value))


def as_whole(value: object) -> int | None:
    """A whole number that is written as one, numpy's included; None for all else, bools among it."""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return None
    try:
        return index(value)  # type: ignore[arg-type]  # which is the question
    except TypeError:
        return None


def one_of(names: Iterable[str]) -> str:
    """``one of a, b, c``; of many, the first."""
    known = [shortened(name, 40) for name in names]
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return f"one of {', '.join(known[:12])}{more}" if known else "nothing: there are none"


def shortened_list(lines: Sequence[str], most: int) -> list[str]:
    """The first ``most`` lines, and how many more there are."""
    more = len(lines) - most
    return [*lines[:most], *([f"  ... and {more} more"] if more > 0 else [])]


def number(value: float) -> str:
    """A number as a person writes it: ten digits, no trailing zeros."""
    try:
        return f"{value:.10g}"
    except OverflowError:  # a whole number beyond what a float holds
        return shown(value)


def nearest(word: object, known: Iterable[str], otherwise: str = "check the spelling") -> str:
    """A fix for a misspelt name."""
    from difflib import get_close_matches

    if not isinstance(word, str) or len(word) > 2 * LENGTH:  # nobody misspells like this, and comparing takes time
        return otherwise
    short = [name for name in known if len(name) <= 2 * LENGTH]
    close = get_close_matches(word, short[:2000], n=1)
    return f"did you mean {close[0]}?" if close else otherwise
