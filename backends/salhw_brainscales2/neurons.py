"""Neurons of the description as leaky integrate-and-fire neurons of the chip.

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

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Neuron, Source
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.chip import Chip
from salhw_brainscales2.psp import CHIP, TAU_SYN, psp

TAU_M = 0.1
"""Time constant of the membrane of a sampling neuron, in refractory periods."""
EVENTS, EVENT = 50.0, 0.219
"""Background of either sign: events per refractory period, and the current of one in sigma."""
RESET = 0.2
"""From the threshold down to the reset, in sigma."""
THRESHOLD = 135.0
"""Converter LSB of the thresholds of sampling neurons."""
LEAK_LSB = (50.0, 160.0)
"""Range of resting and reset potentials that can be calibrated, in converter LSB."""
LEAKS = 100.0
"""Converter LSB from the lowest to the highest of these potentials, less a margin."""
LSB_PER_SIGMA = 25.0
"""Converter LSB that a sigma takes: with thresholds at 135 LSB the leaks of biases from -5 to 2.2 lie in 50..160."""
LSB_PER_GAP = 70.0
"""Converter LSB from reset to threshold of a LIF description; what noise relative to the threshold is relative to."""
LEAK = (-0.555788, 0.662001, 0.013589, -0.01007, -0.000623, 0.000295, 0.000036)
"""The leak above the threshold in sigma, a polynomial in the bias (fit.py)."""
CURRENT, INHIBITORY = 1.4, 1.5
"""The current of a spike in sigma per unit weight of either sign, of a rectangular PSP as long as the refractory
period, onto a neuron whose ``sensitivity`` is 1 (fit.py)."""
BELOW = 0.5
"""How far below its bias the activation function's slope makes a neuron's sensitivity (fit.py)."""
STEEP = (-4.0, 2.5)
"""Biases between which that slope is known."""
LATE = 0.25
"""Of the time constant of a LIF neuron's synaptic current, circuit.TICK of which its PSPs may be late."""


@dataclass(frozen=True)
class Membranes:
    """The circuits of one population on B chips, n neurons each.

    Potentials are in sigma above the threshold (GLM) or in the description's units (LIF); [0] of ``gain`` and
    ``tau_syn`` is the excitatory input.

    Args:
        gain: factor on synaptic currents, (2, B, n).
        tau_syn: ms, (2, B, n).
        tau_m: ms, (B, n).
        leak: offset of the resting potential, (B, n).
        reset, thresh: (B, n).
        unit: membrane units per LSB of the converter.
        event: the background's current per event, and ``rate``: its events per ms, of either sign; 0 without.
        refractory: ms.
    """

    gain: FloatArray
    tau_syn: FloatArray
    tau_m: FloatArray
    leak: FloatArray
    reset: FloatArray
    thresh: FloatArray
    unit: float
    event: float
    rate: float
    refractory: float

    @property
    def sigma(self) -> FloatArray:
        """Standard deviation of the free membrane in the background, (B, n)."""
        power = self.gain**2 * self.tau_syn**2 / (2.0 * (self.tau_syn + self.tau_m))
        return np.asarray(self.event * np.sqrt(self.rate * power.sum(axis=0)))

    def noisy(self, chips: Sequence[Chip], normal: FloatArray) -> FloatArray:
        """Thresholds of one trial; ``normal``: standard normal numbers, (B, n)."""
        spread = np.array([chip.spread("threshold_noise") for chip in chips])[:, None]
        return np.asarray(self.thresh + spread * LSB_PER_GAP * self.unit * normal)


class Cell(ABC):
    """A neuron circuit that stands for a neuron of the description, as the ideal chip has it. Potentials are in the
    units of its ``Membranes``, times in ms.

    Attributes:
        unit, event, rate: see ``Membranes``; ``lsb``: LSB per unit.
        tau_m, reset, thresh: of the membrane.
        tau_ref: the refractory period as described.
        tau_syn: of the synaptic inputs where nothing is connected to them.
        half_step: whether half a step is part of the refractory period on the chip.
        biases_in_range: those whose resting potentials can be calibrated, as a fix says it.
    """

    unit: float
    lsb: float
    tau_m: float
    tau_ref: float
    tau_syn: float
    reset: float
    thresh: float
    event: float = 0.0
    rate: float = 0.0
    half_step: bool = False
    biases_in_range: str = "biases nearer to 0"

    @abstractmethod
    def __init__(self, neuron: Neuron) -> None: ...

    @property
    def sampling(self) -> bool:
        """Whether background makes it spike at random."""
        return self.rate > 0.0

    @abstractmethod
    def current_tau(self, kernel: Kernel) -> float:
        """Time constant of the synaptic current by which a PSP is made."""

    @abstractmethod
    def short_times(self, kernels: Sequence[Kernel]) -> list[float]:
        """What NEST's ticks have to be short against. It integrates membranes exactly; PSPs begin a tick late."""

    @abstractmethod
    def refractory(self, dt: float, tick: float) -> float:
        """The refractory period on the chip, for steps of ``dt`` and NEST's ticks."""

    @abstractmethod
    def strength(self, kernel: Kernel) -> tuple[float, float]:
        """The current of one spike per unit weight through the excitatory and the inhibitory input, where PSPs are
        ``realised``."""

    @abstractmethod
    def sensitivity(self, bias: FloatArray, dt: float) -> FloatArray:
        """What multiplies the synaptic currents of neurons of these biases, shaped like them."""

    @abstractmethod
    def drive(self, made: Membranes, bias: FloatArray, dt: float) -> FloatArray:
        """The constant current that makes the free membrane rest where it has to, (B, n); the resistance is 1."""

    @abstractmethod
    def start(self, made: Membranes, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(bias, potential) before step 0."""

    @abstractmethod
    def converter(self, bias: FloatArray, dt: float) -> tuple[FloatArray, float, float]:
        """Resting potentials (neuron,), reset and threshold in LSB of the converter."""

    @abstractmethod
    def psp(self, tau: float, age: FloatArray) -> FloatArray:
        """A PSP after ``age``, made by a current of ``tau``; in any unit."""

    def interval_error(self, dt: float, tick: float, driven: bool) -> float:
        """The largest relative error of intervals by their grid: NEST's ticks for steps of ``dt``; 0 where nothing
        but chance sets them. ``driven``: whether there are synapses onto it."""
        return 0.0

    def findings(self, path: str) -> Iterator[Diagnostic]:
        """What the circuit cannot do for a population at ``path``, beside what ranges say."""
        yield from ()


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


class IntegratingCell(Cell):
    """A LIF neuron's: its membrane is the description's."""

    half_step = True
    tau_syn = 5.0  # nothing depends on it

    def __init__(self, neuron: LIF) -> None:
        self.neuron, self.tau_m, self.tau_ref = neuron, float(neuron.tau_m), float(neuron.tau_ref)
        self.reset, self.thresh = float(neuron.v_reset), float(neuron.v_thresh)
        self.gap = self.thresh - self.reset
        self.unit, self.lsb = self.gap / LSB_PER_GAP, LSB_PER_GAP / self.gap
        below = float(neuron.v_rest) - self.reset
        ends = (-9, 99) if below >= 0 else (-89, 19)  # LSB above the reset at 60, or 140 if neurons rest below it
        low, high = (lsb * self.gap / LSB_PER_GAP - below for lsb in ends)
        self.biases_in_range = f"biases of {low:.3g}..{high:.3g}"

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

    def drive(self, made: Membranes, bias: FloatArray, dt: float) -> FloatArray:
        return np.asarray(self.neuron.v_rest + made.leak + bias)

    def start(self, made: Membranes, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """At rest."""
        return np.zeros_like(bias), self.neuron.v_rest + made.leak

    def converter(self, bias: FloatArray, dt: float) -> tuple[FloatArray, float, float]:
        """Reset and threshold lie where all resting potentials can be calibrated, if there is such a place."""
        above = self.lsb * (self.neuron.v_rest + bias - self.reset)  # a constant current is a shift of the leak
        low, high = LEAK_LSB
        lowest, highest = np.ceil(low - above.min()), min(150.0, np.floor(high - above.max()))
        reset = max(low, min(max(60.0, lowest), highest))
        return reset + above, reset, reset + LSB_PER_GAP

    def psp(self, tau: float, age: FloatArray) -> FloatArray:
        """The current's: the membrane is the description's."""
        return np.asarray(np.exp(-age / tau))

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


CELLS: ByKind[type[Cell] | None] = ByKind(CHIP, {GLM: SamplingCell, LIF: IntegratingCell, Source: None})
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
