"""The time grid: which times are whole numbers of steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number

MOST_STEPS = 2.0**53  # beyond, every number is a whole one


def in_steps(time: float, dt: float) -> int | None:
    """``time`` as a whole number of steps of ``dt`` (both in ms), or None if it is off the grid by 1e-6 steps, or
    beyond 2^53, where every number is a whole one."""
    steps = time / dt
    whole = math.isfinite(steps) and abs(steps) <= MOST_STEPS and abs(steps - round(steps)) < 1e-6
    return round(steps) if whole else None


def whole_steps(times: FloatArray, dt: float) -> npt.NDArray[np.bool_]:
    """``in_steps`` of many: whether each of them is on the grid."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = times / dt
        return np.asarray((np.abs(steps - np.rint(steps)) < 1e-6) & (steps <= MOST_STEPS))


def off_grid(path: str, time: float | FloatArray | None, dt: float, least: int = 1) -> Iterator[Diagnostic]:
    """A finding if ``time`` is not a whole number of steps, ``least`` of them or more, the first of several; None is no
    time at all."""
    if time is None:
        return
    if isinstance(time, np.ndarray):
        for place in np.argwhere(~whole_steps(time, dt) | (time < (least - 0.5) * dt))[:1]:
            at = "".join(f"[{i}]" for i in place)
            yield from off_grid(f"{path}{at}", float(time[tuple(place)]), dt, least)
        return
    steps = in_steps(time, dt)
    if steps is None or steps < least:
        there = min(time / dt, MOST_STEPS)
        near = sorted({max(least, floor(there)), max(least, ceil(there))})
        fix = f"choose {' or '.join(number(k * dt) for k in near)} ms, or another dt"
        yield Diagnostic("SAL008", path, f"{number(time)} ms", f"whole multiples of dt = {number(dt)} ms", fix)
