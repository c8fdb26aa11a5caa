"""What a target may be off by in a session, step by step, beside what its oracle works out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from salhw.conformance.replay.cells import CELLS
from salhw.conformance.replay.rounded import RandomRounding, Steps
from salhw.conformance.replay.under_way import UnderWay
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.parts import Projection
from salhw.description.stimuli import Teacher
from salhw.description.ties import Tie


class Doubts:
    """Of each population by how much its input may be off because PSPs under way do not follow their weights
    (``followed``) or because weights and what teachers add may be off (``uncertain``), (instance, neuron), at the
    present step: of neurons that forget what came before; of others the most until then. ``oracle`` is a session's
    Oracle.

    Args:
        steps: of projections whose weights a target rounds at random while they learn.
        unsure: how far the weights of a projection that act may be off the oracle's, (instance, synapse).
    """

    def __init__(
        self, oracle: Any, steps: Mapping[str, Steps], unsure: Callable[[Any, str], FloatArray] | None
    ) -> None:
        self.oracle, net = oracle, oracle.net
        self.unsure = unsure or (lambda oracle, name: self.weights(name))
        self.rounded = {name: RandomRounding(oracle, net.projection(name), each) for name, each in steps.items()}
        self.under_way = {p.name: UnderWay(oracle, p) for p in net.projections}
        self.followed = {p.name: np.zeros((oracle.instances, p.size)) for p in net.populations}
        self.uncertain, self.lagging = dict(self.followed), dict[str, FloatArray]()
        self._copied = {p.name: np.zeros((oracle.instances, len(oracle.ends[p.name][0]))) for p in net.projections}
        self._now: tuple[dict[str, FloatArray], dict[str, FloatArray]] = {}, {}

    def weights(self, projection: str) -> FloatArray:
        """By how much weights may be off because they are rounded at random while they learn, (instance, synapse)."""
        random = self.rounded[projection].bound() if projection in self.rounded else 0.0
        return np.asarray(self._copied[projection] + random)

    def read(self, projection: str) -> None:
        """Weights are known again."""
        self._copied[projection] = np.zeros_like(self._copied[projection])
        if projection in self.rounded:
            self.rounded[projection].read()

    def copy(self, tie: Tie, originals: IntArray) -> None:
        """Copies are off as their ``originals`` are."""
        self._copied[tie.projection] = np.abs(tie.scale * self.weights(tie.to)[:, originals])

    def see(self, step: int) -> None:
        """Take in the spikes of a step."""
        for each in self.rounded.values():
            each.see(step)

    def apply(self, projection: str) -> None:
        """A projection's weights change now by what was seen."""
        if projection in self.rounded:
            self.rounded[projection].apply()

    def silenced(self) -> None:
        """Note that weights were zero for a while, which PSPs of that time may keep."""
        for each in self.under_way.values():
            each.silenced()

    def begin(self) -> None:
        """A step begins."""
        none = {name: np.zeros_like(most) for name, most in self.followed.items()}
        taught = {s.population for s in only(self.oracle.net.stimuli, Teacher)}
        nudged = {name: each + (name in taught) * self.oracle.slack[name].nudged for name, each in none.items()}
        self._now = none, nudged

    def add(
        self, q: Projection, gain: FloatArray, psps: FloatArray, t: int, distance: FloatArray | float = 1.0
    ) -> None:
        """What a projection adds to its population's input, times a ``distance``, may be off by at step t; ``psps`` are
        those of its synapses."""
        self.lagging[q.name], late = self._off(q, gain, psps, t)
        lagging, unsure = self._now
        lagging[q.post] = lagging[q.post] + np.abs(distance) * self.lagging[q.name]
        unsure[q.post] = unsure[q.post] + np.abs(distance) * late

    def _off(self, q: Projection, gain: FloatArray, psps: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
        oracle, size, onto = self.oracle, np.abs(gain), self.oracle.onto[q.name]
        off = self.unsure(oracle, q.name)
        if not oracle.slack[q.post].lag:
            none = np.zeros_like(self.followed[q.post])
            return none, onto(size * off * np.abs(psps)) if off.any() else none
        disputed = size * oracle.disputes.under_way(q.name)
        each = self.under_way[q.name].off(t, gain * oracle.weights[q.name], size * off, disputed)
        moved, late = map(onto, each)
        return moved, late

    def end(self) -> None:
        """All projections have been added."""
        lagging, unsure = self._now
        self.followed = {name: self._most(name, most, lagging[name]) for name, most in self.followed.items()}
        self.uncertain = {name: self._most(name, most, unsure[name]) for name, most in self.uncertain.items()}

    def _most(self, name: str, before: FloatArray, now: FloatArray) -> FloatArray:
        return now if CELLS[self.oracle.net.population(name).neuron].forgets else np.maximum(before, now)
