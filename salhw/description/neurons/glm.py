"""The stochastic neuron of the paper."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

import numpy as np

from salhw.description.fields import FloatArray, MillisecondsPerNeuron, PerNeuron
from salhw.description.markers import Mark
from salhw.description.neurons.neuron import Inputs, Neuron

Discretisation = Literal["logistic", "exact"]


class GLM(Neuron):
    """Stochastic neuron with an exponential escape rate (paper Eqs 1, 7-11).

    The membrane potential is ``u_i(t) = bias_i + sum_j W_ij (kernel * S_j)(t)``; outside the refractory period the
    hazard is ``exp(u) / tau_ref``. The smallest inter-spike interval is exactly ``tau_ref``.

    Args:
        bias: dimensionless, one number or one per neuron.
        tau_ref: absolute refractory period in ms, a whole number of time steps; one number or one per neuron.
        discretisation: how a step of dt turns the hazard h into a probability: ``logistic`` h dt / (1 + h dt), the
            paper's simulations, or ``exact`` 1 - exp(-h dt). They meet as dt -> 0.
        inputs: the gain of each named group of projections (``Projection.into``), such as ``{"apical": 0.02}``.
    """

    offers: ClassVar = frozenset({"spikes", "membrane", "state", "bias", "decision"})
    kind: Literal["GLM"] = "GLM"
    bias: Annotated[PerNeuron, Mark(0.0, 0.5, np.inf, per="neuron", settable="always")] = 0.0
    tau_ref: Annotated[MillisecondsPerNeuron, Mark(10, 12, -1, unit="ms", grid=1, per="neuron")] = 10.0
    discretisation: Annotated[
        Discretisation, Mark("logistic", "exact", "forward", nearness=get_args(Discretisation))
    ] = "logistic"
    inputs: Inputs = {}  # noqa: RUF012  # pydantic copies it

    @property
    def refractory_periods(self) -> float | FloatArray:
        """``tau_ref``."""
        return self.tau_ref

    def steady_rate(self, drive: FloatArray, dt: float) -> FloatArray:
        """The inverse of the mean interval, ``tau_ref (1 + exp(-u))``."""
        return np.asarray(1.0 / (self.tau_ref * (1.0 + np.exp(np.minimum(-(self.bias + drive), 500.0)))))
