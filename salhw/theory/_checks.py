"""Checks of arguments shared by the theory: each names the argument, says what was given and what is allowed."""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DISCRETISATIONS = ("logistic", "exact")
PAIRINGS = ("nearest_restricted", "nearest_symmetric", "all")


def finite_array(name: str, value: npt.ArrayLike, shape: tuple[int | None, ...] | None = None) -> FloatArray:
    """`value` as a float64 array, all finite, of the given shape (None in `shape`: any length >= 1; no shape: any).

    Raises ValueError.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} = {value!r}: must be numbers ({error})") from None
    if shape is not None:
        fits = array.ndim == len(shape) and all(
            size >= 1 if want is None else size == want for size, want in zip(array.shape, shape, strict=True)
        )
        if not fits:
            wanted = "(" + ", ".join("any length >= 1" if want is None else str(want) for want in shape) + ")"
            raise ValueError(f"{name} has shape {array.shape}: must be {wanted}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} = {value!r}: must be finite (no NaN, no infinity)")
    return array


def whole(name: str, value: SupportsIndex | float, minimum: int) -> int:
    """`value` as an int >= minimum; floats count when they are whole. Raises ValueError."""
    try:
        number = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{name} = {value!r}: must be a whole number >= {minimum}") from None
    if isinstance(value, (bool, np.bool_)) or number < minimum:
        raise ValueError(f"{name} = {value!r}: must be a whole number >= {minimum}")
    return number


def positive(name: str, value: float) -> float:
    """`value` as a finite float > 0. Raises ValueError."""
    number = float(finite_array(name, value, ()))
    if number <= 0:
        raise ValueError(f"{name} = {value!r}: must be > 0")
    return number


def known_discretisation(value: str) -> str:
    """`value` itself if it is one of DISCRETISATIONS. Raises ValueError."""
    if value not in DISCRETISATIONS:
        raise ValueError(f"discretisation = {value!r}: must be one of {', '.join(DISCRETISATIONS)}")
    return value


def known_pairing(value: str) -> str:
    """`value` itself if it is one of PAIRINGS. Raises ValueError."""
    if value not in PAIRINGS:
        raise ValueError(f"pairing = {value!r}: must be one of {', '.join(PAIRINGS)}")
    return value


def pair_weights(weights: npt.ArrayLike) -> FloatArray:
    """W[post, pre] of two neurons, shape (2, 2), zero diagonal. Raises ValueError."""
    array = finite_array("weights", weights, (2, 2))
    if array[0, 0] != 0 or array[1, 1] != 0:
        raise ValueError(
            f"weights has the diagonal {[float(w) for w in np.diag(array)]}: must be 0 (no self-connections)"
        )
    return array


def spike_steps(name: str, steps: npt.ArrayLike, duration: int) -> IntArray:
    """Spike steps as int64, strictly increasing within [0, duration); an empty train is fine. Raises ValueError."""
    array = np.asarray(steps)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}: must be one-dimensional")
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} has dtype {array.dtype}: must be integers (spike steps)")
    array = array.astype(np.int64)
    if (np.diff(array) <= 0).any():
        raise ValueError(f"{name} must be strictly increasing (sorted, at most one spike per step)")
    if array[0] < 0 or array[-1] >= duration:
        raise ValueError(f"{name} spans steps {array[0]}..{array[-1]}: must lie in 0..duration-1 = {duration - 1}")
    return array
