"""Plasticity in the algorithms: pair sums, and what becomes of them.

``net`` holds the network, ``state`` one instance; arrays.py says what is what. ``side`` is 0 for the causal branch of a
rule and 1 for the anticausal one.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.arrays import NEVER
from salhw_reference.averages import modulator_of, rate_of
from salhw_reference.jit import compiled, helper, inlined
from salhw_reference.kinds import (
    ALL,
    BY_COUNT,
    BY_TABLE,
    BY_TRACE,
    EXPONENTIALLY,
    MODULATED,
    PAIRS,
    PREDICTS,
    RESTRICTED,
    TRIPLETS,
)
from salhw_reference.program import ON_SPIKE, PERIODIC, RUN_END
from salhw_reference.tables import row


@inlined
def faded(net, r, side, lag):
    """A branch's window at a lag in steps: from its table, or worked out where that would be too long."""
    window = net.window[r, side]
    if window.first >= 0:
        return net.table[window.first + min(lag, window.last)]
    if lag >= window.last:
        return 0.0
    ratio = lag / window.length
    return np.exp(-ratio) if window.first == EXPONENTIALLY else 1.0 - ratio


@inlined
def window_sum(net, state, r, side, t, self, partner, together):
    """What a spike of ``self`` at t adds to the pair sum with ``partner`` on branch ``side``.

    ``together``: the partner spikes at t too. Then everything is the mean over both orders.
    """
    window, pairing = net.window[r, side], net.rule[r].pairing
    latest = state.last[partner]
    if window.mode == BY_COUNT:
        counted = state.counted[r, side, partner]
        value = counted.number * (1.0 - t / window.length) + counted.total / window.length
    else:
        value = faded(net, r, side, t - latest)
        if window.mode == BY_TRACE:
            value *= state.trace[r, side, partner]
    if pairing == RESTRICTED:
        own = state.last[self]
        if own >= latest:
            value *= 0.5 if own == latest else 0.0
    if together:
        value = (0.5 * value if pairing > 0 else value) + 0.5
    return value


@inlined
def add_current(state, p, post, w, dy, dx):
    """Add a presynaptic state, or a change of it, times a weight to a neuron's input."""
    state.current[p, post, 0] += w * dy
    state.current[p, post, 1] += w * dx


@inlined
def bounded_change(state, k, change, lowest, highest):
    """Change the weight of synapse k within its bounds; by how much that is."""
    old = state.weight[k]
    new = min(max(old + change, lowest), highest)
    state.weight[k] = new
    return new - old


@inlined
def change_weight(net, state, p, k, pre, post, change):
    """An update on the spike: the new weight acts on PSPs under way, too (Eq 8)."""
    psp = net.psp[p]
    y, x = state.psp[p, pre, 0], state.psp[p, pre, 1]
    change = bounded_change(state, k, change, psp.lowest, psp.highest)
    if change != 0.0 and (y != 0.0 or x != 0.0):
        add_current(state, p, post, change * state.gain[k] * psp.height, y, x)
        state.touched[post] = 1


@helper
def copy_weights(net, state, t, at_once):
    """Copy what was learned: the ties that do so ``at_once``, or those whose period is over at t. True if any copy
    changed; inputs are then computed anew."""
    changed = False
    for k in range(len(net.tie)):
        tie = net.tie[k]
        if (tie.period == 0) if at_once else (tie.period > 0 and t % tie.period == 0):
            for c in range(tie.first, tie.end):
                copy, new = np.int64(net.row[c]), tie.scale * state.weight[np.int64(net.original[c])]
                changed = changed or new != state.weight[copy]
                state.weight[copy] = new
    if changed:
        state.now[0].stale = 1
    return changed


@inlined
def error_of(net, state, r, n):
    """How much faster neuron n would spike by the teacher of rule r than by its prediction, per ms."""
    rule = net.rule[r]
    teacher = rate_of(net, state, rule.teacher, rule.link, rule.step, n)
    return teacher - rate_of(net, state, rule.prediction, rule.link, rule.step, n)


@helper
def predict_on_spike(net, state, r, n):
    """The weight changes of a rule that predicts for the spike of n, which is presynaptic."""
    rule = net.rule[r]
    p, offset = rule.projection, rule.first_sum - rule.first_synapse
    for k in range(net.out[p, n], net.out[p, n + 1]):
        post, rate = net.post[k], state.rate[1, offset + k]
        if rate != 0.0:  # a rule that is switched off costs nothing
            change_weight(net, state, p, k, n, post, rate * error_of(net, state, r, post))


@helper
def predict(net, state, r):
    """The update of a rule that predicts, from the spikes that were sent since the last one."""
    rule = net.rule[r]
    p, offset = rule.projection, rule.first_sum - rule.first_synapse
    for n in range(len(net.kind)):
        low, high = net.into[p, n], net.into[p, n + 1]
        error = error_of(net, state, r, n) if high > low else 0.0
        for c in range(low, high):
            k = np.int64(net.row[c])
            weight = state.weight[k] + state.rate[1, offset + k] * state.sent[r, net.pre[c]] * error
            state.weight[k] = min(max(weight, net.psp[p].lowest), net.psp[p].highest)
    state.sent[r] = 0


@inlined
def partners_of(net, p, side, n):
    """Where the synapses of neuron n lie, and whom they join it with: those onto it (side 0) or from it (side 1)."""
    p, n, after = np.uint64(p), np.uint64(n), np.uint64(n) + np.uint64(1)
    if side == 0:
        return net.into[p, n], net.into[p, after], net.pre
    return net.out[p, n], net.out[p, after], net.post


@inlined
def is_tabulated(window):
    """Whether a branch sums over one spike of a partner, whose share its table has."""
    return window.mode == BY_TABLE and window.first >= 0


@inlined
def since(state, rule, n):
    """The step from which on a partner's spike pairs with the spike of n that is now, if n spikes alone."""
    return state.last[n] if rule.pairing == RESTRICTED else -NEVER


@inlined
def table_of(net, r, side):
    """Where a branch's table begins, and its last lag. Read before loops over synapses, in which the compiler expects
    every sum written to change it."""
    return np.uint64(net.window[r, side].first), net.window[r, side].last


@inlined
def tabulated_sum(net, state, table, t, own, partner):
    """``window_sum`` where a branch has a ``table_of`` its own, without what a partner's own spike at t adds; ``own``
    is ``since``."""
    # Unsigned, or numba would look at every index whether it counts from the end.
    latest, (first, last) = state.last[np.uint64(partner)], table
    share = 0.5 * (np.int64(latest > own) + np.int64(latest >= own))  # a branch could not be predicted
    return share * net.table[first + np.uint64(min(t - latest, last))]


@inlined
def learn_alone(net, state, r, t, n, inputs):
    """``learn_on_spike`` for a spike at a step without others, where both branches have tables: the usual case."""
    p, own = net.rule[r].projection, since(state, net.rule[r], n)
    shift = np.uint64(net.rule[r].first_sum - net.rule[r].first_synapse)
    # Read before the loops, where the compiler expects every weight written to change them.
    lowest, highest, height = net.psp[p].lowest, net.psp[p].highest, net.psp[p].height
    y, x = state.psp[p, n, 0], state.psp[p, n, 1]
    causal, anticausal = table_of(net, r, 0), table_of(net, r, 1)
    for c in range(np.uint64(net.into[p, n]), np.uint64(net.into[p, n + 1])):
        j, k = np.uint64(net.pre[c]), np.uint64(net.row[c])
        change = state.rate[0, shift + c] * tabulated_sum(net, state, causal, t, own, j)
        change = bounded_change(state, k, change, lowest, highest)
        if inputs:
            w = change * state.gain[k] * height
            add_current(state, p, n, w, state.psp[p, j, 0], state.psp[p, j, 1])
    for k in range(np.uint64(net.out[p, n]), np.uint64(net.out[p, n + 1])):
        post = np.uint64(net.post[k])
        change = state.rate[1, shift + k] * tabulated_sum(net, state, anticausal, t, own, post)
        change = bounded_change(state, k, change, lowest, highest)
        if inputs and (y != 0.0 or x != 0.0):
            add_current(state, p, post, change * state.gain[k] * height, y, x)
            state.touched[post] = 1
    state.touched[n] = 1


@inlined
def factor_of(net, state, r):
    """What all changes by rule r are multiplied by: the modulator, if it has one."""
    rule = net.rule[r]
    return modulator_of(net, state, rule.teacher, rule.baseline) if rule.form == MODULATED else 1.0


@inlined
def own_spikes(net, state, r, side, t, n):
    """What pairs that the spike of n at t ends on a branch are multiplied by: of triplets, what is left of its own
    earlier spikes."""
    rule = net.rule[r]
    if rule.form != TRIPLETS:
        return 1.0
    fading = rule.post_fading if side == 0 else rule.pre_fading
    return state.own[r, side, n] * np.exp(-(t - state.last[n]) * fading)


@helper
def learn_on_spike(net, state, r, t, n):
    """The rule's weight changes for the spike of n at t; a coincidence is worked off by its postsynaptic side."""
    rule, factor = net.rule[r], factor_of(net, state, r)
    p, offset = rule.projection, rule.first_sum - rule.first_synapse
    causal, anticausal = own_spikes(net, state, r, 0, t, n), own_spikes(net, state, r, 1, t, n)
    for c in range(net.into[p, n], net.into[p, n + 1]):
        j, k = net.pre[c], np.int64(net.row[c])
        together = np.int64(state.spiking[j])
        change = state.rate[0, offset + c] * causal * window_sum(net, state, r, 0, t, n, j, together)
        if together:
            other = own_spikes(net, state, r, 1, t, j)
            change += state.rate[1, offset + k] * other * window_sum(net, state, r, 1, t, j, n, 1)
        change_weight(net, state, p, k, j, n, factor * change)
    for k in range(net.out[p, n], net.out[p, n + 1]):
        post = net.post[k]
        if not state.spiking[post]:
            change = state.rate[1, offset + k] * anticausal * window_sum(net, state, r, 1, t, n, post, 0)
            change_weight(net, state, p, k, n, post, factor * change)


@inlined
def collect(net, state, r, side, t, n, several):
    """Add the spike of n to the pair sums of one branch: with its presynaptic partners (side 0) or its postsynaptic
    ones (side 1). The short loop is the usual case."""
    n, rule, window = np.uint64(n), net.rule[r], net.window[r, side]
    begin, end, partners = partners_of(net, rule.projection, side, n)
    offset, times = rule.first_sum - rule.first_synapse, own_spikes(net, state, r, side, t, n)
    if is_tabulated(window) and not several:
        own, shift, table, pairs = since(state, rule, n), np.uint64(offset), table_of(net, r, side), state.pairs[side]
        for k in range(np.uint64(begin), np.uint64(end)):
            pairs[shift + k] += times * tabulated_sum(net, state, table, t, own, partners[k])
    else:
        for k in range(begin, end):
            together = np.int64(state.spiking[partners[k]])
            state.pairs[side, offset + k] += times * window_sum(net, state, r, side, t, n, partners[k], together)


@inlined
def follow(net, state, r, side, t, n):
    """Move the trace or the count of a branch, and own spikes, on to the spike of n at t."""
    mode = net.window[r, side].mode
    if net.rule[r].form == TRIPLETS:
        state.own[r, side, n] = 1.0 + (own_spikes(net, state, r, side, t, n) if net.rule[r].pairing == ALL else 0.0)
    if mode == BY_TRACE:
        state.trace[r, side, n] = 1.0 + state.trace[r, side, n] * faded(net, r, side, t - state.last[n])
    elif mode == BY_COUNT:
        counted = state.counted[r, side, n]
        counted.number += 1
        counted.total += t


@inlined
def mark(state, count):
    """Note who spikes at this step, where it is more than one; ``emit`` wipes it out."""
    if count > 1:
        for k in range(count):
            state.spiking[state.spikes[k]] = 1


@inlined
def learn(net, state, t, count, inputs):
    """All rules for the ``count`` spikes of step t, before they become the last spikes of their neurons; ``inputs``:
    whether postsynaptic inputs are kept up to date."""
    mark(state, count)
    for r in range(len(net.rule)):
        sides = 2 - net.rule[r].mirrored
        for k in range(count):
            n = state.spikes[k]
            if net.rule[r].form == PREDICTS:
                if net.rule[r].update == ON_SPIKE:
                    predict_on_spike(net, state, r, n)
                else:
                    state.sent[r, n] += 1
            elif net.rule[r].update == ON_SPIKE:
                alone = count == 1 and net.rule[r].form == PAIRS
                if alone and is_tabulated(net.window[r, 0]) and is_tabulated(net.window[r, 1]):
                    learn_alone(net, state, r, t, n, inputs)
                else:
                    learn_on_spike(net, state, r, t, n)
            else:
                for side in range(sides):
                    collect(net, state, r, side, t, n, count > 1)
        for k in range(count):
            for side in range(2):
                follow(net, state, r, side, t, np.uint64(state.spikes[k]))
    if len(net.tie) > 0:
        copy_weights(net, state, t, True)


@helper
def has_periodic(net):
    """Whether any rule updates every T ms, or any tie copies."""
    periodic = False
    for r in range(len(net.rule)):
        periodic = periodic or net.rule[r].update == PERIODIC
    for k in range(len(net.tie)):
        periodic = periodic or net.tie[k].period > 0
    return periodic


@helper
def learns_on_spike(net):
    """Whether any rule changes weights at the spikes themselves."""
    on_spike = False
    for r in range(len(net.rule)):
        on_spike = on_spike or net.rule[r].update == ON_SPIKE
    return on_spike


@inlined
def next_update(net, t, limit):
    """The next time after t at which a periodic rule updates or a tie copies, at most ``limit``."""
    for r in range(len(net.rule)):
        rule = net.rule[r]
        if rule.update == PERIODIC:
            limit = min(limit, (t // rule.period + 1) * rule.period)
    for k in range(len(net.tie)):
        period = net.tie[k].period
        if period > 0:
            limit = min(limit, (t // period + 1) * period)
    return limit


@helper
def apply_updates(net, state, which, t):
    """Turn pair sums into weight changes: the rules of schedule ``which`` (for PERIODIC, those due at t). True if there
    were any."""
    changed = False
    for r in range(len(net.rule)):
        rule = net.rule[r]
        if rule.update != which or (which == PERIODIC and t % rule.period != 0):
            continue
        changed = True
        if rule.form == PREDICTS:
            predict(net, state, r)
            continue
        p, offset, factor = rule.projection, rule.first_sum - rule.first_synapse, factor_of(net, state, r)
        low, high, psp = net.into[p, 0], net.into[p, -1], net.psp[p]
        side = 0 if rule.mirrored else 1
        for c in range(low, high):
            state.weight[net.row[c]] += factor * state.rate[0, offset + c] * state.pairs[0, offset + c]
        for k in range(low, high):
            weight = state.weight[k] + factor * state.rate[1, offset + k] * state.pairs[side, offset + k]
            state.weight[k] = min(max(weight, psp.lowest), psp.highest)
            state.pairs[0, offset + k], state.pairs[side, offset + k] = 0.0, 0.0
    if changed:
        state.now[0].stale = 1
    return changed


@inlined
def periodic_update(net, state, t):
    """Apply the periodic updates and copies that are due at t. True if there were any."""
    due = False
    for r in range(len(net.rule)):
        due = due or (net.rule[r].update == PERIODIC and t % net.rule[r].period == 0)
    if due:
        apply_updates(net, state, PERIODIC, t)
    if len(net.tie) > 0:
        if due:
            copy_weights(net, state, t, True)
        due = copy_weights(net, state, t, False) or due
    return due


@compiled
def run_end(net, batch, first, last):
    """The updates of schedule ``run end`` for the instances first..last-1."""
    net = row(net, 0)
    for b in range(first, last):
        state = row(batch, b)
        apply_updates(net, state, RUN_END, state.now[0].time)
        copy_weights(net, state, state.now[0].time, True)
