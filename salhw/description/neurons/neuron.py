"""What all neuron models have in common."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kinds import Kind


class Neuron(Kind):
    """A neuron model: a class of this group, with its parameters as marked fields."""

    section = "neurons"
    offers: ClassVar[frozenset[str]] = frozenset({"spikes"})
    """What stimuli can act on and probes can see, as their ``needs`` name it: ``spikes`` (of every model), ``membrane``
    (a potential), ``state`` (a refractory state z), ``bias`` (an input that adds to it), ``decision`` (a random choice
    whether to spike, which can be clamped), ``rate`` (spikes only as a stimulus says)."""

    @property
    def refractory_period(self) -> float | None:
        """The absolute refractory period in ms; None for models without one."""
        return None

    def steady_rate(self, drive: FloatArray, dt: float) -> FloatArray:
        """Spikes per ms under a constant ``drive`` (that of its stimuli, beside the bias) and no synaptic input, for
        estimates of how much a run records; 0 where nobody knows."""
        return np.zeros_like(drive)

    def moved_before(self, field: str, low: float, high: float) -> str:
        """What has to change before ``field`` can be moved into ``low``..``high``, as a fix says it; empty if nothing
        has."""
        return ""
