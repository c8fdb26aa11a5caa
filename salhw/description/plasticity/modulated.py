"""Spike-timing-dependent plasticity that a third factor gates."""

from __future__ import annotations

from typing import Annotated, Literal

from salhw.description.fields import Number
from salhw.description.markers import AnyTraceName, Mark, Structure
from salhw.description.plasticity.pair_stdp import PairingScheme
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, PlasticityRule, Update
from salhw.description.windows import Window


class ModulatedSTDP(PlasticityRule):
    """Spike-timing-dependent plasticity that a third factor gates (three-factor rule; Fremaux & Gerstner 2016): what a
    PairSTDP of the same windows and pairing changes, times the modulator, which may be negative.

    The modulator is the mean of a trace over all neurons of its population, any population of the network, less
    ``baseline``; it is the same for all synapses. Pairs count with the modulator as it is when an update adds them up:
    with ``every T ms``, T is for how long a pair waits for its reward at most. A factor that a session gives between
    runs needs no such rule: it writes the ``learning_rate`` of a PairSTDP.

    Args:
        causal, anticausal: the two branches of the window, signs included in their amplitudes.
        modulator: name of a trace: of ``spikes``, a rate in spikes per ms.
        baseline: what is subtracted from the trace, in its unit: an expected reward, say.
        pairing: which pairs count, as of PairSTDP.
        learning_rate: per pair and unit of the modulator, one number or one per synapse.
        update: ``spike``, ``every T ms`` or ``run end``, with the trace as it is after that step.
        bounds: the weights are clipped to (lowest, highest) at each update.
        execution: ``chip``, or ``host`` to allow a target without the rule to compute it outside.
    """

    kind: Literal["ModulatedSTDP"] = "ModulatedSTDP"
    causal: Annotated[Window, Structure()]
    anticausal: Annotated[Window, Structure()]
    modulator: AnyTraceName
    baseline: Annotated[Number, Mark(0.0, 0.05, float("inf"))] = 0.0
    pairing: PairingScheme = "nearest_restricted"
    learning_rate: LearningRate
    update: Update = "spike"
    bounds: Bounds = None
    execution: Execution = "chip"
