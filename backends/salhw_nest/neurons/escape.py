"""LIF neurons in NEST with a threshold that is soft, or that adapts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from salhw.description.fields import FloatArray
from salhw_nest.inputs import jump
from salhw_nest.neurons.leaky import UNREACHED, share_of_current
from salhw_nest.neurons.lif import NestLIF
from salhw_nest.neurons.neuron import NOTHING, NestNeuron, Potential, Seen
from salhw_nest.plan import Cells, Meter

SHARPEST = 1e-12
"""The width of a sharp threshold, as a share of the potentials beside it: as good as none within their rounding."""


class NestEscape(NestLIF):
    """``gif_psc_exp`` without currents of adaptation: ``iaf_psc_exp`` with a hazard, whose probability per step is 1 -
    exp(-hazard dt), and a threshold that spikes raise. A current acts in the step in which it arrives."""

    model = "gif_psc_exp"
    own_delay = 0
    least_refractory = 2  # without dead time it is not reset

    def cells(self, per_step: int, instances: int) -> Cells:
        sharp = super().cells(per_step, instances)
        silent = dict(sharp.parameters) | {
            "g_L": 1.0, "Delta_V": max(self._sharpest, float(self.neuron.delta_v)),
            "lambda_0": 1000.0 / float(self.neuron.tau_ref), "V_T_star": UNREACHED, **self._adaptation(sharp.size),
        }  # fmt: skip
        del silent["V_th"], silent["tau_m"]
        active = {"I_e": sharp.active["I_e"], "V_T_star": sharp.active["V_th"]}
        return Cells(self.population.name, self.model, sharp.size, silent, active)

    @property
    def _sharpest(self) -> float:
        return SHARPEST * max(float(np.max(np.abs(v))) for v in (self.neuron.v_thresh, self.neuron.v_reset))

    def _adaptation(self, size: int) -> dict[str, FloatArray]:
        """NEST lets a spike raise the next step's threshold in full, the description a step's decay later."""
        tau, raised = float(self.neuron.tau_theta), float(self.neuron.theta_plus)
        if raised == 0.0:
            return {}
        return {"tau_sfa": np.full((size, 1), tau), "q_sfa": np.full((size, 1), raised * np.exp(-self.net.dt / tau))}

    def meters(self, every: int) -> tuple[Meter, ...]:
        """NEST resets it a step after the spike, so that what has crossed the threshold is shown."""
        return NestNeuron.meters(self, every)

    @property
    def variables(self) -> Mapping[str, Seen]:
        """NEST's threshold is the one that decides, v_thresh included."""
        theta = self.remembered("E_sfa", lambda threshold, known: threshold - np.asarray(self.neuron.v_thresh))
        return {"theta": theta if self._adaptation(1) else NOTHING, "conductance": NOTHING}

    def membrane(self, known: Potential, tick: float) -> FloatArray:
        share = share_of_current(tick, float(self.neuron.tau_m), self.psp_constant)
        lift = share * jump(self.net, self.population, tick)
        return NestNeuron.membrane(self, known, tick) - known.forced * known.spiked * lift
