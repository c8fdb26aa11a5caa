"""GLM neurons on the chip: potentials in words of 24 bits, and a table of the spike probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.neurons import GLM
from salhw_lava.arithmetic import PER_ONE, WORD, Arithmetic
from salhw_lava.learning import EngineLimit, rounded_up
from salhw_lava.neurons import SPARE, Parameters, PspWords
from salhw_lava.reach import Reach

BELOW, ABOVE = 28, 8  # how far the table reaches from where a neuron spikes in every second step
ENTRIES = (BELOW + ABOVE) * PER_ONE
PROBABILITY = 1 << 48  # two random numbers of 24 bits
FINEST = 8  # bits of a potential at most, beyond those of a bias


@dataclass(frozen=True)
class Potential:
    """A GLM population, whose potentials are words with ``bits`` behind the point."""

    neuron: GLM
    dt: float
    units: Arithmetic
    bits: int

    @property
    def gain(self) -> float:
        """What a bias of 1 is on the chip."""
        return self.units.per_bias

    def current(self, bias: FloatArray) -> FloatArray:
        """What the chip adds to the potentials for a bias."""
        return self.units.biases(bias)

    def bias(self, current: FloatArray) -> FloatArray:
        """The bias that a current is."""
        return np.asarray(current, dtype=np.float64) / self.gain

    def membrane(self, recorded: FloatArray) -> FloatArray:
        """Potentials as the description has them, from those that Lava records."""
        return recorded / self.gain

    @property
    def largest(self) -> float:
        """The largest potential that fits."""
        return WORD / 2.0**self.bits

    def beyond(self, bias: FloatArray, inputs: Reach) -> EngineLimit | None:
        """What does not fit, if anything."""
        most = float(np.max(np.maximum(bias + inputs.high, -(bias + inputs.low)), initial=0.0))
        if most <= self.largest:
            return None
        fix = f"inputs that add up to {0.98 * self.largest / most:.2g} times as much"
        return EngineLimit(f"a potential of up to {most:.6g}", f"at most {self.largest:.6g}, a word of 24 bits", fix)

    def parameters(self, bias: FloatArray) -> Parameters:
        """What Lava needs to know, with these biases."""
        tau_ref = float(self.neuron.tau_ref)
        refractory, odds = round(tau_ref / self.dt), self.dt / tau_ref
        logistic = self.neuron.discretisation == "logistic"
        start, entries = table(self.neuron, self.dt)
        return Parameters(self.current(bias), refractory, odds, logistic, start, self.bits, entries)

    def psp(self, tau: float) -> PspWords:
        """How an exponential PSP of ``tau`` steps lies in the words."""
        return PspWords(exp(-1.0 / tau), self.bits, 2.0 ** -(self.bits + 1), 1.0)

    def approximation(self) -> tuple[str, str]:
        """What fixed point makes of the neurons: (of what, how much)."""
        off, lowest = table_error(self.neuron, self.dt)
        size = f"off by at most {rounded_up(off)} of itself, none below {rounded_up(lowest)}"
        return "spike probability per step", f"{ENTRIES} entries of 48 bits: {size}"

    @property
    def rounding(self) -> float:
        """How far a potential may be off, at most: what PSPs add up to is rounded once."""
        return 0.5 * 2.0**-self.bits

    def moved(self, off: float) -> str:
        """What it means that biases are moved by ``off``."""
        return f"moved by at most {rounded_up(off)} (a rate by {rounded_up(100.0 * off)} %)"


def fit_potential(neuron: GLM, dt: float, units: Arithmetic, inputs: Reach | None) -> Potential:
    """The words with the most bits in which everything fits, if possible with some to spare.

    Args:
        inputs: what PSPs add up to; None in floating point.

    Raises:
        EngineLimit: it does not fit.
    """
    if inputs is None:
        return Potential(neuron, dt, units, 0)
    bias, least = np.asarray(neuron.bias, dtype=np.float64), round(np.log2(units.per_bias))
    twice = Reach(SPARE * inputs.low, SPARE * inputs.high)
    for bits in range(least + FINEST, least, -1):
        potential = Potential(neuron, dt, units, bits)
        if potential.beyond(SPARE * bias, twice) is None:
            return potential
    potential = Potential(neuron, dt, units, least)
    if limit := potential.beyond(bias, inputs):
        raise limit
    return potential


def probability(neuron: GLM, dt: float) -> Callable[[FloatArray], FloatArray]:
    """The spike probability per step as a function of the membrane potential (docs/semantics.md)."""

    def of(u: FloatArray) -> FloatArray:
        x = np.exp(u) * dt / neuron.tau_ref
        return x / (1.0 + x) if neuron.discretisation == "logistic" else -np.expm1(-x)

    return of


def table(neuron: GLM, dt: float) -> tuple[int, IntArray]:
    """(potential of the first entry in 1/64, probabilities in 2^-48): a neuron below the table never spikes, one above
    it always does; between two entries the probability is a straight line."""
    start = round(PER_ONE * float(np.log(neuron.tau_ref / dt))) - BELOW * PER_ONE
    entries = np.rint(PROBABILITY * probability(neuron, dt)((start + np.arange(ENTRIES)) / PER_ONE)).astype(np.int64)
    entries[0], entries[-1] = 0, PROBABILITY
    return start, entries


def table_error(neuron: GLM, dt: float) -> tuple[float, float]:
    """(largest relative error of a spike probability within the table, the smallest one that it has)."""
    start, entries = table(neuron, dt)
    course = probability(neuron, dt)
    at = (start + np.arange(1, ENTRIES - 1)) / PER_ONE
    middle = at[:-1] + 0.5 / PER_ONE
    held = entries[1:-1] / PROBABILITY
    straight = (held[:-1] + held[1:]) / 2
    errors = [np.abs(held / course(at) - 1.0), np.abs(straight / course(middle) - 1.0)]
    return float(max(e.max() for e in errors)), float(held[0])
