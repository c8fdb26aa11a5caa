"""Spike-timing-dependent plasticity from pairs of spikes."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import model_validator

from salhw.description.markers import Mark, Structure
from salhw.description.plasticity.reference_phase import ReferencePhase
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, PlasticityRule, Update
from salhw.description.windows import Window
from salhw.diagnostics.wording import invalid, shown

Pairing = Literal["all", "nearest_symmetric", "nearest_restricted"]
PairingScheme = Annotated[Pairing, Mark("nearest_restricted", "all", "next", nearness=get_args(Pairing))]

BRANCHES = ("causal", "anticausal")
"""The parts of a PairSTDP: its windows."""


class PairSTDP(PlasticityRule):
    """Spike-timing-dependent plasticity from pairs of spikes (paper Eqs 2, 12, 13).

    A presynaptic spike followed by a postsynaptic one at distance dt > 0 adds ``learning_rate * causal(dt)``, the
    opposite order ``learning_rate * anticausal(|dt|)``. The order of simultaneous spikes is undefined: everything that
    depends on it is the mean over both orders, so a coincidence itself adds the mean of both branches at dt = 0.

    Args:
        causal, anticausal: the two branches of the window, signs included in their amplitudes.
        pairing: which pairs count (Morrison et al. 2008): ``all``; ``nearest_symmetric``: each spike with the latest
            one of the partner; ``nearest_restricted``: a pair only if no other spike of either neuron lies between
            (the paper's nearest neighbour and BrainScaleS-2's correlation sensor).
        learning_rate: per pair, one number or one per synapse (shaped like the projection's weights).
        update: ``spike`` (weights change with the step's spikes and act from the next step), ``every T ms`` (at whole
            multiples of T of the session's time) or ``run end``.
        bounds: the weights are clipped to (lowest, highest) at each update.
        execution: ``chip``, or ``host`` to allow a target without the rule to compute it outside.
        reference: a phase before the first run in which the rule measures its own error, to subtract it; for rules with
            ``update = "every T ms"``.
    """

    kind: Literal["PairSTDP"] = "PairSTDP"
    causal: Annotated[Window, Structure()]
    anticausal: Annotated[Window, Structure()]
    pairing: PairingScheme = "nearest_restricted"
    learning_rate: LearningRate
    update: Update = "spike"
    bounds: Bounds = None
    execution: Execution = "chip"
    reference: Annotated[ReferencePhase | None, Structure()] = None

    @model_validator(mode="after")
    def _referable(self) -> PairSTDP:
        """A reference phase ends with updates, and its weights leave zero to both sides."""
        if self.reference is not None and self.period is None:
            supported = "'every T ms', where the rule has a reference phase"
            raise invalid("SAL005", shown(self.update), supported, 'update = "every 200 ms"', at="update")
        if self.reference is not None and self.bounds is not None and not self.bounds[0] < 0.0 < self.bounds[1]:
            supported = "bounds below and above 0, where the rule has a reference phase"
            raise invalid("SAL005", self.bounds, supported, "widen the bounds, or leave the reference out", at="bounds")
        return self
