"""What weights may be off by that a target rounds at random while they learn: a weight with each change, and each trace
of spikes with each step, to one of the two nearest steps.

A trace is never off by more than the steps that were rounded, each of which decays as the trace does. Of weights, each
change is off by less than a step, with a mean of zero whatever came before: N of them by more than sqrt(N ln(2 / a) /
2) steps with a probability of at most a (Azuma 1967, Hoeffding's bound for differences of a martingale).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray
from salhw.description.parts import Projection
from salhw.description.plasticity import PairSTDP

IMPROBABLE = 1e-12
"""How probable it is at most that a weight is further off than is said: a million comparisons make a millionth of
it."""


@dataclass(frozen=True)
class Steps:
    """Of one projection: the step of a ``weight`` (gain included); the ``share`` of the change by a pair at distance 0
    that a step of a trace is at most, unless it is the ``finest`` change of a weight."""

    weight: float
    share: float
    finest: float


class RandomRounding:
    """By how much each weight of a projection may be off, (instance, synapse), since weights were read. ``oracle`` is a
    session's Oracle; the projection has one rule, which knows all pairs."""

    def __init__(self, oracle: Any, p: Projection, steps: Steps) -> None:
        self.oracle, self.projection, self.steps = oracle, p, steps
        rule, taus = cast(PairSTDP, p.plasticity[0]), []
        for window in (rule.causal, rule.anticausal):
            first, second = window.shape(np.array([0.0, oracle.dt]))
            taus.append(float(second / first))
        self.keep = np.array(taus)
        self.ends: list[Bools] = [end.trains for end in oracle.at_ends(p)]
        none = np.zeros((oracle.instances, len(oracle.ends[p.name][0])))
        self.off, self.trace = np.stack([none, none]), np.stack([none, none])  # of pre- and of postsynaptic traces
        self.size = np.stack([none, none])  # of a pair's change, which traces have been made for
        self.waiting, self.changes, self.added = [none, none], none, none

    def read(self) -> None:
        """Weights are known again; changes that wait are not among what was read. Traces may be rounded once more,
        where a learning rate was written."""
        self.off = np.where(self.trace > 0.0, self.off + 0.5 * self._step(), 0.0)
        self.changes, self.added = np.zeros_like(self.changes), np.zeros_like(self.added)

    def _over_gain(self, of_target: float) -> FloatArray:
        gain = np.abs(self.oracle.gain(self.projection.post, self.projection.into))
        return np.asarray(of_target / np.where(gain == 0.0, 1.0, gain))

    def _step(self) -> FloatArray:
        """The share of a pair's change that a step of a trace is at most."""
        size = np.where(self.size > 0.0, self.size, np.inf)
        return np.asarray(np.maximum(self.steps.share, self._over_gain(self.steps.finest) / size))

    def see(self, step: int) -> None:
        """Take in the spikes of a step."""
        pre, post = (spikes[:, step] for spikes in self.ends)
        both, keep, before = np.stack([pre, post]), self.keep[:, None, None], self.trace > 0.0
        factors = np.abs(np.stack(self.oracle.learners[self.projection.name, 0].factors()))
        self.size = np.where(factors > 0.0, factors, self.size)
        self.off = np.where(before, keep * self.off + self._step(), 0.0)
        self.trace = keep * self.trace + both
        reads = np.stack([post, pre]) * (factors > 0.0)
        off = factors * self.off + self._over_gain(self.steps.finest) * self.trace
        self.waiting = [self.waiting[0] + (pre | post), self.waiting[1] + (reads * off).sum(axis=0)]

    def apply(self) -> None:
        """What was seen changes weights now."""
        self.changes, self.added = self.changes + self.waiting[0], self.added + self.waiting[1]
        self.waiting = [np.zeros_like(self.changes), np.zeros_like(self.added)]

    def bound(self) -> FloatArray:
        """By how much weights may be off."""
        step = self._over_gain(self.steps.weight)
        likely = np.sqrt(0.5 * np.log(2.0 / IMPROBABLE) * self.changes)
        return np.asarray(step * np.minimum(self.changes, likely) + self.added)


def steps_of(rounding: Mapping[str, float], projection: str) -> Steps | None:
    """What a report says of a projection; None if nothing."""
    path = f"projections.{projection}"
    if f"{path}.plasticity" not in rounding:
        return None
    return Steps(rounding[path], rounding[f"{path}.plasticity"], rounding[f"{path}.plasticity.finest"])
