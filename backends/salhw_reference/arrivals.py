"""Projections with a delay per synapse in the vectorised algorithm: a spike is sent once, to a ring of coming steps.

The PSP that a neuron has through a slow synapse is the one that it had through the fastest some steps ago. So its
presynaptic state is that of the fastest synapses, as it is now and as it was for so many steps; and when it changes,
the change times each weight goes to the step of the ring at which it arrives. It would arrive with the weight of the
time when it was sent; so whenever weights have been changed, the ring is filled anew (W at step t counts, Eq 8).
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
def send(net, state, vectors, p, j, dy, t, age, least, rank):
    """Put a change of neuron j's PSP that arrived by the fastest synapses ``age`` steps before step t where it arrives
    at each neuron of a thread's share, if that is ``least`` steps after t or later."""
    psp = net.psp[p]
    width, first_of_ring = psp.post_end - psp.post_first, vectors.ring[p].arriving
    end_of_ring = first_of_ring + (psp.spread + 1) * width
    begin, early = first_of_ring + (slot_of(psp, t) - age) * width, (age + least) * width
    varied, scale = vectors.varied[0], dy * psp.height
    first, end = part_of_row(vectors, p, j, rank)
    for k in range(np.uint64(first), np.uint64(end)):
        place = np.int64(net.place[k])
        if place >= early:
            at = begin + place
            at -= end_of_ring - first_of_ring if at >= end_of_ring else 0
            gain = state.gain[k] if varied else 1.0
            vectors.arriving[np.uint64(at)] += state.weight[k] * gain * scale


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
            slot = now - net.place[k] // (psp.post_end - psp.post_first)
            slot += slots if slot < 0 else 0
            at = vectors.ring[p].earlier + each * (slot * width + j - psp.pre_first)
            y, x = vectors.earlier[at], vectors.earlier[at + 1] if each == 2 else 0.0
            w = state.weight[k] * (state.gain[k] if vectors.varied[0] else 1.0) * psp.height
            if net.fading[0]:
                add_current(state, p, net.post[k], w, y, x)
            else:
                vectors.input[net.post[k]] += state.input_gain[p] * w * y


@inlined
def resend_changes(net, state, vectors, h, t, rank):
    """Put what arrives after step t of the spikes that head h has worked off into the rings anew."""
    head = net.head[h]
    dy, spread, at = 1.0 if head.action == ARRIVES else -1.0, net.psp[head.index].spread, vectors.looked[rank, h]
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
