"""Stimuli as NEST makes them: generators of spikes, or drives that the cells themselves hold for a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.parts import Population
from salhw.description.stimuli import Clamp, Current, NoisyCurrent, Poisson, SpikeTimes, Stimulus
from salhw.session.paths import Address, session_error
from salhw_nest.kernels import NEST
from salhw_nest.plan import Grid, Values

LARGEST = 8.3  # a standard normal number of 52 bits is never larger
S = TypeVar("S", bound=Stimulus, covariant=True)


@dataclass(frozen=True)
class NestStimulus(Generic[S]):
    """What NEST makes of one kind of stimulus; STIMULI has a subclass for each."""

    stimulus: S
    dt: float

    @property
    def generator(self) -> str:
        """NEST's model of a generator for each neuron; none for a drive."""
        return ""

    @property
    def population(self) -> str:
        return self.stimulus.population

    @property
    def forced(self) -> tuple[FloatArray, ...]:
        """The times in ms of the spikes that it forces, of each neuron; empty if it forces none."""
        return ()

    @property
    def current(self) -> float | FloatArray:
        """What it adds to biases while it lasts, at each of its points."""
        return 0.0

    @property
    def ends(self) -> tuple[int, ...]:
        """The steps at which it begins, and ends if it does."""
        return tuple(step for step in self.stimulus.steps(self.dt) if step is not None)

    @property
    def changes(self) -> tuple[int, ...]:
        """The steps at which a drive begins, changes, and ends if it does."""
        return ()

    def parameters(self, grid: Grid, early: int, size: int, instances: int) -> Values:
        """Of the generator, for ``size`` neurons in each of the instances; ``early``: how many ticks before the usual
        one a forced spike has to come."""
        raise NotImplementedError

    def written(self, points: FloatArray, grid: Grid, now: int = -1) -> Values:
        """The parameters of generators whose rates are ``points`` (instance, point, neuron) from the tick after ``now``
        on, or whose times are ``points`` (instance, neuron, spike)."""
        raise NotImplementedError

    def act(self, bias: FloatArray, state: IntArray, present: FloatArray | None) -> None:
        """Change the ``bias`` (instance, neuron) of cells, or the ``state`` that they are clamped in, else -1;
        ``present`` is its strength now (see salhw.session.strengths)."""


class NestPoisson(NestStimulus[Poisson]):
    @property
    def generator(self) -> str:
        return "poisson_generator" if self.stimulus.every is None else "inhomogeneous_poisson_generator"

    def parameters(self, grid: Grid, early: int, size: int, instances: int) -> Values:
        times = [grid.before(step) for step in self.ends]
        limits = dict(zip(("start", "stop"), times, strict=False))
        points = np.broadcast_to(self.stimulus.points[None], (instances, len(self.stimulus.points), size))
        return {**self.written(points, grid), **limits}

    def written(self, points: FloatArray, grid: Grid, now: int = -1) -> Values:
        """A change is felt from the tick on that it is given; the one that came last by now is the next tick's."""
        each = points.transpose(0, 2, 1).reshape(-1, points.shape[1]) * grid.per_step
        if self.stimulus.every is None:
            return {"rate": each[:, 0]}
        # generators begin two ticks after their start
        at = np.array([round(grid.before(int(k)) / grid.tick) + 2 for k in self.stimulus.begins(self.dt)])
        first = max(0, int(np.searchsorted(at, now + 1, side="right")) - 1) if now >= 0 else 0
        at = np.maximum(at[first:], now + 1) * grid.tick
        return {
            "rate_times": np.broadcast_to(at, (len(each), len(at))),
            "rate_values": each[:, first : first + len(at)],
        }


class NestSpikeTimes(NestStimulus[SpikeTimes]):
    @property
    def generator(self) -> str:
        return "spike_generator"

    @property
    def forced(self) -> tuple[FloatArray, ...]:
        return self.stimulus.times

    def parameters(self, grid: Grid, early: int, size: int, instances: int) -> Values:
        steps = [np.rint(t / self.dt).astype(np.int64) for t in self.forced]
        return {"spike_ticks": [grid.stamp(s) - grid.min_delay - early for s in steps] * instances}

    def written(self, points: FloatArray, grid: Grid, now: int = -1) -> Values:
        """NEST lets go what has passed."""
        steps = [np.rint(t[~np.isnan(t)] / self.dt).astype(np.int64) for each in points for t in each]
        return {"spike_times": [np.round((grid.stamp(s) - grid.min_delay) * grid.tick, 6) for s in steps]}


class _Drive(NestStimulus[S]):
    @property
    def changes(self) -> tuple[int, ...]:
        return self.ends


class NestClamp(_Drive[Clamp]):
    def act(self, bias: FloatArray, state: IntArray, present: FloatArray | None) -> None:
        state[:, slice(None) if self.stimulus.neurons is None else self.stimulus.neurons] = self.stimulus.state


class _Added(_Drive[S]):
    def act(self, bias: FloatArray, state: IntArray, present: FloatArray | None) -> None:
        assert present is not None
        bias += present


class NestCurrent(_Added[Current]):
    @property
    def current(self) -> float | FloatArray:
        return self.stimulus.points

    @property
    def changes(self) -> tuple[int, ...]:
        return (*self.ends, *self.stimulus.begins(self.dt).tolist())


class NestNoisyCurrent(_Added[NoisyCurrent]):
    """The engine asks for the steps at which it is drawn anew."""

    @property
    def current(self) -> float | FloatArray:
        return LARGEST * np.asarray(self.stimulus.sd)


STIMULI: ByKind[type[NestStimulus[Stimulus]]] = ByKind(
    NEST,
    {
        Poisson: NestPoisson, SpikeTimes: NestSpikeTimes, Clamp: NestClamp, Current: NestCurrent,
        NoisyCurrent: NestNoisyCurrent,
    },
)  # fmt: skip


def refuse_other_times(address: Address, population: Population, held: FloatArray, value: FloatArray) -> None:
    """Refuse spike times of neurons that are no sources, but for those that they have, ``held`` (instance, neuron,
    spike), or of one instance for all: how strongly they are forced is worked out from the description.

    Raises:
        SessionError: SAL403.
    """
    given = value.reshape(len(value), *address.shape)
    kept = held.shape[1:] == given.shape[1:] and np.array_equal(
        given, np.broadcast_to(held, given.shape), equal_nan=True
    )
    if not kept:
        asked, fix = f"other times of {population.neuron.kind} neurons", "describe the times that are to come"
        raise session_error("SAL403", address.path, asked, "those of Source populations", fix)


def nest_stimuli(net: Network) -> list[NestStimulus[Stimulus]]:
    """A network's stimuli, in their order.

    Raises:
        UnsupportedNetworkError: SAL101 NEST has nothing for one of them.
    """
    return [STIMULI[stimulus](stimulus, net.dt) for stimulus in net.stimuli]
