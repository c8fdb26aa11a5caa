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
from salhw_reference.kinds import ALPHA, EXACT, INTEGRATE, RECTANGULAR, SOURCE
from salhw_reference.learning import add_current, instance, periodic_update
from salhw_reference.parts import (
    begin,
    change_of_psp,
    count_states,
    emit,
    expire,
    look_ahead,
    set_free,
)
from salhw_reference.program import ARRIVES, ENDS, FREES
from salhw_reference.row_learning import learn_in_rows, renew_traces
from salhw_reference.time_driven import fade, integrate, reset, sample
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
def step_neurons(net, state, vectors, drive):
    """Decide for every neuron whether it spikes now; how many do."""
    count = 0
    if net.integrating[0]:
        for n in range(len(net.kind)):
            leaky = net.kind[n] == INTEGRATE
            if leaky and integrate(net, state, n, state.bias[n] + drive[0, n] + vectors.input[n]):
                state.spikes[count] = n
                count += 1
    draw(vectors.random, vectors.drawn)
    find_candidates(vectors)
    for word in range(len(vectors.hits)):
        if vectors.hits[word] != 0:
            for n in range(8 * word, min(8 * word + 8, len(net.kind))):
                if vectors.hit[n] and vectors.gate[n] == 0.0 and spikes_now(net, vectors, n):
                    state.spikes[count] = n
                    count += 1
    return count


@inlined
def deliver(net, state, vectors, p, j, dy, dx):
    """Change neuron j's PSP in projection p by (dy, dx) for all that it reaches. Where no PSP decays, the inputs
    themselves are kept up to date."""
    first, end, height = np.uint64(net.out[p, j]), np.uint64(net.out[p, j + 1]), net.psp[p].height
    scale = dy * height * state.input_gain[p]
    if net.fading[0]:
        for k in range(first, end):
            add_current(state, p, net.post[k], state.weight[k] * state.gain[k] * height, dy, dx)
    elif vectors.varied[0]:
        for k in range(first, end):
            vectors.input[net.post[k]] += scale * state.weight[k] * state.gain[k]
    else:
        for k in range(first, end):
            vectors.input[net.post[k]] += scale * state.weight[k]


@inlined
def act(net, state, vectors, action, index, step, n):
    """What a head does with the spike of neuron n at ``step``."""
    if action == FREES:
        if set_free(net, state, n, step):
            vectors.gate[n] = gate_of(net, state, n)
    elif action in (ARRIVES, ENDS):
        dy, dx = change_of_psp(net, state, action, index, step, n)
        if dy != 0.0 or dx != 0.0:
            state.psp[index, n, 0] += dy
            state.psp[index, n, 1] += dx
            deliver(net, state, vectors, index, n, dy, dx)
    else:
        expire(state, index, step, n)


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
    state.current[:] = 0.0
    for p in range(len(net.psp)):
        for j in range(len(net.kind)):
            if state.psp[p, j, 0] != 0.0 or state.psp[p, j, 1] != 0.0:
                deliver(net, state, vectors, p, j, state.psp[p, j, 0], state.psp[p, j, 1])
    state.now[0].stale = 0


@inlined
def gate_of(net, state, n):
    """0 where neuron n may spike by chance."""
    return np.float32(0.0) if state.free[n] == 1.0 and net.kind[n] != INTEGRATE else CLOSED


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
        vectors.gate[n] = gate_of(net, state, n)


@inlined
def fade_inputs(net, state, vectors):
    """One step of all PSPs that decay, and the inputs that all are now."""
    vectors.input[:] = 0.0
    for p in range(len(net.psp)):
        kernel = net.psp[p].kernel
        if kernel != RECTANGULAR:
            fade(state.psp[p], net.psp[p])
            fade(state.current[p], net.psp[p])
        which = 1 if kernel == ALPHA else 0
        for n in range(len(net.kind)):
            vectors.input[n] += state.input_gain[p] * state.current[p, n, which]


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
            if net.fading[0]:
                fade_inputs(net, state, vectors)
            count = step_neurons(net, state, vectors, drive)
            if len(net.samples):
                for n in range(len(net.kind)):
                    if net.kind[n] != INTEGRATE:
                        state.potential[n] = state.bias[n] + drive[0, n] + vectors.input[n]
                sample(net, state, samples[b], origin, t, False)
            count = forced_spikes(net, state, t, count)
            renew_traces(net, vectors, t)
            if count > 0:
                reset(net, state, count)
                learn_in_rows(net, state, vectors, t, count)
                emit(net, state, out[b], t, count)
                for k in range(count):
                    n = state.spikes[k]
                    vectors.gate[n] = gate_of(net, state, n)
            count_states(net, state, 1)
            state.now[0].time = t + 1
            periodic_update(net, state, t + 1)
