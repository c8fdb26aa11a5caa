"""Sources in NEST: cells that spike when they are triggered."""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.neurons import Source
from salhw_nest.neurons.neuron import NestNeuron
from salhw_nest.plan import Cells

TRIGGER = 1e9  # what makes a source spike, far above any weight
HUSHED = 1e9 * TRIGGER  # what keeps it from that, far above any number of triggers


class NestSource(NestNeuron[Source]):
    """``iaf_psc_delta`` that spikes once at each tick with a trigger, forgets, and takes no notice of weights."""

    model = "iaf_psc_delta"
    takes_psps = False

    def cells(self, per_step: int, instances: int) -> Cells:
        parameters = {
            "tau_m": 1e-3 * (self.net.dt / per_step), "C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "V_reset": 0.0,
            "V_th": 0.5 * TRIGGER, "t_ref": 0.0,
        }  # fmt: skip
        return Cells(self.population.name, self.model, self.population.size * instances, parameters)

    def told(self, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        lasting = 1e-3 * self.net.dt / per_step  # ms of a tick, in which a current acts
        return {"I_e": np.select([state == 1, state == 0], [TRIGGER, -HUSHED], 0.0) / lasting}

    def forcing(self, tick: float, least: int) -> list[tuple[float, int]]:
        return [(TRIGGER, least)]

    def hushing(self, tick: float, per_step: int, least: int) -> list[tuple[float, int]]:
        return [(-1e3 * TRIGGER, least + k) for k in range(per_step - 1)]

    @property
    def lost(self) -> str:
        return ""
