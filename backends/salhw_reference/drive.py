"""Stimuli as stretches of constant drive."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.stimuli import Course
from salhw_reference.common import condensed
from salhw_reference.kinds import STIMULI, steps
from salhw_reference.program import neuron_ranges


class Drives:
    """What stimuli add up to, from each step of ``begin`` (begin[0] = 0) to the next.

    A drive is an array (instance, row, neuron), of one instance where all have the same. Its rows are what is added to
    the bias; 0 for free, 1 for never spiking, 2 for spiking whenever it can; a source's hazard.
    """

    def __init__(self, net: Network) -> None:
        self._net, self._ranges = net, neuron_ranges(net)
        self._strengths = {k: s.points[None] for k, s in enumerate(net.stimuli) if isinstance(s, Course)}
        edges = {steps(edge, net.dt) for s in net.stimuli for edge in s.span if edge is not None}
        for k in self._strengths:
            edges |= set(net.stimuli[k].begins(net.dt).tolist())  # type: ignore[attr-defined]
        self.begin = sorted({0} | edges)
        self._shown, self._drive = -1, np.zeros(0)

    def write(self, number: int, value: FloatArray) -> None:
        """Give a stimulus another strength, (instance, all points of all neurons)."""
        points = self._strengths[number].shape[1]
        self._strengths[number] = condensed(value.reshape(len(value), points, -1), 0)
        self._shown = -1

    def at(self, step: int) -> FloatArray:
        """The drive at a step."""
        stretch = bisect_right(self.begin, step) - 1
        if stretch != self._shown:
            self._shown, self._drive = stretch, self._made(self.begin[stretch])
        return self._drive

    def change(self, step: int, otherwise: int) -> int:
        """The first step after ``step`` at which the drive changes, or ``otherwise``."""
        after = bisect_right(self.begin, step)
        return self.begin[after] if after < len(self.begin) else otherwise

    def _made(self, step: int) -> FloatArray:
        net = self._net
        instances = max(map(len, self._strengths.values()), default=1)
        drive = np.zeros((instances, 3, sum(p.size for p in net.populations)))
        for k, s in enumerate(net.stimuli):
            start, stop = s.span
            if steps(start, net.dt) <= step and (stop is None or step < steps(stop, net.dt)):
                rows = drive[:, :, slice(*self._ranges[s.population])].swapaxes(0, 1)
                STIMULI[s](s, self._strengths.get(k), rows, step, net.dt)
        return drive
