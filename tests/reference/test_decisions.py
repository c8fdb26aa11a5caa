"""Whether a neuron of the vectorised algorithm spikes: bounds spare the exponential and change no decision."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from salhw_reference.kinds import EXACT, LOGISTIC
from salhw_reference.vectorised import LEAST, bound_of, find_candidates, list_candidates, spikes_now
from salhw_reference.vectors import CLOSED


class Net(NamedTuple):
    """What a decision reads of a network."""

    kind: Any


class Few(NamedTuple):
    """What a decision reads of the vectors."""

    input: Any
    base: Any
    gate: Any
    drawn: Any
    random: Any
    hit: Any
    hits: Any
    word: Any
    candidate: Any


@njit
def decided(net: Any, vectors: Any, bounds: Any, spikes: Any) -> None:
    for n in range(len(bounds)):
        bounds[n] = bound_of(vectors, n)
        spikes[n] = spikes_now(net, vectors, n)


@njit
def listed(vectors: Any, low: int, high: int) -> Any:
    find_candidates(vectors, low, high)
    return list_candidates(vectors, low, high)


def decisions(kind: Any, vectors: Few) -> tuple[Any, Any]:
    """The bounds of all neurons, and who spikes."""
    bounds, spikes = np.empty(len(vectors.input)), np.empty(len(vectors.input), np.bool_)
    decided(Net(np.broadcast_to(kind, len(bounds)).copy()), vectors, bounds, spikes)
    return bounds, spikes


def few(u: Any, drawn: Any) -> Few:
    """Neurons that are free, with potentials (N,) and draws; their numbers fill whole words."""
    n = len(u)
    hit = np.zeros(-(-n // 64) * 64, np.uint8)
    lists = np.zeros(len(hit) + len(hit) // 64 + 1, np.int64)
    base, gate, random = np.zeros(n), np.zeros(n, np.float32), np.ones((4, n), np.uint32)
    return Few(u, base, gate, np.asarray(drawn, np.uint32), random, hit, hit.view(np.uint64), lists, lists.copy())


def test_the_exponential_lies_between_the_bounds() -> None:
    powers = np.log(2.0) * np.arange(-30.0, 3.0)
    u = np.concatenate([np.linspace(-20.0, np.log(3.7), 300_001), powers[:-1], np.nextafter(powers[:-1], 9.0)])
    bound, _ = decisions(EXACT, few(u, np.ones(len(u))))
    assert np.all(bound >= np.exp(u))
    assert np.all(LEAST * bound <= (1.0 - 1e-3) * np.exp(u))
    high, _ = decisions(EXACT, few(np.array([np.log(4.1), 10.0, 1e9]), np.ones(3)))
    assert np.all(high == 4.0)


def test_no_decision_changes() -> None:
    """Draws next to the probability and to the lower bound of it, rare spikes and certain ones, by both links."""
    u = np.repeat(np.concatenate([np.linspace(-22.0, 4.0, 20_001), [30.0, 50.0, 1e3]]), 2)
    kind = np.tile([EXACT, LOGISTIC], len(u) // 2)
    x = np.exp(np.minimum(u, 50.0))
    p = np.where(kind == EXACT, -np.expm1(-x), x / (1.0 + x))
    whole = np.floor(p * 2.0**32)
    bound, _ = decisions(kind, few(u, np.ones(len(u))))
    lower = np.floor(LEAST * bound / (1.0 + LEAST * bound) * 2.0**32)
    for drawn in (*(whole + k for k in (-2, -1, 1, 2)), *(lower + k for k in (-2, -1, 0, 1, 2))):
        drawn = np.clip(drawn, 0.0, 2.0**32 - 1)
        vectors = few(u, drawn)
        _, result = decisions(kind, vectors)
        told = drawn != whole  # others are decided by the next draw
        np.testing.assert_array_equal(result[told], (drawn < whole)[told])
        assert np.all((vectors.random == 1).all(axis=0) == told)


def test_candidates_are_listed_in_order_share_by_share() -> None:
    random = np.random.default_rng(3)
    u, drawn = random.normal(-2.0, 2.0, 333), random.integers(0, 2**32, 333)
    vectors = few(u, drawn)
    vectors.gate[::7] = CLOSED
    found, ends = [], [0, 64, 192, 333]
    entries = [(low + low // 64, listed(vectors, low, high)) for low, high in pairwise(ends)]
    for begin, end in entries:  # after all have written theirs
        found += vectors.candidate[begin:end].tolist()
    bound, _ = decisions(EXACT, vectors)
    assert found == np.flatnonzero(drawn * 2.0**-32 <= bound).tolist()
