"""Stimuli as stretches of constant drive."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.stimuli import Clamp, Current, Poisson, SpikeTimes
from salhw_reference.program import neuron_ranges, steps


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
    """The stretches of all stimuli but forced spikes, which are a list of their own."""
    windowed = [s for s in net.stimuli if not isinstance(s, SpikeTimes)]
    edges = {0}
    for s in windowed:
        edges |= {steps(s.start, net.dt)} | ({steps(s.stop, net.dt)} if s.stop is not None else set())
    begin = sorted(edges)
    return Drives(begin, [_drive(net, windowed, step) for step in begin])


def _drive(net: Network, stimuli: list[Poisson | Clamp | Current], step: int) -> FloatArray:
    n, ranges = sum(p.size for p in net.populations), neuron_ranges(net)
    drive = np.zeros((3, n))
    for s in stimuli:
        if not steps(s.start, net.dt) <= step or (s.stop is not None and step >= steps(s.stop, net.dt)):
            continue
        low, high = ranges[s.population]
        if isinstance(s, Current):
            drive[0, low:high] += s.amplitude
        elif isinstance(s, Poisson):
            drive[2, low:high] += np.asarray(s.rate) * net.dt / 1000.0
        else:
            chosen = np.arange(high - low) if s.neurons is None else s.neurons
            drive[1, low + chosen] = np.asarray(s.state) + 1
    return drive
