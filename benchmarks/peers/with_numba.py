"""What the machine can do: the same networks in a bare loop, made for nothing else.

Input is kept as an integer threshold per neuron, which the rows of spikes that begin and end their PSPs change. A
neuron may spike if the bits of a random number as a float, an underestimate of its logarithm, lie below it: one
comparison of integers, which the compiler vectorises; the exact probability is worked out for those few alone. SAL adds
up traces in two arrays, one in the order of either end, which are joined when weights are asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from cases import DELAY, LEAD, RATE, TAU, Case, synapses
from clock import processor_time
from protocol import Measured, Run, root_mean_square

PYTHON = ""
LANES = 1024  # random generators side by side: their state stays in the fastest cache
SCALE = 2.0**23 / np.log(2.0)  # of the threshold: bits of a float per unit of u
CERTAIN = SCALE * np.log(2.0) * (127 + 31)  # the threshold of hazard 1: a float's exponent offset, the bits of a number
RESCALED = 100.0  # time constants after which traces are taken relative to a new time


class State(NamedTuple):
    """Everything that a step changes, and the network."""

    threshold: Any  # int32 (neuron)
    until: Any  # int32 (neuron): the first step at which it may spike again
    spiked: Any  # int32 (slot, neuron): who spiked at the latest steps
    number: Any  # int64 (slot): how many
    row: Any  # int64 (neuron + 1): where the synapses from a neuron begin
    target: Any  # uint32 (synapse), in the order of rows
    weight: Any  # int32 (synapse)
    column: Any  # int64 (neuron + 1): where the synapses onto a neuron begin
    source: Any  # uint32 (synapse), in the order of columns
    trace: Any  # float64 (neuron): of its spikes, in units of the step at which it was rescaled last
    causal: Any  # float32 (synapse), in the order of columns
    anticausal: Any  # float32 (synapse), in the order of rows
    generators: Any  # uint32 (4, lane)
    drawn: Any  # float32 (lane)
    flags: Any  # uint8 (lane, and a word more)
    counts: Any  # int64 (neuron)


def columns(case: Case) -> list[str]:
    """See protocol."""
    return ["bare kernel"]


def prepare(case: Case, column: str) -> Run:
    """See protocol."""
    wiring = synapses(case).copied(case)
    state, by_row = initial(case, wiring.post, wiring.pre, wiring.weight)
    length, now = round(TAU / case.dt), 0

    def simulate(steps: int) -> float:
        nonlocal now
        state.counts[:] = 0
        began = processor_time()
        advance(state, now, now + steps, length, case.learning)
        now += steps
        return processor_time() - began

    def run() -> Measured:
        state.causal[:], state.anticausal[:] = 0.0, 0.0
        seconds = simulate(case.steps)
        change = state.causal.astype(np.float64)
        change[by_row] -= state.anticausal
        learned = root_mean_square(RATE * change) if case.learning else None
        return Measured(seconds, state.counts.copy(), learned)

    simulate(round(LEAD / case.dt))
    return run


def initial(case: Case, post: Any, pre: Any, weight: Any) -> tuple[State, Any]:
    """A network at rest, and the order that sorts its synapses by rows."""
    neurons, slots = case.neurons, round(TAU / case.dt) + DELAY + 2
    by_row, each = np.argsort(pre, kind="stable"), np.arange(neurons + 1)
    rest = SCALE * (case.bias + np.log(case.dt / TAU)) + CERTAIN
    random = np.random.default_rng(1)
    return State(
        threshold=np.full(neurons, round(rest), dtype=np.int32),
        until=np.zeros(neurons, dtype=np.int32),
        spiked=np.zeros((slots, neurons), dtype=np.int32),
        number=np.zeros(slots, dtype=np.int64),
        row=np.searchsorted(pre[by_row], each),
        target=post[by_row].astype(np.uint32),
        weight=np.rint(SCALE * weight[by_row]).astype(np.int32),
        column=np.searchsorted(post, each),
        source=pre.astype(np.uint32),
        trace=np.zeros(neurons),
        causal=np.zeros(len(pre), dtype=np.float32),
        anticausal=np.zeros(len(pre), dtype=np.float32),
        generators=random.integers(1, 2**32, (4, LANES), dtype=np.uint32),
        drawn=np.zeros(LANES, dtype=np.float32),
        flags=np.zeros(LANES + 8, dtype=np.uint8),
        counts=np.zeros(neurons, dtype=np.int64),
    ), by_row


u32 = np.uint32


@numba.njit(cache=True)
def draw(g, drawn, size):
    """xoshiro128+ of Blackman and Vigna in each lane: 31 random bits as a float."""
    for k in range(size):
        a, b, c, d = g[0, k], g[1, k], g[2, k], g[3, k]
        drawn[k] = np.float32(np.int32(u32(a + d) >> u32(1)))
        shifted = u32(b << u32(9))
        c, d = u32(c ^ a), u32(d ^ b)
        g[1, k], g[0, k] = u32(b ^ c), u32(a ^ d)
        g[2, k], g[3, k] = u32(c ^ shifted), u32(u32(d << u32(11)) | u32(d >> u32(21)))


@numba.njit(cache=True)
def mark(flags, bits, threshold, until, t, first, size):
    """Who may spike."""
    for k in range(size):
        i = np.uint64(first) + np.uint64(k)
        flags[k] = (bits[k] < threshold[i]) & (until[i] <= t)


@numba.njit(cache=True)
def rows(s, slot, sign):
    """Begin (1) or end (-1) the PSPs of the spikes in a slot."""
    for n in range(s.number[slot]):
        j = s.spiked[slot, n]
        for k in range(np.uint64(s.row[j]), np.uint64(s.row[j + 1])):
            s.threshold[s.target[k]] += sign * s.weight[k]


@numba.njit(cache=True)
def learn(s, slot, decay):
    """Add the pairs that the spikes in a slot end, and then these spikes to the traces."""
    for n in range(s.number[slot]):
        i = s.spiked[slot, n]
        for k in range(np.uint64(s.column[i]), np.uint64(s.column[i + 1])):
            s.causal[k] -= decay * s.trace[s.source[k]]
        for k in range(np.uint64(s.row[i]), np.uint64(s.row[i + 1])):
            s.anticausal[k] -= decay * s.trace[s.target[k]]
    for n in range(s.number[slot]):
        s.trace[s.spiked[slot, n]] += 1.0 / decay


@numba.njit(inline="always")
def spike(s, slot, i, t, length):
    s.spiked[slot, s.number[slot]] = i
    s.number[slot] += 1
    s.counts[i] += 1
    s.until[i] = t + length


@numba.njit(cache=True)
def decide(s, slot, t, length):
    """Who spikes at a step."""
    bits, words = s.drawn.view(np.int32), s.flags.view(np.uint64)
    for first in range(0, s.until.size, LANES):
        size = min(LANES, s.until.size - first)
        draw(s.generators, s.drawn, size)
        s.flags[size : size + 8] = 0
        mark(s.flags, bits, s.threshold, s.until, t, first, size)
        for word in range((size + 7) // 8):
            if words[word] == 0:
                continue
            for k in range(8 * word, 8 * word + 8):
                hazard = np.exp((s.threshold[first + k] - CERTAIN) / SCALE) if s.flags[k] else 0.0
                if s.drawn[k] < 2.0**31 * -np.expm1(-hazard):
                    spike(s, slot, first + k, t, length)


@numba.njit(cache=True)
def advance(s, start, stop, length, learning):
    slots = len(s.number)
    every = int(RESCALED * length)
    for t in range(start, stop):
        rows(s, (t - 1 - DELAY) % slots, 1)
        rows(s, (t - 1 - DELAY - length) % slots, -1)
        slot = t % slots
        s.number[slot] = 0
        decide(s, slot, np.int32(t), length)
        if learning:
            if t % every == 0:
                s.trace[:] *= np.exp(-RESCALED)
            learn(s, slot, np.exp(-(t % every) / length))
