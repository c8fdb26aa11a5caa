"""Plasticity that makes one trace of a neuron predict another."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from salhw.description.markers import Mark, TraceName
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, PlasticityRule, Update

Link = Literal["logistic", "exponential"]


class PredictiveRule(PlasticityRule):
    """Dendritic prediction (paper Eq 37; Urbanczik & Senn 2014): every presynaptic spike adds ``learning_rate *
    (rate(teacher) - rate(prediction))``, two rates of the postsynaptic neuron, in spikes per ms.

    A trace of ``spikes`` is a rate. One of the ``membrane`` stands for phi(trace), of ``inputs`` for phi(bias + trace),
    of ``inputs.NAME`` for phi(bias + gain * trace), with the bias and the gain as they are then. Eq 37 is ``teacher`` =
    a trace of the membrane and ``prediction`` = a trace of the basal input; with a trace of the spikes as the teacher
    the input learns to predict them.

    Args:
        teacher, prediction: names of traces of the postsynaptic population.
        link: phi(u): ``exponential`` exp(u) / tau_ref, or ``logistic`` sigmoid(u - ln(tau_ref / dt)) / dt, the chance
            of a spike at a step outside of the refractory period (``GLM.discretisation``).
        learning_rate: one number or one per synapse (shaped like the projection's weights).
        update: ``spike``: with the traces as they are at that step; ``every T ms`` or ``run end``: the number of
            presynaptic spikes since the last update times the difference of the rates at the update.
        bounds: the weights are clipped to (lowest, highest) at each update.
        execution: ``chip``, or ``host`` to allow a target without the rule to compute it outside.
    """

    needs: ClassVar[str] = "decision"
    kind: Literal["PredictiveRule"] = "PredictiveRule"
    teacher: TraceName
    prediction: TraceName
    link: Annotated[Link, Mark("logistic", "exponential", "linear")] = "logistic"
    learning_rate: LearningRate
    update: Update = "spike"
    bounds: Bounds = None
    execution: Execution = "chip"
