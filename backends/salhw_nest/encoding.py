"""Weights of a plastic synapse as weights of NEST's stdp_synapse, which has one sign and two bounds, and back."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.plasticity import PairSTDP

ROOM = 1024.0, 512.0  # unbounded weights live in a range of that size to either side, or of so many of the largest step
TINY = 1e-150  # stands for zero: of a causal amplitude, because NEST gives the anti-causal one in units of it


Amplitudes = tuple[FloatArray, FloatArray]
"""Of the causal and the anti-causal branch, per synapse."""


@dataclass(frozen=True)
class Encoding:
    """W = v + offset, with v between 0 and ``reach`` (of either sign); arrays (synapse,).

    NEST clips v at 0 on depression and at ``Wmax`` on facilitation only. Where causal pairs weaken, v counts from the
    upper bound downwards, so that they are NEST's facilitation and both bounds hold.
    """

    offset: FloatArray
    reach: FloatArray

    def values(self, weights: FloatArray) -> FloatArray:
        """v; never zero, which NEST takes for positive, and refuses beside a negative ``Wmax``."""
        distance = (weights - self.offset) * np.sign(self.reach)
        return np.copysign(np.maximum(distance, TINY), self.reach)

    def parameters(self, learning_rate: FloatArray, amplitudes: Amplitudes) -> dict[str, FloatArray]:
        """``lambda`` and ``alpha`` of NEST's additive rule."""
        causal, anticausal = (learning_rate * amplitude / self.reach for amplitude in amplitudes)
        causal = np.where(causal == 0.0, TINY, causal)
        return {"lambda": causal, "alpha": -anticausal / causal}

    def keeps_direction(self, learning_rate: FloatArray, amplitudes: Amplitudes) -> bool:
        """Whether synapses with bounds, which NEST clips at one end for each branch, can learn at these rates."""
        towards = learning_rate * _leading(amplitudes) * np.sign(self.reach)
        return not np.any(towards < 0.0)


def _leading(amplitudes: Amplitudes) -> FloatArray:
    """The amplitude whose sign says which way a synapse learns."""
    causal, anticausal = amplitudes
    return np.where(causal != 0.0, causal, -anticausal)


def encoding(rule: PairSTDP, amplitudes: Amplitudes, learning_rate: FloatArray) -> Encoding:
    """How the synapses of a rule are encoded."""
    size = learning_rate.size
    if rule.bounds is None:
        largest = max((float(np.abs(learning_rate * a).max(initial=0.0)) for a in amplitudes), default=0.0)
        room = 2.0 ** ceil(log2(max(ROOM[0], ROOM[1] * largest)))  # a power of two: no rounding on the way
        return Encoding(np.full(size, -room), np.full(size, 2.0 * room))
    low, high = rule.bounds
    signed = np.where(learning_rate == 0.0, 1.0, learning_rate)  # one that is off may come on
    weakens = signed * _leading(amplitudes) < 0.0
    return Encoding(np.where(weakens, high, low), np.where(weakens, low - high, high - low))
