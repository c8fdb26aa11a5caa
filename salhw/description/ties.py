"""Ties: weights that are copies of other weights, which no local rule could know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import numpy as np

from salhw.description.connectivity import Synapses
from salhw.description.fields import IntArray, Milliseconds, Model, Number
from salhw.description.markers import Mark, ProjectionName


class Tie(Model):
    """Makes the weights of a projection copies of another projection's: ``W[projection] = scale * W[to]``.

    They are copied when a session begins, when it writes the originals, and whenever these have learned; such as
    backpropagation's feedback weights, or the lateral ones that cancel it in a self-predicting cortical microcircuit
    (paper section 2.4.2). The copies' own ``weights`` say which synapses there are; their values are not used.

    Args:
        projection: whose weights are copies. It has no rule.
        to: whose weights are copied. It is not tied itself.
        scale: a factor on the copies.
        transpose: whether the synapse from j to i copies the one from i to j.
        every: copy what was learned at the whole multiples of so many ms, after that time's updates; None: at once.
    """

    projection: ProjectionName
    to: ProjectionName
    scale: Annotated[Number, Mark(-1.0, 0.5, np.inf)] = -1.0
    transpose: Annotated[bool, Mark(False, True, "yes?")] = False
    every: Annotated[Milliseconds | None, Mark(None, 12, -1, unit="ms", grid=1)] = None


def originals(copies: Synapses, of: Synapses, transpose: bool) -> IntArray:
    """For each synapse of ``copies``, which of the synapses ``of`` it is a copy of; -1 where there is none."""
    post, pre, _ = of
    where = {pair: k for k, pair in enumerate(zip(post.tolist(), pre.tolist(), strict=True))}
    ends = zip(copies[0].tolist(), copies[1].tolist(), strict=True)
    return np.array([where.get((j, i) if transpose else (i, j), -1) for i, j in ends], dtype=np.int64)


def transported(ties: Iterable[Tie], synapses: dict[str, int]) -> str:
    """What a report says of a network whose projections have so many ``synapses``; empty if it ties none."""
    tied = [(tie, synapses[tie.projection]) for tie in ties]
    each = ", ".join(f"{tie.projection} = {tie.scale:g} {tie.to}{' transposed' * tie.transpose}" for tie, _ in tied)
    return f"this network transports weights: {sum(n for _, n in tied)} copies ({each})" if tied else ""
