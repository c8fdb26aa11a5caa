"""Rules of more than pairs, as docs/semantics.md has them, for spikes that are given (see oracle.py)."""

from __future__ import annotations

from typing import cast

import numpy as np

from salhw.conformance.replay.oracle import RULES, Oracle
from salhw.conformance.replay.trains import branch_sums
from salhw.description.fields import FloatArray
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import ModulatedSTDP, PerSpike

__all__ = ["RULES"]


@RULES.register(PerSpike)
class _Single:
    """Spikes at either end of each synapse, counted until the weights change."""

    def __init__(self, oracle: Oracle, p: Projection, k: int) -> None:
        self.oracle, self.projection, rule = oracle, p.name, cast(PerSpike, p.plasticity[k])
        self.path = f"projections.{p.name}.{rule_name(p, k)}.learning_rate"
        pre, post = oracle.at_ends(p)
        self.counts = rule.pre * pre + rule.post * post
        self.waiting = np.zeros_like(self.counts[:, 0])

    def see(self, step: int) -> None:
        self.waiting = self.waiting + self.counts[:, step]

    def change(self) -> FloatArray:
        counted, self.waiting = self.waiting, np.zeros_like(self.waiting)
        return np.asarray(self.oracle.per_synapse(self.path, self.projection) * counted)


@RULES.register(ModulatedSTDP)
class _Modulated:
    """Sums of pairs, which take the modulator, their learning rate and amplitudes when the weights change."""

    def __init__(self, oracle: Oracle, p: Projection, k: int) -> None:
        self.oracle, self.projection, self.rule = oracle, p.name, cast(ModulatedSTDP, p.plasticity[k])
        self.path, (pre, post) = f"projections.{p.name}.{rule_name(p, k)}", oracle.at_ends(p)
        pairing, dt = self.rule.pairing, oracle.dt
        self.sums = {
            "causal": branch_sums(pairing, self.rule.causal, pre, post, dt),
            "anticausal": branch_sums(pairing, self.rule.anticausal, post, pre, dt),
        }
        self.first = self.next = 0

    def see(self, step: int) -> None:
        self.next = step + 1

    def change(self) -> FloatArray:
        waiting = {branch: sums[:, self.first : self.next].sum(axis=1) for branch, sums in self.sums.items()}
        self.first = self.next
        modulator = self.oracle.means[self.rule.modulator].mean(axis=1, keepdims=True) - self.rule.baseline
        rate = self.oracle.per_synapse(f"{self.path}.learning_rate", self.projection)
        amplitudes = {b: self.oracle.per_synapse(f"{self.path}.{b}.amplitude", self.projection) for b in waiting}
        return np.asarray(rate * modulator * sum(amplitudes[b] * waiting[b] for b in waiting))
