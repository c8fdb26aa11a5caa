"""Stimuli on the chip: all of them are spikes that the host sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from salhw.description.fields import FloatArray
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw_lava.arithmetic import BACKEND

FOREVER = 2**62  # steps


@dataclass(frozen=True)
class HostSpikes:
    """The spikes that a stimulus sends to a population: those at ``trains``, an array in ms for each neuron, or at
    random by its ``rates`` in Hz, (point, neuron or 1), each of which holds from a step of ``begins`` until the next.
    No trains, and no rates, where a stimulus has none."""

    population: str
    trains: tuple[FloatArray, ...] = ()
    rates: FloatArray | None = None
    begins: tuple[int, ...] = ()

    @property
    def highest_rates(self) -> FloatArray | None:
        """In Hz, of all times, (neuron or 1,)."""
        return None if self.rates is None else self.rates.max(axis=0)


def _spike_times(stimulus: SpikeTimes, dt: float) -> HostSpikes:
    return HostSpikes(stimulus.population, trains=stimulus.times)


def _poisson(stimulus: Poisson, dt: float) -> HostSpikes:
    begins = stimulus.begins(dt).tolist()
    stop = stimulus.steps(dt)[1]
    ends = *begins, FOREVER if stop is None else stop
    return HostSpikes(stimulus.population, rates=stimulus.points[: len(begins)], begins=ends)


STIMULI = ByKind[Callable[..., HostSpikes]](BACKEND, {SpikeTimes: _spike_times, Poisson: _poisson})


def host_spikes(net: Network) -> list[HostSpikes]:
    """What each stimulus of a network sends, in their order."""
    return [STIMULI[stimulus](stimulus, net.dt) for stimulus in net.stimuli]


def sent_to(net: Network, population: str) -> list[HostSpikes]:
    """What the stimuli of one population send."""
    return [spikes for spikes in host_spikes(net) if spikes.population == population]
