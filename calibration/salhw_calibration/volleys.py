"""Spikes to force upon neurons, so that all synapses between them see pairs at lags that were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salhw.description.fields import IntArray

NEAR, FAR = 0.1, 4.0  # time constants: from one slot to the next of short lags, and from volley to volley of long ones


@dataclass(frozen=True, eq=False)
class Volleys:
    """All neurons spike once in every ``cycle``, each in its slot, ``spacing`` apart, both in steps; no synapse joins
    two neurons of one ``colour``, and these share a slot. Each slot is later by up to ``jitter`` steps, drawn for every
    cycle, lest rounding do the same every time, which would look like exactness."""

    colour: IntArray
    spacing: int
    jitter: int
    cycle: int
    rest: int

    @classmethod
    def of(cls, colour: IntArray, near: bool, tau: float, tau_ref: float, dt: float) -> Volleys:
        """Of lags that are ``near`` compared with the windows' time constant, or far; times in ms. Where there are more
        colours than slots within FAR, neurons of several share one, and their spikes coincide."""
        rest = round(tau_ref / dt) + 1
        slots = min(int(colour.max(initial=0)) + 1, max(2, round(FAR * tau / dt)))
        spacing = max(1, round((NEAR if near else FAR / slots) * tau / dt))
        return cls(colour % slots, spacing, spacing // 2, max(slots * spacing, rest + spacing // 2), rest)

    def trains(self, begins: Sequence[int], active: int, random: np.random.Generator) -> list[IntArray]:
        """The steps at which each neuron spikes, from each of ``begins`` on for ``active`` steps. The order of slots is
        drawn anew, and reversed the next time: what was near is far then."""
        slots = int(self.colour.max(initial=0)) + 1
        offset = self.rest + self.cycle * np.arange(max(0, active - self.rest) // self.cycle)
        slot, times = np.zeros(len(self.colour), dtype=np.int64), []
        for k, begin in enumerate(begins):
            slot = slots - 1 - slot if k % 2 else random.permutation(slots)[self.colour]
            late = random.integers(0, self.jitter + 1, (slots, len(offset)))
            times.append(begin + offset + (self.spacing * slot)[:, None] + late[slot])
        return list(np.concatenate([np.zeros((len(slot), 0), dtype=np.int64), *times], axis=1))


def coloured(size: int, first: IntArray, second: IntArray) -> IntArray:
    """Numbers from 0 for ``size`` neurons, such that no pair (first, second) shares one: the least that is free, those
    with most partners first."""
    partners: list[set[int]] = [set() for _ in range(size)]
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        if a != b:
            partners[a].add(b)
            partners[b].add(a)
    colour = np.full(size, -1, dtype=np.int64)
    for neuron in sorted(range(size), key=lambda k: -len(partners[k])):
        taken = {int(colour[p]) for p in partners[neuron]}
        colour[neuron] = next(c for c in range(size) if c not in taken)
    return colour
