"""Neurons of the description as leaky integrate-and-fire neurons of the chip, with a chip's fixed pattern.

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
from dataclasses import dataclass
from math import floor

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Exponential, Kernel, Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Neuron, Source
from salhw.description.parts import Population, Projection
from salhw.substrate.chip import Chip

TAU_SYN, TAU_M = 0.5, 0.1
"""Time constants of synaptic inputs and membrane of a sampling neuron, in refractory periods."""
EVENTS, EVENT = 50.0, 0.219
"""Background of either sign: events per refractory period, and the current of one in sigma."""
RESET = 0.2
"""From the threshold down to the reset, in sigma."""
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


def leak(bias: npt.ArrayLike) -> FloatArray:
    """Leak above the threshold in sigma, for biases of GLM neurons."""
    return np.asarray(np.polynomial.polynomial.polyval(np.asarray(bias, dtype=np.float64), LEAK), dtype=np.float64)


def sensitivity(population: Population, bias: FloatArray, dt: float) -> FloatArray:
    """What multiplies the synaptic currents of neurons of these biases, shaped like them: how fast the leak goes with
    the bias of a GLM neuron, 1 for a LIF neuron."""
    if not isinstance(population.neuron, GLM):
        return np.ones_like(bias)
    at = np.clip(continuous(population.neuron, bias, dt) - BELOW, *STEEP)
    slope = np.polynomial.polynomial.polyder(LEAK)
    return np.asarray(np.polynomial.polynomial.polyval(at, slope) / slope[0], dtype=np.float64)


def described_area(kernel: Kernel, dt: float) -> float:
    """The area in ms of a PSP as the description has it: constant over each step."""
    if isinstance(kernel, Rectangular):
        return kernel.tau_syn * kernel.height
    return kernel.height * dt / float(np.expm1(dt / kernel.tau_syn))


def exponential_of(kernel: Kernel) -> tuple[float, float]:
    """(time constant in ms, height) of the synaptic current that stands for a PSP: of equal area."""
    if isinstance(kernel, Rectangular):
        return TAU_SYN * kernel.tau_syn, kernel.height / TAU_SYN
    return kernel.tau_syn, kernel.height


def current_tau(neuron: Neuron, kernel: Kernel) -> float:
    """Time constant in ms of the synaptic current by which a PSP is made onto ``neuron``."""
    return TAU_SYN * neuron.tau_ref if isinstance(neuron, GLM) else exponential_of(kernel)[0]


def realised(net: Network) -> Network:
    """The same network with the PSPs that the chip makes: decaying currents of the areas that those described have on
    their grid."""

    def made(p: Projection) -> Projection:
        neuron = net.population(p.post).neuron
        if isinstance(neuron, Source):
            return p
        area = described_area(p.kernel, net.dt)
        return p.replace(kernel=Exponential(tau_syn=current_tau(neuron, p.kernel), area=area))

    return net.replace(projections=[made(p) for p in net.projections])


def strength(net: Network, projection: str) -> tuple[float, float]:
    """The current of one spike per unit weight through the excitatory and the inhibitory input, in units of the
    postsynaptic membrane, in a network whose PSPs are ``realised``."""
    p = net.projection(projection)
    neuron, (tau, height) = net.population(p.post).neuron, exponential_of(p.kernel)
    if isinstance(neuron, GLM):
        return CURRENT * tau * height / neuron.tau_ref, INHIBITORY * tau * height / neuron.tau_ref
    return height, height


def membranes(net: Network, population: Population, chips: Sequence[Chip], place: IntArray, tick: float) -> Membranes:
    """The circuits of a population of GLM or LIF neurons at the locations ``place`` of ``chips``; ``tick`` in ms is
    NEST's."""
    neuron = population.neuron
    assert isinstance(neuron, GLM | LIF)
    if isinstance(neuron, GLM):
        unit, tau_syn, tau_m = 1.0 / LSB_PER_SIGMA, TAU_SYN * neuron.tau_ref, TAU_M * neuron.tau_ref
        reset, thresh, event, rate = -RESET, 0.0, EVENT, EVENTS / neuron.tau_ref
        refractory = neuron.tau_ref
    else:
        unit, tau_m = (neuron.v_thresh - neuron.v_reset) / LSB_PER_GAP, neuron.tau_m
        tau_syn = next((exponential_of(p.kernel)[0] for p in net.projections if p.post == population.name), 5.0)
        reset, thresh, event, rate = neuron.v_reset, neuron.v_thresh, 0.0, 0.0
        refractory = lif_refractory(neuron, net.dt, tick)

    def varied(quantity: str, nominal: float) -> FloatArray:
        return np.array([chip.vary(quantity, nominal, place) for chip in chips]).reshape(len(chips), len(place))

    thresholds = thresh + unit * varied("v_thresh", 0.0)
    return Membranes(
        gain=np.maximum(np.stack([varied("gain_exc", 1.0), varied("gain_inh", 1.0)]), 0.0),
        tau_syn=np.maximum(np.stack([varied("tau_syn_exc", tau_syn), varied("tau_syn_inh", tau_syn)]), 0.05 * tau_syn),
        tau_m=np.maximum(varied("tau_m", tau_m), 0.05 * tau_m),
        leak=unit * varied("v_leak", 0.0),
        reset=reset + unit * varied("v_reset", 0.0),
        thresh=thresholds,
        unit=unit,
        event=event,
        rate=rate,
        refractory=refractory,
    )


def lif_refractory(neuron: LIF, dt: float, tick: float) -> float:
    """A LIF neuron's refractory period in ms, whole ticks: the description's spikes wait for the end of a step, NEST's
    for that of a tick, which is half the difference earlier on average."""
    return max(1, floor((neuron.tau_ref - 0.5 * (dt - tick)) / tick + 0.5 + 1e-9)) * tick


def continuous(neuron: GLM, bias: FloatArray, dt: float) -> FloatArray:
    """The bias of the ``logistic`` neuron of equal rate, which is that of continuous time whatever dt is."""
    if neuron.discretisation == "logistic":
        return bias
    step = dt / neuron.tau_ref
    return np.asarray(np.log(np.expm1(np.exp(bias) * step) / step))


def drive(population: Population, cells: Membranes, bias: FloatArray, dt: float) -> FloatArray:
    """The constant current that makes the free membrane rest where it has to, (B, n); the resistance is 1."""
    mean = cells.event * cells.rate * (cells.gain[0] * cells.tau_syn[0] - cells.gain[1] * cells.tau_syn[1])
    if isinstance(population.neuron, GLM):
        return np.asarray(leak(continuous(population.neuron, bias, dt)) + cells.leak - mean)
    assert isinstance(population.neuron, LIF)
    return np.asarray(population.neuron.v_rest + cells.leak + bias)
