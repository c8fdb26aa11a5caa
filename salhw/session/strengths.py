"""How strong the stimuli of a session are that change in time or are written: the same on every target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.stimuli import Course, NoisyCurrent
from salhw.substrate.draws import normal


class Strengths:
    """The strength of each Course and each NoisyCurrent of a network, over the instances of a session.

    Args:
        seed, ids: of the session, which noise follows from; a network without noise needs none.
    """

    def __init__(self, net: Network, seed: int = 0, ids: Sequence[int] = (0,)) -> None:
        self._net, self._who = net, [f"salhw/noise/{seed}/{identity}" for identity in ids]
        self._courses = {k: s.points[None] for k, s in enumerate(net.stimuli) if isinstance(s, Course)}
        self._deviations = {k: np.atleast_2d(s.sd) for k, s in enumerate(net.stimuli) if isinstance(s, NoisyCurrent)}

    def write(self, number: int, value: FloatArray) -> None:
        """Give a stimulus another strength, (instance, each point of each neuron) or (instance, neuron)."""
        if np.array_equal(value, np.broadcast_to(value[:1], value.shape)):
            value = value[:1]
        if number in self._courses:
            self._courses[number] = value.reshape(len(value), self._courses[number].shape[1], -1)
        else:
            self._deviations[number] = value

    def present(self, number: int, step: int) -> FloatArray | None:
        """The strength of a stimulus at a step at which it acts, (instance, neuron), or with one entry for all; of
        noise, what is drawn. None of other kinds."""
        stimulus, dt = self._net.stimuli[number], self._net.dt
        if isinstance(stimulus, Course):
            return np.asarray(self._courses[number][:, stimulus.point(step, dt)])
        if isinstance(stimulus, NoisyCurrent):
            earlier = only(self._net.stimuli[:number], NoisyCurrent)
            nth = sum(s.population == stimulus.population for s in earlier)
            size = self._net.population(stimulus.population).size
            where = (np.uint64(stimulus.draw(step, dt)) << np.uint64(32)) + np.arange(size, dtype=np.uint64)
            return self._deviations[number] * normal(self._who, f"{stimulus.population}/{nth}", where)
        return None

    def draws(self, step: int) -> tuple[int, ...]:
        """The number of the present draw of each noise."""
        return tuple(self._net.stimuli[k].draw(step, self._net.dt) for k in self._deviations)  # type: ignore[attr-defined]

    def next_draw(self, step: int, otherwise: int) -> int:
        """The first step after ``step`` at which noise is drawn anew, or ``otherwise``."""
        noises = (self._net.stimuli[k] for k in self._deviations)
        return min((s.drawn_after(step, self._net.dt) for s in noises), default=otherwise)  # type: ignore[attr-defined]
