"""Spikes that are known before a run: those of sources, and those that neurons are forced to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import ByKind, of_kind
from salhw.description.network import Network
from salhw.description.stimuli import Poisson, SpikeTimes, Stimulus, padded
from salhw.session.recorder import Raster
from salhw_brainscales2.psp import CHIP
from salhw_nest.process import seeded

CHUNK = 4096  # steps whose random numbers are drawn at once


class Drive(ABC):
    """What one stimulus makes of ``size`` sources on each of B chips; ``seeds`` has B numbers that belong to it."""

    @abstractmethod
    def __init__(self, stimulus: Stimulus, size: int, dt: float, seeds: Sequence[Sequence[int]]) -> None: ...

    @abstractmethod
    def rates(self) -> FloatArray:
        """Hz while it lasts, (point in time, neuron)."""

    @abstractmethod
    def write(self, points: FloatArray) -> None:
        """Other rates, (instance, point, neuron), or spike times, (instance, neuron, spike), from now on."""

    @abstractmethod
    def spikes(self, start: int, stop: int) -> Iterator[Raster]:
        """Those of the steps start..stop - 1; to be asked for in their order."""


class _PoissonDrive(Drive):
    def __init__(self, stimulus: Poisson, size: int, dt: float, seeds: Sequence[Sequence[int]]) -> None:
        self.stimulus, self.dt = stimulus, dt
        self.points = np.broadcast_to(stimulus.points, (len(stimulus.points), size))
        self.write(np.broadcast_to(self.points, (len(seeds), *self.points.shape)))
        self.generators = [np.random.default_rng(seed) for seed in seeds]

    def rates(self) -> FloatArray:
        return self.points

    def write(self, points: FloatArray) -> None:
        self.chance = -np.expm1(-points * self.dt / 1000.0)

    def spikes(self, start: int, stop: int) -> Iterator[Raster]:
        for low in range(start, stop, CHUNK):
            steps = np.arange(low, min(stop, low + CHUNK))
            acts, point = self.stimulus.acts(steps, self.dt), self.stimulus.point(steps, self.dt)
            for b, generator in enumerate(self.generators):
                chance = self.chance[b, point]
                hit = generator.random(chance.shape) < chance
                step, neuron = np.nonzero(hit & acts[:, None])
                yield Raster(np.full_like(step, b), neuron, low + step)


class _GivenDrive(Drive):
    def __init__(self, stimulus: SpikeTimes, size: int, dt: float, seeds: Sequence[Sequence[int]]) -> None:
        self.described, self.dt = stimulus.times, dt
        times = padded(stimulus.times)
        self.write(np.broadcast_to(times, (len(seeds), *times.shape)))

    def rates(self) -> FloatArray:
        last = max((float(t[-1]) for t in self.described if len(t)), default=0.0) + self.dt
        return np.array([[1000.0 * len(t) / last for t in self.described]])

    def write(self, points: FloatArray) -> None:
        instance, neuron, place = np.nonzero(~np.isnan(points))
        step = np.rint(points[instance, neuron, place] / self.dt).astype(np.int64)
        self.every = Raster(instance, neuron, step)

    def spikes(self, start: int, stop: int) -> Iterator[Raster]:
        yield self.every.chosen((self.every.step >= start) & (self.every.step < stop))


DRIVES: ByKind[type[Drive]] = ByKind(CHIP, {Poisson: _PoissonDrive, SpikeTimes: _GivenDrive})


def drives(net: Network, name: str, seeds: Sequence[int]) -> dict[int, Drive]:
    """What drives a population of sources, by number of the stimulus, on chips with one number in ``seeds`` each."""
    size = net.population(name).size
    return {
        k: DRIVES[stimulus](stimulus, size, net.dt, [[seed, 3, k] for seed in seeds])
        for k, stimulus in enumerate(net.stimuli)
        if stimulus.population == name
    }


def driven_rate(net: Network, name: str, over_time: Callable[..., FloatArray] = np.mean) -> FloatArray:
    """Rates of a population of sources in Hz while they are driven, their mean ``over_time`` or np.max, (neuron,)."""
    each = [over_time(drive.rates(), axis=0) for drive in drives(net, name, []).values()]
    return np.asarray(sum(each, np.zeros(net.population(name).size)))


def entropy(seed: int, ids: Sequence[int]) -> list[int]:
    """A number for each instance that seeds everything random beside NEST."""
    return [int(seeded(seed, [i]).generate_state(1)[0]) >> 1 for i in ids]


class Emitter:
    """The spikes of one population of sources on B chips; ``seeds`` has one number per chip. A spike needs no more than
    its instance's numbers, step by step: how a session is divided into runs makes no difference."""

    def __init__(self, net: Network, name: str, seeds: Sequence[int]) -> None:
        self.name, self.size = name, net.population(name).size
        self.drives = drives(net, name, seeds)

    def write(self, number: int, points: FloatArray) -> None:
        """Give a stimulus, by its number, other rates or spike times from now on: see Drive."""
        self.drives[number].write(points)

    def spikes(self, start: int, stop: int) -> Raster:
        """Those of the steps start..stop - 1; to be asked for in their order."""
        return _once(Raster.joined([raster for drive in self.drives.values() for raster in drive.spikes(start, stop)]))


def _once(raster: Raster) -> Raster:
    """A source spikes once per step, whatever asks for it."""
    same = [np.diff(x) == 0 for x in (raster.instance, raster.neuron, raster.step)]
    new = np.concatenate([np.ones(min(1, len(raster.step)), dtype=np.bool_), ~np.logical_and.reduce(same)])
    return Raster(raster.instance[new], raster.neuron[new], raster.step[new])


def forced_steps(net: Network, neurons: Container[str]) -> dict[int, dict[str, IntArray]]:
    """Step -> population -> the neurons that are forced to spike at it, of populations in ``neurons``: nothing else
    drives them."""
    forced: dict[int, dict[str, list[int]]] = {}
    for stimulus in (of_kind(s, SpikeTimes, CHIP) for s in net.stimuli if s.population in neurons):
        for neuron, train in enumerate(stimulus.times):
            for step in np.rint(train / net.dt).astype(np.int64).tolist():
                forced.setdefault(step, {}).setdefault(stimulus.population, []).append(neuron)
    return {step: {name: np.unique(cells) for name, cells in them.items()} for step, them in forced.items()}
