"""Pair sums of large layers, formed in blocks of steps instead of after each.

Where neurons spike several times in a block, a row of sums is then fetched once for all of these spikes. Rows are
worked off piece by piece, so that the traces which a piece is made of stay in the cache meanwhile. Each sum is still
added up in the order of the spikes, so that no number depends on where a block ends.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.intrinsics import prefetch
from salhw_reference.jit import inlined
from salhw_reference.learning import partners_of
from salhw_reference.program import BLOCK
from salhw_reference.rows import AHEAD, LINE, after_gap, halves

PIECE = 128  # partners whose traces stay in the cache; those of a block are 256 KiB


@inlined
def in_blocks(vectors, r):
    """Whether the pair sums of a rule are formed in blocks."""
    return vectors.kept[r, 0].neurons > 0


@inlined
def keep_traces(net, vectors, side, r, fall):
    """Keep the traces that the spikes of this step form pairs with; ``fall`` is one over their rise."""
    kept, trace, block = vectors.kept[r, side], vectors.trace[r, side], vectors.block[0]
    begin, first = np.uint64(kept.begin + block.steps * kept.neurons), np.uint64(kept.first)
    for k in range(np.uint64(kept.neurons)):
        vectors.past_trace[begin + k] = fall * trace[first + k]


@inlined
def keep_spikes_of_step(state, vectors, count):
    """Append this step's spikes to the chains of their neurons, and end the step."""
    block = vectors.block[0]
    for k in range(count):
        n, at = state.spikes[k], block.spikes + k
        link = vectors.chain[at]
        link.step, link.next = block.steps, -1
        if vectors.first_spike[n] < 0:
            vectors.first_spike[n] = at
        else:
            vectors.chain[vectors.last_spike[n]].next = at
        vectors.last_spike[n] = at
    block.spikes += count
    block.steps += 1


@inlined
def is_full(vectors):
    """Whether a block has no room for another step."""
    block = vectors.block[0]
    return block.steps == BLOCK or block.spikes + len(vectors.first_spike) > len(vectors.chain)


@inlined
def begin_block(vectors):
    """Forget the spikes of a block whose pairs have been formed."""
    vectors.block[0].steps, vectors.block[0].spikes = 0, 0
    for n in range(len(vectors.first_spike)):
        vectors.first_spike[n] = -1


@inlined
def add_spikes(sums, shift, vectors, kept, n, first, size):
    """Add the traces of ``size`` partners, the first of which is the neuron ``kept.first + first``, at each spike of
    neuron n to the sums from ``shift`` on; those of two spikes at once, as a sum's way to the cache and back is what
    takes the time."""
    past, chain, begin, each = vectors.past_trace, vectors.chain, kept.begin + first, kept.neurons
    at = vectors.first_spike[n]
    while at >= 0:
        one, then = np.uint64(begin + chain[at].step * each), chain[at].next
        if then < 0:
            for k in range(np.uint64(size)):
                sums[np.uint64(shift) + k] += past[one + k]
            return
        two, at = np.uint64(begin + chain[then].step * each), chain[then].next
        for k in range(np.uint64(size)):
            sums[np.uint64(shift) + k] = (sums[np.uint64(shift) + k] + past[one + k]) + past[two + k]


@inlined
def fetch_after(sums, first, size):
    """Fetch the piece of a later row; rows lie one after the other."""
    for k in range(np.uint64(first), np.uint64(first + size), np.uint64(LINE)):
        prefetch(sums, k)


@inlined
def add_block(net, state, vectors, r, side, low, high):
    """Form the pairs of one branch that the block's spikes of the neurons low..high-1 make."""
    kept, rule = vectors.kept[r, side], net.rule[r]
    sums, shift = state.pairs[side], rule.first_sum - rule.first_synapse
    for piece in range(0, kept.neurons, PIECE):
        for n in range(low, high):
            begin, end, partners = partners_of(net, rule.projection, side, n)
            if begin == end or vectors.first_spike[n] < 0:
                continue
            middle = after_gap(partners, begin, end, n)
            for half in range(2):
                first, last = halves(begin, middle, end, half)
                if first < last:
                    base = np.int64(partners[first]) - kept.first
                    lower, upper = max(piece, base), min(piece + PIECE, base + last - first)
                    if lower < upper:
                        where = shift + first + lower - base
                        fetch_after(sums, where + AHEAD * (end - begin), upper - lower)
                        add_spikes(sums, where, vectors, kept, n, lower, upper - lower)


@inlined
def add_blocks(net, state, vectors, low, high):
    """Form the pairs of all rules that form them in blocks, of the spikes of the neurons low..high-1."""
    for r in range(len(net.rule)):
        if in_blocks(vectors, r):
            for side in range(2 - net.rule[r].mirrored):
                add_block(net, state, vectors, r, side, low, high)
