"""The potential that a spike resets a neuron to, which lies below the one at which it spikes."""

from __future__ import annotations

import numpy as np

from salhw.description.neurons.neuron import Neuron
from salhw.diagnostics.wording import invalid, number


def refuse_reset_above(neuron: Neuron, reset: str, ceiling: str) -> None:
    """Refuse a neuron whose field ``reset`` is not below its field ``ceiling``, of which each is one number, or one
    per neuron.

    Raises:
        ValueError: SAL005 at the first such neuron.
    """
    low, high = getattr(neuron, reset), getattr(neuron, ceiling)
    if len({np.size(value) for value in (low, high)} - {1}) > 1:  # the population says how many neurons there are
        return
    lows, highs = np.broadcast_arrays(np.atleast_1d(low), np.atleast_1d(high))
    for i in np.flatnonzero(lows >= highs)[:1]:
        at = f"{reset}[{i}]" if isinstance(low, np.ndarray) else reset
        limit, fix = f"< {ceiling} = {number(highs[i])}", f"lower {reset}, or raise {ceiling}"
        raise invalid("SAL005", number(lows[i]), limit, fix, at=at)


def moved_apart(neuron: Neuron, field: str, reset: str, ceiling: str, low: float, high: float) -> str:
    """What has to change before ``field`` can be moved into ``low``..``high``, as Neuron.moved_before says it, where
    ``reset`` lies below ``ceiling``."""
    lower, upper = np.asarray(getattr(neuron, reset)), np.asarray(getattr(neuron, ceiling))
    gap = min(float(np.min(upper - lower)), (high - low) / 2)
    if field == reset and np.min(upper) <= low:
        return f"{ceiling} >= {number(low + gap)}"
    if field == ceiling and np.max(lower) >= high:
        return f"{reset} <= {number(high - gap)}"
    return ""
