"""What both algorithms share: hazards, the arrival of PSPs, and what happens when neurons spike.

``q``, ``f`` hold the program, ``i``, ``x`` one instance's integers and floats; layout.py says what is where.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.jit import helper, inlined
from salhw_reference.kinds import ALPHA, LOGISTIC, SOURCE
from salhw_reference.layout import (
    ARRIVED,
    CODES,
    COUNT,
    CURRENT,
    DUE,
    FREE,
    GAIN,
    HEAD,
    HEAD_AT,
    IN,
    KERNEL,
    KIND,
    LAST,
    NEVER,
    OCCUPANCY,
    OUT,
    OUT_POST,
    OUT_SYN,
    PAST,
    PAST_END,
    POST,
    PRE,
    PSP,
    RECENT,
    RECORD,
    REF,
    RENEW,
    RING,
    SHAPE,
    SPIKES,
    SPIKING,
    STALE,
    STATES,
    TOUCHED,
    USED,
    WEIGHT,
    H,
    N,
    O,
    P,
)
from salhw_reference.learning import learn
from salhw_reference.program import ARRIVES, ENDS, FREES

CERTAIN = 1e3  # a hazard per step above which a spike is certain in double precision


@inlined
def input_of(q, x, n):
    """Synaptic input to neuron n from all projections."""
    total = 0.0
    for p in range(q[P]):
        total += x[q[CURRENT] + 2 * (p * q[N] + n) + (1 if q[q[KERNEL] + p] == ALPHA else 0)]
    return total


@inlined
def hazard(q, drive, n, u):
    """Integrated hazard of one step: the spike probability is 1 - exp(-hazard), refractoriness apart."""
    if drive[1, n] == 1.0:
        return 0.0
    if drive[1, n] == 2.0:
        return CERTAIN
    kind = q[q[KIND] + n]
    if kind == SOURCE:
        return drive[2, n]
    odds = np.exp(u) / q[q[REF] + n]
    if kind == LOGISTIC:
        odds = np.log(1.0 + odds)  # log1p would be right to more digits than the grid of event_driven.py has
    return min(odds, CERTAIN)


@inlined
def spike_probability(q, drive, n, u):
    """1 - exp(-hazard), without the detour where it is the logistic function."""
    if q[q[KIND] + n] == LOGISTIC and drive[1, n] == 0.0:
        return 1.0 / (1.0 + q[q[REF] + n] * np.exp(-u))
    return -np.expm1(-hazard(q, drive, n, u))


@helper
def recompute_inputs(q, f, i, x):
    """Postsynaptic input from presynaptic state and weights: u_i = b_i + sum_j W_ij(t) (kernel * S_j)(t), Eq 8."""
    for k in range(2 * q[P] * q[N]):
        x[q[CURRENT] + k] = 0.0
    for p in range(q[P]):
        for s in range(q[q[IN] + p * (q[N] + 1)], q[q[IN] + p * (q[N] + 1) + q[N]]):
            w = x[q[WEIGHT] + s] * x[q[GAIN] + s] * f[q[SHAPE] + 5 * p + 2]
            post, pre = 2 * (p * q[N] + q[q[POST] + s]), 2 * (p * q[N] + q[q[PRE] + s])
            x[q[CURRENT] + post] += w * x[q[PSP] + pre]
            x[q[CURRENT] + post + 1] += w * x[q[PSP] + pre + 1]
    i[q[STALE]] = 0


@inlined
def deliver(q, f, i, x, p, j, dy, dx):
    """Change neuron j's PSP in projection p by (dy, dx) at all its targets."""
    base = p * q[N]
    x[q[PSP] + 2 * (base + j)] += dy
    x[q[PSP] + 2 * (base + j) + 1] += dx
    out = q[OUT] + p * (q[N] + 1) + j
    for k in range(q[out], q[out + 1]):
        s, post = q[q[OUT_SYN] + k], q[q[OUT_POST] + k]
        w = x[q[WEIGHT] + s] * x[q[GAIN] + s] * f[q[SHAPE] + 5 * p + 2]
        x[q[CURRENT] + 2 * (base + post)] += w * dy
        x[q[CURRENT] + 2 * (base + post) + 1] += w * dx
        i[q[TOUCHED] + post] = 1


@inlined
def act(q, f, i, x, action, index, step, n):
    """What a head does with the spike of neuron n at ``step``."""
    if action == FREES:
        if i[q[LAST] + n] == step:
            x[q[FREE] + n] = 1.0
            for o in range(q[O]):
                first = q[q[OCCUPANCY] + 3 * o]
                if first <= n < q[q[OCCUPANCY] + 3 * o + 1]:
                    i[q[CODES] + o] &= ~(1 << (n - first))
    elif action in (ARRIVES, ENDS):
        here = index * q[N] + n
        if action == ARRIVES:
            dy, dx = 1.0, 0.0
            if q[q[RENEW] + index]:
                dy, dx = 1.0 - x[q[PSP] + 2 * here], -x[q[PSP] + 2 * here + 1]
                i[q[ARRIVED] + here] = step
        else:
            dy, dx = -1.0, 0.0
            if q[q[RENEW] + index] and i[q[ARRIVED] + here] != step:
                dy = 0.0
        if dy != 0.0 or dx != 0.0:
            deliver(q, f, i, x, index, n, dy, dx)
    else:
        recent = q[RECENT] + 2 * (index * q[N] + n)
        i[recent] -= 1
        i[recent + 1] -= step


@inlined
def emit(q, f, i, x, out, t, count):
    """Everything that follows from the ``count`` spikes of step t."""
    spikes = q[SPIKES]
    if count > 1:
        for k in range(count):
            i[q[SPIKING] + i[spikes + k]] = 1
    learn(q, f, i, x, t, count)
    for k in range(count):
        n = i[spikes + k]
        i[q[SPIKING] + n] = 0
        i[q[COUNT] + n] += 1
        i[q[LAST] + n] = t
        if q[q[KIND] + n] != SOURCE:
            x[q[FREE] + n] = 0.0
            for o in range(q[O]):
                first = q[q[OCCUPANCY] + 3 * o]
                if first <= n < q[q[OCCUPANCY] + 3 * o + 1]:
                    i[q[CODES] + o] |= 1 << (n - first)
        end = i[q[PAST_END]]
        i[q[PAST] + 2 * (end & q[RING])] = t
        i[q[PAST] + 2 * (end & q[RING]) + 1] = n
        i[q[PAST_END]] = end + 1
        if q[q[RECORD] + n]:
            out[0, i[q[USED]]] = t
            out[1, i[q[USED]]] = n
            i[q[USED]] += 1
    for h in range(q[H]):
        if i[q[DUE] + h] == NEVER:
            look_ahead(q, i, h)


@inlined
def look_ahead(q, i, h):
    """Move head h to its next spike and note when it will act on it."""
    head = q[HEAD] + 5 * h
    at, end = i[q[HEAD_AT] + h], i[q[PAST_END]]
    i[q[DUE] + h] = NEVER
    while at < end:
        n = i[q[PAST] + 2 * (at & q[RING]) + 1]
        if q[head + 3] <= n < q[head + 4]:
            i[q[DUE] + h] = i[q[PAST] + 2 * (at & q[RING])] + q[head]
            break
        at += 1
    i[q[HEAD_AT] + h] = at


@inlined
def act_until(q, f, i, x, h, t):
    """Let head h act on everything that is due at t or before."""
    head = q[HEAD] + 5 * h
    while i[q[DUE] + h] <= t:
        at = i[q[HEAD_AT] + h]
        step, n = i[q[PAST] + 2 * (at & q[RING])], i[q[PAST] + 2 * (at & q[RING]) + 1]
        act(q, f, i, x, q[head + 1], q[head + 2], step, n)
        i[q[HEAD_AT] + h] = at + 1
        look_ahead(q, i, h)


@helper
def begin(q, i, x):
    """The network states that the occupancy probes start from."""
    for o in range(q[O]):
        first, last = q[q[OCCUPANCY] + 3 * o], q[q[OCCUPANCY] + 3 * o + 1]
        code = 0
        for n in range(first, last):
            if x[q[FREE] + n] == 0.0:
                code |= 1 << (n - first)
        i[q[CODES] + o] = code


@inlined
def count_states(q, i, steps):
    """The network spends ``steps`` in its present state."""
    for o in range(q[O]):
        i[q[STATES] + q[q[OCCUPANCY] + 3 * o + 2] + i[q[CODES] + o]] += steps
