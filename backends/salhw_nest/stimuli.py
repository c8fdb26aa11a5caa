"""Stimuli as NEST makes them: generators of spikes, or drives that the cells themselves hold for a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.stimuli import Clamp, Current, Poisson, SpikeTimes, Stimulus
from salhw_nest.kernels import NEST
from salhw_nest.plan import Grid, Values, tiled

S = TypeVar("S", bound=Stimulus, covariant=True)


@dataclass(frozen=True)
class NestStimulus(Generic[S]):
    """What NEST makes of one kind of stimulus; STIMULI has a subclass for each."""

    stimulus: S
    dt: float
    generator: ClassVar[str] = ""
    """NEST's model of a generator for each neuron; none for a drive."""

    @property
    def population(self) -> str:
        return self.stimulus.population

    @property
    def forced(self) -> tuple[FloatArray, ...]:
        """The times in ms of the spikes that it forces, of each neuron; empty if it forces none."""
        return ()

    @property
    def current(self) -> float | FloatArray:
        """What it adds to biases while it lasts."""
        return 0.0

    @property
    def ends(self) -> tuple[int, ...]:
        """The steps at which a drive begins, and ends if it does."""
        return ()

    def lasts(self, step: int) -> bool:
        """Whether a drive acts at a step."""
        return sum(end <= step for end in self.ends) == 1  # it has begun, and not ended

    def parameters(self, grid: Grid, early: int, size: int, instances: int) -> Values:
        """Of the generator, for ``size`` neurons in each of the instances; ``early``: how many ticks before the usual
        one a forced spike has to come."""
        raise NotImplementedError

    def act(self, bias: FloatArray, state: IntArray) -> None:
        """Change the ``bias`` (instance, neuron) of cells, or the ``state`` that they are clamped in, else -1."""


def _ends(start: float, stop: float | None, dt: float) -> tuple[int, ...]:
    return tuple(in_steps(t, dt) or 0 for t in (start, stop) if t is not None)


class NestPoisson(NestStimulus[Poisson]):
    generator = "poisson_generator"

    def parameters(self, grid: Grid, early: int, size: int, instances: int) -> Values:
        times = (grid.before(step) for step in _ends(self.stimulus.start, self.stimulus.stop, self.dt))
        rate = tiled(self.stimulus.rate, size, instances) * grid.per_step
        return {"rate": rate, **dict(zip(("start", "stop"), times, strict=False))}


class NestSpikeTimes(NestStimulus[SpikeTimes]):
    generator = "spike_generator"

    @property
    def forced(self) -> tuple[FloatArray, ...]:
        return self.stimulus.times

    def parameters(self, grid: Grid, early: int, size: int, instances: int) -> Values:
        steps = [np.rint(t / self.dt).astype(np.int64) for t in self.forced]
        return {"spike_ticks": [grid.stamp(s) - grid.min_delay - early for s in steps] * instances}


class NestClamp(NestStimulus[Clamp]):
    @property
    def ends(self) -> tuple[int, ...]:
        return _ends(self.stimulus.start, self.stimulus.stop, self.dt)

    def act(self, bias: FloatArray, state: IntArray) -> None:
        state[:, slice(None) if self.stimulus.neurons is None else self.stimulus.neurons] = self.stimulus.state


class NestCurrent(NestStimulus[Current]):
    @property
    def current(self) -> float | FloatArray:
        return self.stimulus.amplitude

    @property
    def ends(self) -> tuple[int, ...]:
        return _ends(self.stimulus.start, self.stimulus.stop, self.dt)

    def act(self, bias: FloatArray, state: IntArray) -> None:
        bias += self.current


STIMULI: ByKind[type[NestStimulus[Stimulus]]] = ByKind(
    NEST, {Poisson: NestPoisson, SpikeTimes: NestSpikeTimes, Clamp: NestClamp, Current: NestCurrent}
)


def nest_stimuli(net: Network) -> list[NestStimulus[Stimulus]]:
    """A network's stimuli, in their order.

    Raises:
        UnsupportedNetworkError: SAL101 NEST has nothing for one of them.
    """
    return [STIMULI[stimulus](stimulus, net.dt) for stimulus in net.stimuli]
