"""Stimuli as stretches of constant drive."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw_reference.kinds import STIMULI, steps
from salhw_reference.program import neuron_ranges


@dataclass(frozen=True)
class Drives:
    """``stretch[k]`` holds from step ``begin[k]`` (begin[0] = 0) to the next. Its rows, each one number per neuron, are
    what is added to the bias; 0 for free, 1 for never spiking, 2 for spiking whenever it can; a source's hazard."""

    begin: list[int]
    stretch: list[FloatArray]

    def at(self, step: int) -> FloatArray:
        """The drive at a step."""
        return self.stretch[bisect_right(self.begin, step) - 1]

    def change(self, step: int, otherwise: int) -> int:
        """The first step after ``step`` at which the drive changes, or ``otherwise``."""
        return next(iter(self.begin[bisect_right(self.begin, step) :]), otherwise)


def drives(net: Network) -> Drives:
    """The stretches of all stimuli."""
    begin = sorted({0} | {steps(edge, net.dt) for s in net.stimuli for edge in s.span if edge is not None})
    return Drives(begin, [_drive(net, step) for step in begin])


def _drive(net: Network, step: int) -> FloatArray:
    n, ranges = sum(p.size for p in net.populations), neuron_ranges(net)
    drive = np.zeros((3, n))
    for s in net.stimuli:
        start, stop = s.span
        if steps(start, net.dt) <= step and (stop is None or step < steps(stop, net.dt)):
            STIMULI[s](s, drive[:, slice(*ranges[s.population])], net.dt)
    return drive
