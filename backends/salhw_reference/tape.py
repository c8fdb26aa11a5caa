"""Where the algorithms write spikes and membranes, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.session.recorder import ascending
from salhw_reference.arrays import NetworkArrays

ROOM = 65_536  # spikes per instance between two emptyings
ALL = 4_000_000  # of all instances, where this is less, but never less than FEW for one
FEW = 64


@dataclass
class Tape:
    """``spikes`` (instance, step and neuron, room) is filled by the algorithm and emptied by ``take``, which has taken
    ``length`` spikes; ``membrane`` is (instance, sample, column), its row 0 the sample number ``origin`` of each
    probe."""

    spikes: IntArray
    membrane: FloatArray
    origin: IntArray
    pieces: list[tuple[IntArray, IntArray, IntArray]] = field(default_factory=list)
    length: int = 0

    @classmethod
    def of(cls, net: NetworkArrays, batch: int, start: int, stop: int) -> Tape:
        """A tape for the steps start..stop-1."""
        spikes = int(np.count_nonzero(net.recorded)) * (stop - start)
        tape = np.empty((batch, 2, len(net.kind) + min(ROOM, max(FEW, ALL // batch), spikes)), np.int64)
        if not len(net.samples):
            return cls(tape, np.zeros((batch, 0, 0)), np.zeros(0, np.int64))
        probes = net.samples
        origin, end = -(-start // probes["every"]), -(-stop // probes["every"])
        columns = int((probes["end"] - probes["first"]).sum())
        return cls(tape, np.zeros((batch, int((end - origin).max()), columns)), origin)

    def take(self, used: IntArray) -> None:
        """Keep what the algorithm wrote, ``used`` (instance,) spikes, and make room."""
        if not np.count_nonzero(used):  # in a seventh of the time of any(), which short runs notice
            return
        self.length += int(used.sum())
        for b in np.flatnonzero(used):
            step, neuron = self.spikes[b, :, : used[b]].copy()
            self.pieces.append((np.full(len(step), b), neuron, step))
        used[:] = 0

    def trains(self) -> tuple[IntArray, IntArray, IntArray]:
        """(instance, neuron, step) of all spikes, sorted by instance, step, neuron."""
        if not self.pieces:
            return (np.zeros(0, np.int64),) * 3
        instance, neuron, step = (np.concatenate(column) for column in zip(*self.pieces, strict=True))
        order = ascending(instance, step, neuron)
        return instance[order], neuron[order], step[order]
