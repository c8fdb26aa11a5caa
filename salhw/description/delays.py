"""Delays: one for a whole projection, one for each synapse, or drawn from a distribution."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator

from salhw.description.connectivity import Connector, shape_of, synapses
from salhw.description.distributions import Distribution, PerSynapseOrDrawn
from salhw.description.drawn import DELAY, Draws, RandomConnector
from salhw.description.fields import FloatArray, refused_where
from salhw.diagnostics.wording import invalid, number


def _not_negative(value: Any) -> Any:
    if not isinstance(value, Distribution):
        return refused_where(np.asarray(value) < 0, value, ">= 0", "choose delay >= 0 ms", " ms")
    if value.ends[0] < 0:
        asked = f"{value.kind} from {number(value.ends[0])} on"
        raise invalid("SAL005", f"{asked} ms", ">= 0 ms", "give it low = 0")
    return value


Delay = Annotated[PerSynapseOrDrawn, AfterValidator(_not_negative)]
"""In ms: one number for all synapses, an array of the connector's shape, or a distribution."""


def listed_delay(
    name: str, delay: Any, weights: Connector, listed: Connector, ends: tuple[int, int, bool], dt: float
) -> float | FloatArray:
    """The delays of a projection ``name`` with nothing left to be drawn: a number, or an array of the shape of its
    ``listed`` connector. Of a distribution, rounded to whole steps of ``dt``; the seed is that of random
    ``weights``, 0 of others."""
    if not isinstance(delay, Distribution):
        given: float | FloatArray = delay
        return given
    post, pre, position = synapses(listed, *ends)
    seed = weights.seed if isinstance(weights, RandomConnector) else 0
    uniform = Draws(seed, name).of(DELAY, (post, pre), ends[1])
    array = np.zeros(shape_of(listed, *ends[:2]))
    array.reshape(-1)[position] = np.rint(delay.quantile(uniform) / dt) * dt
    return array
