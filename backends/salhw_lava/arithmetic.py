"""Which of Lava's two models a target is, and the units of the fixed-point one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.fields import FloatArray, IntArray
from salhw.neurons import GLM, LIF
from salhw.target import Range, Target

LARGEST_WEIGHT = 254  # units; static weights are even
ENTRIES, PER_ONE = 1024, 64  # table of spike probabilities: potentials from 8 below to 8 above the middle
PROBABILITY = 1 << 16
IN_STEPS, ROUNDED = ("held", "sal_walk"), ("membrane", "window", "window_tau")  # accuracies that follow the steps


@dataclass(frozen=True)
class Arithmetic:
    """``fixed`` or floating point: ``unit`` is what a weight, or a potential, of 1 is on the chip."""

    fixed: bool
    unit: float = 1.0

    @property
    def model(self) -> str:
        return "fixed" if self.fixed else "floating"

    def held(self, values: FloatArray, step: int = 1) -> FloatArray:
        """Numbers on the chip, in its units: whole multiples of ``step`` in fixed point."""
        scaled = np.asarray(values, dtype=np.float64) * self.unit
        return np.rint(scaled / step) * step if self.fixed else scaled


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
    """(potential of the first entry in 1/64, probabilities in 2^-16): a neuron below the table never spikes, one above
    it always does."""
    start = round(PER_ONE * float(np.log(neuron.tau_ref / dt))) - ENTRIES // 2
    entries = np.rint(PROBABILITY * probability(neuron, dt)((start + np.arange(ENTRIES)) / PER_ONE)).astype(np.int64)
    entries[0], entries[-1] = 0, PROBABILITY
    return start, entries


@dataclass(frozen=True)
class Leak:
    """A LIF population in the units of Lava's LIF, whose membrane is reset to zero: ``v = (1 - dv) v + PSPs + bias``.

    ``scale`` is the chip's unit over that of the description's v; ``gain`` turns a bias into a current per step, in
    steps of ``bias_step``; ``du``, ``dv`` and ``vth`` are Lava's parameters, ``start`` the membrane at rest.
    """

    scale: float
    gain: float
    bias_step: float
    offset: float
    reset: float
    du: float
    dv: float
    vth: float
    start: float

    def current(self, bias: FloatArray) -> FloatArray:
        """What the chip adds to the membrane in every step."""
        exact = self.gain * (np.asarray(bias, dtype=np.float64) + self.offset)
        return np.rint(exact / self.bias_step) * self.bias_step if self.bias_step else exact

    def bias(self, current: FloatArray) -> FloatArray:
        """The bias that a current is."""
        return np.asarray(current, dtype=np.float64) / self.gain - self.offset


LARGEST_THRESHOLD = (1 << 17) - 1
CURRENT = 1 << 6  # Lava's fixed-point LIF shifts synaptic input and the threshold by 6 bits
LEAK = 1 << 12  # and counts leaks in 2^-12
MANTISSA = 4095  # of a bias: 12 bits and a sign, times a power of two up to 2^7


def leak(neuron: LIF, dt: float, how: Arithmetic) -> Leak:
    """How Lava's LIF does a population. ``offset`` moves ``reset`` to zero."""
    share, offset = float(-np.expm1(-dt / neuron.tau_m)), neuron.v_rest - neuron.v_reset
    height = neuron.v_thresh - neuron.v_reset
    if not how.fixed:
        vth = float(np.nextafter(height / share, 0.0)) * (1.0 - 1e-12)  # Lava spikes above the threshold, we from it on
        return Leak(1.0 / share, 1.0, 0.0, offset, neuron.v_reset, 1.0, share, vth, offset / share)
    dv = max(1, round(LEAK * share))
    gain = how.unit * CURRENT
    scale = gain * LEAK / dv
    largest = gain * max(8.0, 2.0 * float(np.abs(np.asarray(neuron.bias) + offset).max()))
    exponent = max(0, int(np.ceil(np.log2(largest / MANTISSA))))
    vth = round(height * scale / CURRENT - 0.5)
    return Leak(scale, gain, float(1 << exponent), offset, neuron.v_reset, LEAK - 1, dv, vth, round(offset * scale))
