"""Rules of more than pairs, as docs/semantics.md has them, for spikes that are given (see oracle.py)."""

from __future__ import annotations

from typing import cast

import numpy as np

from salhw.conformance.replay.oracle import RULES, Oracle
from salhw.description.fields import FloatArray
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PerSpike

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
