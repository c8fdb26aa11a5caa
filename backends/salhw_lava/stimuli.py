"""Stimuli on the chip: all of them are spikes that the host sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from salhw.description.fields import FloatArray
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw_lava.arithmetic import BACKEND


@dataclass(frozen=True)
class HostSpikes:
    """The spikes that a stimulus sends to a population: those at ``trains``, an array in ms for each neuron, or Poisson
    ones at ``rate`` Hz from ``start`` to ``stop`` ms. No trains, and no rate, where a stimulus has none."""

    population: str
    trains: tuple[FloatArray, ...] = ()
    rate: float | FloatArray | None = None
    start: float = 0.0
    stop: float | None = None


def _spike_times(stimulus: SpikeTimes) -> HostSpikes:
    return HostSpikes(stimulus.population, trains=stimulus.times)


def _poisson(stimulus: Poisson) -> HostSpikes:
    return HostSpikes(stimulus.population, rate=stimulus.rate, start=stimulus.start, stop=stimulus.stop)


STIMULI = ByKind[Callable[..., HostSpikes]](BACKEND, {SpikeTimes: _spike_times, Poisson: _poisson})


def host_spikes(net: Network) -> list[HostSpikes]:
    """What each stimulus of a network sends, in their order."""
    return [STIMULI[stimulus](stimulus) for stimulus in net.stimuli]


def sent_to(net: Network, population: str) -> list[HostSpikes]:
    """What the stimuli of one population send."""
    return [spikes for spikes in host_spikes(net) if spikes.population == population]
