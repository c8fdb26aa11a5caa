"""Numbers of a batch that all instances, or all synapses, have in common are held once."""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray


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
