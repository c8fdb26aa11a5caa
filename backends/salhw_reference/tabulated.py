"""The event-driven algorithm where all hazards fit a table: few GLM neurons, one projection, no PSPs that overlap.

The state is then who has a PSP under way (a row of the table) and who is refractory. The same line of cells as in
event_driven.py, the same random numbers, the same bits; only faster.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.event_driven import line_length, on_grid, spikes_of_step, wait
from salhw_reference.jit import compiled, helper, inlined
from salhw_reference.layout import (
    BIAS,
    DUE,
    FREE,
    GAIN,
    HEAD,
    HEAD_AT,
    NEVER,
    OUT,
    OUT_POST,
    OUT_SYN,
    PAST,
    PAST_END,
    PENDING,
    PSP,
    RING,
    SHAPE,
    SPIKES,
    TIME,
    USED,
    WEIGHT,
    H,
    N,
)
from salhw_reference.learning import has_periodic, next_update, periodic_update
from salhw_reference.parts import act_until, begin, count_states, emit, hazard
from salhw_reference.program import ARRIVES, ENDS
from salhw_reference.rng import exponential


@helper
def fill(q, f, x, drive, inputs, cells):
    """Hazards of every neuron for every set of presynaptic neurons with a PSP under way: row ``mask`` of ``cells``;
    ``inputs`` are what they come from. Both (2**N, N)."""
    count = q[N]
    for n in range(count):
        inputs[0, n] = 0.0
    for mask in range(1, 1 << count):
        j = 0
        while not (mask >> j) & 1:
            j += 1
        for n in range(count):
            inputs[mask, n] = inputs[mask & (mask - 1), n]
        for k in range(q[q[OUT] + j], q[q[OUT] + j + 1]):
            s = q[q[OUT_SYN] + k]
            inputs[mask, q[q[OUT_POST] + k]] += x[q[WEIGHT] + s] * x[q[GAIN] + s] * f[q[SHAPE] + 2]
    for mask in range(1 << count):
        for n in range(count):
            cells[mask, n] = on_grid(hazard(q, drive, n, x[q[BIAS] + n] + drive[0, n] + inputs[mask, n]))


@inlined
def toggle_until(q, i, x, past, h, t, mask):
    """Let the PSP head h act on everything that is due: the set of PSPs under way changes, nothing else."""
    first, last, lag = q[q[HEAD] + 5 * h + 3], q[q[HEAD] + 5 * h + 4], q[q[HEAD] + 5 * h]
    at, end, due = i[q[HEAD_AT] + h], i[q[PAST_END]], i[q[DUE] + h]
    while due <= t:
        n = past[2 * (at & q[RING]) + 1]
        x[q[PSP] + 2 * n] = 1.0 - x[q[PSP] + 2 * n]
        mask ^= 1 << n
        at += 1
        due = NEVER
        while at < end:
            n = past[2 * (at & q[RING]) + 1]
            if first <= n < last:
                due = past[2 * (at & q[RING])] + lag
                break
            at += 1
    i[q[HEAD_AT] + h], i[q[DUE] + h] = at, due
    return mask


@inlined
def spikes_of_busy_step(q, i, rng, cells, free, total, pending):
    """event_driven.spikes_of_step for a step that has a spike: the first is found without a branch (it could not be
    predicted), a second one is looked for only if the hazard behind the first holds it."""
    chosen, before, end = 0, 0.0, 0.0
    for n in range(q[N]):
        cell = cells[n] * free[n]
        end += cell
        passed = pending >= end
        chosen += passed
        before += cell * passed
    i[q[SPIKES]] = chosen
    rest = total - before - cells[chosen]
    pending = on_grid(exponential(rng))
    if pending >= rest:
        return 1, pending - rest
    return spikes_of_step(q, i, rng, cells, free, pending, chosen + 1, 1)


@compiled
def run(q, f, ints, floats, rngs, drive, table, out, membrane, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out."""
    inputs, cells = table[0], table[1]
    periodic = has_periodic(q)
    for b in range(first, last):
        i, x, rng = ints[b], floats[b], rngs[b]
        past = i[q[PAST] : q[PAST] + 2 * (q[RING] + 1)]
        due, free = i[q[DUE] : q[DUE] + q[H]], x[q[FREE] : q[FREE] + q[N]]
        t, pending = i[q[TIME]], x[q[PENDING]]
        if pending < 0.0:
            pending = on_grid(exponential(rng))
        begin(q, i, x)
        mask, renew = 0, True
        for n in range(q[N]):
            mask |= np.int64(x[q[PSP] + 2 * n]) << n
        while t < until:
            if renew:  # at the start, and after a periodic update
                fill(q, f, x, drive, inputs, cells)
                renew = False
            change = next_update(q, t, until) if periodic else until
            for h in range(q[H]):
                next_due = due[h]
                if next_due <= t:
                    action = q[q[HEAD] + 5 * h + 1]
                    if action in (ARRIVES, ENDS):
                        mask = toggle_until(q, i, x, past, h, t, mask)
                    else:
                        act_until(q, f, i, x, h, t)
                    next_due = due[h]
                change = min(change, next_due)
            total = line_length(cells[mask], free)
            ahead, pending = wait(pending, total, change - t)
            count_states(q, i, ahead)
            t += ahead
            if t == change:
                renew = periodic and periodic_update(q, f, i, x, t)
                continue
            if i[q[USED]] + q[N] > out.shape[2]:
                break
            count, pending = spikes_of_busy_step(q, i, rng, cells[mask], free, total, pending)
            emit(q, f, i, x, out[b], t, count)
            count_states(q, i, 1)
            t += 1
            renew = periodic and periodic_update(q, f, i, x, t)
        i[q[TIME]], x[q[PENDING]] = t, pending
