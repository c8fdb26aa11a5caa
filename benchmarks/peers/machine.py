"""What this machine can do at most, measured beside the simulators: streams, random numbers, scattered additions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from cases import Case, synapses
from clock import processor_time
from with_numba import LANES, draw

ENTRY = 8  # bytes of a synapse in a row: where it goes, and its weight


@dataclass(frozen=True)
class Machine:
    """The limits that hold for every network, on one thread.

    Args:
        triad: a = b + s c over arrays that no cache holds, GB/s.
        draw: a random number of 32 bits, ns.
    """

    triad: float
    draw: float


@dataclass(frozen=True)
class Floor:
    """ns per neuron and step below which a case cannot go, if every neuron draws a number at each step and each spike
    changes the input of its targets twice: from the random numbers alone, with synapses streamed from memory, and with
    additions scattered as this network scatters them."""

    draw: float
    stream: float
    scatter: float


def machine() -> Machine:
    """Measure the limits."""
    a, b, c = (np.full(8_000_000, value) for value in (0.0, 1.0, 2.0))
    streamed = 3 * a.nbytes / best(lambda: triad(a, b, c))
    generators = np.random.default_rng(0).integers(1, 2**32, (4, LANES), dtype=np.uint32)
    drawn = np.zeros(LANES, dtype=np.float32)
    each = best(lambda: draws(generators, drawn, 2000)) / (2000 * LANES)
    return Machine(1e-9 * streamed, 1e9 * each)


def floor(limits: Machine, case: Case, rate: float) -> Floor:
    """Of a case whose neurons spike with a probability of ``rate`` per step."""
    events = 2.0 * rate * case.inputs
    stream = limits.draw + events * ENTRY / limits.triad
    return Floor(limits.draw, stream, limits.draw + events * scatter_add(case))


def scatter_add(case: Case) -> float:
    """ns to add a synapse's weight to its target's input, rows taken at random as spikes take them."""
    wiring = synapses(case).copied(case)
    order = np.argsort(wiring.pre, kind="stable")
    first = np.searchsorted(wiring.pre[order], np.arange(case.neurons + 1))
    chosen = np.random.default_rng(0).integers(0, case.neurons, 1 + 2_000_000 // case.inputs)
    target, weight = wiring.post[order].astype(np.uint32), np.ones(len(order), dtype=np.int32)
    total = np.zeros(case.neurons, dtype=np.int32)
    added = int((first[chosen + 1] - first[chosen]).sum())
    return 1e9 * best(lambda: scatter(chosen, first, target, weight, total)) / added


def best(call: Callable[[], object], rounds: int = 7) -> float:
    """The shortest of several runs in s, after one that compiles."""
    call()
    taken = []
    for _ in range(rounds):
        began = processor_time()
        call()
        taken.append(processor_time() - began)
    return min(taken)


@numba.njit(cache=True)
def triad(a, b, c):
    for k in range(a.size):
        a[k] = b[k] + 3.0 * c[k]


@numba.njit(cache=True)
def draws(generators, drawn, times):
    for _ in range(times):
        draw(generators, drawn, drawn.size)


@numba.njit(cache=True)
def scatter(chosen, first, target, weight, total):
    for j in chosen:
        for k in range(np.uint64(first[j]), np.uint64(first[j + 1])):
            total[target[k]] += weight[k]
