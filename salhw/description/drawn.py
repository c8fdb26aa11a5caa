"""Connectors whose synapses are drawn at random: which pairs of neurons they join follows from a seed, the projection's
name and the two neurons alone.

Every pair (post, pre) has a uniform number of its own, by the counter-based Philox4x64-10 (Salmon et al. 2011):
its key is the seed and the name, its counter what the number is for, the row, and the place in it. So synapses are the
same in every process, on every machine and for every target, whatever else the network has; a larger population or a
higher probability adds some, and moves none. One row of numbers is held at a time, never a matrix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from salhw.description.connectivity import Connector, Sparse, first_of_pairs
from salhw.description.distributions import Distribution, Drawn
from salhw.description.fields import FloatArray, IntArray, NotText
from salhw.description.markers import Mark, Structure
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.wording import number

PAIR, PAIR_OF_PRE, WEIGHT, DELAY, SOURCE, DESTINATION = range(6)
"""What numbers are for: whether a pair is joined (rows are of post- or of presynaptic neurons), its weight, its delay;
and, with multapses, the presynaptic and the postsynaptic neuron of each synapse."""
Share = Annotated[float, Field(ge=0, le=1), NotText, Mark(0.5, 0.25, 2.0)]
Amount = Annotated[int, Field(ge=0), NotText, Mark(1, 2, -1)]
BESIDE = " beside the neuron itself"
Pairs = tuple[IntArray, IntArray]
"""(post, pre) of synapses, sorted by post, then pre."""


@dataclass(frozen=True)
class Draws:
    """The uniform numbers of one projection's pairs."""

    seed: int
    name: str

    @cached_property
    def key(self) -> npt.NDArray[np.uint64]:
        """Of the generator."""
        digest = hashlib.sha256(f"salhw.connector {self.seed} {self.name}".encode()).digest()
        return np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64)

    def row(self, purpose: int, row: int, size: int) -> FloatArray:
        """The numbers of a neuron's pairs with ``size`` others, 0 < number < 1."""
        bits = np.random.Philox(key=self.key, counter=[0, 0, row, purpose]).random_raw(size)
        return np.asarray(((bits >> np.uint64(11)) + 0.5) * 2.0**-53, dtype=np.float64)

    def of(self, purpose: int, pairs: Pairs, n_pre: int) -> FloatArray:
        """The number of each of some sorted pairs; what is listed again has a number of a row's continuation."""
        post, pre = pairs
        first = np.flatnonzero(np.diff(post, prepend=-1))
        place = pre + n_pre * _again(post, pre)
        rows = zip(post[first].tolist(), np.split(place, first[1:]), strict=False)  # of no synapses there is one part
        each = (self.row(purpose, i, n_pre * (1 + int(at.max()) // n_pre))[at] for i, at in rows)
        return np.concatenate([np.zeros(0), *each])

    def with_replacement(self, purpose: int, row: int, count: int, others: int, hollow: bool) -> IntArray:
        """``count`` of ``others`` neurons, sorted, each draw by itself; if ``hollow``, never the neuron ``row``."""
        drawn = np.sort((self.row(purpose, row, count) * (others - hollow)).astype(np.int64))
        return np.asarray(drawn + (hollow & (drawn >= row)), dtype=np.int64)


def _again(post: IntArray, pre: IntArray) -> IntArray:
    """How often the pair of each sorted synapse was listed before it."""
    first = first_of_pairs(post, pre)
    return np.arange(len(post), dtype=np.int64) - np.repeat(first, np.diff(first, append=len(post)))


class RandomConnector(Connector):
    """A connector whose synapses are drawn when a network is compiled, or asked for them (``Network.synapses``). In
    sessions it is the list of them: values per synapse are in the order of post, then pre.

    ``weight`` is one number for all synapses, an array with one for each in that order, or a distribution.
    """

    drawn: ClassVar[bool] = True
    weight: Annotated[Drawn, Structure()]
    seed: Annotated[int, Field(ge=0), NotText, Structure()] = 0
    autapses: Annotated[bool, Structure()] = False

    def pairs(self, draws: Draws, n_post: int, n_pre: int, hollow: bool, places: Any) -> Pairs:
        """The pairs of neurons that are joined, none of a neuron with itself if ``hollow``; ``places`` are the
        positions of both populations."""
        raise NotImplementedError

    def hollow(self, recurrent: bool) -> bool:
        """Whether no neuron is joined with itself."""
        return recurrent and not self.autapses

    def listed(self, name: str, n_post: int, n_pre: int, recurrent: bool, places: Any = None) -> Sparse:
        draws = Draws(self.seed, name)
        pairs = self.pairs(draws, n_post, n_pre, self.hollow(recurrent), places)
        weight: Any = self.weight
        if isinstance(weight, Distribution):
            weight = weight.quantile(draws.of(WEIGHT, pairs, n_pre))
        count = len(pairs[0])
        if np.ndim(weight) and len(weight) != count:
            at, supported = f"projections.{name}.weights.weight", f"one number, or {count}, one per synapse"
            fix = "give them in the order of Network.synapses, or one for all"
            raise DescriptionError("", [Diagnostic("SAL003", at, f"{len(weight)} numbers", supported, fix)])
        return Sparse(post=pairs[0], pre=pairs[1], weight=np.broadcast_to(weight, pairs[0].shape), **self.beyond)

    def clipped(self, low: float, high: float, recurrent: bool) -> Connector:
        if not isinstance(self.weight, Distribution):
            return super().clipped(low, high, recurrent)
        within: Connector = self.with_weights(self.weight.within(low, high))
        return within

    def outside(self, path: str, low: float, high: float, recurrent: bool) -> Iterator[Diagnostic]:
        if not isinstance(self.weight, Distribution):
            yield from super().outside(path, low, high, recurrent)
        elif self.weight.ends[0] < low or self.weight.ends[1] > high:
            asked = f"{self.weight.kind} between {number(self.weight.ends[0])} and {number(self.weight.ends[1])}"
            supported, fix = f"{low:g}..{high:g}, the rule's bounds", f"give it low = {low:g}, high = {high:g}"
            yield Diagnostic("SAL005", f"{path}.weight", asked, supported, f"{fix}, or widen the bounds")


def _too_many(path: str, n: int, multapses: bool, most: int, what: str) -> Iterator[Diagnostic]:
    if n > most and not (multapses and most):
        again = ": each pair has one synapse at most, or say multapses = true" if most else ""
        yield Diagnostic("SAL005", f"{path}.n", str(n), f"at most {most}, {what}", f"n <= {most}{again}")


def _joined(rows: Iterator[IntArray], neurons: int) -> Pairs:
    """The pairs of each of ``neurons`` with those in its row, sorted."""
    others = [*rows]
    own = np.repeat(np.arange(neurons, dtype=np.int64), [len(row) for row in others])
    return own, np.concatenate([np.zeros(0, dtype=np.int64), *others])


def _least(numbers: FloatArray, count: int) -> IntArray:
    """The places of the ``count`` smallest numbers, in their order; of equal ones the first."""
    if count >= len(numbers):
        return np.arange(len(numbers), dtype=np.int64)
    if not count:
        return np.zeros(0, dtype=np.int64)
    last = np.partition(numbers, count - 1)[count - 1]
    below, equal = np.flatnonzero(numbers < last), np.flatnonzero(numbers == last)
    return np.sort(np.concatenate([below, equal[: count - len(below)]])).astype(np.int64)


def _rows(draws: Draws, purpose: int, neurons: int, others: int, hollow: bool) -> Iterator[FloatArray]:
    """The numbers of each neuron's pairs with all others, in which the neuron itself comes last if it is never its
    own."""
    for neuron in range(neurons):
        row = draws.row(purpose, neuron, others)
        if hollow:
            row[neuron] = 1.0
        yield row


class FixedProbability(RandomConnector):
    """Each pair is joined with the probability ``p``, independently of all others."""

    kind: Literal["FixedProbability"] = "FixedProbability"
    p: Share

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> FixedProbability:
        return cls(p=1.0, weight=weight)

    def pairs(self, draws: Draws, n_post: int, n_pre: int, hollow: bool, places: Any) -> Pairs:
        rows = _rows(draws, PAIR, n_post, n_pre, hollow)
        return _joined((np.flatnonzero(row < self.p) for row in rows), n_post)


class FixedIndegree(RandomConnector):
    """Each postsynaptic neuron has synapses from ``n`` others, all sets of so many equally likely; with ``multapses``
    each of the ``n`` is drawn by itself, and may be one that was drawn before."""

    kind: Literal["FixedIndegree"] = "FixedIndegree"
    n: Amount
    multapses: Annotated[bool, Structure()] = False

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> FixedIndegree:
        return cls(n=1, weight=weight)

    def pairs(self, draws: Draws, n_post: int, n_pre: int, hollow: bool, places: Any) -> Pairs:
        if self.multapses:
            return _joined((draws.with_replacement(SOURCE, i, self.n, n_pre, hollow) for i in range(n_post)), n_post)
        rows = _rows(draws, PAIR, n_post, n_pre, hollow)
        return _joined((_least(row, self.n) for row in rows), n_post)

    def contradictions(self, path: str, n_post: int, n_pre: int, recurrent: bool) -> Iterator[Diagnostic]:
        others, hollow = "the presynaptic neurons", self.hollow(recurrent)
        yield from _too_many(path, self.n, self.multapses, n_pre - hollow, others + BESIDE * hollow)


class FixedOutdegree(RandomConnector):
    """Each presynaptic neuron has synapses onto ``n`` others, all sets of so many equally likely; with ``multapses``
    each of the ``n`` is drawn by itself, and may be one that was drawn before."""

    kind: Literal["FixedOutdegree"] = "FixedOutdegree"
    n: Amount
    multapses: Annotated[bool, Structure()] = False

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> FixedOutdegree:
        return cls(n=1, weight=weight)

    def pairs(self, draws: Draws, n_post: int, n_pre: int, hollow: bool, places: Any) -> Pairs:
        if self.multapses:
            drawn = (draws.with_replacement(DESTINATION, j, self.n, n_post, hollow) for j in range(n_pre))
        else:
            drawn = (_least(row, self.n) for row in _rows(draws, PAIR_OF_PRE, n_pre, n_post, hollow))
        pre, post = _joined(drawn, n_pre)
        order = np.argsort(post, kind="stable")
        return post[order], pre[order]

    def contradictions(self, path: str, n_post: int, n_pre: int, recurrent: bool) -> Iterator[Diagnostic]:
        others, hollow = "the postsynaptic neurons", self.hollow(recurrent)
        yield from _too_many(path, self.n, self.multapses, n_post - hollow, others + BESIDE * hollow)


class FixedTotalNumber(RandomConnector):
    """There are ``n`` synapses, all sets of so many pairs equally likely; with ``multapses`` each of the ``n`` is drawn
    by itself, and may be a pair that was drawn before."""

    kind: Literal["FixedTotalNumber"] = "FixedTotalNumber"
    n: Amount
    multapses: Annotated[bool, Structure()] = False

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> FixedTotalNumber:
        return cls(n=1, weight=weight)

    def pairs(self, draws: Draws, n_post: int, n_pre: int, hollow: bool, places: Any) -> Pairs:
        there = n_post * (n_pre - hollow)
        if self.multapses:
            post, pre = np.divmod(np.sort((draws.row(SOURCE, 0, self.n) * there).astype(np.int64)), n_pre - hollow)
            return post, pre + (hollow & (pre >= post))
        # The n pairs with the smallest numbers, sought among those below a share in which n hardly ever fail to lie.
        share = (self.n + 6.0 * np.sqrt(self.n) + 20.0) / max(1, there)
        while True:
            rows = _rows(draws, PAIR, n_post, n_pre, hollow)
            below = [(found := np.flatnonzero(row < min(1.0, share)), row[found]) for row in rows]
            numbers = np.concatenate([np.zeros(0), *(each for _, each in below)])
            if len(numbers) >= self.n:
                (post, pre), chosen = _joined((found for found, _ in below), n_post), _least(numbers, self.n)
                return post[chosen], pre[chosen]
            share *= 2.0

    def contradictions(self, path: str, n_post: int, n_pre: int, recurrent: bool) -> Iterator[Diagnostic]:
        there = n_post * (n_pre - self.hollow(recurrent))
        yield from _too_many(path, self.n, self.multapses, there, "the number of pairs")


class DistanceDependent(RandomConnector):
    """Two neurons at a distance d are joined with a probability that falls with d: ``p * exp(-d / length)``
    (``exponential``) or ``p * exp(-(d / length)**2 / 2)`` (``gaussian``). Both populations have ``positions``, in the
    unit of ``length``."""

    placed: ClassVar[bool] = True
    kind: Literal["DistanceDependent"] = "DistanceDependent"
    p: Share
    length: Annotated[float, Field(gt=0), NotText, Mark(1.0, 2.0, -1.0)]
    profile: Annotated[Literal["exponential", "gaussian"], Mark("exponential", "gaussian", "flat")] = "exponential"

    @classmethod
    def example(cls, weight: float, recurrent: bool) -> DistanceDependent:
        return cls(p=1.0, length=1e9, weight=weight)

    def pairs(self, draws: Draws, n_post: int, n_pre: int, hollow: bool, places: Any) -> Pairs:
        at_post, at_pre = places
        rows = _rows(draws, PAIR, n_post, n_pre, hollow)
        shares = (self.share(np.linalg.norm(at_pre - at_post[i], axis=1)) for i in range(n_post))
        return _joined((np.flatnonzero(row < share) for row, share in zip(rows, shares, strict=True)), n_post)

    def share(self, distance: FloatArray) -> FloatArray:
        """The probability that two neurons at so large a ``distance`` are joined."""
        relative = distance / self.length
        exponent = relative if self.profile == "exponential" else relative**2 / 2.0
        return np.asarray(self.p * np.exp(-exponent))
