"""Random numbers: a stream per instance and purpose, the same whatever runs beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

NEURONS, PRE_TRACES, POST_TRACES, WEIGHTS = range(4)  # purposes
BLOCK = 1 << 18  # numbers drawn in advance, of all instances; they do not depend on it


class Draws:
    """Uniform numbers in [0, 1), ``size`` per instance and step, instance after instance.

    Args:
        seed, ids: the session's seed (64 bits) and the instances' ids; nothing else enters.
        stream: one of the purposes; a rule adds its own number to the last three.
    """

    def __init__(self, seed: int, ids: list[int], size: int, stream: int, rule: int = 0) -> None:
        self.rngs = [
            np.random.Generator(np.random.Philox(key=(seed << 64) + identity, counter=[0, 0, rule, stream]))
            for identity in ids
        ]
        self.size, self.rows = size, max(1, BLOCK // max(1, size * len(ids)))
        self.at, self.block = self.rows, np.zeros((0, 0))

    def next(self) -> npt.NDArray[Any]:
        """The numbers of one step, (instances * size,)."""
        if self.at == self.rows:
            drawn = [rng.random((self.rows, self.size)) for rng in self.rngs]
            self.block, self.at = np.stack(drawn, axis=1).reshape(self.rows, -1), 0
        self.at += 1
        row: npt.NDArray[Any] = self.block[self.at - 1]
        return row
