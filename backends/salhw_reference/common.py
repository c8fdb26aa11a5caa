"""What instances or synapses have in common: numbers are held once then, and pairs may have several synapses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw_reference.arrays import NetworkArrays


def is_common(values: FloatArray, axis: int) -> bool:
    """Whether ``values`` are the same all along an axis."""
    if values.shape[axis] <= 1 or values.strides[axis] == 0:
        return True
    first = values.take([0], axis)
    return bool(np.array_equal(values, np.broadcast_to(first, values.shape)))


def condensed(values: FloatArray, axis: int) -> FloatArray:
    """``values``, with one entry along an axis if they are the same all along it."""
    return values.take([0], axis) if values.shape[axis] and is_common(values, axis) else values


def own(values: FloatArray, batch: int) -> FloatArray:
    """An array with a row for each instance, of one that may have one row for all."""
    return values if len(values) == batch else np.repeat(values, batch, axis=0)


def repeats(ends: IntArray, partners: npt.NDArray[np.uint32]) -> bool:
    """Whether a pair has several synapses: of the rows of ``partners``, which ascend, the k-th begins at ``ends[k]``
    and lasts until ``ends[k + 1]``."""
    some, begins = partners[ends[0] : ends[-1]], ends[1:-1] - ends[0]
    same = some[1:] == some[:-1]
    same[begins[(begins > 0) & (begins < len(some))] - 1] = False
    return bool(same.any())


def is_short_term(arrays: NetworkArrays) -> bool:
    """Whether some PSPs have strengths that differ from spike to spike."""
    return bool(np.any(arrays.psp["utilisation"] > 0.0))
