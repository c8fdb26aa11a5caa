"""By how much LIF sampling misses the rates of one network: both simulated side by side, roughly and at once.

Many copies of the network run together, as described and as an ideal chip samples it, in numpy arrays of a fixed size:
a tenth of a second, whatever the network. Sources spike at their mean rates; LIF neurons are the description's in both,
as what the chip does to them is named by itself. The numbers are random with a seed of their own, so that the same
network has the same report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses, values
from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel, Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.parts import Population, Projection
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw.session.paths import described_at
from salhw_brainscales2.membrane import (
    EVENT,
    EVENTS,
    RESET,
    TAU_M,
    TAU_SYN,
    continuous,
    leak,
    realised,
    sensitivity,
    strength,
)

ELEMENTS = 2048
"""Neurons in all copies together: arrays that are long enough for numpy and short enough for a tenth of a second."""
SETTLING, MEASURED = 10, 30
"""Refractory periods before and during the count."""
FINEST = 40
"""Steps per refractory period, at most; TICKS of the chip."""
TICKS = 50
GROUPS = 8
"""Of a population's neurons, by their rates."""
Spiked = dict[str, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class RateError:
    """Of the rates of one population: the relative error of their ``mean``, and the ``lowest`` and ``highest`` of its
    neurons, with two standard errors of the estimate added."""

    mean: float
    lowest: float
    highest: float


def rate_errors(net: Network) -> dict[str, RateError]:
    """Of each population of GLM neurons that has input."""
    driven = {
        p.post for p in net.projections if isinstance(net.population(p.post).neuron, GLM) and np.any(_matrix(net, p))
    }
    if not driven:
        return {}
    (tau_ref,) = {p.neuron.tau_ref for p in net.populations if isinstance(p.neuron, GLM)}
    copies = max(4, ELEMENTS // sum(p.size for p in net.populations))
    steps = min(FINEST, max(1, round(tau_ref / net.dt)))
    wanted = _counted(_Description(net, copies, steps), driven, tau_ref)
    found = _counted(_Chip(net, copies, steps), driven, tau_ref)
    return {name: _compared(found[name], wanted[name]) for name in sorted(driven)}


def _compared(found: FloatArray, wanted: FloatArray) -> RateError:
    """From spike counts (copy, neuron). Neurons of similar rates are taken together where there are many: their mean,
    and how they scatter about it."""
    few = 1.0 / len(found)  # one spike in all copies: less is not seen
    a, b = np.maximum(found.mean(axis=0), few), np.maximum(wanted.mean(axis=0), few)
    error = a / b - 1.0
    variance = [x.var(axis=0, ddof=1) / len(x) for x in (found, wanted)]
    variance = (1.0 + error) ** 2 * ((variance[0] + few**2) / a**2 + variance[1] / b**2)
    ends = []
    for group in np.array_split(np.argsort(b), min(len(b), GROUPS)):
        middle, unsure = error[group].mean(), np.sqrt(variance[group].sum()) / len(group)
        scatter = np.sqrt(max(0.0, error[group].var() - variance[group].mean()))
        ends += [middle - 2.0 * (scatter + unsure), middle + 2.0 * (scatter + unsure)]
    return RateError(float(a.sum() / b.sum() - 1.0), max(-1.0, float(min(ends))), float(max(ends)))


def _counted(network: _Description, driven: set[str], tau_ref: float) -> dict[str, FloatArray]:
    """Spikes of each copy and neuron of some populations after the settling, (copy, neuron); as expected from step to
    step where that is known, which scatters less."""
    counts = {name: np.zeros((network.copies, network.net.population(name).size)) for name in driven}
    for refractory_periods in range(SETTLING + MEASURED):
        for _ in range(network.steps):
            spiked = network.step()
            if refractory_periods >= SETTLING:
                for name in driven:
                    counts[name] += network.expected.get(name, spiked[name])
    return counts


def _matrix(net: Network, p: Projection) -> FloatArray:
    """Its weights, (post, pre)."""
    ends = net.ends(p.name)
    post, pre, position = synapses(p.weights, *ends)
    held = np.zeros(ends[:2])
    held[post, pre] = values(p.weights, *ends).ravel()[position]
    return held


class _Input:
    """What one projection adds to the input of its neurons, (copy, neuron), as described."""

    def __init__(self, kernel: Kernel, matrix: FloatArray, copies: int, dt: float) -> None:
        self.matrix, self.value = matrix, np.zeros((copies, len(matrix)))
        self.first, self.decay, self.ring, self.now = kernel.height, 1.0, np.zeros((0, 0, 0)), 0
        if isinstance(kernel, Rectangular):
            self.ring = np.zeros((max(1, round(kernel.tau_syn / dt)), *self.value.shape))
        else:
            self.decay = float(np.exp(-dt / kernel.tau_syn))
            self.first *= self.decay

    def after(self, spiked: npt.NDArray[np.bool_]) -> None:
        """The next step's, after the spikes of this one."""
        new = self.first * _arriving(spiked, self.matrix)
        self.value = self.decay * self.value + new
        if len(self.ring):
            self.value -= self.ring[self.now]
            self.ring[self.now], self.now = new, (self.now + 1) % len(self.ring)


def _arriving(spiked: npt.NDArray[np.bool_], matrix: FloatArray) -> FloatArray:
    active = np.flatnonzero(spiked.any(axis=0))
    return np.asarray(spiked[:, active].astype(np.float64) @ matrix[:, active].T)


class _Description:
    """Copies of the network on a grid of ``steps`` per refractory period of its GLM neurons, at most as fine as its
    own."""

    def __init__(self, net: Network, copies: int, steps: int) -> None:
        self.net, self.copies, self.steps, self.t = net, copies, steps, 0
        self.rng = np.random.default_rng(20)
        glm = next(p.neuron for p in net.populations if isinstance(p.neuron, GLM))
        self.dt = glm.tau_ref / steps
        shape = {p.name: (copies, p.size) for p in net.populations}
        self.expected: dict[str, FloatArray] = {}
        self.ready = {name: np.zeros(size, dtype=np.int64) for name, size in shape.items()}
        self.inputs = [
            (p, _Input(p.kernel, _matrix(net, p), copies, self.dt))
            for p in net.projections
            if not isinstance(net.population(p.post).neuron, Source)
        ]
        self.bias = {p.name: _bias(net, p) for p in net.populations}
        self.potential = {
            p.name: np.full(shape[p.name], p.neuron.v_rest) for p in net.populations if isinstance(p.neuron, LIF)
        }
        self.chance = {
            p.name: -np.expm1(-driven_rate(net, p) * self.dt / 1000.0)
            for p in net.populations
            if isinstance(p.neuron, Source)
        }

    def step(self) -> Spiked:
        """The spikes of the next step."""
        spiked = dict(self._spikes())
        for name, now in spiked.items():
            neuron = self.net.population(name).neuron
            if not isinstance(neuron, Source):
                self.ready[name][now] = self.t + max(1, round(neuron.tau_ref / self.dt))
        for p, taken in self.inputs:
            taken.after(spiked[p.pre])
        self.t += 1
        return spiked

    def _spikes(self) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        for p in self.net.populations:
            ready = self.ready[p.name] <= self.t
            if isinstance(p.neuron, LIF):
                yield p.name, ready & self._integrated(p, p.neuron, ready)
            elif isinstance(p.neuron, GLM):
                yield p.name, self._decided(p, p.neuron, ready)
            else:
                yield p.name, self._uniform(p) < self.chance[p.name]

    def _uniform(self, p: Population) -> npt.NDArray[np.float32]:
        return self.rng.random((self.copies, p.size), dtype=np.float32)

    def _input(self, name: str) -> FloatArray:
        whole = np.broadcast_to(self.bias[name], self.ready[name].shape)
        return np.asarray(sum((taken.value for p, taken in self.inputs if p.post == name), whole))

    def _integrated(self, p: Population, neuron: LIF, ready: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        aim = neuron.v_rest + self._input(p.name)
        v = aim + (self.potential[p.name] - aim) * np.exp(-self.dt / neuron.tau_m)
        spikes = ready & (v >= neuron.v_thresh)
        self.potential[p.name] = np.where(ready & ~spikes, v, neuron.v_reset)
        return np.asarray(spikes)

    def _decided(self, p: Population, neuron: GLM, ready: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        x = np.exp(np.clip(self._input(p.name), -50.0, 50.0)) / self.steps
        chance = x / (1.0 + x) if neuron.discretisation == "logistic" else -np.expm1(-x)
        self.expected[p.name] = ready * chance
        return np.asarray(self._uniform(p) < self.expected[p.name])


class _Chip(_Description):
    """The same with GLM neurons sampled, in ticks between the steps."""

    def __init__(self, net: Network, copies: int, steps: int) -> None:
        super().__init__(net, copies, steps)
        self.ticks = max(1, round(TICKS / steps))
        h, syn, mem = 1.0 / (steps * self.ticks), TAU_SYN, TAU_M  # in refractory periods
        self.keep, self.decay = float(np.exp(-h / mem)), float(np.exp(-h / syn))
        self.gather = syn / (syn - mem) * (self.decay - self.keep)
        self.background = _differences(EVENTS * h)
        glm = [p for p in net.populations if isinstance(p.neuron, GLM)]
        self.v = {p.name: np.full((copies, p.size), -RESET, dtype=np.float32) for p in glm}
        self.current = {p.name: np.zeros((copies, p.size), dtype=np.float32) for p in glm}
        self.dead = {p.name: np.zeros((copies, p.size), dtype=np.int32) for p in glm}
        self.leaks = {p.name: self._leak(p) for p in glm}
        made = realised(net)
        self.synapses = [(p, self._currents(p, made)) for p in net.projections if p.post in self.v]

    def _leak(self, p: Population) -> npt.NDArray[np.float32]:
        """What a tick adds to the potential by the leak."""
        assert isinstance(p.neuron, GLM)
        return ((1.0 - self.keep) * leak(continuous(p.neuron, self.bias[p.name], self.net.dt))).astype(np.float32)

    def _currents(self, p: Projection, made: Network) -> FloatArray:
        post, matrix = self.net.population(p.post), _matrix(self.net, p)
        excitatory, inhibitory = strength(made, p.name)
        by_bias = sensitivity(post, np.broadcast_to(self.bias[p.post], post.size), self.net.dt)
        return np.asarray(matrix * np.where(matrix >= 0, excitatory, inhibitory) * by_bias[:, None])

    def step(self) -> Spiked:
        """The spikes of the next step; those of neurons that are not sampled act when it is over."""
        found = {name: np.zeros(v.shape, dtype=np.bool_) for name, v in self.v.items()}
        for _ in range(self.ticks):
            now = {p.name: self._tick(p.name) for p in self.net.populations if p.name in self.v}
            for p, currents in self.synapses:
                if p.pre in now and now[p.pre].any():
                    self.current[p.post] += _arriving(now[p.pre], currents)
            for name, spikes in now.items():
                found[name] |= spikes
        self.sampled = found
        spiked = super().step()
        for p, currents in self.synapses:
            if p.pre not in self.v and spiked[p.pre].any():
                self.current[p.post] += _arriving(spiked[p.pre], currents)
        return spiked

    def _tick(self, name: str) -> npt.NDArray[np.bool_]:
        v, current, dead = self.v[name], self.current[name], self.dead[name]
        v *= self.keep
        v += self.leaks[name]
        v += self.gather * current
        np.putmask(v, dead > 0, -RESET)
        dead -= 1
        spikes = v >= 0.0
        np.putmask(v, spikes, -RESET)
        np.putmask(dead, spikes, self.steps * self.ticks - 1)
        current *= self.decay
        current += self.background.take(self.rng.integers(0, 1 << 16, v.shape, dtype=np.uint16))
        return np.asarray(spikes)

    def _decided(self, p: Population, neuron: GLM, ready: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        return self.sampled[p.name]


def _differences(mean: float) -> npt.NDArray[np.float32]:
    """2^16 equally likely values of the background's current in one tick: the difference of two Poisson numbers."""
    most = int(mean + 10.0 * np.sqrt(mean) + 10.0)
    each = np.exp(-mean) * np.cumprod(np.concatenate([[1.0], mean / np.arange(1, most + 1)]))
    at = np.cumsum(np.convolve(each, each[::-1]))
    draws = np.searchsorted(at, (np.arange(1 << 16) + 0.5) / (1 << 16)).clip(0, 2 * most)
    return (EVENT * (draws - most)).astype(np.float32)


def _bias(net: Network, p: Population) -> FloatArray:
    return described_at(net, f"populations.{p.name}.bias") if "bias" in p.neuron.offers else np.zeros(p.size)


def driven_rate(net: Network, p: Population) -> FloatArray:
    """Mean rates of sources in Hz while they are driven."""
    rate = np.zeros(p.size)
    for s in net.stimuli:
        if s.population == p.name and isinstance(s, Poisson):
            rate += np.broadcast_to(s.rate, p.size)
        elif s.population == p.name and isinstance(s, SpikeTimes):
            last = max((float(t[-1]) for t in s.times if len(t)), default=0.0) + net.dt
            rate += np.array([1000.0 * len(t) / last for t in s.times])
    return rate
