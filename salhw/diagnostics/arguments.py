"""One validation of what users hand to functions: whole numbers, seeds, ids, chips, durations, models and names.

A wrong argument is one error with its path, what was given (shortened), what is supported and what is probably meant.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt

from salhw.diagnostics import DescriptionError, Diagnostic, FileError, SalhwError, SessionError
from salhw.diagnostics.wording import as_whole, nearest, one_of, shown

T = TypeVar("T")
MAX_SEED = 2**128 - 1
"""The largest seed: as wide as a UUID, and as the entropy that numpy's SeedSequence gathers."""
MAX_ID = 2**63 - 1
"""The largest id of an instance or chip, and the largest wafer: recordings and calibrations hold 64 bits."""
MAX_THREADS = 4096


def wrong(
    path: str, value: object, supported: str, fix: str, *, code: str = "SAL001", kind: type[SalhwError] | None = None
) -> SalhwError:
    """The error of an argument that is not what it should be."""
    kind = kind or DescriptionError
    finding = Diagnostic(code, path, value if isinstance(value, str) else shown(value), supported, fix)
    return kind(f"{kind.__name__}: {path} cannot be used", [finding])


def whole(
    path: str, value: object, least: int, most: int, *, code: str = "SAL001", kind: type[SalhwError] | None = None
) -> int:
    """A whole number from ``least`` to ``most``; numpy's are taken, bools, text and fractions are not.

    Raises:
        SalhwError: of ``kind`` (DescriptionError by default), with ``code``.
    """
    number = as_whole(value)
    if number is None or not least <= number <= most:
        limit = f"2^{(most + 1).bit_length() - 1} - 1" if most >= 2**31 - 1 else f"{most}"
        supported = f"a whole number {least}..{limit}"
        raise wrong(path, shown(value), supported, f"give {supported}", code=code, kind=kind)
    return number


def checked_seed(value: object, path: str = "seed") -> int:
    """A seed of the trial-to-trial randomness.

    Raises:
        SessionError: not a whole number 0..2^128 - 1.
    """
    return whole(path, value, 0, MAX_SEED, code="SAL401", kind=SessionError)


def _listed(value: object) -> TypeGuard[Iterable[object]]:
    """Whether a value is a list of others, of any kind; text is not, nor is an array of no dimension."""
    plain = isinstance(value, str | bytes | Mapping) or (isinstance(value, np.ndarray) and value.ndim == 0)
    return isinstance(value, Iterable) and not plain


def checked_ids(value: object, path: str) -> tuple[int, ...]:
    """The ids of instances or chips, or their number: 0, 1, ...; all different, at least one.

    Raises:
        SessionError: anything else.
    """
    if (count := as_whole(value)) is not None:
        return tuple(range(whole(path, count, 1, 2**31 - 1, code="SAL401", kind=SessionError)))
    if not _listed(value):
        supported = "a number of instances, or their ids"
        raise wrong(path, shown(value), supported, "give whole numbers", code="SAL401", kind=SessionError)
    ids = tuple(whole(f"{path}[{k}]", i, 0, MAX_ID, code="SAL401", kind=SessionError) for k, i in enumerate(value))
    if not ids or len(set(ids)) != len(ids):
        fix = "open at least one, and each only once"
        raise wrong(path, shown(ids), "different ids >= 0, at least one", fix, code="SAL401", kind=SessionError)
    return ids


def threads(default: int) -> int:
    """How many threads the environment's SALHW_THREADS allows; ``default`` where it is not set, empty or 0.

    Raises:
        SessionError: it is no whole number.
    """
    text = os.environ.get("SALHW_THREADS", "").strip()
    if not text:
        return default
    given: object = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text
    return whole("SALHW_THREADS", given, 0, MAX_THREADS, code="SAL401", kind=SessionError) or default


def checked_duration(value: object, dt: float) -> int:
    """The steps of ``dt`` ms in a duration in ms.

    Raises:
        SessionError: no finite number, no whole number of steps, less than one, or more than 2^53.
    """
    if isinstance(value, bool | str | bytes) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise wrong("duration", shown(value), "a number of ms", "give a number", code="SAL404", kind=SessionError)
    try:
        duration = float(value)  # type: ignore[arg-type]  # what it may be was just asked
    except (TypeError, ValueError, OverflowError):
        duration = math.inf
    steps = duration / dt
    limit = f"whole multiples of dt = {dt:g} ms, at least one and at most 2^53"
    asked = f"{duration:g} ms" if math.isfinite(duration) else shown(value)
    if not 0.5 <= steps <= 2.0**53 or abs(steps - round(steps)) >= 1e-6:
        near = max(1, round(min(max(steps, 1.0), 2.0**53))) * dt if steps == steps else dt
        raise wrong("duration", asked, limit, f"duration = {near:.10g} ms", code="SAL404", kind=SessionError)
    return round(steps)


def checked_progress(value: Callable[[float], None] | None) -> Callable[[float], None] | None:
    """What is called with the share of a run that is done.

    Raises:
        SessionError: it cannot be called.
    """
    if value is not None and not callable(value):
        supported = "a function of one number, or None"
        raise wrong("progress", shown(value), supported, "give a function", kind=SessionError)
    return value


def numbers(path: str, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """An array of numbers.

    Raises:
        DescriptionError: it is none.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):  # lists of unequal lengths
        array = np.zeros(0, dtype=object)
    if array.dtype.kind not in "iuf":
        raise wrong(path, shown(value), "a number, or an array of them", "give numbers")
    return array.astype(np.float64, copy=False)


def instance_of(path: str, value: object, cls: type[T], fix: str, *, kind: type[SalhwError] | None = None) -> T:
    """``value``, if it is a ``cls``.

    Raises:
        SalhwError: of ``kind`` (DescriptionError by default): it is something else.
    """
    if not isinstance(value, cls):
        raise wrong(path, described(value), f"a {cls.__name__}", fix, kind=kind)
    return value


def described(value: object) -> str:
    """A value of the wrong type in a message: what it is, where its text would not say so."""
    plain = value is None or isinstance(value, str | bytes | bool | int | float | complex)
    return shown(value) if plain else f"a {type(value).__name__}"


def known_name(
    path: str, name: object, known: Iterable[str], *, code: str = "SAL009", kind: type[SalhwError] | None = None,
    fix: str = "check the spelling",
) -> str:  # fmt: skip
    """``name``, if it is one of the ``known`` ones.

    Raises:
        SalhwError: of ``kind`` (DescriptionError by default), naming the nearest.
    """
    names = list(known)
    if not isinstance(name, str) or name not in names:
        raise wrong(path, shown(name), one_of(names), nearest(name, names, fix), code=code, kind=kind)
    return name


def as_path(path: object) -> Path:
    """A path of a file system.

    Raises:
        FileError: it is neither text nor a path, or holds what no path can.
    """
    if isinstance(path, str | os.PathLike) and not isinstance(path, bytes):
        name = os.fspath(path)
        try:
            longest = max(map(len, os.fsencode(name).split(os.fsencode(os.sep))))
            if isinstance(name, str) and name and "\0" not in name and longest <= 255 and len(name) < 4096:
                return Path(name)
        except UnicodeEncodeError:
            pass
    finding = Diagnostic("SAL501", "path", shown(path), "the path of a file", "give its name, at most 255 bytes long")
    raise FileError("FileError: cannot use this as a path", [finding])


def folded(number: int, bits: int) -> int:
    """``number`` in ``bits`` bits, for generators that take no more: itself if it fits, a hash of it otherwise."""
    if number < 1 << bits:
        return number
    digest = hashlib.sha256(b"salhw/" + number.to_bytes((number.bit_length() + 7) // 8, "little")).digest()
    return int.from_bytes(digest[:16], "little") >> (128 - bits)


def sequence_of(path: str, value: object, cls: type[T], *, kind: type[SalhwError] | None = None) -> tuple[T, ...]:
    """``value`` as a tuple of ``cls``.

    Raises:
        SalhwError: of ``kind`` (DescriptionError by default).
    """
    name = cls.__name__
    if isinstance(value, cls) or not _listed(value):
        raise wrong(path, described(value), f"a list of {name}", f"give a list of {name}", kind=kind)
    fix = f"give a list of {name}"
    return tuple(instance_of(f"{path}[{k}]", item, cls, fix, kind=kind) for k, item in enumerate(value))
