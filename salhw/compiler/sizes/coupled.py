"""Two coupled neurons, for which theory has the drift of their weights exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from salhw.description.connectivity import values
from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.neurons import GLM
from salhw.description.parts import Projection
from salhw.description.plasticity import PairSTDP
from salhw.theory import drift, rates, stdd

LONGEST = 200
"""Steps that a neuron or PSP may remember: a chain of as many ages is solved in a fraction of a second."""
FADED = 1e-4
"""The share of its peak below which a window or a PSP counts as over."""
APART = 0.5
"""The gaps, to both sides, between which the decay of a gap is taken."""
REACH, STRIDE = 4.0, 0.25
"""How far apart the weights are tried, and in which strides."""
MOVING = 0.05
"""How far the sum of two weights may move while their gap decays, for the gap to settle."""
SLOPE = 1e-3
"""Difference of weights over which a slope is taken."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two GLM neurons with a plastic synapse each way, and no other input: what ``salhw.theory`` solves."""

    name: str
    weights: FloatArray
    bias: FloatArray
    kappa: FloatArray
    tau_ref: int
    discretisation: str
    dt: float
    rules: tuple[PairSTDP, ...]

    @property
    def rates(self) -> FloatArray:
        """Of both neurons, in Hz."""
        each = rates(self.weights, self.bias, self.kappa, self.tau_ref, self.discretisation)
        return each * (1000.0 / self.dt)

    @property
    def gap(self) -> float:
        """W[1, 0] - W[0, 1]."""
        return float(self.weights[1, 0] - self.weights[0, 1])

    def drifts(self, gap: float) -> FloatArray:
        """Change per second of (W[1, 0], W[0, 1]) with that difference between them and the sum that they have."""
        half = 0.5 * float(self.weights.sum())
        weights = np.array([[0.0, half - 0.5 * gap], [half + 0.5 * gap, 0.0]])
        return sum((self._drifts(rule, weights) for rule in self.rules), np.zeros(2)) * (1000.0 / self.dt)

    def gap_drift(self, gap: float) -> float:
        """Change per second of W[1, 0] - W[0, 1]."""
        into, back = self.drifts(gap)
        return float(into - back)

    @property
    def decay(self) -> float:
        """How much a gap decays per second, between gaps of -.5 and .5; negative where the weights are driven apart."""
        return (self.gap_drift(-APART) - self.gap_drift(APART)) / (2.0 * APART)

    def slope(self, gap: float) -> float:
        """Change of ``gap_drift`` with the gap, per second; negative where the gap is stable."""
        return (self.gap_drift(gap + SLOPE) - self.gap_drift(gap - SLOPE)) / (2.0 * SLOPE)

    def curvature(self, gap: float) -> float:
        """Second derivative of ``gap_drift``."""
        wide = 100.0 * SLOPE
        return (self.gap_drift(gap + wide) + self.gap_drift(gap - wide) - 2.0 * self.gap_drift(gap)) / wide**2

    def attractor(self) -> float | None:
        """The gap nearest to 0 at which it neither grows nor shrinks; None if there is none, if it is unstable, or if
        the sum of the weights moves on (``MOVING``)."""
        from scipy.optimize import brentq  # not at the top: only sizes need it

        bracket = _bracket(self.gap_drift)
        if bracket is None:
            return None
        gap = float(brentq(self.gap_drift, *bracket, xtol=1e-6))
        return gap if abs(float(self.drifts(gap).sum())) < -MOVING * self.slope(gap) else None

    def _drifts(self, rule: PairSTDP, weights: FloatArray) -> FloatArray:
        """Change per step of both weights at a rule's learning rate."""
        branches = (rule.causal, rule.anticausal)
        longest = max(_extent(w.shape, w.tau, w.extent, self.dt) for w in branches)
        lags = np.arange(longest + 1, dtype=np.float64) * self.dt
        shapes = [w.shape(lags) for w in branches]
        pairs = stdd(weights, self.bias, self.kappa, self.tau_ref, longest, self.discretisation, rule.pairing)
        turned = stdd(weights.T, self.bias[::-1], self.kappa, self.tau_ref, longest, self.discretisation, rule.pairing)
        rate = _both(rule.learning_rate)
        amplitude = [_both(w.amplitude) for w in branches]
        return np.array(
            [
                rate[k] * drift(seen, amplitude[0][k] * shapes[0], amplitude[1][k] * shapes[1])
                for k, seen in enumerate((pairs, turned))
            ]
        )


def pair(net: Network) -> Pair | None:
    """The network as a ``Pair`` if it is one that theory has exactly: only the partner's last spike acts."""
    if len(net.populations) != 1 or len(net.projections) != 1 or net.stimuli:
        return None
    population, projection = net.populations[0], net.projections[0]
    neuron, rules = population.neuron, projection.plasticity
    if (
        type(neuron) is not GLM
        or neuron.inputs
        or population.size != 2
        or projection.short_term is not None
        or isinstance(neuron.tau_ref, np.ndarray)
        or not all(type(rule) is PairSTDP for rule in rules)
    ):
        return None
    weights = values(projection.weights, *net.ends(projection.name))
    kappa, tau_ref = _kappa(projection, net.dt), in_steps(neuron.tau_ref, net.dt)
    if weights.shape != (2, 2) or kappa is None or tau_ref is None or max(len(kappa), tau_ref) > LONGEST:
        return None
    overlaps = len(kappa) > tau_ref  # the spike before acts after one, too, unless that one replaces it at once
    if overlaps and (projection.kernel.superposition == "sum" or projection.longest_delay(net.dt)):
        return None
    bias = np.broadcast_to(np.asarray(neuron.bias, dtype=np.float64), 2)
    return Pair(
        projection.name, weights, bias, kappa, tau_ref, neuron.discretisation, net.dt,
        tuple(rule for rule in rules if isinstance(rule, PairSTDP)),
    )  # fmt: skip


def _kappa(projection: Projection, dt: float) -> FloatArray | None:
    """The PSP from the step after the spike until it has ended; None if it lasts too long."""
    sample = projection.kernel.sample(dt, LONGEST + 1)
    steps = np.flatnonzero(np.abs(sample) > FADED * np.abs(sample).max())
    delay = np.unique(projection.delay_steps(dt))
    if len(delay) != 1 or steps[-1] == LONGEST:
        return None
    return np.concatenate([np.zeros(delay[0]), sample[: steps[-1] + 1]])


def _extent(shape: Callable[[FloatArray], FloatArray], tau: float, extent: float, dt: float) -> int:
    """Steps until a window has faded."""
    if math.isfinite(extent):
        return math.ceil(extent / dt)
    steps = math.ceil(50.0 * tau / dt)
    seen = np.flatnonzero(np.abs(shape(np.arange(steps, dtype=np.float64) * dt)) > FADED)
    return int(seen[-1]) + 1


def _both(parameter: float | FloatArray) -> FloatArray:
    """Of W[1, 0] and W[0, 1]."""
    each = np.broadcast_to(np.asarray(parameter, dtype=np.float64), (2, 2))
    return np.array([each[1, 0], each[0, 1]])


def _bracket(f: Callable[[float], float]) -> tuple[float, float] | None:
    """The interval nearest to 0 over which f changes sign."""
    low = high = f(0.0)
    for k in range(round(REACH / STRIDE)):
        near, far = k * STRIDE, (k + 1) * STRIDE
        last, high = high, f(far)
        if last == 0.0 or (last > 0.0) != (high > 0.0):
            return near, far
        last, low = low, f(-far)
        if (last > 0.0) != (low > 0.0):
            return -far, -near
    return None
