"""Connectors: which synapses a projection has, and their weights W[post, pre]. The order of synapses is fixed and
documented."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from salhw.description.fields import FloatArray, Indices, IntArray, Matrix, Number, PerNeuron, Vector
from salhw.description.kinds import Kind
from salhw.description.markers import Structure
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import invalid

_LAST = 2**31 - 1  # the highest neuron, so that a pair fits 64 bits
BEYOND = "autapses", "multapses"
"""What a connector may have beyond one synapse at most between each two neurons, by the field that says so."""
Synapses = tuple[IntArray, IntArray, IntArray]
"""(post, pre, position): the synapses sorted by post, then pre, and where each lies in the flattened ``shape``."""


def _pairs(post: IntArray, pre: IntArray) -> IntArray:
    """One number per synapse, in the order of post, then pre: 10^7 of them are sorted in a second, rows are not."""
    return (post << 32) | pre


def first_of_pairs(post: IntArray, pre: IntArray) -> IntArray:
    """Of synapses sorted by post, then pre: the first of each pair of neurons."""
    return np.flatnonzero((np.diff(post, prepend=-1) != 0) | (np.diff(pre, prepend=-1) != 0))


class Connector(Kind):
    """A rule that says which synapses there are between ``n_pre`` and ``n_post`` neurons (of one population if
    ``recurrent``), and how strong they are. Its shape is that in which weights and parameters per synapse are read and
    written: (post, pre), or a list."""

    section = "connectivity"
    weight_field: ClassVar[str] = "weight"
    """The field that holds the weights, one number or an array of the connector's shape."""
    within_population: ClassVar[bool] = True
    """Whether it can connect a population with itself."""
    drawn: ClassVar[bool] = False
    """Whether its synapses are drawn at random: then ``listed`` has them, and it has no shape of its own."""
    placed: ClassVar[bool] = False
    """Whether it needs to know where the neurons of both populations are."""

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> Connector:
        """Synapses of one weight from two neurons to two, the same two if ``recurrent``; what checks try it with."""
        raise NotImplementedError

    @property
    def beyond(self) -> dict[str, bool]:
        """Which of BEYOND it may have, as fields of a list of its synapses."""
        return {name: True for name in BEYOND if getattr(self, name, False)}

    @property
    def stored(self) -> float | FloatArray:
        """The weights as they are described."""
        value: float | FloatArray = getattr(self, self.weight_field)
        return value

    def with_weights(self, weights: float | FloatArray) -> Any:
        """The same synapses with other weights."""
        return self.replace(**{self.weight_field: weights})

    def synaptic(self, weights: npt.ArrayLike, recurrent: bool) -> float | FloatArray:
        """Weights as ``stored`` has them: a number, or an array that is zero where there are no synapses."""
        stored = np.array(weights, dtype=np.float64)
        if stored.ndim and self.is_hollow(recurrent):
            np.fill_diagonal(stored, 0.0)
        return stored if stored.ndim else float(stored)

    def shape(self, n_post: int, n_pre: int) -> tuple[int, ...]:
        """The shape of arrays with an entry per synapse."""
        raise NotImplementedError

    def is_hollow(self, recurrent: bool) -> bool:
        """Whether the diagonal of the shape holds no synapses."""
        return False

    def synapses(self, n_post: int, n_pre: int, recurrent: bool) -> Synapses:
        """All synapses; by default those of a list that is not sorted."""
        raise NotImplementedError

    def listed(self, name: str, n_post: int, n_pre: int, recurrent: bool, places: Any = None) -> Connector:
        """The connector of a projection ``name`` with nothing left to be drawn; ``places`` are the positions of both
        populations, post and pre, as far as they have any.

        Raises:
            DescriptionError: an array has not an entry for each synapse that was drawn.
        """
        return self

    def contradictions(self, path: str, n_post: int, n_pre: int, recurrent: bool) -> Iterator[Diagnostic]:
        """What is wrong with it between populations of these sizes."""
        yield from ()

    def clipped(self, low: float, high: float, recurrent: bool) -> Connector:
        """The same synapses with weights outside of ``low``..``high`` moved to the nearer end."""
        within: Connector = self.with_weights(self.synaptic(np.clip(self.stored, low, high), recurrent))
        return within

    def outside(self, path: str, low: float, high: float, recurrent: bool) -> Iterator[Diagnostic]:
        """A finding if a weight lies outside of ``low``..``high``, the bounds of a rule: they must start inside, since
        the first update would otherwise move them there."""
        given = np.array(self.stored, dtype=np.float64)
        if self.is_hollow(recurrent) and given.ndim == 2:
            np.fill_diagonal(given, low)  # no synapses
        for place in np.argwhere((given < low) | (given > high))[:1]:
            at = f"{path}{''.join(f'[{k}]' for k in place)}"
            asked, supported = f"{given[tuple(place)]:g}", f"{low:g}..{high:g}, the rule's bounds"
            yield Diagnostic("SAL005", at, asked, supported, "start inside the bounds, or widen them")


class _Matrix(Connector):
    """Connectors with a weight for every pair."""

    def shape(self, n_post: int, n_pre: int) -> tuple[int, ...]:
        return n_post, n_pre

    def is_hollow(self, recurrent: bool) -> bool:
        return recurrent

    def synapses(self, n_post: int, n_pre: int, recurrent: bool) -> Synapses:
        post, pre = (index.ravel() for index in np.indices((n_post, n_pre)))
        keep = np.flatnonzero(post != pre) if recurrent else np.arange(post.size)
        return post[keep].astype(np.int64), pre[keep].astype(np.int64), keep.astype(np.int64)


class Dense(_Matrix):
    """All pairs: ``values[post, pre]``. Within one population the diagonal is no synapse and must be zero."""

    weight_field: ClassVar[str] = "values"
    kind: Literal["Dense"] = "Dense"
    values: Annotated[Matrix, Structure()]

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> Dense:
        return cls(values=np.where(np.eye(2, dtype=np.bool_) & recurrent, 0.0, weight))

    def contradictions(self, path: str, n_post: int, n_pre: int, recurrent: bool) -> Iterator[Diagnostic]:
        shape, own = (n_post, n_pre), self.values.shape
        if own != shape:
            fix = "weights are [post, pre]: transpose them" if own == shape[::-1] else "one row per post"
            yield Diagnostic("SAL003", path, f"shape {own}", f"shape {shape}", fix)
        elif recurrent:
            for i in np.flatnonzero(np.diag(self.values)):
                value, fix = f"{self.values[i, i]:g}", "set the diagonal to zero"
                yield Diagnostic("SAL010", f"{path}[{i}][{i}]", value, "no self-connections", fix)


class Sparse(Connector):
    """A list of synapses (COO): ``weight[k]`` from ``pre[k]`` to ``post[k]``. Each pair at most once, unless there are
    ``multapses``, which stay in the order in which they are listed; of a neuron onto itself only with ``autapses``."""

    kind: Literal["Sparse"] = "Sparse"
    post: Annotated[Indices, Structure()]
    pre: Annotated[Indices, Structure()]
    weight: Annotated[Vector, Structure()]
    autapses: Annotated[bool, Structure()] = False
    multapses: Annotated[bool, Structure()] = False

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> Sparse:
        return cls(post=[1], pre=[0], weight=[weight])

    @model_validator(mode="after")
    def _consistent(self) -> Sparse:
        if not len(self.post) == len(self.pre) == len(self.weight):
            lengths = f"lengths {len(self.post)}, {len(self.pre)}, {len(self.weight)}"
            raise invalid("SAL003", lengths, "post, pre and weight equally long", "one entry per synapse")
        for at, index in (("post", self.post), ("pre", self.pre)):
            for k in np.flatnonzero((index < 0) | (index > _LAST))[:1]:
                raise invalid("SAL005", index[k], "neurons 0, 1, ...", "count from 0", at=f"{at}[{k}]")
        pairs = np.sort(_pairs(self.post, self.pre))
        for pair in pairs[1:][pairs[1:] == pairs[:-1]][: not self.multapses]:
            asked = f"synapse {pair & _LAST} -> {pair >> 32} twice"
            raise invalid("SAL007", asked, "each pair once", "add the weights up, or say multapses = true")
        return self

    def shape(self, n_post: int, n_pre: int) -> tuple[int, ...]:
        return (len(self.weight),)

    def synapses(self, n_post: int, n_pre: int, recurrent: bool) -> Synapses:
        pairs = _pairs(self.post, self.pre)
        if np.all(pairs[1:] > pairs[:-1]):
            return self.post, self.pre, np.arange(len(pairs), dtype=np.int64)
        order = np.argsort(pairs, kind="stable")
        return self.post[order], self.pre[order], order.astype(np.int64)

    def contradictions(self, path: str, n_post: int, n_pre: int, recurrent: bool) -> Iterator[Diagnostic]:
        for end, index, size in (("post", self.post, n_post), ("pre", self.pre, n_pre)):
            for k in np.flatnonzero(index >= size)[:1]:
                fix = f"the {end}synaptic population has {size} neurons, counted from 0"
                yield Diagnostic("SAL003", f"{path}.{end}[{k}]", str(index[k]), f"0..{size - 1}", fix)
        if recurrent and not self.autapses:
            for k in np.flatnonzero(self.post == self.pre)[:1]:
                asked, fix = f"{self.pre[k]} -> {self.post[k]}", "leave it out, or say autapses = true"
                yield Diagnostic("SAL010", f"{path}[{k}]", asked, "no self-connections", fix)


class OneToOne(Connector):
    """Neuron k to neuron k; ``weight`` is one number or one per neuron."""

    kind: Literal["OneToOne"] = "OneToOne"
    weight: Annotated[PerNeuron, Structure()]
    within_population: ClassVar[bool] = False

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> OneToOne:
        return cls(weight=weight)

    def shape(self, n_post: int, n_pre: int) -> tuple[int, ...]:
        return (n_post,)

    def synapses(self, n_post: int, n_pre: int, recurrent: bool) -> Synapses:
        each = np.arange(n_post, dtype=np.int64)
        return each, each, each

    def contradictions(self, path: str, n_post: int, n_pre: int, recurrent: bool) -> Iterator[Diagnostic]:
        if n_post != n_pre:
            asked, fix = f"{n_pre} -> {n_post} neurons", "use Sparse, or a matrix"
            yield Diagnostic("SAL003", path, asked, "equal sizes for OneToOne", fix)
        if recurrent:
            asked, fix = "OneToOne within a population", "use two populations"
            yield Diagnostic("SAL010", path, asked, "no self-connections", fix)
        yield from wrong_shape(f"{path}.weight", self.weight, (n_post,))


class AllToAll(_Matrix):
    """Every pair with the same weight, without self-connections."""

    kind: Literal["AllToAll"] = "AllToAll"
    weight: Annotated[Number, Structure()]

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> AllToAll:
        return cls(weight=weight)


def wrong_shape(path: str, value: Any, shape: tuple[int, ...], each: str = "neuron") -> Iterator[Diagnostic]:
    """A finding if ``value`` is an array that is not of ``shape``, with an entry for ``each``."""
    if isinstance(value, np.ndarray) and value.shape != shape:
        expected = f"one number or shape {shape}"
        yield Diagnostic("SAL003", path, f"shape {value.shape}", expected, f"give one for all, or one per {each}")


def shape_of(weights: Connector, n_post: int, n_pre: int) -> tuple[int, ...]:
    """The shape in which weights and per-synapse parameters are read and written: (post, pre), or (synapse,) if sparse
    or one-to-one."""
    return weights.shape(n_post, n_pre)


def count(weights: Connector, n_post: int, n_pre: int, recurrent: bool) -> int:
    """How many ``synapses`` there are, without listing them."""
    return math.prod(weights.shape(n_post, n_pre)) - n_post * weights.is_hollow(recurrent)


def synapses(weights: Connector, n_post: int, n_pre: int, recurrent: bool) -> Synapses:
    """(post, pre, position): the synapses sorted by post, then pre, and where each lies in the flattened ``shape_of``.

    The diagonal of a recurrent dense or all-to-all projection holds no synapses.
    """
    return weights.synapses(n_post, n_pre, recurrent)


def values(weights: Connector, n_post: int, n_pre: int, recurrent: bool) -> FloatArray:
    """The weights in ``shape_of``'s shape; zero where a recurrent projection has no synapse."""
    shape, stored = weights.shape(n_post, n_pre), np.asarray(weights.stored, dtype=np.float64)
    if not weights.is_hollow(recurrent) or stored.shape == shape:
        return np.broadcast_to(stored, shape)
    full = np.full(shape, stored)
    np.fill_diagonal(full, 0.0)
    return full
