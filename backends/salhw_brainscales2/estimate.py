"""By how much LIF sampling misses the rates of one network: both simulated side by side, roughly and at once.

Many copies of the network run together, as described and as an ideal chip samples it, in numpy arrays of a fixed size:
a tenth of a second, whatever the network. Sources spike at their mean rates; LIF neurons are the description's in both,
as what the chip does to them is named by itself. The numbers are random with a seed of their own, so that the same
network has the same report.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses, values
from salhw.description.fields import FloatArray
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, AdEx, Neuron, Source
from salhw.description.parts import Population, Projection
from salhw.session.paths import described_at
from salhw_brainscales2.adex import advanced
from salhw_brainscales2.membrane import realised_kernel
from salhw_brainscales2.neurons import EVENT, EVENTS, RESET, TAU_M, SamplingCell, cells
from salhw_brainscales2.psp import CHIP, TAU_SYN, psp
from salhw_brainscales2.short_term import Resources, driver
from salhw_brainscales2.sources import driven_rate

ELEMENTS = 2048
"""Neurons in all copies together: arrays that are long enough for numpy and short enough for a tenth of a second."""
SETTLING, MEASURED = 10, 30
"""Refractory periods before and during the count."""
FINEST = 40
"""Steps per refractory period, at most; TICKS of the chip."""
TICKS = 50
GROUPS = 8
"""Of a population's neurons, by their rates."""
FEW = 64
"""Presynaptic neurons, up to which multiplying by all of them takes less time than finding those that spiked."""
Spikes = npt.NDArray[np.bool_]
"""Which neurons spike at one time, (copy, neuron)."""
_Current = tuple[str, FloatArray, Callable[[Spikes], Spikes | FloatArray]]
"""Presynaptic population, the currents of its spikes (post, pre), and how strong these are."""


@dataclass(frozen=True)
class RateError:
    """Of the rates of one population: the relative error of their ``mean``, and the ``lowest`` and ``highest`` of its
    neurons, with two standard errors of the estimate added."""

    mean: float
    lowest: float
    highest: float


_KNOWN: dict[str, dict[str, RateError]] = {}  # by the hash of what rates depend on


def rate_errors(net: Network) -> dict[str, RateError]:
    """Of each population of sampling neurons that has input. A process simulates networks once that differ in nothing
    that rates depend on."""
    static = [p.replace(plasticity=()) for p in net.projections]
    net = net.replace(name="rates", projections=static, probes=(), ties=())
    if net.content_hash not in _KNOWN:
        _KNOWN[net.content_hash] = _simulated(net)
    return dict(_KNOWN[net.content_hash])


def _simulated(net: Network) -> dict[str, RateError]:
    sampling = {name: cell for name, cell in cells(net).items() if cell.sampling}
    driven = {p.post for p in net.projections if p.post in sampling and np.any(_matrix(net, p))}
    if not driven:
        return {}
    (tau_ref,) = {cell.tau_ref for cell in sampling.values()}
    copies = max(4, ELEMENTS // sum(p.size for p in net.populations))
    steps = min(FINEST, max(1, round(tau_ref / net.dt)))
    described, sampled = (
        _counted(_Copies(models, _Grid(net, copies, steps, tau_ref / steps, np.random.default_rng(20))), driven)
        for models in (DESCRIBED, SAMPLED)
    )
    return {name: _compared(sampled[name], described[name]) for name in sorted(driven)}


def _compared(sampled: FloatArray, described: FloatArray) -> RateError:
    """From spike counts (copy, neuron). Neurons of similar rates are taken together where there are many: their mean,
    and how they scatter about it."""
    few = 1.0 / len(sampled)  # one spike in all copies: less is not seen
    a, b = np.maximum(sampled.mean(axis=0), few), np.maximum(described.mean(axis=0), few)
    error = a / b - 1.0
    variance = [x.var(axis=0, ddof=1) / len(x) for x in (sampled, described)]
    variance = (1.0 + error) ** 2 * ((variance[0] + few**2) / a**2 + variance[1] / b**2)
    ends = []
    for group in np.array_split(np.argsort(b), min(len(b), GROUPS)):
        middle, unsure = error[group].mean(), np.sqrt(variance[group].sum()) / len(group)
        scatter = np.sqrt(max(0.0, error[group].var() - variance[group].mean()))
        ends += [middle - 2.0 * (scatter + unsure), middle + 2.0 * (scatter + unsure)]
    return RateError(float(a.sum() / b.sum() - 1.0), max(-1.0, float(min(ends))), float(max(ends)))


def _counted(network: _Copies, driven: set[str]) -> dict[str, FloatArray]:
    """Spikes of each copy and neuron of some populations after the settling, (copy, neuron); as expected from step to
    step where that is known, which scatters less."""
    counts = {name: np.zeros((network.grid.copies, network.grid.net.population(name).size)) for name in driven}
    for refractory_periods in range(SETTLING + MEASURED):
        for _ in range(network.grid.steps):
            network.step()
            if refractory_periods >= SETTLING:
                for name in driven:
                    counts[name] += network.neurons[name].expected
    return counts


def _matrix(net: Network, p: Projection) -> FloatArray:
    """Its weights, (post, pre)."""
    ends = net.ends(p.name)
    post, pre, position = synapses(p.weights, *ends)
    held = np.zeros(ends[:2])
    held[post, pre] = values(p.weights, *ends).ravel()[position]
    return held


def _of_each_copy(value: npt.NDArray[Any], grid: _Grid) -> npt.NDArray[Any]:
    """Of neurons, as (copy, neuron): numpy adds whole arrays several times as fast as it repeats a short row."""
    return np.tile(value, (grid.copies, 1))


def _sent(p: Projection, grid: _Grid, dt: float) -> Callable[[Spikes], Spikes | FloatArray]:
    """How strong the PSPs of spikes are that come in steps of ``dt``, one after the other."""
    if p.short_term is None:
        return lambda spiked: spiked
    return Resources(driver(p.short_term), (grid.copies, grid.net.population(p.pre).size), dt).strengths


def _arriving(spiked: Spikes | FloatArray, matrix: FloatArray) -> FloatArray:
    if matrix.shape[1] <= FEW:
        return np.asarray(spiked.astype(np.float64) @ matrix.T)
    active = np.flatnonzero(spiked.any(axis=0))
    return np.asarray(spiked[:, active].astype(np.float64) @ matrix[:, active].T)


@dataclass(frozen=True)
class _Grid:
    """``copies`` of a network in ``steps`` per refractory period of its sampling neurons, of ``dt`` ms: at most as fine
    as the network's own."""

    net: Network
    copies: int
    steps: int
    dt: float
    rng: np.random.Generator

    @property
    def ticks(self) -> int:
        """Of the chip in a step."""
        return max(1, round(TICKS / self.steps))

    def uniform(self, p: Population) -> npt.NDArray[np.float32]:
        """Random numbers in 0..1 for a population, (copy, neuron)."""
        return self.rng.random((self.copies, p.size), dtype=np.float32)

    def onto(self, p: Population) -> list[Projection]:
        """The projections onto a population."""
        return [projection for projection in self.net.projections if projection.post == p.name]

    def bias(self, p: Population) -> FloatArray:
        """The biases of a population, (neuron,)."""
        return described_at(self.net, f"populations.{p.name}.bias")


class _Input:
    """What one projection adds to the input of its neurons, (copy, neuron), as described."""

    def __init__(self, p: Projection, grid: _Grid) -> None:
        self.pre, self.matrix = p.pre, _matrix(grid.net, p)
        self.value = np.zeros((grid.copies, len(self.matrix)))
        self.start, self.decay, length = psp(p.kernel).recursion(grid.dt)
        self.ring, self.now = np.zeros((length, *self.value.shape)), 0
        self.sent = _sent(p, grid, grid.dt)

    def receive(self, spiked: Mapping[str, Spikes]) -> None:
        """The next step's, after the spikes of this one."""
        new = self.start * _arriving(self.sent(spiked[self.pre]), self.matrix)
        self.value = self.decay * self.value + new
        if len(self.ring):
            self.value -= self.ring[self.now]
            self.ring[self.now], self.now = new, (self.now + 1) % len(self.ring)


class _Neurons(ABC):
    """The neurons of one population in all copies. ``expected``: how often each spikes in the present step."""

    expected: FloatArray | Spikes

    @abstractmethod
    def __init__(self, p: Population, neuron: Neuron, grid: _Grid) -> None: ...

    @abstractmethod
    def step(self, t: int) -> Spikes:
        """The spikes of step ``t``."""

    @abstractmethod
    def receive(self, spiked: Mapping[str, Spikes]) -> None:
        """The spikes of all populations at this step arrive."""

    def tick(self) -> Spikes | None:
        """The spikes of the step's next tick; None from neurons that spike at steps only."""
        return None

    def receive_tick(self, spiked: Mapping[str, Spikes]) -> None:
        """The spikes of this tick arrive at neurons that have ticks."""
        return


class _Emitting(_Neurons):
    """Sources."""

    def __init__(self, p: Population, neuron: Source, grid: _Grid) -> None:
        self.p, self.grid = p, grid
        self.chance = -np.expm1(-driven_rate(grid.net, p.name) * grid.dt / 1000.0)

    def step(self, t: int) -> Spikes:
        self.expected = spikes = np.asarray(self.grid.uniform(self.p) < self.chance)
        return spikes

    def receive(self, spiked: Mapping[str, Spikes]) -> None:
        """Nothing arrives at sources."""


class _Described(_Neurons):
    """Neurons with input and a refractory period, as described."""

    def __init__(self, p: Population, tau_ref: float, grid: _Grid) -> None:
        self.p, self.grid, self.refractory = p, grid, max(1, round(tau_ref / grid.dt))
        self.inputs = [_Input(projection, grid) for projection in grid.onto(p)]
        self.bias = _of_each_copy(grid.bias(p), grid)
        self.ready = np.zeros(self.bias.shape, dtype=np.int64)

    @abstractmethod
    def decide(self, ready: Spikes, total: FloatArray) -> Spikes:
        """The spikes at an input of ``total``, of neurons that are ``ready``."""

    def step(self, t: int) -> Spikes:
        total = np.asarray(sum((part.value for part in self.inputs), self.bias))
        spikes = self.decide(self.ready <= t, total)
        self.ready[spikes] = t + self.refractory
        return spikes

    def receive(self, spiked: Mapping[str, Spikes]) -> None:
        for part in self.inputs:
            part.receive(spiked)


class _Escaping(_Described):
    """GLM neurons."""

    def __init__(self, p: Population, neuron: GLM, grid: _Grid) -> None:
        super().__init__(p, float(neuron.tau_ref), grid)
        self.neuron = neuron

    def decide(self, ready: Spikes, total: FloatArray) -> Spikes:
        x = np.exp(np.clip(total, -50.0, 50.0)) / self.grid.steps
        chance = x / (1.0 + x) if self.neuron.discretisation == "logistic" else -np.expm1(-x)
        self.expected = ready * chance
        return np.asarray(self.grid.uniform(self.p) < self.expected)


class _Integrating(_Described):
    """LIF neurons."""

    def __init__(self, p: Population, neuron: LIF, grid: _Grid) -> None:
        super().__init__(p, float(neuron.tau_ref), grid)
        self.neuron, self.potential = neuron, np.full(self.bias.shape, neuron.v_rest)

    def decide(self, ready: Spikes, total: FloatArray) -> Spikes:
        aim = self.neuron.v_rest + total
        v = aim + (self.potential - aim) * np.exp(-self.grid.dt / self.neuron.tau_m)
        self.expected = spikes = np.asarray(ready & (v >= self.neuron.v_thresh))
        self.potential = np.where(ready & ~spikes, v, self.neuron.v_reset)
        return spikes


class _Adapting(_Described):
    """AdEx neurons."""

    def __init__(self, p: Population, neuron: AdEx, grid: _Grid) -> None:
        super().__init__(p, float(neuron.tau_ref), grid)
        self.neuron, self.v, self.w = neuron, np.full(self.bias.shape, neuron.v_rest), np.zeros(self.bias.shape)

    def decide(self, ready: Spikes, total: FloatArray) -> Spikes:
        self.v, self.w, spikes = advanced(self.neuron, self.v, self.w, total, self.grid.dt, ready)
        self.expected = spikes
        return spikes


class _Sampling(_Neurons):
    """GLM neurons as the ideal chip samples them, in ticks between the steps."""

    def __init__(self, p: Population, neuron: GLM, grid: _Grid) -> None:
        self.grid, shape = grid, (grid.copies, p.size)
        h, syn, mem = 1.0 / (grid.steps * grid.ticks), TAU_SYN, TAU_M  # in refractory periods
        self.keep, self.decay = float(np.exp(-h / mem)), float(np.exp(-h / syn))
        self.gather = syn / (syn - mem) * (self.decay - self.keep)
        self.background = _differences(EVENTS * h)
        self.v = np.full(shape, -RESET, dtype=np.float32)
        self.current = np.zeros(shape, dtype=np.float32)
        self.dead = np.zeros(shape, dtype=np.int32)
        self.spiked = np.zeros(shape, dtype=np.bool_)  # in this step so far
        cell, bias = SamplingCell(neuron), grid.bias(p)
        leak = (1.0 - self.keep) * cell.leak(bias, grid.net.dt)  # in a tick
        self.leak = _of_each_copy(leak.astype(np.float32), grid)
        by_bias = cell.sensitivity(bias, grid.net.dt)[:, None]
        sampling = {name for name, circuit in cells(grid.net).items() if circuit.sampling}
        self.by_tick: list[_Current] = []
        self.by_step: list[_Current] = []
        for q in grid.onto(p):
            strength, matrix = cell.strength(realised_kernel(cell, q.kernel, grid.net.dt)), _matrix(grid.net, q)
            currents = np.asarray(matrix * np.where(matrix >= 0, *strength) * by_bias)
            ticking = q.pre in sampling
            sent = _sent(q, grid, grid.dt / grid.ticks if ticking else grid.dt)
            (self.by_tick if ticking else self.by_step).append((q.pre, currents, sent))

    def tick(self) -> Spikes:
        v, current, dead = self.v, self.current, self.dead
        v *= self.keep
        v += self.leak
        v += self.gather * current
        np.putmask(v, dead > 0, -RESET)
        dead -= 1
        spikes = np.asarray(v >= 0.0)
        np.putmask(v, spikes, -RESET)
        np.putmask(dead, spikes, self.grid.steps * self.grid.ticks - 1)
        current *= self.decay
        current += self.background.take(self.grid.rng.integers(0, 1 << 16, v.shape, dtype=np.uint16))
        self.spiked |= spikes
        return spikes

    def receive_tick(self, spiked: Mapping[str, Spikes]) -> None:
        self._deliver(self.by_tick, spiked)

    def step(self, t: int) -> Spikes:
        self.expected, self.spiked = self.spiked, np.zeros_like(self.spiked)
        return self.expected

    def receive(self, spiked: Mapping[str, Spikes]) -> None:
        """Spikes of neurons that are not sampled act when the step is over."""
        self._deliver(self.by_step, spiked)

    def _deliver(self, synapses: list[_Current], spiked: Mapping[str, Spikes]) -> None:
        for pre, currents, sent in synapses:
            strong = sent(spiked[pre])
            if spiked[pre].any():
                self.current += _arriving(strong, currents)


DESCRIBED: ByKind[type[_Neurons]] = ByKind(
    CHIP, {GLM: _Escaping, LIF: _Integrating, AdEx: _Adapting, Source: _Emitting}
)
SAMPLED: ByKind[type[_Neurons]] = ByKind(CHIP, {GLM: _Sampling, LIF: _Integrating, AdEx: _Adapting, Source: _Emitting})


class _Copies:
    """A network whose neurons are ``models``, step by step."""

    def __init__(self, models: ByKind[type[_Neurons]], grid: _Grid) -> None:
        self.grid, self.t = grid, 0
        self.neurons = {p.name: models[p.neuron](p, p.neuron, grid) for p in grid.net.populations}

    def step(self) -> None:
        """The next step."""
        for _ in range(self.grid.ticks):
            now = {name: spikes for name, part in self.neurons.items() if (spikes := part.tick()) is not None}
            for part in self.neurons.values():
                part.receive_tick(now)
        spiked = {name: part.step(self.t) for name, part in self.neurons.items()}
        for part in self.neurons.values():
            part.receive(spiked)
        self.t += 1


@cache
def _differences(mean: float) -> npt.NDArray[np.float32]:
    """2^16 equally likely values of the background's current in one tick: the difference of two Poisson numbers."""
    most = int(mean + 10.0 * np.sqrt(mean) + 10.0)
    each = np.exp(-mean) * np.cumprod(np.concatenate([[1.0], mean / np.arange(1, most + 1)]))
    at = np.cumsum(np.convolve(each, each[::-1]))
    draws = np.searchsorted(at, (np.arange(1 << 16) + 0.5) / (1 << 16)).clip(0, 2 * most)
    return (EVENT * (draws - most)).astype(np.float32)
