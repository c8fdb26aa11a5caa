"""What a network of thousands costs at least on this machine: numba loops that can do one thing only.

GLM neurons with rectangular PSPs as long as tau_ref, all of one bias; synapses in rows of single-precision weights; for
learning, exponential traces over all pairs, added up in single precision in rows and columns and never applied. No
stimuli, no probes, no delays, one kind of everything. salhw's ratio to it says what its generality costs.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw_reference.intrinsics import prefetch


class Rows(NamedTuple):
    """Synapses twice: from each neuron, and onto each."""

    out: IntArray
    post: np.ndarray
    weight: np.ndarray
    into: IntArray
    pre: np.ndarray


def rows(post: IntArray, pre: IntArray, weight: FloatArray, neurons: int) -> Rows:
    """The synapses pre -> post of a network."""
    every = np.arange(neurons + 1)
    by_pre, by_post = np.lexsort((post, pre)), np.lexsort((pre, post))
    return Rows(
        np.searchsorted(pre[by_pre], every),
        post[by_pre].astype(np.uint32),
        weight[by_pre].astype(np.float32),
        np.searchsorted(post[by_post], every),
        pre[by_post].astype(np.uint32),
    )


@numba.njit(cache=True, nogil=True, forceinline=True)
def draw(s0, s1, s2, s3, drawn):
    """xoshiro128++ of each neuron."""
    for n in range(len(drawn)):
        a, b, c, d = s0[n], s1[n], s2[n], s3[n]
        e = np.uint32(a + d)
        drawn[n] = np.uint32(np.uint32((e << np.uint32(7)) | (e >> np.uint32(25))) + a)
        c = np.uint32(c ^ a)
        d = np.uint32(d ^ b)
        s0[n], s1[n] = np.uint32(a ^ d), np.uint32(b ^ c)
        s2[n] = np.uint32(c ^ np.uint32(b << np.uint32(9)))
        s3[n] = np.uint32((d << np.uint32(11)) | (d >> np.uint32(21)))


@numba.njit(cache=True, nogil=True, forceinline=True)
def candidates(u, gate, drawn, bits, bound, hit):
    """Who may spike: a draw below 2**u, linear between whole u, is at most 6 % too often."""
    scale, one, most = np.float32(2**23 / np.log(2.0)), np.float32(127 * 2**23 + 4000), np.float32(129 * 2**23)
    for n in range(len(u)):
        bits[n] = np.int32(min(max((np.float32(u[n]) + gate[n]) * scale + one, np.float32(0.0)), most))
    for n in range(len(u)):
        hit[n] = np.float32(drawn[n]) * np.float32(2.0**-32) <= bound[n]


@numba.njit(cache=True, nogil=True, forceinline=True)
def add_row(first, end, post, weight, sign, u):
    for k in range(np.uint64(first), np.uint64(end)):
        u[post[k]] += sign * weight[k]


@numba.njit(cache=True, nogil=True, forceinline=True)
def add_trace(first, end, partner, trace, fall, sums):
    for k in range(np.uint64(first), np.uint64(end)):
        sums[k] += fall * trace[partner[k]]


@numba.njit(cache=True, nogil=True, forceinline=True)
def fetch(partner, values, first, end):
    """Fetch a row of numbers of 4 bytes: 16 in a cache line."""
    for k in range(np.uint64(first), np.uint64(end), np.uint64(16)):
        prefetch(partner, k)
        prefetch(values, k)


@numba.njit(cache=True, nogil=True, forceinline=True)
def add_rows(net, past, begin, end, sign, u):
    """What the spikes begin..end-1 of a ring do to the inputs, each row fetched two rows before."""
    size = len(past)
    for k in range(begin, end):
        j, later = past[k % size], past[(k + 2) % size]
        fetch(net.post, net.weight, net.out[later], net.out[later + 1])
        add_row(net.out[j], net.out[j + 1], net.post, net.weight, sign, u)


@numba.njit(cache=True, nogil=True)
def run(net, bias, tau_ref, steps, seed, learning, causal, anticausal):
    """Spikes of ``steps`` steps. ``learning``: add the pairs up, in ``causal`` (columns) and ``anticausal`` (rows)."""
    n_neurons = len(net.out) - 1
    np.random.seed(seed)  # noqa: NPY002 (what numba compiles)
    s0, s1, s2, s3 = (np.empty(n_neurons, np.uint32), np.empty(n_neurons, np.uint32), np.empty(n_neurons, np.uint32),
                      np.empty(n_neurons, np.uint32))  # fmt: skip
    for n in range(n_neurons):
        s0[n], s1[n] = np.random.randint(1, 2**32), np.random.randint(1, 2**32)  # noqa: NPY002
        s2[n], s3[n] = np.random.randint(1, 2**32), np.random.randint(1, 2**32)  # noqa: NPY002
    base = bias - np.log(tau_ref)
    u, gate = np.full(n_neurons, base), np.zeros(n_neurons, np.float32)
    drawn, bits = np.zeros(n_neurons, np.uint32), np.zeros(n_neurons, np.int32)
    bound, hit = bits.view(np.float32), np.zeros(-(-n_neurons // 8) * 8, np.uint8)
    hits, trace = hit.view(np.uint64), np.zeros(n_neurons, np.float32)
    past = np.zeros(n_neurons * (tau_ref + 2), np.int64)
    begin = np.zeros(steps + 1, np.int64)  # where the spikes of a step begin in ``past``, counted from the first
    count, size = 0, len(past)
    decay = np.exp(-1.0 / tau_ref)
    rise = 1.0
    for t in range(steps):
        begin[t] = count
        add_rows(net, past, begin[t - 1] if t else 0, count, 1.0, u)
        if t > tau_ref:
            add_rows(net, past, begin[t - 1 - tau_ref], begin[t - tau_ref], -1.0, u)
        if t >= tau_ref:
            for k in range(begin[t - tau_ref], begin[t + 1 - tau_ref]):
                gate[past[k % size]] = np.float32(0.0)
        draw(s0, s1, s2, s3, drawn)
        candidates(u, gate, drawn, bits, bound, hit)
        for word in range(len(hits)):
            if hits[word] != 0:
                for n in range(8 * word, min(8 * word + 8, n_neurons)):
                    x = np.exp(u[n])
                    if hit[n] and gate[n] == 0.0 and np.float64(drawn[n]) < x / (1.0 + x) * 2.0**32:
                        past[count % size] = n
                        count += 1
                        gate[n] = np.float32(-1e9)
        if learning:
            rise /= decay
            if rise > 1e30:
                for n in range(n_neurons):
                    trace[n] /= np.float32(rise)
                rise = 1.0
            for k in range(begin[t], count):
                j, later = past[k % size], past[(k + 2) % size]
                fetch(net.pre, causal, net.into[later], net.into[later + 1])
                fetch(net.post, anticausal, net.out[later], net.out[later + 1])
                fall = np.float32(1.0 / rise)
                add_trace(net.into[j], net.into[j + 1], net.pre, trace, fall, causal)
                add_trace(net.out[j], net.out[j + 1], net.post, trace, fall, anticausal)
            for k in range(begin[t], count):
                trace[past[k % size]] += np.float32(rise)
    return count
