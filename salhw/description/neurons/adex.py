"""The adaptive exponential integrate-and-fire neuron."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from salhw.description.fields import (
    FloatArray,
    MillisecondsPerNeuron,
    NonNegativePerNeuron,
    PerNeuron,
    PositivePerNeuron,
)
from salhw.description.markers import Mark
from salhw.description.neurons.lif import leaky_rate
from salhw.description.neurons.neuron import Inputs, Neuron
from salhw.description.neurons.resets import moved_apart, refuse_reset_above


class AdEx(Neuron):
    """Adaptive exponential integrate-and-fire neuron (Brette & Gerstner 2005, Eqs 1-3), deterministic or with escape
    noise.

    ``tau_m dv/dt = v_rest - v + slope_factor exp((v - v_thresh) / slope_factor) - w + I(t)`` and
    ``tau_w dw/dt = a (v - v_rest) - w``, with I as of ``LIF``. When v reaches v_peak it spikes: w grows by b, and v is
    held at v_reset for tau_ref. docs/semantics.md says how a step is integrated, and what is off by how much.

    Args:
        bias: constant drive in units of v.
        tau_m: membrane time constant in ms.
        tau_ref: absolute refractory period in ms, a whole number of time steps (at least one).
        v_rest, v_reset, v_thresh: potentials in any one unit; from v_thresh on v runs away by itself.
        slope_factor: over what range of v it begins to do so, > 0 (Delta_T of the literature).
        v_peak: where the spike is counted.
        a: how strongly w follows v, without a unit (in units of the leak).
        b: what a spike adds to w, in units of v.
        tau_w: time constant of w in ms.
        delta_v: the width of a soft threshold, as of ``LIF``: below v_peak it spikes at random with the hazard
            ``exp((v - v_thresh) / delta_v) / tau_ref``, too; 0 for none. From bias on each of these is one number, or
            one per neuron.
        inputs: the gain of each named group of projections (``Projection.into``).
    """

    offers: ClassVar = frozenset({"spikes", "membrane", "state", "bias", "conductance"})
    variables: ClassVar = MappingProxyType({"w": "that of v"})
    kind: Literal["AdEx"] = "AdEx"
    bias: Annotated[PerNeuron, Mark(0.0, 0.5, np.inf, per="neuron", settable="always")] = 0.0
    tau_m: Annotated[MillisecondsPerNeuron, Mark(10, 20, -1, unit="ms", per="neuron")] = 10.0
    tau_ref: Annotated[MillisecondsPerNeuron, Mark(10, 12, -1, unit="ms", grid=1, per="neuron")] = 1.0
    v_rest: Annotated[PerNeuron, Mark(0.0, -0.5, np.inf, per="neuron")] = 0.0
    v_reset: Annotated[PerNeuron, Mark(0.0, -0.05, np.inf, per="neuron")] = 0.0
    v_thresh: Annotated[PerNeuron, Mark(1.0, 1.15, np.inf, per="neuron")] = 1.0
    slope_factor: Annotated[PositivePerNeuron, Mark(0.1, 0.15, -1.0, per="neuron")] = 0.1
    v_peak: Annotated[PerNeuron, Mark(1.5, 1.6, np.inf, per="neuron")] = 1.5
    a: Annotated[PerNeuron, Mark(0.1, 0.2, np.inf, per="neuron")] = 0.1
    b: Annotated[PerNeuron, Mark(0.1, 0.15, np.inf, per="neuron")] = 0.1
    tau_w: Annotated[MillisecondsPerNeuron, Mark(30, 40, -1, unit="ms", per="neuron")] = 100.0
    delta_v: Annotated[NonNegativePerNeuron, Mark(0.0, 0.2, -1.0, per="neuron")] = 0.0
    inputs: Inputs = {}  # noqa: RUF012  # pydantic copies it

    @model_validator(mode="after")
    def _reset_below_peak(self) -> AdEx:
        refuse_reset_above(self, "v_reset", "v_peak")
        return self

    @property
    def refractory_periods(self) -> float | FloatArray:
        """``tau_ref``."""
        return self.tau_ref

    def steady_rate(self, drive: FloatArray, dt: float) -> FloatArray:
        """About the most that it can be: of a neuron that does not adapt, and whose spike follows at once where v runs
        away without input, ``v_thresh - slope_factor``."""
        end, runaway = self.v_rest + self.bias + drive, self.v_thresh - np.asarray(self.slope_factor)
        return leaky_rate(end, np.minimum(self.v_reset, runaway), runaway, self.tau_m, self.tau_ref)

    def moved_before(self, field: str, low: float, high: float) -> str:
        return moved_apart(self, field, "v_reset", "v_peak", low, high)
