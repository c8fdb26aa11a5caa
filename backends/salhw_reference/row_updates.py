"""Updates of the vectorised algorithm: pair sums become changes of weights, every T ms or at the end of a run.

A rule's causal sums lie in the order of columns, or in that of rows (row_sums.py); its anti-causal ones lie in rows.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.intrinsics import prefetch
from salhw_reference.jit import compiled, inlined, spliced
from salhw_reference.learning import copy_weights
from salhw_reference.pair_blocks import add_blocks, begin_block
from salhw_reference.program import PERIODIC, RUN_END
from salhw_reference.row_sums import add_products, along_rows
from salhw_reference.rows import LINE, list_psps
from salhw_reference.tables import row
from salhw_reference.team import go_on, last_to_meet


@inlined
def rate_of(vectors, r, side, at):
    """The learning rate times the amplitude of a branch, of the synapse ``at`` of the rule's columns or rows."""
    rated = vectors.rated[r]
    return vectors.rate[side, rated.first + rated.each * at]


@inlined
def rule_is_due(rule, which, t):
    """Whether a rule of schedule ``which`` updates at t."""
    return rule.update == which and (which != PERIODIC or t % rule.period == 0)


@inlined
def is_due(net, t):
    """Whether a rule updates at t, or a tie copies."""
    due = False
    for r in range(len(net.rule)):
        due = due or rule_is_due(net.rule[r], PERIODIC, t)
    for k in range(len(net.tie)):
        due = due or (net.tie[k].period > 0 and t % net.tie[k].period == 0)
    return due


@inlined
def add_causal(net, state, vectors, r, low, high):
    """Turn the causal pair sums of a rule into weight changes, of the synapses onto the neurons low..high-1."""
    rule = net.rule[r]
    p, offset, first = rule.projection, rule.first_sum - rule.first_synapse, rule.first_synapse
    begin, end = net.into[p, low], net.into[p, high]
    for c in range(begin, end):
        prefetch(state.weight, np.uint64(net.row[min(c + 4 * LINE, end - 1)]))
        state.weight[np.int64(net.row[c])] += rate_of(vectors, r, 0, c - first) * state.pairs[0, offset + c]


@inlined
def add_causal_in_rows(net, state, vectors, r, low, high):
    """The same of a rule whose pair sums lie in rows, of the synapses from the neurons low..high-1; where one sum holds
    both branches, they are completed only."""
    add_products(net, state, vectors, r, low, high)
    if not vectors.rated[r].joined:
        rule = net.rule[r]
        offset, first = rule.first_sum - rule.first_synapse, rule.first_synapse
        for k in range(net.out[rule.projection, low], net.out[rule.projection, high]):
            state.weight[k] += rate_of(vectors, r, 0, k - first) * state.pairs[0, offset + k]


@inlined
def add_anticausal(net, state, vectors, r, low, high):
    """Turn the anti-causal pair sums of a rule, or those that hold both branches, into weight changes, of the synapses
    from the neurons low..high-1, and end the update."""
    rule, weight = net.rule[r], state.weight
    p, offset, first = rule.projection, np.uint64(rule.first_sum - rule.first_synapse), np.uint64(rule.first_synapse)
    same = vectors.rated[r].joined if along_rows(net, vectors, r) else rule.mirrored
    causal, pairs, lowest, highest = state.pairs[0], state.pairs[1 - same], net.psp[p].lowest, net.psp[p].highest
    begin, end = np.uint64(net.out[p, low]), np.uint64(net.out[p, high])
    rate, each = vectors.rate[1, np.uint64(vectors.rated[r].first) :], vectors.rated[r].each
    if each:
        for k in range(begin, end):
            weight[k] = min(max(weight[k] + rate[k - first] * pairs[offset + k], lowest), highest)
            pairs[offset + k] = 0.0
    else:
        for k in range(begin, end):
            weight[k] = min(max(weight[k] + rate[0] * pairs[offset + k], lowest), highest)
            pairs[offset + k] = 0.0
    if not same:
        for k in range(begin, end):
            causal[offset + k] = 0.0


@spliced
def end_update(net, state, vectors, t, learned):
    """What follows the updates at t: copies, and new inputs."""
    if learned:
        state.now[0].stale = 1
        copy_weights(net, state, t, True)
    copy_weights(net, state, t, False)
    if state.now[0].stale:
        list_psps(net, state, vectors)


@spliced
def update_weights(net, state, vectors, t, low, high):
    """A thread's share of the updates and copies that are due at t. Pair sums of one branch lie in the order of the
    other's partners, so the threads meet in between."""
    learned = False
    for r in range(len(net.rule)):
        if rule_is_due(net.rule[r], PERIODIC, t):
            learned = True
            if along_rows(net, vectors, r):
                add_causal_in_rows(net, state, vectors, r, low, high)
            else:
                add_causal(net, state, vectors, r, low, high)
            if last_to_meet(vectors.team):
                go_on(vectors.team)
            add_anticausal(net, state, vectors, r, low, high)
            if last_to_meet(vectors.team):
                go_on(vectors.team)
    if last_to_meet(vectors.team):
        end_update(net, state, vectors, t, learned)
        go_on(vectors.team)


@compiled
def run_end(net, batch, all_vectors, first, last):
    """The updates of schedule ``run end`` for the instances first..last-1."""
    net = row(net, 0)
    for b in range(first, last):
        state, vectors = row(batch, b), row(all_vectors, b)
        add_blocks(net, state, vectors, 0, len(net.kind))
        begin_block(vectors)
        learned = False
        for r in range(len(net.rule)):
            if rule_is_due(net.rule[r], RUN_END, 0):
                add_causal(net, state, vectors, r, 0, len(net.kind))
                add_anticausal(net, state, vectors, r, 0, len(net.kind))
                learned = True
        if learned:
            state.now[0].stale = 1
        copy_weights(net, state, state.now[0].time, True)
