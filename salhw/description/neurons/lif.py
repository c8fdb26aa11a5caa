"""The leaky integrate-and-fire neuron."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from salhw.description.fields import FloatArray, MillisecondsPerNeuron, NonNegativePerNeuron, PerNeuron
from salhw.description.markers import Mark
from salhw.description.neurons.neuron import Inputs, Neuron
from salhw.diagnostics.wording import invalid, number


class LIF(Neuron):
    """Leaky integrate-and-fire neuron, deterministic or with escape noise.

    ``tau_m dv/dt = v_rest - v + I(t)`` with ``I_i(t) = bias_i + sum_j W_ij (kernel * S_j)(t)`` in units of v,
    integrated exactly over each step; a spike when v >= v_thresh, then v is held at v_reset for tau_ref. With
    ``delta_v`` the threshold is soft: outside the refractory period it spikes at random, with the hazard
    ``exp((v - v_thresh) / delta_v) / tau_ref`` (Gerstner et al. 2014, Neuronal Dynamics, section 9.1), whatever v.

    Args:
        bias: constant drive in units of v.
        tau_m: membrane time constant in ms.
        tau_ref: absolute refractory period in ms, a whole number of time steps (at least one).
        v_rest, v_reset, v_thresh: potentials in any one unit (mV, or dimensionless).
        delta_v: the width of a soft threshold in units of v; 0 for one that is sharp. From tau_m on, each of these is
            one number, or one per neuron.
        inputs: the gain of each named group of projections (``Projection.into``), such as ``{"apical": 0.02}``.
    """

    offers: ClassVar = frozenset({"spikes", "membrane", "state", "bias", "conductance"})
    kind: Literal["LIF"] = "LIF"
    bias: Annotated[PerNeuron, Mark(0.0, 0.5, np.inf, per="neuron", settable="always")] = 0.0
    tau_m: Annotated[MillisecondsPerNeuron, Mark(10, 20, -1, unit="ms", per="neuron")] = 10.0
    tau_ref: Annotated[MillisecondsPerNeuron, Mark(10, 12, -1, unit="ms", grid=1, per="neuron")] = 1.0
    v_rest: Annotated[PerNeuron, Mark(0.0, -0.5, np.inf, per="neuron")] = 0.0
    v_reset: Annotated[PerNeuron, Mark(0.0, -0.05, np.inf, per="neuron")] = 0.0
    v_thresh: Annotated[PerNeuron, Mark(1.0, 1.15, np.inf, per="neuron")] = 1.0
    delta_v: Annotated[NonNegativePerNeuron, Mark(0.0, 0.2, -1.0, per="neuron")] = 0.0
    inputs: Inputs = {}  # noqa: RUF012  # pydantic copies it

    @model_validator(mode="after")
    def _reset_below_threshold(self) -> LIF:
        sizes = {np.size(value) for value in (self.v_reset, self.v_thresh)} - {1}
        if len(sizes) > 1:  # of neurons, which the population says how many they are
            return self
        reset, thresh = np.broadcast_arrays(np.atleast_1d(self.v_reset), np.atleast_1d(self.v_thresh))
        for i in np.flatnonzero(reset >= thresh)[:1]:
            at = f"v_reset[{i}]" if isinstance(self.v_reset, np.ndarray) else "v_reset"
            limit, fix = f"< v_thresh = {number(thresh[i])}", "lower v_reset, or raise v_thresh"
            raise invalid("SAL005", number(reset[i]), limit, fix, at=at)
        return self

    @property
    def refractory_periods(self) -> float | FloatArray:
        """``tau_ref``."""
        return self.tau_ref

    def steady_rate(self, drive: FloatArray, dt: float) -> FloatArray:
        """The inverse of the interval at which the potential reaches the threshold; 0 below it. With a soft threshold
        at least the inverse of ``tau_ref (1 + exp((v_thresh - v) / delta_v))`` for the potential without spikes."""
        end = self.v_rest + self.bias + drive
        above = np.maximum(end - self.v_thresh, 1e-300)
        waits = self.tau_ref + self.tau_m * np.log(np.maximum(end - self.v_reset, 1e-300) / above)
        sharp = np.where(end > self.v_thresh, 1.0 / waits, 0.0)
        width = np.asarray(self.delta_v)
        below = np.clip((self.v_thresh - end) / np.where(width > 0.0, width, 1.0), -500.0, 500.0)
        soft = np.where(width > 0.0, 1.0 / (self.tau_ref * (1.0 + np.exp(below))), 0.0)
        return np.maximum(sharp, soft)

    def moved_before(self, field: str, low: float, high: float) -> str:
        gap = min(float(np.min(self.v_thresh - np.asarray(self.v_reset))), (high - low) / 2)
        if field == "v_reset" and np.min(self.v_thresh) <= low:
            return f"v_thresh >= {number(low + gap)}"
        if field == "v_thresh" and np.max(self.v_reset) >= high:
            return f"v_reset <= {number(high - gap)}"
        return ""
