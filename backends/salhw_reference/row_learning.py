"""Plasticity of the vectorised algorithm: the rules of learning.py, along rows of synapses.

Pairs are added up where they lie: causal ones along the synapses onto a neuron, anti-causal ones along those from it.
An exponential trace is kept as of an epoch's beginning, so that it needs no decay: a spike at t adds exp((t - begin) /
tau), and what a trace is now is one factor for all. A spike counts half before the pairs of its step are formed and
half after, which is what simultaneous spikes mean.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.arrays import NEVER
from salhw_reference.jit import helper, inlined
from salhw_reference.kinds import BY_TABLE, BY_TRACE, RESTRICTED
from salhw_reference.learning import add_current, copy_weights, follow, mark, partners_of, window_sum
from salhw_reference.program import ON_SPIKE

EPOCH = 256.0  # time constants: exp(256) times a trace is a number, and its inverse is, too


@inlined
def epoch_of(length):
    """The steps of an epoch, of a window with this time constant in steps."""
    return np.int64(np.ceil(EPOCH * length))


@inlined
def rise(net, r, side, t):
    """exp((t - begin) / tau) of the epoch that t lies in."""
    length = net.window[r, side].length
    return np.exp((t % epoch_of(length)) / length)


@helper
def renew_traces(net, vectors, t):
    """Move the traces whose epoch begins at t on to it."""
    for r in range(len(net.rule)):
        for side in range(2):
            window = net.window[r, side]
            if window.mode == BY_TRACE:
                epoch = epoch_of(window.length)
                if t % epoch == 0:
                    fall = np.exp(-epoch / window.length)
                    for n in range(vectors.trace.shape[2]):
                        vectors.trace[r, side, n] *= fall


@inlined
def partner_sum(net, state, vectors, r, side, t, self, partner, together, fall):
    """See learning.window_sum; ``fall`` is one over the rise of the traces."""
    if net.window[r, side].mode == BY_TRACE:
        return vectors.trace[r, side, partner] * fall
    return window_sum(net, state, r, side, t, self, partner, together)


@inlined
def collect(net, state, vectors, r, side, t, n, fall):
    """Add the spike of n to the pair sums of one branch; see learning.collect."""
    rule, window = net.rule[r], net.window[r, side]
    begin, end, partners = partners_of(net, rule.projection, side, n)
    offset = rule.first_sum - rule.first_synapse
    shift, pairs = np.uint64(offset), state.pairs[side]
    if window.mode == BY_TRACE:
        trace = vectors.trace[r, side]
        for k in range(np.uint64(begin), np.uint64(end)):
            pairs[shift + k] += fall * trace[np.uint64(partners[k])]
    elif window.mode == BY_TABLE and window.first >= 0:
        own = state.last[n] if rule.pairing == RESTRICTED else -NEVER
        first = np.uint64(window.first)
        for k in range(np.uint64(begin), np.uint64(end)):
            j = np.uint64(partners[k])
            latest = state.last[j]
            share = 0.5 * (np.int64(latest > own) + np.int64(latest >= own))  # a branch could not be predicted
            value = share * net.table[first + np.uint64(min(t - latest, window.last))]
            together = state.spiking[j]
            pairs[shift + k] += value + together * (0.5 - 0.5 * value)
    else:
        for k in range(begin, end):
            j = partners[k]
            pairs[offset + k] += window_sum(net, state, r, side, t, n, j, state.spiking[j])


@inlined
def change_weight(net, state, vectors, p, k, pre, post, change):
    """An update on the spike: the new weight acts on PSPs under way, too (Eq 8)."""
    psp, old = net.psp[p], state.weight[k]
    new = min(max(old + change, psp.lowest), psp.highest)
    state.weight[k] = new
    step = (new - old) * state.gain[k] * psp.height
    if net.fading[0]:
        add_current(state, p, post, step, state.psp[p, pre, 0], state.psp[p, pre, 1])
    else:
        vectors.input[post] += state.input_gain[p] * step * state.psp[p, pre, 0]


@inlined
def learn_on_spike(net, state, vectors, r, t, n, falls):
    """See learning.learn_on_spike."""
    rule = net.rule[r]
    p, offset = rule.projection, rule.first_sum - rule.first_synapse
    for c in range(net.into[p, n], net.into[p, n + 1]):
        j, k = net.pre[c], np.int64(net.row[c])
        together = state.spiking[j]
        change = state.rate[0, offset + c] * partner_sum(net, state, vectors, r, 0, t, n, j, together, falls[0])
        if together:
            change += state.rate[1, offset + k] * partner_sum(net, state, vectors, r, 1, t, j, n, 1, falls[1])
        change_weight(net, state, vectors, p, k, j, n, change)
    for k in range(net.out[p, n], net.out[p, n + 1]):
        post = net.post[k]
        if not state.spiking[post]:
            change = state.rate[1, offset + k] * partner_sum(net, state, vectors, r, 1, t, n, post, 0, falls[1])
            change_weight(net, state, vectors, p, k, n, post, change)


@inlined
def half_a_spike(net, state, vectors, r, count, rises):
    """Add half of each of this step's spikes to the traces of a rule."""
    for side in range(2):
        if net.window[r, side].mode == BY_TRACE:
            for k in range(count):
                vectors.trace[r, side, state.spikes[k]] += 0.5 * rises[side]


@inlined
def learn_in_rows(net, state, vectors, t, count):
    """See learning.learn. A neuron that spikes alone is marked, too: its traces hold half of the spike by then."""
    mark(state, count)
    for r in range(len(net.rule)):
        rises = rise(net, r, 0, t), rise(net, r, 1, t)
        falls = 1.0 / rises[0], 1.0 / rises[1]
        sides = 2 - net.rule[r].mirrored
        half_a_spike(net, state, vectors, r, count, rises)
        for k in range(count):
            n = state.spikes[k]
            if net.rule[r].update == ON_SPIKE:
                learn_on_spike(net, state, vectors, r, t, n, falls)
            else:
                for side in range(sides):
                    collect(net, state, vectors, r, side, t, n, falls[side])
        half_a_spike(net, state, vectors, r, count, rises)
        for k in range(count):
            for side in range(2):
                if net.window[r, side].mode != BY_TRACE:
                    follow(net, state, r, side, t, state.spikes[k])
    if len(net.tie) > 0:
        copy_weights(net, state, t, True)
