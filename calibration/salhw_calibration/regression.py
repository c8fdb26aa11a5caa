"""Regressions on PSP traces, one per neuron: each has the coefficients of its own synapses, and one design serves all.

The blocks of the design are made on the fly from the spikes and are never kept, and what is kept per neuron is kept per
coefficient: no array has an entry for every neuron and every trace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.diagnostics.arguments import threads
from salhw_calibration.circuit import Mask, MeasuredCircuit, current, deciding
from salhw_calibration.measuring import Record

BLOCK = 4096  # steps: a block of 100 traces fits the cache


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The coefficients of some neurons, all in one row: those of neuron ``k`` are ``first[k]:first[k + 1]``, and
    ``column`` says of which trace each is, ascending within a neuron."""

    first: IntArray
    column: IntArray

    @classmethod
    def of(cls, neurons: int, owner: IntArray, column: IntArray) -> Coefficients:
        """Those of the pairs (owner, column), each once."""
        pairs = np.unique(_pairs(owner, column))
        return cls(np.searchsorted(pairs, _pairs(np.arange(neurons + 1), 0)), pairs & _COLUMNS)

    @property
    def owner(self) -> IntArray:
        """Whose each coefficient is, (coefficient,)."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def find(self, owner: IntArray, column: IntArray) -> IntArray:
        """Where the coefficients of some pairs (owner, column) are; -1 for pairs that have none."""
        known, wanted = _pairs(self.owner, self.column), _pairs(owner, column)
        at = np.minimum(np.searchsorted(known, wanted), max(0, len(known) - 1))
        return np.where(known[at] == wanted, at, -1) if len(known) else np.full(len(wanted), -1)

    def those_of(self, neurons: IntArray) -> IntArray:
        """Where all coefficients of some neurons are, neuron after neuron."""
        sizes = np.diff(self.first)[neurons]
        return np.repeat(self.first[neurons] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())

    def only_where(self, keep: npt.NDArray[np.bool_]) -> Coefficients:
        """Some of the coefficients, of the same neurons."""
        return Coefficients(np.concatenate([[0], np.cumsum(keep)])[self.first], self.column[keep])

    def only(self, neurons: IntArray) -> Coefficients:
        """Those of some neurons, which are counted anew."""
        sizes = np.diff(self.first)[neurons]
        return Coefficients(np.concatenate([[0], np.cumsum(sizes)]), self.column[self.those_of(neurons)])


_COLUMNS = 2**31 - 1


def _pairs(owner: IntArray, column: IntArray | int) -> IntArray:
    """One number per pair, in the order of owner, then column."""
    return (owner << 31) | column


@dataclass(frozen=True, eq=False)
class Regression:
    """One instance's regressions. Column ``K`` of the design, the last one, is the constant 1.

    Args:
        posts: the neurons of the circuit that are regressed, (post,).
        spikes, deciding: (post, step).
        coefficients: of each of ``posts``, in that order.
        known: known inputs, by neuron of the circuit.
    """

    circuit: MeasuredCircuit
    raster: Mask
    posts: IntArray
    spikes: Mask
    deciding: Mask
    coefficients: Coefficients
    known: Mapping[int, FloatArray]

    @property
    def columns(self) -> int:
        """How many columns the design has, the constant included."""
        return len(self.circuit.columns) + 1

    @property
    def steps(self) -> int:
        """How many there are."""
        return int(self.raster.shape[1])

    def only(self, rows: IntArray) -> Regression:
        """The regressions of some of the ``posts``, ascending."""
        if len(rows) == len(self.posts):
            return self  # nothing to copy
        return replace(
            self, posts=self.posts[rows], spikes=self.spikes[rows], deciding=self.deciding[rows],
            coefficients=self.coefficients.only(rows),
        )  # fmt: skip

    def blocks(self, steps: int) -> Iterator[tuple[slice, FloatArray]]:
        """The design (column, step) of the first ``steps`` steps, block by block; each block replaces the last."""
        from salhw_calibration.jit import traces

        carry, room = np.zeros((self.columns - 1, 2)), np.ones((self.columns, min(steps, BLOCK)))
        for begin in range(0, steps, BLOCK):
            size = min(BLOCK, steps - begin)
            block = room if size == room.shape[1] else np.ones((self.columns, size))
            traces(self.raster, self.circuit.columns, carry, begin, block[:-1])
            yield slice(begin, begin + size), block

    def eta(self, beta: FloatArray, where: slice, block: FloatArray) -> FloatArray:
        """The linear predictor (post, step) at the coefficients ``beta``."""
        from salhw_calibration.jit import add_product

        eta = np.repeat(self.circuit.offset[self.posts, None], block.shape[1], axis=1)
        for row, post in enumerate(self.posts.tolist()):
            if post in self.known:
                eta[row] += self.known[post][where]
        add_product(beta, self.coefficients.first, self.coefficients.column, block, eta)
        return eta

    def derivatives(
        self, beta: FloatArray, steps: int, informed: npt.NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        """Log likelihood (post,) of the first ``steps`` steps, its gradient (coefficient,) and, for each of the neurons
        that are to be ``informed`` (post,), the Fisher information of its coefficients, all at ``beta``
        (coefficient,)."""
        workers = threads(len(os.sched_getaffinity(0)))  # never changes a result
        parts = np.array_split(np.arange(len(self.posts)), max(1, min(workers, len(self.posts))))
        shares = [_Share(self.only(part), beta[self.coefficients.those_of(part)], informed[part]) for part in parts]
        with ThreadPoolExecutor(workers) as pool:
            each = pool.map if len(shares) > 1 else map  # a thread to itself would take longer to start than to work
            for where, block in self.blocks(steps):
                list(each(lambda share: share.add(where, block), shares))  # noqa: B023  # waits for all
        value, gradient = (np.concatenate([getattr(s, name) for s in shares]) for name in ("value", "gradient"))
        return value, gradient, [gram.whole() for share in shares for gram in share.grams.values()]


class _Share:
    """The neurons that one thread works on, and the sums over all blocks."""

    def __init__(self, r: Regression, beta: FloatArray, informed: npt.NDArray[np.bool_]) -> None:
        self.regression, self.beta, self.exact = r, beta, r.circuit.exact[r.posts]
        self.value, self.gradient = np.zeros(len(r.posts)), np.zeros(len(beta))
        # Single precision, twice as fast: the information sets the steps and the errors, never the estimates.
        rows = np.flatnonzero(informed)
        self.grams = dict(zip(rows.tolist(), grams(r.coefficients.only(rows), np.float32), strict=True))

    def add(self, where: slice, block: FloatArray) -> None:
        """One more block."""
        from salhw_calibration.jit import add_moments, score

        r = self.regression
        eta = r.eta(self.beta, where, block)
        residual, weight = np.empty_like(eta), np.empty_like(eta)
        spikes, deciding = (np.ascontiguousarray(mask[:, where]) for mask in (r.spikes, r.deciding))
        score(eta, spikes, deciding, self.exact, residual, weight, self.value)
        add_moments(residual, r.coefficients.first, r.coefficients.column, block, self.gradient)
        for row, gram in self.grams.items():
            gram.add(block, weight[row])


class Gram:
    """The sum over steps of weight times the products of some ``rows`` of the design; ``room`` is scratch memory."""

    def __init__(self, rows: IntArray, room: npt.NDArray[np.floating]) -> None:
        size = -(-len(rows) // 4) * 4
        self.rows, self.room, self.lower = rows, room, np.zeros((size, size))

    def add(self, block: FloatArray, weight: FloatArray) -> None:
        """One more block of the design."""
        from salhw_calibration.jit import add_gram

        add_gram(block, self.rows, weight, self.room, self.lower)

    def whole(self) -> FloatArray:
        """The symmetric matrix of these rows."""
        low = np.tril(self.lower[: len(self.rows), : len(self.rows)])
        return np.asarray(low + np.tril(low, -1).T)


def grams(coefficients: Coefficients, precision: type[np.floating]) -> list[Gram]:
    """One for each neuron; they share their scratch memory, so one thread adds to them."""
    sizes = np.diff(coefficients.first)
    room = np.zeros((sizes.max(initial=0) + 3, BLOCK), dtype=precision)
    return [Gram(rows, room) for rows in np.split(coefficients.column, coefficients.first[1:])[:-1]]


def coefficients_of(c: MeasuredCircuit, posts: IntArray) -> Coefficients:
    """A constant for each of ``posts``, and the traces of the synapses that it has, echoes included."""
    row = c.row_of(posts)
    mine = np.flatnonzero(row[c.post] >= 0)
    owner, column = row[c.post[mine]], c.column[mine]
    echoes = [column + echo * c.distinct for echo in range(1 + c.echoes)]
    everybody = np.arange(len(posts))
    return Coefficients.of(
        len(posts),
        np.concatenate([*([owner] * len(echoes)), everybody]),
        np.concatenate([*echoes, np.full(len(posts), len(c.columns))]),
    )


def regression(c: MeasuredCircuit, record: Record) -> Regression:
    """Set up the regressions of all GLM neurons that the circuit's synapses may drive."""
    posts = np.flatnonzero(c.glm)
    mask = (
        np.stack([deciding(c, record.raster, int(i), record.begin) for i in posts]) if len(posts) else record.raster[:0]
    )
    inputs = {int(i): current(c, int(i), record.steps, record.begin) for i in posts}
    known = {i: given for i, given in inputs.items() if given is not None}
    return Regression(c, record.raster, posts, record.raster[posts] & mask, mask, coefficients_of(c, posts), known)
