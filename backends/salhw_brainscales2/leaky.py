"""LIF neurons of the description as leaky integrate-and-fire neurons of the chip; AdEx neurons share what is leaky."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.neurons import LIF
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw_brainscales2.cell import LEAK_LSB, LEAKS, LSB_PER_GAP, Cell, Membranes
from salhw_brainscales2.psp import psp

LATE = 0.25
"""Of the time constant of a LIF neuron's synaptic current, circuit.TICK of which its PSPs may be late."""


class LeakyCell(Cell):
    """A leaky circuit whose membrane is the description's."""

    half_step = True
    tau_syn = 5.0  # nothing depends on it
    rest: float

    def current_tau(self, kernel: Kernel) -> float:
        return psp(kernel).tau

    def short_times(self, kernels: Sequence[Kernel]) -> list[float]:
        return [LATE * self.current_tau(kernel) for kernel in kernels]

    def refractory(self, dt: float, tick: float) -> float:
        """Whole ticks: the description's spikes wait for the end of a step, NEST's for that of a tick, which is half
        the difference earlier on average."""
        return max(1, floor((self.tau_ref - 0.5 * (dt - tick)) / tick + 0.5 + 1e-9)) * tick

    def strength(self, kernel: Kernel) -> tuple[float, float]:
        height = psp(kernel).height
        return height, height

    def sensitivity(self, bias: FloatArray, dt: float) -> FloatArray:
        return np.ones_like(bias)

    def start(self, made: Membranes, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """At rest."""
        return np.zeros_like(bias), self.rest + made.leak

    def psp(self, tau: float, age: FloatArray) -> FloatArray:
        """The current's: the membrane is the description's."""
        return np.asarray(np.exp(-age / tau))


class IntegratingCell(LeakyCell):
    """A LIF neuron's: its membrane is the description's."""

    def __init__(self, neuron: LIF) -> None:
        self.neuron, self.tau_m, self.tau_ref = neuron, float(neuron.tau_m), float(neuron.tau_ref)
        self.rest, self.reset, self.thresh = float(neuron.v_rest), float(neuron.v_reset), float(neuron.v_thresh)
        self.gap = self.thresh - self.reset
        self.unit, self.lsb = self.gap / LSB_PER_GAP, LSB_PER_GAP / self.gap
        below = float(neuron.v_rest) - self.reset
        ends = (-9, 99) if below >= 0 else (-89, 19)  # LSB above the reset at 60, or 140 if neurons rest below it
        low, high = (lsb * self.gap / LSB_PER_GAP - below for lsb in ends)
        self.biases_in_range = f"biases of {low:.3g}..{high:.3g}"

    def drive(self, made: Membranes, bias: FloatArray, dt: float) -> FloatArray:
        return np.asarray(self.neuron.v_rest + made.leak + bias)

    def converter(self, bias: FloatArray, dt: float) -> tuple[FloatArray, float, float]:
        """Reset and threshold lie where all resting potentials can be calibrated, if there is such a place."""
        above = self.lsb * (self.neuron.v_rest + bias - self.reset)  # a constant current is a shift of the leak
        low, high = LEAK_LSB
        lowest, highest = np.ceil(low - above.min()), min(150.0, np.floor(high - above.max()))
        reset = max(low, min(max(60.0, lowest), highest))
        return reset + above, reset, reset + LSB_PER_GAP

    def interval_error(self, dt: float, tick: float, driven: bool) -> float:
        """Exact for a constant drive; with input what a grid of ticks can do to the shortest interval."""
        n, refractory = self.neuron, self.refractory(dt, tick)
        if driven:
            return (abs(refractory - self.tau_ref + 0.5 * (dt - tick)) + 0.5 * (dt - tick)) / self.tau_ref
        aim = n.v_rest + np.asarray(n.bias, dtype=np.float64).ravel()
        aim = aim[aim > n.v_thresh]
        crossing = n.tau_m * np.log((aim - n.v_reset) / (aim - n.v_thresh))
        described, made = (
            lasts - step + np.maximum(1.0, np.ceil(crossing / step - 1e-9)) * step
            for lasts, step in ((n.tau_ref, dt), (refractory, tick))
        )
        return float(np.abs(made / described - 1.0).max(initial=0.0))

    def findings(self, path: str) -> Iterator[Diagnostic]:
        """Rest within the range of the converter, with threshold and reset LSB_PER_GAP apart."""
        rest, reset = float(self.neuron.v_rest), self.reset
        lsb = (rest - reset) * LSB_PER_GAP / self.gap
        if not -(LEAKS - 20) <= lsb <= LEAKS:
            low, high = (reset + x * self.gap / LSB_PER_GAP for x in (-(LEAKS - 20) + 1e-3, LEAKS - 1e-3))
            supported = f"supported {low:g}..{high:g} beside this reset and threshold"
            fix = f"v_rest >= {number(low)}" if lsb < 0 else f"v_rest <= {number(high)}"
            yield Diagnostic("SAL104", f"{path}.v_rest", number(rest), supported, fix)
