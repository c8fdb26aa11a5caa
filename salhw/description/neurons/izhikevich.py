"""Izhikevich's neuron."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from salhw.description.fields import FloatArray, NonNegativePerNeuron, PerNeuron
from salhw.description.markers import Mark
from salhw.description.neurons.neuron import Inputs, Neuron
from salhw.description.neurons.resets import moved_apart, refuse_reset_above


class Izhikevich(Neuron):
    """Izhikevich's neuron (Izhikevich 2003, Eqs 1-3), deterministic and without a refractory period.

    ``dv/dt = .04 v**2 + 5 v + 140 - u + I(t)`` and ``du/dt = a (b v - u)``, t in ms and v in mV, with
    ``I_i(t) = bias_i + sum_j W_ij (kernel * S_j)(t)`` in mV/ms; each step of dt <= 1 ms is one of Euler's, the present
    I included. When v reaches v_peak it spikes: v becomes c, and u grows by d. It begins at v = c, u = b c.
    docs/semantics.md says what is off by how much.

    Args:
        bias: constant drive in mV/ms.
        a: how fast u follows v, 1/ms, >= 0.
        b: how strongly it follows, 1/ms.
        c: v after a spike, mV.
        d: what a spike adds to u, mV/ms.
        v_peak: where the spike is counted, mV. Each of these is one number, or one per neuron.
        inputs: the gain of each named group of projections (``Projection.into``).
    """

    offers: ClassVar = frozenset({"spikes", "membrane", "bias"})
    variables: ClassVar = MappingProxyType({"u": "mV/ms"})
    longest_dt: ClassVar = 1.0
    kind: Literal["Izhikevich"] = "Izhikevich"
    bias: Annotated[PerNeuron, Mark(0.0, 5.0, np.inf, per="neuron", settable="always")] = 0.0
    a: Annotated[NonNegativePerNeuron, Mark(0.02, 0.03, -1.0, per="neuron")] = 0.02
    b: Annotated[PerNeuron, Mark(0.2, 0.25, np.inf, per="neuron")] = 0.2
    c: Annotated[PerNeuron, Mark(-65.0, -60.0, np.inf, per="neuron")] = -65.0
    d: Annotated[PerNeuron, Mark(8.0, 6.0, np.inf, per="neuron")] = 8.0
    v_peak: Annotated[PerNeuron, Mark(30.0, 35.0, np.inf, per="neuron")] = 30.0
    inputs: Inputs = {}  # noqa: RUF012  # pydantic copies it

    @model_validator(mode="after")
    def _reset_below_peak(self) -> Izhikevich:
        refuse_reset_above(self, "c", "v_peak")
        return self

    def steady_rate(self, drive: FloatArray, dt: float) -> FloatArray:
        """That of a quadratic neuron, whose v takes pi / sqrt(.04 i) ms from minus to plus infinity under the input i
        beyond where it rests, less d r / a, what its own spikes add to u; at most one spike per step."""
        beyond = np.maximum(self.bias + drive + 62.5 * np.asarray(self.b) - 16.25, 0.0)
        slowing = 0.04 * np.maximum(self.d, 0.0) / np.maximum(self.a, 1e-100)
        rate = 0.08 * beyond / (slowing + np.sqrt(slowing**2 + 0.16 * np.pi**2 * beyond) + 1e-300)
        return np.minimum(rate, 1.0 / dt)

    def moved_before(self, field: str, low: float, high: float) -> str:
        return moved_apart(self, field, "c", "v_peak", low, high)
