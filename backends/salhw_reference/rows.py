"""What the vectorised algorithm does along rows of synapses: a row lies in memory as its neuron's spikes need it.

Neurons that are connected all to all lie side by side at the other end, too; then a row is added as a vector. A row is
fetched while the ones before it are worked off, since a network's synapses do not fit into the fast caches.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.arrivals import send
from salhw_reference.intrinsics import prefetch
from salhw_reference.jit import inlined
from salhw_reference.kinds import ALPHA
from salhw_reference.learning import add_current
from salhw_reference.vectors import overlap, part_of_row
from salhw_reference.volleys import clear_volleys

AHEAD = 2  # rows between the one that is fetched and the one that is worked off
DELIVERED_AHEAD = 4  # the same of rows that are delivered; a thread's part of a row takes as much less time
FETCHED = 256  # synapses of a row that are fetched; the processor has noticed by then
LINE = 8  # numbers of 8 bytes in a cache line
NEAR = 2**18  # synapses, few MB, that the caches hold without being asked


@inlined
def fetch(partner, values, shift, first, end, dense):
    """Fetch the partners and the values of the synapses first..end-1; ``shift``: where the values begin. Of a ``dense``
    row the first and the last partner tell all others."""
    if len(partner) < NEAR or first == end:
        return
    if dense:
        prefetch(partner, np.uint64(first))
        prefetch(partner, np.uint64(end - 1))
    last = min(end, first + FETCHED)
    for k in range(np.uint64(first), np.uint64(last), np.uint64(2 * LINE)):
        if not dense:
            prefetch(partner, k)
        prefetch(values, np.uint64(shift) + k)
        prefetch(values, np.uint64(shift) + k + np.uint64(LINE))


@inlined
def side_by_side(partner, first, end):
    """Whether the partners of the synapses first..end-1 are neighbours, without a gap."""
    return np.int64(partner[end - 1]) - np.int64(partner[first]) == end - 1 - first


@inlined
def after_gap(partner, first, end, own):
    """The first synapse behind the one that ``own`` would have with itself, if that is all that is missing between the
    synapses first..end-1; ``first`` if more is."""
    missing = np.int64(partner[end - 1]) - np.int64(partner[first]) - (end - 1 - first)
    if missing > 1:
        return first
    return min(max(first + own - np.int64(partner[first]), first), end)


@inlined
def halves(first, middle, end, half):
    """The synapses before ``middle``, or those from there on. In a loop over both, since what is inlined twice takes
    twice as long to compile."""
    return (first, middle) if half == 0 else (middle, end)


@inlined
def add_weights(target, post, weight, first, end, scale):
    """target[post[k]] += scale * weight[k] for the synapses first..end-1."""
    if first >= end:
        return
    if side_by_side(post, first, end):
        begin, base = np.uint64(first), np.uint64(post[first])
        for k in range(np.uint64(end - first)):
            target[base + k] += scale * weight[begin + k]
    else:
        for k in range(np.uint64(first), np.uint64(end)):
            target[post[k]] += scale * weight[k]


@inlined
def add_traces(sums, shift, partner, trace, first, end, scale):
    """sums[shift + k] += scale * trace[partner[k]] for the synapses first..end-1."""
    if first >= end:
        return
    offset = np.uint64(shift)
    if side_by_side(partner, first, end):
        begin, base = np.uint64(shift + first), np.uint64(partner[first])
        for k in range(np.uint64(end - first)):
            sums[begin + k] += scale * trace[base + k]
    else:
        for k in range(np.uint64(first), np.uint64(end)):
            sums[offset + k] += scale * trace[np.uint64(partner[k])]


@inlined
def add_partners(sums, shift, partner, trace, first, end, own, dense, scale):
    """The same; of a ``dense`` row, whose only gap is the neuron ``own``, as vectors."""
    if first == end:
        return
    if not dense:
        offset = np.uint64(shift)
        for k in range(np.uint64(first), np.uint64(end)):
            sums[offset + k] += scale * trace[np.uint64(partner[k])]
        return
    middle = after_gap(partner, first, end, own)
    for half in range(2):
        begin, stop = halves(first, middle, end, half)
        add_traces(sums, shift, partner, trace, begin, stop, scale)


@inlined
def list_row(vectors, rows, place, p, n, rank):
    """List a thread's part of the row of neuron n in projection p: looked up one after the other, before the first is
    worked off, rows are not waited for."""
    row = rows[place]
    row.projection, row.neuron = p, n
    row.first, row.end = part_of_row(vectors, p, n, rank)


@inlined
def deliver(net, state, vectors, row, dy, dx, rank):
    """Change a neuron's PSPs by (dy, dx) for those of a thread's share that they reach. Where no PSP decays, the inputs
    themselves are kept up to date; where synapses have delays of their own, a ring of steps is."""
    p, j, first, end = row.projection, row.neuron, row.first, row.end
    height = net.psp[p].height
    if first == end or (dy == 0.0 and dx == 0.0):  # one PSP may end as the next begins
        return
    scale, inputs = dy * height * state.input_gain[p], vectors.input[row.at :]
    if net.psp[p].spread > 0:
        send(net, state, vectors, p, j, dy, state.now[0].time, 0, 0, rank)
    elif net.fading[0]:
        for k in range(first, end):
            gain = state.gain[k] if vectors.varied[0] else 1.0
            add_current(state, p, net.post[k], state.weight[k] * gain * height, dy, dx)
    elif vectors.varied[0]:
        for k in range(np.uint64(first), np.uint64(end)):
            inputs[net.post[k]] += scale * state.weight[k] * state.gain[k]
    elif not vectors.dense[p]:
        for k in range(np.uint64(first), np.uint64(end)):
            inputs[net.post[k]] += scale * state.weight[k]
    else:
        middle = after_gap(net.post, first, end, j)
        for half in range(2):
            begin, stop = halves(first, middle, end, half)
            add_weights(inputs, net.post, state.weight, begin, stop, scale)


@inlined
def deliver_changes(net, state, vectors, rank):
    """What arrives and ends at this step, for a thread's share."""
    rows, count = vectors.rows[rank], vectors.progress[0].changes
    ahead = DELIVERED_AHEAD * len(vectors.found)
    for e in range(count):
        if e + ahead < count:
            later = rows[e + ahead]
            if net.psp[later.projection].spread > 0:
                fetch(net.place, state.weight, 0, later.first, later.end, False)
            else:
                fetch(net.post, state.weight, 0, later.first, later.end, vectors.dense[later.projection])
        dx = vectors.dx[e] if net.psp[rows[e].projection].kernel == ALPHA else 0.0
        deliver(net, state, vectors, rows[e], vectors.dy[e], dx, rank)


@inlined
def list_psps(net, state, vectors):
    """Let inputs be made anew at the next step, from all PSPs that are under way then, in the place of what changes."""
    count = 0
    for p in range(len(net.psp)):
        end = net.psp[p].pre_end if net.psp[p].spread == 0 else 0  # others: see arrivals.py
        for j in range(net.psp[p].pre_first, end):
            if state.psp[p, j, 0] != 0.0 or state.psp[p, j, 1] != 0.0:
                for rank in range(len(vectors.found)):
                    list_row(vectors, vectors.rows[rank], count, p, j, rank)
                    vectors.rows[rank, count].at = 0
                vectors.dy[count], vectors.dx[count] = state.psp[p, j, 0], state.psp[p, j, 1]
                count += 1
    vectors.progress[0].changes = count
    vectors.whole[:] = 0


@inlined
def clear_inputs(net, state, vectors, low, high):
    """Forget the inputs of the neurons low..high-1."""
    clear_volleys(net, vectors, low, high)
    for n in range(low, high):
        vectors.input[n] = 0.0
    for p in range(len(net.psp)):
        begin, end = overlap(low, high, net.psp[p].post_first, net.psp[p].post_end)
        for n in range(begin, end):
            state.current[p, n, 0], state.current[p, n, 1] = 0.0, 0.0
