"""What the weights of a target may be off by that pairs, or clips, otherwise than described where spikes coincide."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from salhw.conformance.replay.learners import Learner, Pairs
from salhw.description.fields import FloatArray, IntArray
from salhw.description.ties import Tie


class Disputes:
    """Of some projections by how much each weight may be off, (instance, synapse): what all pairs at and after
    coincidences have added up to without sign, each in full, since weights were read. Clipping makes it no larger.

    Args:
        loose: the projections.
    """

    def __init__(self, loose: Collection[str]) -> None:
        self.loose, self.weights = frozenset(loose), dict[str, FloatArray]()
        self._under_way: dict[str, FloatArray] = {}

    def read(self, projection: str, weights: FloatArray) -> None:
        """Weights are known again."""
        if projection in self.loose:
            self.weights[projection] = np.zeros_like(weights)

    def see(self, step: int, learners: Mapping[tuple[str, int], Learner]) -> None:
        """Take in the spikes of a step, as the learners of each projection have."""
        for (name, _), learner in learners.items():
            if name in self.loose and isinstance(learner, Pairs):
                added = learner.disputed(step)
                self.weights[name] = self.weights[name] + added
                self._under_way[name] = self._under_way.get(name, 0.0) + added

    def copy(self, tie: Tie, originals: IntArray) -> None:
        """Copies are off as their ``originals`` are."""
        if tie.to in self.weights:
            self.weights[tie.projection] = np.abs(tie.scale * self.weights[tie.to][:, originals])

    def under_way(self, projection: str) -> FloatArray | float:
        """By how much PSPs under way may be off besides, for what was disputed since this was asked."""
        return self._under_way.pop(projection, 0.0)
