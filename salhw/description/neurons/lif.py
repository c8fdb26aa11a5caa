"""The leaky integrate-and-fire neuron."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from salhw.description.fields import FloatArray, MillisecondsPerNeuron, NonNegativePerNeuron, PerNeuron
from salhw.description.markers import Mark
from salhw.description.neurons.neuron import Inputs, Neuron
from salhw.description.neurons.resets import moved_apart, refuse_reset_above

PerNeurons = float | FloatArray


class LIF(Neuron):
    """Leaky integrate-and-fire neuron, deterministic or with escape noise.

    ``tau_m dv/dt = v_rest - v + I(t)`` with ``I_i(t) = bias_i + sum_j W_ij (kernel * S_j)(t)`` in units of v,
    integrated exactly over each step; a spike when v >= v_thresh, then v is held at v_reset for tau_ref. With
    ``delta_v`` the threshold is soft: outside the refractory period it spikes at random, with the hazard
    ``exp((v - v_thresh) / delta_v) / tau_ref`` (Gerstner et al. 2014, Neuronal Dynamics, section 9.1), whatever v.
    With ``theta_plus`` the threshold adapts: it is v_thresh + theta, and theta, which decays with tau_theta, grows by
    theta_plus at each spike (Diehl & Cook 2015, section 2.5).

    Args:
        bias: constant drive in units of v.
        tau_m: membrane time constant in ms.
        tau_ref: absolute refractory period in ms, a whole number of time steps (at least one).
        v_rest, v_reset, v_thresh: potentials in any one unit (mV, or dimensionless).
        delta_v: the width of a soft threshold in units of v; 0 for one that is sharp.
        theta_plus: what each spike adds to the threshold, in units of v; 0 for one that does not adapt.
        tau_theta: time constant in ms with which it comes back. From tau_m on, each of these is one number, or one per
            neuron.
        inputs: the gain of each named group of projections (``Projection.into``), such as ``{"apical": 0.02}``.
    """

    offers: ClassVar = frozenset({"spikes", "membrane", "state", "bias", "conductance"})
    variables: ClassVar = MappingProxyType({"theta": "that of v"})
    kind: Literal["LIF"] = "LIF"
    bias: Annotated[PerNeuron, Mark(0.0, 0.5, np.inf, per="neuron", settable="always")] = 0.0
    tau_m: Annotated[MillisecondsPerNeuron, Mark(10, 20, -1, unit="ms", per="neuron")] = 10.0
    tau_ref: Annotated[MillisecondsPerNeuron, Mark(10, 12, -1, unit="ms", grid=1, per="neuron")] = 1.0
    v_rest: Annotated[PerNeuron, Mark(0.0, -0.5, np.inf, per="neuron")] = 0.0
    v_reset: Annotated[PerNeuron, Mark(0.0, -0.05, np.inf, per="neuron")] = 0.0
    v_thresh: Annotated[PerNeuron, Mark(1.0, 1.15, np.inf, per="neuron")] = 1.0
    delta_v: Annotated[NonNegativePerNeuron, Mark(0.0, 0.2, -1.0, per="neuron")] = 0.0
    theta_plus: Annotated[NonNegativePerNeuron, Mark(0.0, 0.2, -1.0, per="neuron")] = 0.0
    tau_theta: Annotated[MillisecondsPerNeuron, Mark(30, 40, -1, unit="ms", per="neuron")] = 100.0
    inputs: Inputs = {}  # noqa: RUF012  # pydantic copies it

    @model_validator(mode="after")
    def _reset_below_threshold(self) -> LIF:
        refuse_reset_above(self, "v_reset", "v_thresh")
        return self

    @property
    def refractory_periods(self) -> float | FloatArray:
        """``tau_ref``."""
        return self.tau_ref

    def steady_rate(self, drive: FloatArray, dt: float) -> FloatArray:
        """The inverse of the interval at which the potential reaches the threshold; 0 below it. With a soft threshold
        at least the inverse of ``tau_ref (1 + exp((v_thresh - v) / delta_v))`` for the potential without spikes. Of
        one that adapts what it is before it does, about the most that it can be."""
        end = self.v_rest + self.bias + drive
        sharp = leaky_rate(end, self.v_reset, self.v_thresh, self.tau_m, self.tau_ref)
        width = np.asarray(self.delta_v)
        below = np.clip((self.v_thresh - end) / np.where(width > 0.0, width, 1.0), -500.0, 500.0)
        soft = np.where(width > 0.0, 1.0 / (self.tau_ref * (1.0 + np.exp(below))), 0.0)
        return np.maximum(sharp, soft)

    def moved_before(self, field: str, low: float, high: float) -> str:
        return moved_apart(self, field, "v_reset", "v_thresh", low, high)


def leaky_rate(
    end: PerNeurons, reset: PerNeurons, threshold: PerNeurons, tau_m: PerNeurons, tau_ref: PerNeurons
) -> FloatArray:
    """Spikes per ms of a leaky membrane that tends to ``end`` from its reset on, and spikes at its threshold."""
    above = np.maximum(end - threshold, 1e-300)
    waits = tau_ref + tau_m * np.log(np.maximum(end - reset, 1e-300) / above)
    return np.where(end > threshold, 1.0 / waits, 0.0)
