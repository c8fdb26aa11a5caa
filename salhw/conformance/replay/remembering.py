"""Weights that a host remembers in full, of which a target holds the nearest steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray


class Remembered:
    """What a host remembers beside the weights of an ``oracle``, a session's Oracle, which are as they were read: by
    projection how far it is ``apart``, (instance, synapse), where it is.

    Args:
        steps: by how much weights of a projection may be off that a host remembers in full and the target holds in
            steps, (instance, 1); 0 where no host does.
    """

    def __init__(self, oracle: Any, steps: Callable[[Any, str], FloatArray] | None) -> None:
        self.oracle, self.steps, self.apart = oracle, steps, dict[str, FloatArray]()

    def full(self, projection: str) -> FloatArray:
        """The weights as the host remembers them, (instance, synapse)."""
        return np.asarray(self.oracle.weights[projection] + self.apart.get(projection, 0.0))

    def read(self, projection: str, before: FloatArray | None) -> None:
        """Weights have been read: where these are what was remembered ``before``, in steps, it still is."""
        read = self.oracle.weights[projection]
        self.change(projection)
        if before is None or self.steps is None:
            return
        steps = self.steps(self.oracle, projection)
        near = np.abs(before - read) <= steps + 1e-9 * (1.0 + np.abs(read))
        apart = np.where(near & (steps > 0.0), before - read, 0.0)
        if apart.any():
            self.apart[projection] = apart

    def change(self, projection: str) -> None:
        """The oracle's weights are what the host has now."""
        self.apart.pop(projection, None)
