"""The time-driven algorithm for large networks: all neurons decide at once, and a spike walks along one row of weights.

What makes it fast: each neuron has a random stream of its own, so that one loop of vector instructions draws for all;
an upper bound of the spike probability, three more of them, sends nearly all neurons on, and only those that are left
need an exponential; the synapses of a neuron lie side by side, in the order in which its spikes need them; and
plasticity adds pairs up along such vectors, too (row_learning.py).
"""

from __future__ import annotations

import math

import numpy as np

from salhw_reference.event_driven import forced_spikes
from salhw_reference.jit import compiled, helper, inlined
from salhw_reference.kinds import EXACT, SOURCE
from salhw_reference.learning import instance, periodic_update
from salhw_reference.parts import begin, count_states, emit, look_ahead, set_free
from salhw_reference.program import ARRIVES, ENDS, FREES
from salhw_reference.row_learning import learn_in_rows, renew_traces
from salhw_reference.time_driven import sample_membranes
from salhw_reference.vectors import CLOSED, vectors_of

BITS = np.float32(2**23 / math.log(2.0))
ONE = np.float32(127 * 2**23 + 4000)  # the bits of 1.0; the rest is 70 times what rounding in this file may take away
MOST = np.float32(129 * 2**23)  # the bits of 4.0, a bound that every draw is below
ULP = np.float32(2.0**-32)


@inlined
def draw(random, drawn):
    """The next number of each neuron's stream (xoshiro128++, Blackman & Vigna), uniform on 0 .. 2**32 - 1."""
    s0, s1, s2, s3 = random[0], random[1], random[2], random[3]
    for n in range(len(drawn)):
        a, b, c, d = s0[n], s1[n], s2[n], s3[n]
        sum_ = np.uint32(a + d)
        drawn[n] = np.uint32(np.uint32((sum_ << np.uint32(7)) | (sum_ >> np.uint32(25))) + a)
        c = np.uint32(c ^ a)
        d = np.uint32(d ^ b)
        s0[n], s1[n] = np.uint32(a ^ d), np.uint32(b ^ c)
        s2[n] = np.uint32(c ^ np.uint32(b << np.uint32(9)))
        s3[n] = np.uint32((d << np.uint32(11)) | (d >> np.uint32(21)))


@inlined
def find_candidates(vectors):
    """Set ``hit`` where a neuron's draw is below an upper bound of its spike probability.

    The probability is at most exp(u) per step. A float32 whose bits are those of 1.0 plus 2**23 u / ln 2 is 2**(u /
    ln 2) at whole powers and linear in between, so it lies above by up to 6 %.
    """
    drawn, bits, bound, hit = vectors.drawn, vectors.bits, vectors.bound, vectors.hit
    for n in range(len(drawn)):
        u = np.float32(vectors.input[n] + vectors.base[n]) + vectors.gate[n]
        bits[n] = np.int32(min(max(u * BITS + ONE, np.float32(0.0)), MOST))
    for n in range(len(drawn)):
        hit[n] = np.float32(drawn[n]) * ULP <= bound[n]


@inlined
def spikes_now(net, vectors, n):
    """Whether the draw of neuron n, who is not refractory, is below its spike probability. A draw that 32 bits cannot
    tell from it is refined by the next."""
    x = np.exp(min(vectors.input[n] + vectors.base[n], 50.0))
    kind = net.kind[n]
    p = -np.expm1(-x) if kind in (EXACT, SOURCE) or vectors.base[n] >= 50.0 else x / (1.0 + x)
    scaled = p * 2.0**32
    whole = np.floor(scaled)
    drawn = np.float64(vectors.drawn[n])
    if drawn == whole:
        draw(vectors.random[:, n : n + 1], vectors.drawn[n : n + 1])
        return np.float64(vectors.drawn[n]) * 2.0**-32 < scaled - whole
    return drawn < whole


@inlined
def step_neurons(net, state, vectors):
    """Decide for every neuron whether it spikes now; how many do."""
    draw(vectors.random, vectors.drawn)
    find_candidates(vectors)
    count = 0
    for word in range(len(vectors.hits)):
        if vectors.hits[word] != 0:
            for n in range(8 * word, min(8 * word + 8, len(net.kind))):
                if vectors.hit[n] and vectors.gate[n] == 0.0 and spikes_now(net, vectors, n):
                    state.spikes[count] = n
                    count += 1
    return count


@inlined
def deliver(net, state, vectors, p, j, change):
    """Change the input of all that neuron j reaches in projection p."""
    first, end, scale = np.uint64(net.out[p, j]), np.uint64(net.out[p, j + 1]), change * net.psp[p].height
    total = vectors.input
    if vectors.varied[0]:
        for k in range(first, end):
            total[net.post[k]] += scale * state.weight[k] * state.gain[k]
    else:
        for k in range(first, end):
            total[net.post[k]] += scale * state.weight[k]


@inlined
def act(net, state, vectors, action, index, step, n):
    """What a head does with the spike of neuron n at ``step``; see parts.act."""
    if action == FREES:
        if set_free(net, state, n, step):
            vectors.gate[n] = 0.0
    elif action in (ARRIVES, ENDS):
        change = 1.0 if action == ARRIVES else -1.0
        if net.psp[index].renews:
            if action == ARRIVES:
                change -= state.psp[index, n, 0]
                state.arrived[index, n] = step
            elif state.arrived[index, n] != step:
                change = 0.0
        if change != 0.0:
            state.psp[index, n, 0] += change
            deliver(net, state, vectors, index, n, change)
    else:
        counted = state.counted[index >> 1, index & 1, n]
        counted.number -= 1
        counted.sum -= step


@inlined
def act_until(net, state, vectors, h, t):
    """Let head h act on everything that is due at t or before."""
    head = net.head[h]
    while state.due[h] <= t:
        spike = state.past[state.head_at[h] & net.ring[0]]
        act(net, state, vectors, head.action, head.index, spike.step, spike.neuron)
        state.head_at[h] += 1
        look_ahead(net, state, h)


@helper
def refresh(net, state, vectors):
    """Make the inputs from the weights and the PSPs under way."""
    vectors.input[:] = 0.0
    vectors.varied[0] = 0
    for gain in state.gain:
        if gain != 1.0:
            vectors.varied[0] = 1
    for p in range(len(net.psp)):
        for j in range(len(net.kind)):
            if state.psp[p, j, 0] != 0.0:
                deliver(net, state, vectors, p, j, state.psp[p, j, 0])
    state.now[0].stale = 0


@helper
def set_base(net, state, vectors, drive):
    """What the input is added to, so that exp(input + base) is the hazard of a step: of a source the logarithm of it;
    where a clamp holds the neuron, far above or below."""
    for n in range(len(net.kind)):
        vectors.base[n] = state.bias[n] + drive[0, n] - np.log(net.refractory[n])
        if net.kind[n] == SOURCE:
            vectors.base[n] = np.log(drive[2, n]) if drive[2, n] > 0.0 else CLOSED
        if drive[1, n] == 1.0:
            vectors.base[n] = CLOSED
        elif drive[1, n] == 2.0:
            vectors.base[n] = -CLOSED
        vectors.gate[n] = 0.0 if state.free[n] == 1.0 else CLOSED


@compiled
def run(net, batch, all_vectors, drive, table, out, samples, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out."""
    for b in range(first, last):
        state, vectors = instance(batch, b), vectors_of(all_vectors, b)
        begin(net, state)
        set_base(net, state, vectors, drive)
        for t in range(state.now[0].time, until):
            if state.now[0].used + len(net.kind) > out.shape[2]:
                break
            if state.now[0].stale:
                refresh(net, state, vectors)
            for h in range(len(net.head)):
                if state.due[h] <= t:
                    act_until(net, state, vectors, h, t)
            count = step_neurons(net, state, vectors)
            if len(net.samples):
                for n in range(len(net.kind)):
                    state.potential[n] = state.bias[n] + drive[0, n] + vectors.input[n]
                sample_membranes(net, state, samples[b], origin, t)
            count = forced_spikes(net, state, t, count)
            renew_traces(net, vectors, t)
            if count > 0:
                learn_in_rows(net, state, vectors, t, count)
                emit(net, state, out[b], t, count)
                for k in range(count):
                    n = state.spikes[k]
                    vectors.gate[n] = 0.0 if state.free[n] == 1.0 else CLOSED
            count_states(net, state, 1)
            state.now[0].time = t + 1
            periodic_update(net, state, t + 1)
