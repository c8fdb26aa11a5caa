"""Plasticity from single spikes, whatever the other side of the synapse does."""

from __future__ import annotations

from typing import Annotated, Literal

from salhw.description.fields import Number
from salhw.description.markers import Mark
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, PlasticityRule, Update

TERM = Mark(-0.5, 0.25, float("inf"))


class PerSpike(PlasticityRule):
    """Plasticity from single spikes: every presynaptic spike adds ``learning_rate * pre``, every postsynaptic one
    ``learning_rate * post`` (w_in and w_out of Kempter, Gerstner & van Hemmen 1999).

    Rules of a projection add up: beside a rule of pairs this one is its terms without a partner. ``VogelsSprekeler``
    makes both. With a negative ``post`` alone, synapses onto neurons that spike much are weakened.

    Args:
        pre, post: what one spike counts, without a unit.
        learning_rate: one number or one per synapse (shaped like the projection's weights).
        update: ``spike`` (weights change with the step's spikes and act from the next step), ``every T ms`` (at whole
            multiples of T of the session's time) or ``run end``.
        bounds: the weights are clipped to (lowest, highest) at each update.
        execution: ``chip``, or ``host`` to allow a target without the rule to compute it outside.
    """

    kind: Literal["PerSpike"] = "PerSpike"
    pre: Annotated[Number, TERM] = 0.0
    post: Annotated[Number, TERM] = 0.0
    learning_rate: LearningRate
    update: Update = "spike"
    bounds: Bounds = None
    execution: Execution = "chip"
