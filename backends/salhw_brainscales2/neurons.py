"""Neurons of the description as neuron circuits of the chip, and how GLM neurons are made of leaky ones.

A GLM neuron is *sampled*: Poisson background of both signs through the synaptic inputs makes the free membrane a random
process of standard deviation sigma, and its crossings of the threshold stand for the escape rate. sigma is the unit of
the membrane, its zero is the threshold. All times go with the refractory period, so one set of constants serves all.

The leak is what the chip's calibration makes it with the background on: the mean of the background is in it. Otherwise
the spread of the gains would spread the biases by more than a unit.

The rate goes with the leak as a Gaussian tail does, with the bias as an exponential: the lower the bias, the fewer
sigma a unit of input is worth. So a neuron's synaptic inputs are set as strong as its bias asks for (``sensitivity``),
which each neuron's can be on the chip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, AdEx, Neuron, Source
from salhw_brainscales2.adex import AdaptingCell
from salhw_brainscales2.cell import Cell, Membranes
from salhw_brainscales2.leaky import IntegratingCell
from salhw_brainscales2.psp import CHIP, TAU_SYN, psp

TAU_M = 0.1
"""Time constant of the membrane of a sampling neuron, in refractory periods."""
EVENTS, EVENT = 50.0, 0.219
"""Background of either sign: events per refractory period, and the current of one in sigma."""
RESET = 0.2
"""From the threshold down to the reset, in sigma."""
THRESHOLD = 135.0
"""Converter LSB of the thresholds of sampling neurons."""
LSB_PER_SIGMA = 25.0
"""Converter LSB that a sigma takes: with thresholds at 135 LSB the leaks of biases from -5 to 2.2 lie in 50..160."""
LEAK = (-0.555788, 0.662001, 0.013589, -0.01007, -0.000623, 0.000295, 0.000036)
"""The leak above the threshold in sigma, a polynomial in the bias (fit.py)."""
CURRENT, INHIBITORY = 1.4, 1.5
"""The current of a spike in sigma per unit weight of either sign, of a rectangular PSP as long as the refractory
period, onto a neuron whose ``sensitivity`` is 1 (fit.py)."""
BELOW = 0.5
"""How far below its bias the activation function's slope makes a neuron's sensitivity (fit.py)."""
STEEP = (-4.0, 2.5)
"""Biases between which that slope is known."""


class SamplingCell(Cell):
    """A GLM neuron's: its membrane is noise, in sigma above the threshold."""

    unit, lsb, reset, thresh, event = 1.0 / LSB_PER_SIGMA, LSB_PER_SIGMA, -RESET, 0.0, EVENT

    def __init__(self, neuron: GLM) -> None:
        self.neuron, self.tau_ref = neuron, float(neuron.tau_ref)
        self.tau_m, self.tau_syn, self.rate = TAU_M * self.tau_ref, TAU_SYN * self.tau_ref, EVENTS / self.tau_ref

    def current_tau(self, kernel: Kernel) -> float:
        return self.tau_syn

    def short_times(self, kernels: Sequence[Kernel]) -> list[float]:
        return [self.tau_m]

    def refractory(self, dt: float, tick: float) -> float:
        return self.tau_ref

    def strength(self, kernel: Kernel) -> tuple[float, float]:
        made = psp(kernel)
        return CURRENT * made.tau * made.height / self.tau_ref, INHIBITORY * made.tau * made.height / self.tau_ref

    def sensitivity(self, bias: FloatArray, dt: float) -> FloatArray:
        """How fast the leak goes with the bias."""
        at = np.clip(self._continuous(bias, dt) - BELOW, *STEEP)
        slope = np.polynomial.polynomial.polyder(LEAK)
        return np.asarray(np.polynomial.polynomial.polyval(at, slope) / slope[0], dtype=np.float64)

    def drive(self, made: Membranes, bias: FloatArray, dt: float) -> FloatArray:
        mean = made.event * made.rate * (made.gain[0] * made.tau_syn[0] - made.gain[1] * made.tau_syn[1])
        return np.asarray(self.leak(bias, dt) + made.leak - mean)

    def start(self, made: Membranes, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Anywhere: the lead-in forgets it."""
        return bias, made.reset

    def converter(self, bias: FloatArray, dt: float) -> tuple[FloatArray, float, float]:
        return THRESHOLD + LSB_PER_SIGMA * self.leak(bias, dt), THRESHOLD - LSB_PER_SIGMA * RESET, THRESHOLD

    def psp(self, tau: float, age: FloatArray) -> FloatArray:
        """The membrane's time constant is in it."""
        return np.asarray(np.exp(-age / tau) - np.exp(-age / self.tau_m))

    def leak(self, bias: FloatArray, dt: float) -> FloatArray:
        """Leak above the threshold in sigma, for biases of the description."""
        return leak(self._continuous(bias, dt))

    def _continuous(self, bias: FloatArray, dt: float) -> FloatArray:
        """The bias of the ``logistic`` neuron of equal rate, which is that of continuous time whatever dt is."""
        if self.neuron.discretisation == "logistic":
            return bias
        step = dt / self.tau_ref
        return np.asarray(np.log(np.expm1(np.exp(bias) * step) / step))


CELLS: ByKind[type[Cell] | None] = ByKind(
    CHIP, {GLM: SamplingCell, LIF: IntegratingCell, AdEx: AdaptingCell, Source: None}
)
"""What neurons become on the chip; None takes no circuit, as its spikes come from outside."""


def cell(neuron: Neuron) -> Cell | None:
    """The circuit of a neuron; None if it takes none.

    Raises:
        UnsupportedNetworkError: SAL101 a kind that the chip does not have.
    """
    made = CELLS[neuron]
    return None if made is None else made(neuron)


def cells(net: Network) -> dict[str, Cell]:
    """The circuits of all populations that take any, by name; the others are sources."""
    return {p.name: made for p in net.populations if (made := cell(p.neuron)) is not None}


def leak(bias: npt.ArrayLike) -> FloatArray:
    """Leak above the threshold in sigma, for biases of logistic GLM neurons."""
    return np.asarray(np.polynomial.polynomial.polyval(np.asarray(bias, dtype=np.float64), LEAK), dtype=np.float64)
