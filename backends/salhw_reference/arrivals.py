"""Projections with a delay per synapse in the vectorised algorithm: a spike is sent once, to a ring of coming steps.

What a neuron's PSPs are by its slower synapses, they were by the fastest before. So each neuron has one PSP, which
arrives by the fastest synapses and is remembered for as long as the slowest are later; a change of it is put, times each
weight, where the ring has the step at which it arrives. When weights have changed, what arrives is worked out anew, as
the weight at each step counts (Eq 8).
"""

from __future__ import annotations

import numpy as np

from salhw_reference.jit import inlined
from salhw_reference.kinds import ALPHA
from salhw_reference.learning import add_current
from salhw_reference.program import ARRIVES, ENDS
from salhw_reference.vectors import overlap, part_of_row


@inlined
def slot_of(psp, t):
    """Where the rings of a projection have step t."""
    return t % (psp.spread + 1)


@inlined
def strength(net, state, vectors, p, k):
    """What the synapse k of a projection makes of a PSP of height 1."""
    gain = state.gain[k] if vectors.varied[0] else 1.0
    return state.weight[k] * gain * net.psp[p].height


@inlined
def send(net, state, vectors, p, j, dy, t, age, least, rank):
    """Put a change of neuron j's PSP that arrived by the fastest synapses ``age`` steps before step t where it arrives
    at each neuron of a thread's share, if that is ``least`` steps after t or later."""
    psp = net.psp[p]
    slots, width, now = psp.spread + 1, psp.post_end - psp.post_first, slot_of(psp, t)
    origin = vectors.ring[p].arriving - psp.post_first
    first, end = part_of_row(vectors, p, j, rank)
    for k in range(np.uint64(first), np.uint64(end)):
        later = net.late[k] - age
        if later >= least:
            slot = now + later
            slot -= slots if slot >= slots else 0
            at = np.uint64(origin + slot * width + net.post[k])
            vectors.arriving[at] += dy * strength(net, state, vectors, p, k)


@inlined
def receive_arrivals(net, state, vectors, t, low, high):
    """Take what arrives at step t at the neurons low..high-1 out of the rings."""
    for p in range(len(net.psp)):
        psp = net.psp[p]
        if psp.spread > 0:
            begin, end = overlap(low, high, psp.post_first, psp.post_end)
            at = vectors.ring[p].arriving + slot_of(psp, t) * (psp.post_end - psp.post_first) - psp.post_first
            gain = state.input_gain[p]
            for n in range(begin, end):
                arrived = vectors.arriving[at + n]
                vectors.arriving[at + n] = 0.0
                if net.fading[0]:
                    state.current[p, n, 0] += arrived
                else:
                    vectors.input[n] += gain * arrived


@inlined
def remember_psps(net, state, vectors, t, low, high):
    """Keep the PSPs of the neurons low..high-1 as they are at step t, before they decay."""
    for p in range(len(net.psp)):
        psp = net.psp[p]
        if psp.spread > 0:
            each = 1 + (psp.kernel == ALPHA)
            begin, end = overlap(low, high, psp.pre_first, psp.pre_end)
            at = vectors.ring[p].earlier + each * (slot_of(psp, t) * (psp.pre_end - psp.pre_first) - psp.pre_first)
            for n in range(begin, end):
                for which in range(each):
                    vectors.earlier[at + each * n + which] = state.psp[p, n, which]


@inlined
def resend_psps(net, state, vectors, p, t, rank):
    """The inputs of a thread's share from all PSPs that are under way at step t, as each synapse has them."""
    psp, each = net.psp[p], 1 + (net.psp[p].kernel == ALPHA)
    slots, width, now = psp.spread + 1, psp.pre_end - psp.pre_first, slot_of(psp, t)
    for j in range(psp.pre_first, psp.pre_end):
        first, end = part_of_row(vectors, p, j, rank)
        for k in range(first, end):
            slot = now - net.late[k]
            slot += slots if slot < 0 else 0
            at = vectors.ring[p].earlier + each * (slot * width + j - psp.pre_first)
            y, x = vectors.earlier[at], vectors.earlier[at + each - 1] if each == 2 else 0.0
            w = strength(net, state, vectors, p, k)
            if net.fading[0]:
                add_current(state, p, net.post[k], w, y, x)
            else:
                vectors.input[net.post[k]] += state.input_gain[p] * w * y


@inlined
def resend_changes(net, state, vectors, h, t, rank):
    """Put what arrives after step t of the spikes that head h has worked off into the rings anew."""
    head = net.head[h]
    dy, spread, at = 1.0 if head.action == ARRIVES else -1.0, net.psp[head.index].spread, state.head_at[h]
    begin = at
    while begin > 0 and state.past[(begin - 1) & net.ring[0]].step + head.lag > t - spread:
        begin -= 1
    for index in range(begin, at):
        spike = state.past[index & net.ring[0]]
        if head.first <= spike.neuron < head.end:
            send(net, state, vectors, head.index, spike.neuron, dy, t, t - spike.step - head.lag, 1, rank)


@inlined
def resend(net, state, vectors, t, low, high, rank):
    """Work out anew what arrives at the neurons low..high-1, now and later, whose inputs have been cleared."""
    for p in range(len(net.psp)):
        psp = net.psp[p]
        if psp.spread > 0:
            begin, end = overlap(low, high, psp.post_first, psp.post_end)
            for slot in range(psp.spread + 1):
                at = vectors.ring[p].arriving + slot * (psp.post_end - psp.post_first) - psp.post_first
                for n in range(begin, end):
                    vectors.arriving[at + n] = 0.0
            resend_psps(net, state, vectors, p, t, rank)
    for h in range(len(net.head)):
        head = net.head[h]
        if head.action in (ARRIVES, ENDS) and net.psp[head.index].spread > 0:
            resend_changes(net, state, vectors, h, t, rank)
