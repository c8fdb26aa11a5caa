"""Plasticity of the vectorised algorithm: the rules of learning.py, along rows of synapses.

Pairs are added up where they lie: causal ones along the synapses onto a neuron, anti-causal ones along those from it.
An exponential trace is kept as of an epoch's beginning, so that it needs no decay: a spike at t adds exp((t - begin) /
tau), and what a trace is now is one factor for all. A spike counts half before the pairs of its step are formed and
half after, which is what simultaneous spikes mean.

Of the threads of a team, each forms the pairs of the spikes of its neurons; on the spike, each changes the synapses
onto its neurons. So no two write to one number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from salhw_reference.arrays import NEVER
from salhw_reference.intrinsics import prefetch
from salhw_reference.jit import helper, inlined, specialised, spliced
from salhw_reference.kinds import BY_TABLE, BY_TRACE, PAIRS, TRIPLETS
from salhw_reference.learning import (
    add_current,
    bounded_change,
    follow,
    is_tabulated,
    own_spikes,
    partners_of,
    since,
    table_of,
    tabulated_sum,
    window_sum,
)
from salhw_reference.pair_blocks import add_blocks, begin_block, in_blocks, is_full, keep_spikes_of_step, keep_traces
from salhw_reference.program import ON_SPIKE
from salhw_reference.row_sums import (
    add_spikes,
    along_rows,
    begin_stretch,
    fall_by_half_a_spike,
    in_stretch,
)
from salhw_reference.row_updates import is_due
from salhw_reference.rows import AHEAD, NEAR, add_partners, fetch
from salhw_reference.vectors import part_of_row

EPOCH = 256.0  # time constants: exp(256) times a trace is a number, and its inverse is, too


@inlined
def epoch_of(length):
    """The steps of an epoch, of a window with this time constant in steps."""
    return np.int64(np.ceil(EPOCH * length))


@inlined
def set_rise(net, vectors, t):
    """exp((t - begin) / tau) of the epoch, or the stretch, that t lies in."""
    for r in range(len(net.rule)):
        for side in range(2):
            length = net.window[r, side].length
            in_rows = side == 0 and along_rows(net, vectors, r)
            vectors.rise[r, side] = np.exp((in_stretch(net.rule[r], t) if in_rows else t % epoch_of(length)) / length)


@inlined
def renew_traces(net, vectors, t):
    """Move the traces whose epoch, or stretch, begins at t on to it."""
    for r in range(len(net.rule)):
        in_rows = along_rows(net, vectors, r)
        if in_rows:
            begin_stretch(net, vectors, r, t)
        for side in range(np.int64(in_rows), 2):
            window = net.window[r, side]
            if window.mode == BY_TRACE:
                epoch = epoch_of(window.length)
                if t % epoch == 0:
                    fall = np.exp(-epoch / window.length)
                    for n in range(vectors.trace.shape[2]):
                        vectors.trace[r, side, n] *= fall


@inlined
def half_a_spike(net, state, vectors, t, count, low, high):
    """Add half of each of this step's spikes of the neurons low..high-1 to the traces."""
    if count == 0:
        return
    for r in range(len(net.rule)):
        if along_rows(net, vectors, r):
            fall_by_half_a_spike(net, state, vectors, r, t, count, low, high)
        for side in range(2):
            if net.window[r, side].mode == BY_TRACE:
                half = 0.5 * vectors.rise[r, side]
                for k in range(count):
                    if low <= state.spikes[k] < high:
                        vectors.trace[r, side, state.spikes[k]] += half


# pair sums ----------------------------------------------------------------------------------------------------------


@inlined
def collect(net, state, vectors, r, side, t, n, fall):
    """Add the spike of n to the pair sums of one branch; see learning.collect. ``fall`` is one over the rise of the
    traces."""
    rule, window = net.rule[r], net.window[r, side]
    begin, end, partners = partners_of(net, rule.projection, side, n)
    offset = rule.first_sum - rule.first_synapse
    shift, pairs, times = np.uint64(offset), state.pairs[side], own_spikes(net, state, r, side, t, n)
    if begin == end:
        return
    if window.mode == BY_TRACE:
        dense = vectors.dense[rule.projection]
        add_partners(pairs, offset, partners, vectors.trace[r, side], begin, end, n, dense, fall * times)
    elif is_tabulated(window):
        own, table = since(state, rule, n), table_of(net, r, side)
        for k in range(np.uint64(begin), np.uint64(end)):
            j = np.uint64(partners[k])
            value, together = tabulated_sum(net, state, table, t, own, j), state.spiking[j]
            pairs[shift + k] += times * (value + together * (0.5 - 0.5 * value))
    else:
        for k in range(begin, end):
            j = partners[k]
            pairs[offset + k] += times * window_sum(net, state, r, side, t, n, j, np.int64(state.spiking[j]))


@inlined
def fetch_sums(net, state, vectors, r, side, n):
    """Fetch what ``collect`` will change."""
    rule = net.rule[r]
    begin, end, partners = partners_of(net, rule.projection, side, n)
    dense = vectors.dense[rule.projection] and net.window[r, side].mode == BY_TRACE
    fetch(partners, state.pairs[side], rule.first_sum - rule.first_synapse, begin, end, dense)


@inlined
def collect_pairs(net, state, vectors, r, t, low, high):
    """Add the spikes of the neurons low..high-1 to the pair sums of a rule."""
    count, sides = vectors.progress[0].spikes, 2 - net.rule[r].mirrored
    falls = 1.0 / vectors.rise[r, 0], 1.0 / vectors.rise[r, 1]
    for k in range(count):
        if k + AHEAD < count and low <= state.spikes[k + AHEAD] < high:
            for side in range(sides):
                fetch_sums(net, state, vectors, r, side, state.spikes[k + AHEAD])
        n = state.spikes[k]
        if low <= n < high:
            for side in range(sides):
                collect(net, state, vectors, r, side, t, n, falls[side])


# on the spike -------------------------------------------------------------------------------------------------------


MIXED = -1  # neither BY_TRACE nor BY_TABLE


@inlined
def usual_mode(net, vectors, r):
    """How a rule adds up its pairs, if both branches do so by traces or both by tables and synapses have rectangular
    PSPs and no gains of their own; else MIXED. Where the compiler knows it, loops over synapses are half as long."""
    causal, anticausal = net.window[r, 0], net.window[r, 1]
    if net.rule[r].form != PAIRS or causal.mode != anticausal.mode or vectors.varied[0] or net.fading[0]:
        return MIXED
    return causal.mode if causal.mode == BY_TRACE or (is_tabulated(causal) and is_tabulated(anticausal)) else MIXED


@inlined
def table_sum(net, state, r, table, t, own, partner, together):
    """See learning.window_sum; ``own`` is ``since``."""
    value = tabulated_sum(net, state, table, t, own, partner)
    if together:
        value = (0.5 * value if net.rule[r].pairing > 0 else value) + 0.5
    return value


@helper
def other_change(net, state, r, t, pre, post, trace, rate):
    """The change by the anticausal branch for a coincidence; ``trace`` is that of ``post``."""
    traced, anticausal = net.window[r, 1].mode == BY_TRACE, own_spikes(net, state, r, 1, t, pre)
    return rate * anticausal * (trace if traced else window_sum(net, state, r, 1, t, pre, post, 1))


class Shared(NamedTuple):
    """What the synapses that learn by a rule have in common: the first of them, where its learning rate lies and how
    far that of the next is from it, bounds, the height of PSPs, the gain of the input, whether synapses have gains of
    their own, and whether PSPs fade. It is read before loops over them, in which the compiler expects every weight
    written to change it."""

    first: int
    rate: int
    each: int
    lowest: float
    highest: float
    height: float
    gain: float
    varied: int
    fading: int


@inlined
def shared_by(net, state, vectors, r):
    """See Shared."""
    rule, rated = net.rule[r], vectors.rated[r]
    where = np.uint64(rule.first_synapse), np.uint64(rated.first), np.uint64(rated.each)
    psp, gain = net.psp[rule.projection], state.input_gain[rule.projection]
    return Shared(*where, psp.lowest, psp.highest, psp.height, gain, vectors.varied[0], net.fading[0])


@inlined
def list_partners(state, listed, partners, first, end, least):
    """List those of the synapses first..end-1 whose partners spike now or spiked last at step ``least`` or later; how
    many these are. Every number is written, and the end moved on where it belongs there, as every second guess of the
    processor would be wrong."""
    count = np.uint64(0)
    for k in range(np.uint64(first), np.uint64(end)):
        partner = np.uint64(partners[k])
        listed[count] = k
        count += np.uint64(state.last[partner] >= least) | np.uint64(state.spiking[partner])
    return count


@inlined
def pairs_since(net, table, t, own):
    """The earliest last spike of a partner that pairs with a spike at step t, if pairs go back to ``own``, and the step
    after which it lies inside the window and counts once: a window without an end leaves none out and is sure of
    none."""
    first, last = table
    ends = net.table[first + np.uint64(last)] == 0.0
    return (max(own, t - last + 1), own) if ends else (own, NEVER)


@specialised
def learn_onto(net, state, vectors, r, t, n, rank, falls, mode):
    """The changes of the synapses onto n, for its spike at t; coincidences are worked off here. The new weights act on
    PSPs under way, too (Eq 8). ``mode`` is a constant: see ``usual_mode``."""
    p, own, usual, window = net.rule[r].projection, since(state, net.rule[r], n), mode != MIXED, net.window[r, 0]
    traced = mode == BY_TRACE if usual else window.mode == BY_TRACE
    tabulated = mode == BY_TABLE if usual else is_tabulated(window)
    tables, shared = (table_of(net, r, 0), table_of(net, r, 1)), shared_by(net, state, vectors, r)
    trace, rates, sent, input_ = vectors.trace[r], vectors.rate, state.psp[p], vectors.input[n]
    causal = 1.0 if usual else own_spikes(net, state, r, 0, t, n)
    begin, end, listed = np.uint64(net.into[p, n]), np.uint64(net.into[p, n + 1]), vectors.partners[rank]
    inside = own
    if mode == BY_TABLE:
        least, inside = pairs_since(net, tables[0], t, own)
        end = begin + list_partners(state, listed, net.pre, begin, end, least)
    for at in range(begin, end):
        c = np.uint64(listed[at - begin]) if mode == BY_TABLE else at
        j, k = np.uint64(net.pre[c]), np.uint64(net.row[c])
        together = np.int64(state.spiking[j])
        if traced:
            pairs = trace[0, j] * falls[0]
        elif mode == BY_TABLE and not together and state.last[j] > inside:  # of those listed nearly all
            pairs = net.table[tables[0][0] + np.uint64(t - state.last[j])]
        elif tabulated:
            pairs = table_sum(net, state, r, tables[0], t, own, j, together)
        else:
            pairs = window_sum(net, state, r, 0, t, np.int64(n), np.int64(j), together)
        change = rates[0, shared.rate + shared.each * (c - shared.first)] * causal * pairs
        if together:
            rate = rates[1, shared.rate + shared.each * (k - shared.first)]
            if mode == BY_TRACE:
                change += rate * (trace[1, n] * falls[1])
            elif mode == BY_TABLE:
                change += rate * table_sum(net, state, r, tables[1], t, since(state, net.rule[r], j), n, 1)
            else:
                change += other_change(net, state, r, t, np.int64(j), np.int64(n), trace[1, n] * falls[1], rate)
        by = bounded_change(state, k, change, shared.lowest, shared.highest)
        psp = state.gain[k] * shared.height if not usual and shared.varied else shared.height
        if not usual and shared.fading:
            add_current(state, p, n, by * psp, sent[j, 0], sent[j, 1])
        else:
            input_ += shared.gain * by * psp * sent[j, 0]
    vectors.input[n] = input_


@specialised
def learn_from(net, state, vectors, r, t, n, rank, falls, mode):
    """The changes of the synapses from n onto a thread's share, for its spike at t; ``mode`` as for ``learn_onto``."""
    p, own, usual, window = net.rule[r].projection, since(state, net.rule[r], n), mode != MIXED, net.window[r, 1]
    traced = mode == BY_TRACE if usual else window.mode == BY_TRACE
    tabulated = mode == BY_TABLE if usual else is_tabulated(window)
    table, shared = table_of(net, r, 1), shared_by(net, state, vectors, r)
    trace, rates, y, x = vectors.trace[r], vectors.rate, state.psp[p, n, 0], state.psp[p, n, 1]
    under_way = y != 0.0 or (not usual and x != 0.0)
    anticausal = 1.0 if usual else own_spikes(net, state, r, 1, t, n)
    common = rates[1, shared.rate]
    begin, end = part_of_row(vectors, p, n, rank)
    for k in range(np.uint64(begin), np.uint64(end)):
        post = np.uint64(net.post[k])
        if not state.spiking[post]:
            if traced:
                pairs = trace[1, post] * falls[1]
            elif tabulated:
                pairs = tabulated_sum(net, state, table, t, own, post)
            else:
                pairs = window_sum(net, state, r, 1, t, np.int64(n), np.int64(post), 0)
            rate = rates[1, shared.rate + shared.each * (k - shared.first)] if shared.each else common
            change = rate * anticausal * pairs
            by = bounded_change(state, k, change, shared.lowest, shared.highest)
            if under_way:
                psp = state.gain[k] * shared.height if not usual and shared.varied else shared.height
                if not usual and shared.fading:
                    add_current(state, p, post, by * psp, y, x)
                else:
                    vectors.input[post] += shared.gain * by * psp * y


@specialised
def learn_from_spike(net, state, vectors, r, t, n, low, high, rank, falls, mode):
    """What a thread changes for the spike of n at t: the synapses onto it, if it is one of low..high-1, and its share
    of those from it."""
    if low <= n < high:
        learn_onto(net, state, vectors, r, t, n, rank, falls, mode)
    learn_from(net, state, vectors, r, t, n, rank, falls, mode)


@inlined
def fetch_weights_onto(net, state, p, n):
    """Fetch the weights of the synapses onto n, which lie in as many rows."""
    if len(net.row) < NEAR:
        return
    for c in range(np.uint64(net.into[p, n]), np.uint64(net.into[p, n + 1])):
        prefetch(state.weight, np.uint64(net.row[c]))


@inlined
def learn_on_spike(net, state, vectors, r, t, low, high, rank):
    """See learning.learn_on_spike; for the synapses onto the neurons low..high-1."""
    count, p = vectors.progress[0].spikes, net.rule[r].projection
    falls, mode = (1.0 / vectors.rise[r, 0], 1.0 / vectors.rise[r, 1]), usual_mode(net, vectors, r)
    for k in range(count):
        if k + 1 < count:
            n = state.spikes[k + 1]
            if low <= n < high:
                fetch_weights_onto(net, state, p, n)
            begin, end = part_of_row(vectors, p, n, rank)
            fetch(net.post, state.weight, 0, begin, end, False)
        n = state.spikes[k]
        if mode == BY_TRACE:
            learn_from_spike(net, state, vectors, r, t, n, low, high, rank, falls, BY_TRACE)
        elif mode == BY_TABLE:
            learn_from_spike(net, state, vectors, r, t, n, low, high, rank, falls, BY_TABLE)
        else:
            learn_from_spike(net, state, vectors, r, t, n, low, high, rank, falls, MIXED)


# a step -------------------------------------------------------------------------------------------------------------


@spliced
def begin_learning(net, state, vectors, t, count):
    """What precedes the learning of step t."""
    for k in range(count):
        state.spiking[state.spikes[k]] = 1
    renew_traces(net, vectors, t)
    if count > 0 or len(vectors.first_spike) > 0:
        set_rise(net, vectors, t)
    half_a_spike(net, state, vectors, t, count, 0, len(net.kind))
    if len(vectors.first_spike) > 0:
        for r in range(len(net.rule)):
            for side in range(2 if in_blocks(vectors, r) else 0):
                keep_traces(net, vectors, side, r, 1.0 / vectors.rise[r, side])
        keep_spikes_of_step(state, vectors, count)


@spliced
def learn_in_rows(net, state, vectors, t, low, high, rank):
    """A thread's share of what is learned from the spikes of step t; see learning.learn."""
    for r in range(len(net.rule) if vectors.progress[0].spikes > 0 else 0):
        if net.rule[r].update == ON_SPIKE:
            learn_on_spike(net, state, vectors, r, t, low, high, rank)
        elif along_rows(net, vectors, r):
            add_spikes(net, state, vectors, r, t, low, high, rank)
        elif not in_blocks(vectors, r):
            collect_pairs(net, state, vectors, r, t, low, high)
    if block_ends(net, vectors, t):
        add_blocks(net, state, vectors, low, high)


@inlined
def block_ends(net, vectors, t):
    """Whether the pairs of a block are formed after the spikes of step t: it is full, or their sums are asked for."""
    return len(vectors.first_spike) > 0 and (is_full(vectors) or is_due(net, t + 1))


@inlined
def end_block(net, vectors, t):
    """Begin another block where one ends."""
    if block_ends(net, vectors, t):
        begin_block(vectors)


@spliced
def end_learning(net, state, vectors, t, count, low, high):
    """What follows from the spikes of the neurons low..high-1 for what later steps learn."""
    half_a_spike(net, state, vectors, t, count, low, high)
    for r in range(len(net.rule)):
        for side in range(2):
            if net.window[r, side].mode != BY_TRACE or net.rule[r].form == TRIPLETS:
                for k in range(count):
                    if low <= state.spikes[k] < high:
                        follow(net, state, r, side, t, state.spikes[k])
