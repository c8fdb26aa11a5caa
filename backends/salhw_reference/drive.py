"""Stimuli as stretches of constant drive."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.stimuli import Course
from salhw.session.strengths import Strengths
from salhw_reference.kinds import STIMULI
from salhw_reference.program import neuron_ranges


class Drives:
    """What stimuli add up to, from each step of ``begin`` (begin[0] = 0) to the next, or until noise is drawn anew.

    A drive is an array (instance, row, neuron), of one instance where all have the same. Its rows are what is added to
    the bias; 0 for free, 1 for never spiking, 2 for spiking whenever it can; a source's hazard.
    """

    def __init__(self, net: Network, seed: int, ids: Sequence[int]) -> None:
        self._net, self._ranges, self.strengths = net, neuron_ranges(net), Strengths(net, seed, ids)
        edges = {edge for s in net.stimuli for edge in s.steps(net.dt) if edge is not None}
        courses = {step for s in only(net.stimuli, Course) for step in s.begins(net.dt).tolist()}
        self.begin = sorted({0} | edges | courses)
        self._shown: tuple[int, ...] = ()
        self._drive = np.zeros(0)

    def write(self, number: int, value: FloatArray) -> None:
        """Give a stimulus another strength, or other spike times."""
        self.strengths.write(number, value)
        self._shown = ()

    def at(self, step: int) -> FloatArray:
        """The drive at a step."""
        now = bisect_right(self.begin, step), *self.strengths.draws(step)
        if now != self._shown:
            self._shown, self._drive = now, self._made(step)
        return self._drive

    def change(self, step: int, otherwise: int) -> int:
        """The first step after ``step`` at which the drive changes, or ``otherwise``."""
        after = bisect_right(self.begin, step)
        known = self.begin[after] if after < len(self.begin) else otherwise
        return min(known, self.strengths.next_draw(step, known))

    def _made(self, step: int) -> FloatArray:
        net = self._net
        acting = {k: self.strengths.present(k, step) for k, s in enumerate(net.stimuli) if s.acts(step, net.dt)}
        instances = max((len(present) for present in acting.values() if present is not None), default=1)
        drive = np.zeros((instances, 3, sum(p.size for p in net.populations)))
        for k, present in acting.items():
            s = net.stimuli[k]
            rows = drive[:, :, slice(*self._ranges[s.population])].swapaxes(0, 1)
            STIMULI[s](s, present, rows, net.dt)
        return drive
