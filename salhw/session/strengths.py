"""How strong the stimuli of a session are that change in time or are written, and when they make neurons spike: the
same on every target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.stimuli import Course, NoisyCurrent, SpikeTimes, padded
from salhw.substrate.draws import normal

AT_ONCE = 2**14
"""Numbers of noise that are made at once, where that is more than one draw."""


class Strengths:
    """The strength of each Course and each NoisyCurrent of a network, and the times of each SpikeTimes, over the
    instances of a session.

    Args:
        seed, ids: of the session, which noise follows from; a network without noise needs none.
    """

    def __init__(self, net: Network, seed: int = 0, ids: Sequence[int] = (0,)) -> None:
        self._net, self._who = net, [f"salhw/noise/{seed}/{identity}" for identity in ids]
        self._courses = {k: s.points[None] for k, s in enumerate(net.stimuli) if isinstance(s, Course)}
        self._trains = {k: padded(s.times)[None] for k, s in enumerate(net.stimuli) if isinstance(s, SpikeTimes)}
        self._ahead: dict[int, tuple[int, FloatArray]] = {}  # the number of a block of draws, and these
        self._deviations = {k: np.atleast_2d(s.sd) for k, s in enumerate(net.stimuli) if isinstance(s, NoisyCurrent)}

    def write(self, number: int, value: FloatArray) -> None:
        """Give a stimulus another strength, (instance, each point of each neuron) or (instance, neuron); or other
        times, (instance, each spike of each neuron)."""
        if np.array_equal(value, np.broadcast_to(value[:1], value.shape), equal_nan=True):
            value = value[:1]
        if number in self._courses:
            self._courses[number] = value.reshape(len(value), self._courses[number].shape[1], -1)
        elif number in self._trains:
            size = self._trains[number].shape[1]
            self._trains[number] = value.reshape(len(value), size, value.shape[1] // size)
        else:
            self._deviations[number] = value

    def course(self, number: int, steps: int | IntArray) -> FloatArray:
        """The strength of a Course at a step at which it acts, (instance, neuron), or at several, (instance, step,
        neuron); with one entry for all where they have the same."""
        stimulus = self._net.stimuli[number]
        assert isinstance(stimulus, Course)
        return np.asarray(self._courses[number][:, stimulus.point(steps, self._net.dt)])

    def points(self, number: int) -> FloatArray:
        """The strength of a Course at each of its points, (instance, point, neuron); with one entry for all instances,
        or for all neurons, where they have the same."""
        return self._courses[number]

    def trains(self, number: int) -> FloatArray:
        """The times of SpikeTimes in ms, (instance, neuron, spike), NaN after the last of each neuron; with one entry
        for all instances where they have the same."""
        return self._trains[number]

    def present(self, number: int, step: int) -> FloatArray | None:
        """The strength of a stimulus at a step at which it acts, (instance, neuron), or with one entry for all; of
        noise, what is drawn. None of other kinds."""
        stimulus, dt = self._net.stimuli[number], self._net.dt
        if isinstance(stimulus, Course):
            return self.course(number, step)
        if isinstance(stimulus, NoisyCurrent):
            return self._deviations[number] * self._drawn(number, stimulus, stimulus.draw(step, dt))
        return None

    def _drawn(self, number: int, stimulus: NoisyCurrent, draw: int) -> FloatArray:
        """The standard normal numbers of a draw, (instance, neuron); several are made at once."""
        size = self._net.population(stimulus.population).size
        block = max(1, AT_ONCE // (size * len(self._who)))
        if number not in self._ahead or self._ahead[number][0] != draw // block:
            nth = sum(s.population == stimulus.population for s in only(self._net.stimuli[:number], NoisyCurrent))
            draws = np.arange(block, dtype=np.uint64) + np.uint64(draw // block * block)
            where = np.asarray((draws[:, None] << np.uint64(32)) + np.arange(size, dtype=np.uint64), dtype=np.uint64)
            self._ahead[number] = draw // block, normal(self._who, f"{stimulus.population}/{nth}", where)
        return np.asarray(self._ahead[number][1][:, draw % block])

    def draws(self, step: int) -> tuple[int, ...]:
        """The number of the present draw of each noise."""
        return tuple(s.draw(step, self._net.dt) for s in only(self._net.stimuli, NoisyCurrent))

    def next_draw(self, step: int, otherwise: int) -> int:
        """The first step after ``step`` at which noise is drawn anew, or ``otherwise``."""
        noises, dt = only(self._net.stimuli, NoisyCurrent), self._net.dt
        return min((draw for s in noises if s.acts(draw := s.drawn_after(step, dt), dt)), default=otherwise)
