"""Neuron models. A union tagged by ``kind``: a new model is a new class here and a capability of some targets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from salhw.description.fields import Model, NotText, Number, PerNeuron
from salhw.diagnostics.wording import invalid, number

Discretisation = Literal["logistic", "exact"]
Milliseconds = Annotated[float, Field(gt=0), NotText]


class GLM(Model):
    """Stochastic neuron with an exponential escape rate (paper Eqs 1, 7-11).

    The membrane potential is ``u_i(t) = bias_i + sum_j W_ij (kernel * S_j)(t)``; outside the refractory period the
    hazard is ``exp(u) / tau_ref``. The smallest inter-spike interval is exactly ``tau_ref``.

    Args:
        bias: dimensionless, one number or one per neuron.
        tau_ref: absolute refractory period in ms, a whole number of time steps.
        discretisation: how a step of dt turns the hazard h into a probability: ``logistic`` h dt / (1 + h dt), the
            paper's simulations, or ``exact`` 1 - exp(-h dt). They meet as dt -> 0.
    """

    kind: Literal["GLM"] = "GLM"
    bias: PerNeuron = 0.0
    tau_ref: Milliseconds = 10.0
    discretisation: Discretisation = "logistic"


class LIF(Model):
    """Leaky integrate-and-fire neuron, deterministic.

    ``tau_m dv/dt = v_rest - v + I(t)`` with ``I_i(t) = bias_i + sum_j W_ij (kernel * S_j)(t)`` in units of v,
    integrated exactly over each step; a spike when v >= v_thresh, then v is held at v_reset for tau_ref.

    Args:
        bias: constant drive in units of v, one number or one per neuron.
        tau_m: membrane time constant in ms.
        tau_ref: absolute refractory period in ms, a whole number of time steps (at least one).
        v_rest, v_reset, v_thresh: potentials in any one unit (mV, or dimensionless).
    """

    kind: Literal["LIF"] = "LIF"
    bias: PerNeuron = 0.0
    tau_m: Milliseconds = 10.0
    tau_ref: Milliseconds = 1.0
    v_rest: Number = 0.0
    v_reset: Number = 0.0
    v_thresh: Number = 1.0

    @model_validator(mode="after")
    def _reset_below_threshold(self) -> LIF:
        if self.v_reset >= self.v_thresh:
            fix = "lower v_reset, or raise v_thresh"
            raise invalid("SAL005", number(self.v_reset), f"< v_thresh = {number(self.v_thresh)}", fix, at="v_reset")
        return self


class Source(Model):
    """A neuron without dynamics: it spikes exactly when a stimulus (Poisson, SpikeTimes) says so."""

    kind: Literal["Source"] = "Source"


Neuron = Annotated[GLM | LIF | Source, Field(discriminator="kind")]
