"""Where the algorithms write spikes and membranes, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw_reference import layout as at
from salhw_reference.program import ReferenceProgram

ROOM = 65_536  # spikes per instance between two emptyings
ALL = 4_000_000  # of all instances, where this is less, but never less than FEW for one
FEW = 64


@dataclass(frozen=True)
class Tape:
    """``spikes`` (instance, step and neuron, room) is filled by the algorithm and emptied by ``take``; ``membrane`` is
    (instance, sample, column), its row 0 the sample number ``origin`` of each probe."""

    spikes: IntArray
    membrane: FloatArray
    origin: IntArray
    pieces: list[tuple[IntArray, IntArray, IntArray]] = field(default_factory=list)

    @classmethod
    def of(cls, program: ReferenceProgram, batch: int, start: int, stop: int) -> Tape:
        """A tape for the steps start..stop-1."""
        room = int(program.q[at.N]) + min(ROOM, max(FEW, ALL // batch), program.recorded * (stop - start))
        if not program.q[at.M]:
            return cls(np.empty((batch, 2, room), np.int64), np.zeros((batch, 0, 0)), np.zeros(0, np.int64))
        low, high, every = (program.arrays[at.MEMBRANE][:, k] for k in range(3))
        origin, end = -(-start // every), -(-stop // every)
        samples = (batch, int((end - origin).max()), int((high - low).sum()))
        return cls(np.empty((batch, 2, room), np.int64), np.zeros(samples), origin)

    @property
    def length(self) -> int:
        """How many spikes were taken."""
        return sum(len(step) for _, _, step in self.pieces)

    def take(self, used: IntArray) -> None:
        """Keep what the algorithm wrote, ``used`` (instance, 1) spikes, and make room."""
        if not used.any():
            return
        for b in np.flatnonzero(used):
            step, neuron = self.spikes[b, :, : used[b, 0]].copy()
            self.pieces.append((np.full(len(step), b), neuron, step))
        used[:] = 0

    def trains(self) -> tuple[IntArray, IntArray, IntArray]:
        """(instance, neuron, step) of all spikes, sorted by instance, step, neuron."""
        if not self.pieces:
            return (np.zeros(0, np.int64),) * 3
        instance, neuron, step = (np.concatenate(column) for column in zip(*self.pieces, strict=True))
        order = np.lexsort((neuron, step, instance))
        return instance[order], neuron[order], step[order]
