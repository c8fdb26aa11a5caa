"""Spike-timing-dependent plasticity from triplets of spikes."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from salhw.description.fields import Milliseconds
from salhw.description.markers import Mark, Structure
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, PlasticityRule, Update
from salhw.description.windows import Window

TripletPairing = Literal["all", "nearest_symmetric"]
TAU_OWN = Mark(20, 40, -1, unit="ms")


class TripletSTDP(PlasticityRule):
    """Spike-timing-dependent plasticity from triplets of spikes (Pfister & Gerstner 2006, the terms A3 of Eqs 3 and 4):
    the more a neuron has spiked itself, the more its pairs count.

    A pair counts as in a PairSTDP, times what earlier spikes of the later spike's own neuron add up to: exp(-s /
    tau_post) for each postsynaptic spike s ms before the one that ends a causal pair, exp(-s / tau_pre) for each
    presynaptic spike before the one that ends an anti-causal pair. Without earlier spikes a pair counts nothing. Rules
    of a projection add up: beside a PairSTDP, the terms A2, it makes the whole rule, as ``PfisterGerstner`` does.

    Args:
        causal, anticausal: the two branches of the window, signs included in their amplitudes (A3+ and tau+, -A3- and
            tau-).
        tau_pre, tau_post: in ms, with which a neuron's own spikes fade (tau_x and tau_y).
        pairing: ``all``: pairs and own spikes are all earlier ones; ``nearest_symmetric``: the latest of either.
        learning_rate: per triplet, one number or one per synapse (shaped like the projection's weights).
        update: ``spike`` (weights change with the step's spikes and act from the next step), ``every T ms`` (at whole
            multiples of T of the session's time) or ``run end``.
        bounds: the weights are clipped to (lowest, highest) at each update.
        execution: ``chip``, or ``host`` to allow a target without the rule to compute it outside.
    """

    kind: Literal["TripletSTDP"] = "TripletSTDP"
    causal: Annotated[Window, Structure()]
    anticausal: Annotated[Window, Structure()]
    tau_pre: Annotated[Milliseconds, TAU_OWN]
    tau_post: Annotated[Milliseconds, TAU_OWN]
    pairing: Annotated[TripletPairing, Mark("all", "nearest_symmetric", "next", nearness=get_args(TripletPairing))] = (
        "all"
    )
    learning_rate: LearningRate
    update: Update = "spike"
    bounds: Bounds = None
    execution: Execution = "chip"
