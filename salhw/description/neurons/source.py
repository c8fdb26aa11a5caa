"""Neurons that only stimuli make spike."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.neurons.neuron import Neuron


class Source(Neuron):
    """A neuron without dynamics: it spikes exactly when a stimulus (Poisson, SpikeTimes) says so."""

    offers: ClassVar = frozenset({"spikes", "rate"})
    kind: Literal["Source"] = "Source"

    def steady_rate(self, drive: FloatArray, dt: float) -> FloatArray:
        """``drive``, the rate of its stimuli; at most one spike per step."""
        return np.minimum(drive, 1.0 / dt)
