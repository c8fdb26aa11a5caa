"""Random synapses of each kind of connector."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salhw.conformance.replay.dice import Dice
from salhw.description.connectivity import AllToAll, Connector, Dense, OneToOne, Sparse
from salhw.description.kinds import ByKind

Weight = Callable[[], float]
CONNECTORS: ByKind[Callable[[Dice, int, int, bool, Weight], Connector]] = ByKind("a random network")
"""The synapses of each kind of connector, from (dice, post, pre, recurrent, weight), where ``weight()`` draws one."""


@CONNECTORS.register(Dense)
def _dense(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> Dense:
    matrix = np.array([[weight() for _ in range(n_pre)] for _ in range(n_post)])
    return Dense(values=np.where(np.eye(n_post, n_pre, dtype=np.bool_) & recurrent, 0.0, matrix))


@CONNECTORS.register(Sparse)
def _sparse(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> Sparse:
    pairs = [(i, j) for i in range(n_post) for j in range(n_pre) if not (recurrent and i == j)]
    some = dice.shuffled(dice.subset(pairs, 1))
    return Sparse(post=[i for i, _ in some], pre=[j for _, j in some], weight=[weight() for _ in some])


@CONNECTORS.register(OneToOne)
def _one_to_one(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> OneToOne:
    return OneToOne(weight=[weight() for _ in range(n_post)] if dice.chance(0.6) else weight())


@CONNECTORS.register(AllToAll)
def _all_to_all(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> AllToAll:
    return AllToAll(weight=weight())
