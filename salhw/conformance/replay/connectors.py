"""Random synapses of each kind of connector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from salhw.conformance.replay.dice import Dice
from salhw.description.connectivity import AllToAll, Connector, Dense, OneToOne, Sparse
from salhw.description.distributions import Distribution, LogNormal, Normal, Uniform
from salhw.description.drawn import (
    DistanceDependent,
    FixedIndegree,
    FixedOutdegree,
    FixedProbability,
    FixedTotalNumber,
)
from salhw.description.kinds import ByKind
from salhw.description.parts import Population

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


@CONNECTORS.register(FixedProbability)
def _fixed_probability(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> FixedProbability:
    return FixedProbability(p=dice.uniform(0.2, 0.8), weight=_drawn(dice, weight), seed=_seed(dice))


@CONNECTORS.register(FixedIndegree)
def _fixed_indegree(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> FixedIndegree:
    return FixedIndegree(n=dice.whole(0, n_pre - recurrent), weight=_drawn(dice, weight), seed=_seed(dice))


@CONNECTORS.register(FixedOutdegree)
def _fixed_outdegree(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> FixedOutdegree:
    return FixedOutdegree(n=dice.whole(0, n_post - recurrent), weight=_drawn(dice, weight), seed=_seed(dice))


@CONNECTORS.register(FixedTotalNumber)
def _fixed_total_number(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> FixedTotalNumber:
    n = dice.whole(0, n_post * n_pre - n_post * recurrent)
    some = [weight() for _ in range(n)]
    return FixedTotalNumber(n=n, weight=some if dice.chance(0.3) else _drawn(dice, weight), seed=_seed(dice))


@CONNECTORS.register(DistanceDependent)
def _distance_dependent(dice: Dice, n_post: int, n_pre: int, recurrent: bool, weight: Weight) -> DistanceDependent:
    profile, p, length = dice.one(("exponential", "gaussian")), dice.uniform(0.5, 1.0), dice.uniform(0.3, 2.0)
    return DistanceDependent(p=p, length=length, profile=profile, weight=_drawn(dice, weight), seed=_seed(dice))


def extended(
    dice: Dice, connector: Connector, neurons: int, recurrent: bool, weight: Weight, beyond: Sequence[str]
) -> Connector:
    """The connector with some of what lies ``beyond`` one synapse between two neurons, as far as its kind has it; a
    list onto so many ``neurons`` is made longer."""
    more = {name: True for name in beyond if name in type(connector).model_fields and dice.chance(0.4)}
    if not isinstance(connector, Sparse):
        return connector.replace(**more)
    post, pre = connector.post.tolist(), connector.pre.tolist()
    for neuron in dice.subset(range(neurons), 1) if "autapses" in more and recurrent else ():
        post, pre = [*post, neuron], [*pre, neuron]
    for k in dice.subset(range(len(post)), 1) if "multapses" in more and post else ():
        post, pre = [*post, post[k]], [*pre, pre[k]]
    weights = [*connector.weight.tolist(), *(weight() for _ in post[len(connector.weight) :])]
    return Sparse(post=post, pre=pre, weight=weights, **more)


def _seed(dice: Dice) -> int:
    return dice.whole(0, 2**31)


def _drawn(dice: Dice, weight: Weight) -> float | Distribution:
    """One weight for all synapses, or a distribution of those between two."""
    first, second = sorted([weight(), weight()])
    middle, width = (first + second) / 2, (second - first) / 4
    if first == second or dice.chance(0.3):
        return first
    if dice.chance(0.4):
        return Uniform(low=first, high=second)
    outside = dice.one(("clip", "redraw"))
    if middle == 0.0 or dice.chance(0.5):
        return Normal(mean=middle, std=width, low=first, high=second, outside=outside)
    return LogNormal(median=middle, sigma=dice.uniform(0.1, 0.5), low=first, high=second, outside=outside)


def listed(connector: Connector, name: str, pre: Population, post: Population) -> Connector:
    """The connector of a projection of that name with nothing left to be drawn."""
    places = post.positions, pre.positions
    return connector.listed(name, post.size, pre.size, pre.name == post.name, places)
