"""Which synapses a projection has, and their weights W[post, pre]. The order of synapses is fixed and documented."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from salhw.description.fields import FloatArray, Indices, IntArray, Matrix, Model, Number, PerNeuron, Vector
from salhw.diagnostics.wording import invalid

_LAST = 2**31 - 1  # the highest neuron, so that a pair fits 64 bits


def _pairs(post: IntArray, pre: IntArray) -> IntArray:
    """One number per synapse, in the order of post, then pre: 10^7 of them are sorted in a second, rows are not."""
    return (post << 32) | pre


class Dense(Model):
    """All pairs: ``values[post, pre]``. Within one population the diagonal is no synapse and must be zero."""

    kind: Literal["Dense"] = "Dense"
    values: Matrix


class Sparse(Model):
    """A list of synapses (COO): ``weight[k]`` from ``pre[k]`` to ``post[k]``; each pair at most once."""

    kind: Literal["Sparse"] = "Sparse"
    post: Indices
    pre: Indices
    weight: Vector

    @model_validator(mode="after")
    def _consistent(self) -> Sparse:
        if not len(self.post) == len(self.pre) == len(self.weight):
            lengths = f"lengths {len(self.post)}, {len(self.pre)}, {len(self.weight)}"
            raise invalid("SAL003", lengths, "post, pre and weight equally long", "one entry per synapse")
        for at, index in (("post", self.post), ("pre", self.pre)):
            for k in np.flatnonzero((index < 0) | (index > _LAST))[:1]:
                raise invalid("SAL005", index[k], "neurons 0, 1, ...", "count from 0", at=f"{at}[{k}]")
        pairs = np.sort(_pairs(self.post, self.pre))
        for pair in pairs[1:][pairs[1:] == pairs[:-1]][:1]:
            asked = f"synapse {pair & _LAST} -> {pair >> 32} twice"
            raise invalid("SAL007", asked, "each pair once", "add the weights up")
        return self


class OneToOne(Model):
    """Neuron k to neuron k; ``weight`` is one number or one per neuron."""

    kind: Literal["OneToOne"] = "OneToOne"
    weight: PerNeuron


class AllToAll(Model):
    """Every pair with the same weight, without self-connections."""

    kind: Literal["AllToAll"] = "AllToAll"
    weight: Number


def _as_dense(value: Any) -> Any:
    """A bare matrix is Dense."""
    return value if isinstance(value, Model | dict) else {"kind": "Dense", "values": value}


Connectivity = Annotated[Dense | Sparse | OneToOne | AllToAll, Field(discriminator="kind"), BeforeValidator(_as_dense)]


def shape_of(weights: Connectivity, n_post: int, n_pre: int) -> tuple[int, ...]:
    """The shape in which weights and per-synapse parameters are read and written: (post, pre), or (synapse,) if sparse
    or one-to-one."""
    if isinstance(weights, Sparse):
        return (len(weights.weight),)
    return (n_post,) if isinstance(weights, OneToOne) else (n_post, n_pre)


def count(weights: Connectivity, n_post: int, n_pre: int, recurrent: bool) -> int:
    """How many ``synapses`` there are, without listing them."""
    n = math.prod(shape_of(weights, n_post, n_pre))
    return n - n_post if recurrent and isinstance(weights, Dense | AllToAll) else n


def synapses(weights: Connectivity, n_post: int, n_pre: int, recurrent: bool) -> tuple[IntArray, IntArray, IntArray]:
    """(post, pre, position): the synapses sorted by post, then pre, and where each lies in the flattened ``shape_of``.

    The diagonal of a recurrent dense or all-to-all projection holds no synapses.
    """
    if isinstance(weights, Sparse):
        pairs = _pairs(weights.post, weights.pre)
        if np.all(pairs[1:] > pairs[:-1]):
            return weights.post, weights.pre, np.arange(len(pairs), dtype=np.int64)
        order = np.argsort(pairs)
        return weights.post[order], weights.pre[order], order.astype(np.int64)
    if isinstance(weights, OneToOne):
        each = np.arange(n_post, dtype=np.int64)
        return each, each, each
    post, pre = (index.ravel() for index in np.indices((n_post, n_pre)))
    keep = np.flatnonzero(post != pre) if recurrent else np.arange(post.size)
    return post[keep].astype(np.int64), pre[keep].astype(np.int64), keep.astype(np.int64)


def values(weights: Connectivity, n_post: int, n_pre: int, recurrent: bool) -> FloatArray:
    """The weights in ``shape_of``'s shape; zero where a recurrent projection has no synapse."""
    shape = shape_of(weights, n_post, n_pre)
    if isinstance(weights, Dense):
        return weights.values
    if isinstance(weights, AllToAll):
        full = np.full(shape, weights.weight)
        if recurrent:
            np.fill_diagonal(full, 0.0)
        return full
    return np.broadcast_to(np.asarray(weights.weight, dtype=np.float64), shape)
