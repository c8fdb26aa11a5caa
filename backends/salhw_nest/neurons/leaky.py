"""What NEST's integrate-and-fire neurons with synaptic currents have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, expm1
from typing import ClassVar, TypeVar

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.neurons import LIF, AdEx
from salhw.description.parts import Projection
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw_nest.findings import together
from salhw_nest.kernels import PSP, psp
from salhw_nest.neurons.neuron import NOTHING, UNSEEN, NestNeuron, Potential, Seen
from salhw_nest.plan import Meter
from salhw_nest.stimuli import nest_stimuli

UNREACHED = 1e100  # a threshold that nothing reaches
FASTEST = 600.0  # steps in units of a neuron's time constant, beyond which no current of NEST moves it by its end

M = TypeVar("M", bound=LIF | AdEx, covariant=True)


class NestLeaky(NestNeuron[M]):
    """A leaky membrane, on which a current acts one step after it arrived."""

    own_delay = 1
    divisible = False
    learns_rectangular = False
    relays_ends = False
    inhibitory: ClassVar[float] = 1.0
    """How NEST counts the current of negative weights, ``I_syn_in``, into that of all."""

    @property
    def tau_m(self) -> float:
        """The time constant of the leak in ms."""
        return float(self.neuron.tau_m)

    def holds(self, bias: FloatArray, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        return {"I_e": bias}

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
        dt = self.net.dt
        return max(shape.first(dt) * -expm1(-dt / self.tau_m) / share_of_current(dt, self.tau_m, shape.decay), UNSEEN)

    @property
    def variables(self) -> Mapping[str, Seen]:
        return {"inputs": Seen(self.meters_before, self._given), "conductance": NOTHING}

    def meters_before(self, every: int) -> tuple[Meter, ...]:
        """Its currents at the end of the step before, which act in the next."""
        name = before(self.population.name)
        return (Meter(name, self.population.name, every, ("I_syn_ex", "I_syn_in"), 1),)

    def _given(self, known: Potential, tick: float) -> FloatArray:
        """What synapses add up to."""
        early = known.sampled[before(self.population.name)]
        current = early["I_syn_ex"] + self.inhibitory * early["I_syn_in"]
        return (current - self.forced_current(known, tick)) / self.unit

    def forced_current(self, known: Potential, tick: float) -> FloatArray | float:
        """The current that forces spikes."""
        return 0.0

    @property
    def unit(self) -> float:
        """A current of NEST's at the beginning of a step in which the description's is 1."""
        shapes = [(p, psp(p.kernel)) for p in self.net.projections if p.post == self.population.name]
        return next((self.scale_of(p) / shape.first(self.net.dt) for p, shape in shapes if shape.decay), 1.0)

    def refused(self, projection: Projection) -> Iterator[Diagnostic]:
        """NEST gives a current at the beginning of a step, and the neuron has to remember it to its end."""
        if psp(projection.kernel).decay and self.net.dt / self.tau_m > FASTEST:
            asked, path = f"{number(self.tau_m)} ms", f"populations.{self.population.name}.tau_m"
            supported = f">= dt / {number(FASTEST)} under exponential PSPs"
            yield together(path, asked, supported, f"tau_m >= {self.net.dt / FASTEST:.6g} ms")

    def unforced(self, supported: str) -> Iterator[Diagnostic]:
        """Where spikes are forced of neurons that nothing forces."""
        for k, s in enumerate(nest_stimuli(self.net)):
            if s.forced and s.population == self.population.name:
                asked, fix = f"forced spikes of {self.population.name}", "leave it out, or drive a Source population"
                yield together(f"stimuli[{k}]", asked, supported, fix)


def before(population: str) -> str:
    """The name of the meter that shows a population a tick before it decides."""
    return f"{population}_before"


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
