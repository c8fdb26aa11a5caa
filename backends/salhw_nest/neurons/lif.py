"""LIF neurons in NEST."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, expm1
from typing import ClassVar

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.neurons import LIF
from salhw.description.parts import Projection
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.paths import described_at
from salhw_nest.findings import together
from salhw_nest.inputs import jump
from salhw_nest.kernels import PSP, psp
from salhw_nest.neurons.neuron import UNSEEN, NestNeuron, Potential
from salhw_nest.plan import Cells, Meter, tiled

UNREACHED = 1e100  # a threshold that nothing reaches
FASTEST = 600.0  # steps in units of a LIF neuron's time constant, beyond which no current of NEST moves it by its end


class NestLIF(NestNeuron[LIF]):
    """``iaf_psc_exp``, which lets a current act one step after it arrived."""

    model = "iaf_psc_exp"
    own_delay = 1
    divisible = False
    learns_rectangular = False
    relays_ends = False
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

    def holds(self, bias: FloatArray, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        return {"I_e": bias}

    def forcing(self, tick: float, least: int) -> list[tuple[float, int]]:
        current = jump(self.net, self.population, tick)
        return [(current, least), (-current * exp(-tick / self.psp_constant), least + 1)]

    def hushing(self, tick: float, per_step: int, least: int) -> list[tuple[float, int]]:
        return []  # there is nothing between its steps: they are not divided

    def least_delay(self, steps: IntArray, plastic: bool) -> IntArray:
        """Events travel a step at least, and an even number where NEST splits the delay of plastic synapses evenly."""
        travels = np.maximum(steps + self.latency, 1)
        return (travels + travels % 2 if plastic else travels) - self.latency

    def scale(self, shape: PSP) -> float:
        """NEST integrates the decaying current over the step; the description takes its value at the step's end, so the
        two agree up to a constant factor."""
        if shape.decay is None:
            return shape.height
        dt, slow = self.net.dt, float(self.neuron.tau_m)
        return max(shape.first(dt) * -expm1(-dt / slow) / share_of_current(dt, slow, shape.decay), UNSEEN)

    def meters(self, every: int) -> tuple[Meter, ...]:
        """NEST shows the potential after its reset: what crossed the threshold follows from the tick before."""
        name = self.population.name
        return tuple(Meter(m, name, every, self.shown, early) for m, early in ((name, 0), (before(name), 1)))

    def membrane(self, known: Potential, tick: float) -> FloatArray:
        early = known.sampled[before(self.population.name)]
        current = early["I_syn_ex"] + early["I_syn_in"] - known.forced * jump(self.net, self.population, tick)
        crossed = next_potential(self.neuron, self.psp_constant, tick, early["V_m"], current, known.drive)
        return np.where(known.spiked, crossed, super().membrane(known, tick))

    def largest_bias(self, tick: float) -> float:
        """Up to which forced spikes, as they are built, are forced."""
        return -0.25 * expm1(-tick / self.neuron.tau_m) * jump(self.net, self.population, tick)

    def refused(self, projection: Projection) -> Iterator[Diagnostic]:
        """NEST gives a current at the beginning of a step, and the neuron has to remember it to its end."""
        if psp(projection.kernel).decay and self.net.dt / self.neuron.tau_m > FASTEST:
            asked, path = f"{number(float(self.neuron.tau_m))} ms", f"populations.{self.population.name}.tau_m"
            supported = f">= dt / {number(FASTEST)} under exponential PSPs"
            yield together(path, asked, supported, f"tau_m >= {self.net.dt / FASTEST:.6g} ms")


def before(population: str) -> str:
    """The name of the meter that shows a population a tick before it decides."""
    return f"{population}_before"


def next_potential(
    neuron: LIF, tau_syn: float, tick: float, before: FloatArray, current: FloatArray, drive: FloatArray
) -> FloatArray:
    """The potential of a LIF neuron of NEST after a tick: from what it was, the synaptic current and the bias."""
    slow, rest, share = float(neuron.tau_m), float(neuron.v_rest), share_of_current(tick, float(neuron.tau_m), tau_syn)
    return rest + (before - rest) * exp(-tick / slow) + share * current - expm1(-tick / slow) * drive


def share_of_current(t: float, tau_m: float, tau_syn: float) -> float:
    """What of a synaptic current is in the potential after t ms, over which it decays."""
    if abs(tau_syn / tau_m - 1.0) < 1e-9:
        return t / tau_m * exp(-t / tau_m)
    return _between(t, tau_m, tau_syn) * tau_syn / (tau_m - tau_syn)


def _between(t: float, slow: float, fast: float) -> float:
    """exp(-t / slow) - exp(-t / fast), without cancellation and whichever of them is the slower one."""
    if fast > slow:
        return -_between(t, fast, slow)
    return exp(-t / slow) * -expm1(-t * (1.0 / fast - 1.0 / slow))
