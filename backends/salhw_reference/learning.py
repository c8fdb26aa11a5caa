"""Plasticity in the algorithms: pair sums, and what becomes of them.

``q``, ``f`` hold the program, ``i``, ``x`` one instance's integers and floats; layout.py says what is where.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.jit import compiled, helper, inlined
from salhw_reference.kinds import BY_COUNT, BY_TABLE, BY_TRACE, EXPONENTIALLY, RESTRICTED
from salhw_reference.layout import (
    BRANCH,
    CURRENT,
    GAIN,
    IN,
    LAST,
    MIRRORED,
    NEVER,
    OUT,
    OUT_POST,
    OUT_SYN,
    PAIRS,
    POST,
    PRE,
    PSP,
    RATE,
    RECENT,
    RULE,
    RULE_WIDTH,
    SHAPE,
    SPIKES,
    SPIKING,
    STALE,
    TABLE,
    TIME,
    TOUCHED,
    TRACE,
    WEIGHT,
    WINDOW_LENGTH,
    A,
    N,
    R,
)
from salhw_reference.program import ON_SPIKE, PERIODIC, RUN_END


@inlined
def faded(q, f, r, side, lag):
    """A branch's window at a lag in steps: from its table, or worked out where that would be too long."""
    branch = q[RULE] + RULE_WIDTH * r + BRANCH + 3 * side
    if q[branch + 1] >= 0:
        return f[q[TABLE] + q[branch + 1] + min(lag, q[branch + 2])]
    if lag >= q[branch + 2]:
        return 0.0
    ratio = lag / f[q[WINDOW_LENGTH] + 2 * r + side]
    return np.exp(-ratio) if q[branch + 1] == EXPONENTIALLY else 1.0 - ratio


@inlined
def window_sum(q, f, i, x, r, side, t, self, partner, together):
    """What a spike of ``self`` at t adds to the pair sum with ``partner`` on branch ``side`` (0 causal, 1 anticausal).

    ``together``: the partner spikes at t too. Then everything is the mean over both orders.
    """
    rule = q[RULE] + RULE_WIDTH * r
    branch = rule + BRANCH + 3 * side
    latest = i[q[LAST] + partner]
    if q[branch] == BY_COUNT:
        length = f[q[WINDOW_LENGTH] + 2 * r + side]
        recent = q[RECENT] + 2 * ((2 * r + side) * q[N] + partner)
        value = i[recent] * (1.0 - t / length) + i[recent + 1] / length
    else:
        value = faded(q, f, r, side, t - latest)
        if q[branch] == BY_TRACE:
            value *= x[q[TRACE] + (2 * r + side) * q[N] + partner]
    if q[rule + 1] == RESTRICTED:
        own = i[q[LAST] + self]
        if own >= latest:
            value *= 0.5 if own == latest else 0.0
    if together:
        value = (0.5 * value if q[rule + 1] > 0 else value) + 0.5
    return value


@inlined
def change_weight(q, f, i, x, p, s, change):
    """An update on the spike: the new weight acts on PSPs under way, too (Eq 8)."""
    old = x[q[WEIGHT] + s]
    new = min(max(old + change, f[q[SHAPE] + 5 * p + 3]), f[q[SHAPE] + 5 * p + 4])
    step = (new - old) * x[q[GAIN] + s] * f[q[SHAPE] + 5 * p + 2]
    x[q[WEIGHT] + s] = new
    post, pre = 2 * (p * q[N] + q[q[POST] + s]), 2 * (p * q[N] + q[q[PRE] + s])
    x[q[CURRENT] + post] += step * x[q[PSP] + pre]
    x[q[CURRENT] + post + 1] += step * x[q[PSP] + pre + 1]
    i[q[TOUCHED] + q[q[POST] + s]] = 1


@helper
def learn_on_spike(q, f, i, x, r, t, n):
    """The rule's weight changes for the spike of n at t; a coincidence is worked off by its postsynaptic side."""
    rule = q[RULE] + RULE_WIDTH * r
    p, offset = q[rule], q[rule + 5] - q[rule + 4]
    into, out = q[IN] + p * (q[N] + 1) + n, q[OUT] + p * (q[N] + 1) + n
    causal, anticausal = q[RATE] + offset, q[RATE] + q[A] + offset
    for s in range(q[into], q[into + 1]):
        j = q[q[PRE] + s]
        together = i[q[SPIKING] + j]
        change = x[causal + s] * window_sum(q, f, i, x, r, 0, t, n, j, together)
        if together:
            change += x[anticausal + s] * window_sum(q, f, i, x, r, 1, t, j, n, 1)
        change_weight(q, f, i, x, p, s, change)
    for k in range(q[out], q[out + 1]):
        post, s = q[q[OUT_POST] + k], q[q[OUT_SYN] + k]
        if not i[q[SPIKING] + post]:
            change = x[anticausal + s] * window_sum(q, f, i, x, r, 1, t, n, post, 0)
            change_weight(q, f, i, x, p, s, change)


@inlined
def collect(q, f, i, x, r, side, t, n, several):
    """Add the spike of n to the pair sums of one branch: with its presynaptic partners (side 0) or its postsynaptic
    ones (side 1). The short loop is the usual case."""
    rule = q[RULE] + RULE_WIDTH * r
    branch = rule + BRANCH + 3 * side
    if side == 0:
        ptr, partners = q[IN], q[PRE]
    else:
        ptr, partners = q[OUT], q[OUT_POST]
    ptr += q[rule] * (q[N] + 1) + n
    sums = q[PAIRS] + side * q[A] + q[rule + 5] - q[rule + 4]
    if q[branch] == BY_TABLE and q[branch + 1] >= 0 and not several:
        own = i[q[LAST] + n] if q[rule + 1] == RESTRICTED else -NEVER
        # Unsigned, or numba would look at every index whether it counts from the end.
        first, end, last = np.uint64(q[TABLE] + q[branch + 1]), q[branch + 2], np.uint64(q[LAST])
        from_partners, from_sums = np.uint64(partners), np.uint64(sums)
        for k in range(np.uint64(q[ptr]), np.uint64(q[ptr + 1])):
            latest = i[last + np.uint64(q[from_partners + k])]
            share = 0.5 * (np.int64(latest > own) + np.int64(latest >= own))  # a branch could not be predicted
            x[from_sums + k] += share * f[first + np.uint64(min(t - latest, end))]
    else:
        for k in range(q[ptr], q[ptr + 1]):
            j = q[partners + k]
            x[sums + k] += window_sum(q, f, i, x, r, side, t, n, j, i[q[SPIKING] + j])


@inlined
def follow(q, f, i, x, r, side, t, n):
    """Move the trace or the count of a branch on to the spike of n at t."""
    branch = q[RULE] + RULE_WIDTH * r + BRANCH + 3 * side
    here = (2 * r + side) * q[N] + n
    if q[branch] == BY_TRACE:
        x[q[TRACE] + here] = 1.0 + x[q[TRACE] + here] * faded(q, f, r, side, t - i[q[LAST] + n])
    elif q[branch] == BY_COUNT:
        i[q[RECENT] + 2 * here] += 1
        i[q[RECENT] + 2 * here + 1] += t


@inlined
def learn(q, f, i, x, t, count):
    """All rules for the ``count`` spikes of step t, before they become the last spikes of their neurons."""
    spikes = q[SPIKES]
    for r in range(q[R]):
        on_spike = q[q[RULE] + RULE_WIDTH * r + 2] == ON_SPIKE
        sides = 2 - q[q[RULE] + RULE_WIDTH * r + MIRRORED]
        for k in range(count):
            n = i[spikes + k]
            if on_spike:
                learn_on_spike(q, f, i, x, r, t, n)
            else:
                for side in range(sides):
                    collect(q, f, i, x, r, side, t, n, count > 1)
        for k in range(count):
            for side in range(2):
                follow(q, f, i, x, r, side, t, i[spikes + k])


@helper
def has_periodic(q):
    """Whether any rule updates every T ms."""
    periodic = False
    for r in range(q[R]):
        periodic = periodic or q[q[RULE] + RULE_WIDTH * r + 2] == PERIODIC
    return periodic


@inlined
def next_update(q, t, limit):
    """The next time after t at which a periodic rule updates, at most ``limit``."""
    for r in range(q[R]):
        rule = q[RULE] + RULE_WIDTH * r
        if q[rule + 2] == PERIODIC:
            limit = min(limit, (t // q[rule + 3] + 1) * q[rule + 3])
    return limit


@helper
def apply_updates(q, f, i, x, which, t):
    """Turn pair sums into weight changes: the rules of schedule ``which`` (for PERIODIC, those due at t). True if there
    were any."""
    changed = False
    for r in range(q[R]):
        rule = q[RULE] + RULE_WIDTH * r
        if q[rule + 2] != which or (which == PERIODIC and t % q[rule + 3] != 0):
            continue
        changed = True
        p, offset = q[rule], q[rule + 5] - q[rule + 4]
        low, high = q[q[IN] + p * (q[N] + 1)], q[q[IN] + p * (q[N] + 1) + q[N]]
        causal, anticausal = q[RATE] + offset, q[RATE] + q[A] + offset
        sums = q[PAIRS] + offset
        mirrored = sums if q[rule + MIRRORED] else sums + q[A]
        for s in range(low, high):
            x[q[WEIGHT] + s] += x[causal + s] * x[sums + s]
        for k in range(low, high):
            s = q[q[OUT_SYN] + k]
            x[q[WEIGHT] + s] += x[anticausal + s] * x[mirrored + k]
        for s in range(low, high):
            x[sums + s], x[mirrored + s] = 0.0, 0.0
            x[q[WEIGHT] + s] = min(max(x[q[WEIGHT] + s], f[q[SHAPE] + 5 * p + 3]), f[q[SHAPE] + 5 * p + 4])
    if changed:
        i[q[STALE]] = 1
    return changed


@inlined
def periodic_update(q, f, i, x, t):
    """Apply the periodic updates that are due at t. True if there were any."""
    due = False
    for r in range(q[R]):
        rule = q[RULE] + RULE_WIDTH * r
        due = due or (q[rule + 2] == PERIODIC and t % q[rule + 3] == 0)
    if due:
        apply_updates(q, f, i, x, PERIODIC, t)
    return due


@compiled
def run_end(q, f, ints, floats, first, last):
    """The updates of schedule ``run end`` for the instances first..last-1."""
    for b in range(first, last):
        apply_updates(q, f, ints[b], floats[b], RUN_END, ints[b, q[TIME]])
