"""Which of Lava's two models a target is, and the units of the fixed-point one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, expm1, log2

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.neurons import GLM
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target

LARGEST_WEIGHT = 254  # units; static weights are even
WORD = (1 << 23) - 1  # 24 bits, sign included: potentials, currents and what arrives in a step, in Lava as on the chip
LOIHI_1_INPUT = (1 << 15) - 1  # what may arrive in a step on Loihi 1; Loihi 2's limit is not public
PER_ONE = 64  # entries of a table of spike probabilities to a potential of 1
BELOW, ABOVE = 28, 8  # how far it reaches from where a neuron spikes in every second step
ENTRIES = (BELOW + ABOVE) * PER_ONE
PROBABILITY = 1 << 48  # two random numbers of 24 bits
FRACTION = 24  # bits behind the point of an exponential PSP: a second word
DECAY = 15  # bits of the mantissa of its decay
FINEST = 8  # bits of a potential at most, beyond those of a bias
IN_STEPS, ROUNDED = ("held", "sal_walk"), ("membrane", "window", "window_tau")  # accuracies that follow the steps


@dataclass(frozen=True)
class Arithmetic:
    """``fixed`` or floating point: ``unit`` is what a weight, or a potential, of 1 is on the chip."""

    fixed: bool
    unit: float = 1.0

    @property
    def model(self) -> str:
        return "fixed" if self.fixed else "floating"

    @property
    def per_bias(self) -> float:
        """What a bias of 1 is on the chip: that of a weight, but never in coarser steps than the table's."""
        return max(self.unit, float(PER_ONE)) if self.fixed else 1.0

    @property
    def bits(self) -> int:
        """Of a weight, behind the point."""
        return round(log2(self.unit))

    def held(self, values: FloatArray, step: int = 1) -> FloatArray:
        """Numbers on the chip, in its units: whole multiples of ``step`` in fixed point."""
        scaled = np.asarray(values, dtype=np.float64) * self.unit
        return np.rint(scaled / step) * step if self.fixed else scaled

    def biases(self, values: FloatArray) -> FloatArray:
        """Biases of GLM neurons on the chip."""
        scaled = np.asarray(values, dtype=np.float64) * self.per_bias
        return np.rint(scaled) if self.fixed else scaled


def arithmetic(target: Target) -> Arithmetic:
    """Fixed point as long as the target has weight bits, which ``target.ideal()`` has not. Its unit follows from the
    target's largest weight."""
    limits = target.projections["weights"]
    if target.weight_bits is None or not isinstance(limits, Range):
        return Arithmetic(False)
    return Arithmetic(True, LARGEST_WEIGHT / limits.max)


def with_weight_exponent(target: Target, exponent: int) -> Target:
    """The target with weights, and steps of all potentials and weights, that are 2^exponent times as large.

    Loihi's weight exponent: with 0 weights reach 3.97 and learn in steps of 1/64, with 1 they reach 7.9 in steps of
    1/32, with -2 they reach .99 in steps of 1/256, for learning rates that are as small. What the target declares of
    its accuracy in these steps grows with them.

    Raises:
        DescriptionError: not within -4..4.
    """
    if exponent not in range(-4, 5):
        finding = Diagnostic("SAL005", "weight exponent", f"{exponent}", "-4..4", "choose one of these")
        raise DescriptionError("DescriptionError: no such weight exponent", [finding])
    largest = LARGEST_WEIGHT / PER_ONE * 2.0**exponent
    capability = target.projections | {"weights": Range(min=-largest, max=largest)}
    names = IN_STEPS + (ROUNDED if exponent > 0 else ())
    accuracy = {name: target.accuracy[name] * 2.0**exponent for name in names if name in target.accuracy}
    return target.replace(projections=capability, accuracy=target.accuracy | accuracy)


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


def decay(tau: float) -> tuple[int, int]:
    """(mantissa, shift) of the share that an exponential PSP of ``tau`` steps loses in a step: mantissa 2^-shift."""
    share, shift = -expm1(-1.0 / tau), DECAY
    while share * 2.0**shift < 2 ** (DECAY - 1):
        shift += 1
    return round(share * 2.0**shift), shift


def psp_error(tau: float) -> tuple[float, float]:
    """How far a decaying PSP of ``tau`` steps is from its kernel: (a share of the weight, an amount in steps of the
    weights), the latter from rounding up what is lost in each step."""
    mantissa, shift = decay(tau)
    keep, steps = 1.0 - mantissa * 2.0**-shift, np.array([1.0, *np.geomspace(1.0, 4.0, 13) * max(1.0, tau)])
    off = np.abs(keep**steps - np.exp(-steps / tau))
    return float(off.max()), 1.0 / (1.0 - exp(-1.0 / tau)) * 2.0**-FRACTION
