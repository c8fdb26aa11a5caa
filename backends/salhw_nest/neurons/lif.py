"""LIF neurons in NEST."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, expm1
from typing import ClassVar

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.neurons import LIF
from salhw.session.paths import described_at
from salhw_nest.inputs import jump
from salhw_nest.neurons.leaky import UNREACHED, NestLeaky, before, share_of_current
from salhw_nest.neurons.neuron import NOTHING, Potential, Seen
from salhw_nest.plan import Cells, Meter, tiled


class NestLIF(NestLeaky[LIF]):
    """``iaf_psc_exp``, which lets a current act one step after it arrived."""

    model = "iaf_psc_exp"
    shown: ClassVar[tuple[str, ...]] = ("V_m", "I_syn_ex", "I_syn_in")
    """What meters show of it."""

    def cells(self, per_step: int, instances: int) -> Cells:
        neuron, size, constant = self.neuron, self.population.size, self.psp_constant
        reset, thresh = (
            v if isinstance(v, float) else tiled(v, size, instances) for v in (neuron.v_reset, neuron.v_thresh)
        )
        silent = {
            "tau_m": neuron.tau_m, "C_m": neuron.tau_m,  # a resistance of 1: currents in units of the potential
            "E_L": neuron.v_rest, "V_m": neuron.v_rest, "V_reset": reset, "V_th": UNREACHED,
            "tau_syn_ex": constant, "tau_syn_in": constant,
            "t_ref": neuron.tau_ref - self.net.dt / per_step,  # NEST's smallest interval is a tick longer
            "I_e": 0.0,
        }  # fmt: skip
        bias = tiled(described_at(self.net, f"populations.{self.population.name}.bias"), size, instances)
        # one that rests above its threshold is silent in the lead-in, too
        active: dict[str, float | FloatArray] = {"I_e": bias, "V_th": thresh}
        return Cells(self.population.name, self.model, size * instances, silent, active)

    def forcing(self, tick: float, least: int) -> list[tuple[float, int]]:
        current = jump(self.net, self.population, tick)
        return [(current, least), (-current * exp(-tick / self.psp_constant), least + 1)]

    def meters(self, every: int) -> tuple[Meter, ...]:
        """NEST shows the potential after its reset: what crossed the threshold follows from the tick before."""
        name = self.population.name
        return tuple(Meter(m, name, every, self.shown, early) for m, early in ((name, 0), (before(name), 1)))

    def membrane(self, known: Potential, tick: float) -> FloatArray:
        early = known.sampled[before(self.population.name)]
        current = early["I_syn_ex"] + early["I_syn_in"] - self.forced_current(known, tick)
        crossed = next_potential(self.neuron, self.psp_constant, tick, early["V_m"], current, known.drive)
        return np.where(known.spiked, crossed, super().membrane(known, tick))

    @property
    def variables(self) -> Mapping[str, Seen]:
        return {"theta": NOTHING, **super().variables}

    def forced_current(self, known: Potential, tick: float) -> FloatArray:
        return known.forced * jump(self.net, self.population, tick)

    def largest_bias(self, tick: float) -> float:
        """Up to which forced spikes, as they are built, are forced."""
        return -0.25 * expm1(-tick / self.neuron.tau_m) * jump(self.net, self.population, tick)


def next_potential(
    neuron: LIF, tau_syn: float, tick: float, before: FloatArray, current: FloatArray, drive: FloatArray
) -> FloatArray:
    """The potential of a LIF neuron of NEST after a tick: from what it was, the synaptic current and the bias."""
    slow, rest, share = float(neuron.tau_m), float(neuron.v_rest), share_of_current(tick, float(neuron.tau_m), tau_syn)
    return rest + (before - rest) * exp(-tick / slow) + share * current - expm1(-tick / slow) * drive
