"""The weights that the chip holds: whole numbers of codes, over as many rows as a projection takes for each."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from salhw.compiler.quantise import weight_levels
from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.substrate.target import Target
from salhw_brainscales2.hardware.processor import WEIGHT_MAX
from salhw_brainscales2.hardware.rows import ROWS_PER_WEIGHT

BITS = 7
"""Of a weight in one row pair, its sign included."""


def code(target: Target) -> float:
    """The weight of one code: what the target's weight bits make of its range, or would."""
    return weight_levels(target, BITS)[0]


def largest(p: Projection) -> float:
    """The largest weight of a projection, without its sign."""
    return float(np.abs(p.weights.stored).max(initial=0.0))


def rows_per_weight(net: Network, target: Target) -> dict[str, int]:
    """The row pairs that make a weight of each projection: as many as its largest weight and the bounds of its rules
    need, no fewer than the target says already or its options ask for. A rule without bounds ends where they do."""
    return {p.name: _rows_of(p, target) for p in net.projections}


def _rows_of(p: Projection, target: Target) -> int:
    reach = max([largest(p), *(abs(end) for rule in p.plasticity for end in rule.bounds or ())])
    least = max(int(target.option("rows_per_weight")), target.synapses_per_weight.get(p.name, 1))
    one = WEIGHT_MAX * code(target.scaled_for(p.name))
    there = [rows for rows in ROWS_PER_WEIGHT if rows <= target.max_synapses_per_weight]
    return next((rows for rows in there if rows >= least and reach <= rows * one * (1 + 1e-9)), there[-1])


@dataclass(frozen=True)
class Grid:
    """The weights that one projection can hold: codes of ``step`` up to ``most`` in size; any number up to there, if
    they are not ``quantised``."""

    step: float
    most: int
    quantised: bool

    @classmethod
    def of(cls, target: Target, projection: str) -> Grid:
        """As a target that a network was lowered to has chosen it."""
        here = target.scaled_for(projection)
        return cls(code(here), WEIGHT_MAX * here.max_synapses_per_weight, target.weight_bits is not None)

    @property
    def reach(self) -> float:
        """The largest weight."""
        return self.most * self.step

    def nearest(self, weights: FloatArray, low: float = -np.inf, high: float = np.inf) -> FloatArray:
        """The nearest weights that it can hold from ``low`` to ``high``, where there is one."""
        if not self.quantised:
            return np.clip(weights, max(low, -self.reach), min(high, self.reach))
        least, most = ceil(max(low / self.step, -self.most) - 1e-9), floor(min(high / self.step, self.most) + 1e-9)
        return np.asarray(np.clip(np.rint(weights / self.step), least, most) * self.step + 0.0)

    def codes(self, weights: FloatArray) -> IntArray:
        """The codes of the nearest weights, quantised or not: all that an export can write."""
        return np.clip(np.rint(weights / self.step), -self.most, self.most).astype(np.int64)
