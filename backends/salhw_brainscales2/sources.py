"""Spikes that are known before a run: those of sources, and those that neurons are forced to."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

from salhw.description.fields import IntArray
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw.session.recorder import Raster
from salhw_nest.process import seeded

CHUNK = 4096  # steps whose random numbers are drawn at once


def entropy(seed: int, ids: Sequence[int]) -> list[int]:
    """A number for each instance that seeds everything random beside NEST."""
    return [int(seeded(seed, [i]).generate_state(1)[0]) >> 1 for i in ids]


class Emitter:
    """The spikes of one population of sources on B chips; ``seeds`` has one number per chip. A spike needs no more than
    its instance's numbers, step by step: how a session is divided into runs makes no difference."""

    def __init__(self, net: Network, name: str, seeds: Sequence[int]) -> None:
        self.name, self.dt, self.size = name, net.dt, net.population(name).size
        self.poisson = [(k, s) for k, s in enumerate(net.stimuli) if isinstance(s, Poisson) and s.population == name]
        self.given = [s for s in net.stimuli if isinstance(s, SpikeTimes) and s.population == name]
        self.generators = [[np.random.default_rng([seed, 3, k]) for k, _ in self.poisson] for seed in seeds]

    def spikes(self, start: int, stop: int) -> Raster:
        """Those of the steps start..stop - 1; to be asked for in their order."""
        found = [Raster.joined([])]
        everyone = np.arange(len(self.generators))
        for forced in self.given:
            for neuron, train in enumerate(forced.times):
                step = np.rint(train / self.dt).astype(np.int64)
                step = step[(step >= start) & (step < stop)]
                instance = np.repeat(everyone, len(step))
                found.append(Raster(instance, np.full_like(instance, neuron), np.tile(step, len(everyone))))
        for low in range(start, stop, CHUNK) if self.poisson else ():
            high = min(stop, low + CHUNK)
            for b, generators in enumerate(self.generators):
                for (_, s), generator in zip(self.poisson, generators, strict=True):
                    chance = -np.expm1(-np.broadcast_to(s.rate, self.size) * self.dt / 1000.0)
                    hit = generator.random((high - low, self.size)) < chance
                    begin = in_steps(s.start, self.dt) or 0
                    end = stop if s.stop is None else in_steps(s.stop, self.dt) or 0
                    hit[: max(0, begin - low)] = False
                    hit[max(0, end - low) :] = False
                    at, who = np.nonzero(hit)
                    found.append(Raster(np.full_like(at, b), who, low + at))
        return _once(Raster.joined(found))


def _once(raster: Raster) -> Raster:
    """A source spikes once per step, whatever asks for it."""
    same = [np.diff(x) == 0 for x in (raster.instance, raster.neuron, raster.step)]
    new = np.concatenate([np.ones(min(1, len(raster.step)), dtype=np.bool_), ~np.logical_and.reduce(same)])
    return Raster(raster.instance[new], raster.neuron[new], raster.step[new])


def forced_steps(net: Network, neurons: Container[str]) -> dict[int, dict[str, IntArray]]:
    """Step -> population -> the neurons that are forced to spike at it, of populations in ``neurons``."""
    found: dict[int, dict[str, list[int]]] = {}
    for s in net.stimuli:
        if isinstance(s, SpikeTimes) and s.population in neurons:
            for neuron, train in enumerate(s.times):
                for step in np.rint(train / net.dt).astype(np.int64).tolist():
                    found.setdefault(step, {}).setdefault(s.population, []).append(neuron)
    return {step: {name: np.unique(cells) for name, cells in them.items()} for step, them in found.items()}
