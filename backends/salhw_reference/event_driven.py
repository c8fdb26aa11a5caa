"""The event-driven algorithm: exact for the discrete-time chain where hazards are constant between events.

Picture a unit-rate Poisson process along a line made of one cell per step and non-refractory neuron, step after step
and neuron after neuron, each as long as that neuron's hazard. A neuron spikes at a step if its cell holds a point. So
one exponential variate says how many steps pass and who spikes next; an event (a spike, a PSP's arrival or end, the end
of a refractory period) only changes the cells behind it.

Hazards and waiting times are multiples of 2**-46, so that their sums and differences are exact: a run in two halves
gives the bits of one whole run. The hazard is thereby rounded by at most 7e-15 per step.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.jit import compiled, inlined, reassociated
from salhw_reference.layout import (
    BIAS,
    DUE,
    FORCED,
    FORCED_AT,
    FORCED_COUNT,
    FREE,
    NEVER,
    PENDING,
    SPIKES,
    STALE,
    TIME,
    TOUCHED,
    USED,
    H,
    N,
)
from salhw_reference.learning import has_periodic, next_update, periodic_update
from salhw_reference.parts import act_until, begin, count_states, emit, hazard, input_of, recompute_inputs
from salhw_reference.rng import exponential

GRID = 2.0**46


@inlined
def on_grid(value):
    return np.rint(value * GRID) / GRID


@reassociated
def line_length(cells, free):
    """Length of one step of the line: the hazards of all neurons that are not refractory."""
    total = 0.0
    for n in range(len(free)):
        total += cells[n] * free[n]
    return total


@inlined
def wait(pending, total, limit):
    """(steps, hazard left over) until the next candidate spike; ``limit`` steps where none comes before."""
    if pending >= total * limit:
        return limit, pending - total * limit
    ahead = np.int64(pending / total)
    if ahead * total > pending:  # the division rounded up
        ahead -= 1
    return ahead, pending - ahead * total


@inlined
def spikes_of_step(q, i, rng, cells, free, pending, first, count):
    """Walk through the cells of one step from neuron ``first`` on, where ``count`` have spiked before it: (number of
    spikes, hazard left over)."""
    for n in range(first, len(free)):
        cell = cells[n] * free[n]
        if pending < cell:
            i[q[SPIKES] + count] = n
            count += 1
            pending = on_grid(exponential(rng))
        else:
            pending -= cell
    return count, pending


@inlined
def forced_spikes(q, i, t, count):
    """Add the forced spikes of step t to those that happen anyway; their number."""
    at = i[q[FORCED_AT]]
    while at < q[FORCED_COUNT] and q[q[FORCED] + 2 * at] == t:
        n, new = q[q[FORCED] + 2 * at + 1], True
        for k in range(count):
            new = new and i[q[SPIKES] + k] != n
        if new:
            i[q[SPIKES] + count] = n
            count += 1
        at += 1
    i[q[FORCED_AT]] = at
    return count


@compiled
def run(q, f, ints, floats, rngs, drive, table, out, membrane, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out."""
    cells = table[0, 0]
    periodic = has_periodic(q)
    for b in range(first, last):
        i, x, rng = ints[b], floats[b], rngs[b]
        free = x[q[FREE] : q[FREE] + q[N]]
        t, pending = i[q[TIME]], x[q[PENDING]]
        if pending < 0.0:
            pending = on_grid(exponential(rng))
        begin(q, i, x)
        renew = True
        while t < until:
            if renew:  # at the start, and after a periodic update
                if i[q[STALE]]:
                    recompute_inputs(q, f, i, x)
                for n in range(q[N]):
                    i[q[TOUCHED] + n] = 1
                renew = False
            change = next_update(q, t, until) if periodic else until
            for h in range(q[H]):
                if i[q[DUE] + h] <= t:
                    act_until(q, f, i, x, h, t)
                change = min(change, i[q[DUE] + h])
            for n in range(q[N]):
                if i[q[TOUCHED] + n]:
                    i[q[TOUCHED] + n] = 0
                    u = x[q[BIAS] + n] + drive[0, n] + input_of(q, x, n)
                    cells[n] = on_grid(hazard(q, drive, n, u))
            total = line_length(cells, free)
            at = i[q[FORCED_AT]]
            forced = q[q[FORCED] + 2 * at] if at < q[FORCED_COUNT] else NEVER
            if forced > t:
                change = min(change, forced)
                ahead, pending = wait(pending, total, change - t)
                count_states(q, i, ahead)
                t += ahead
                if t == change:
                    renew = periodic and periodic_update(q, f, i, x, t)
                    continue
            if i[q[USED]] + q[N] > out.shape[2]:
                break
            count, pending = spikes_of_step(q, i, rng, cells, free, pending, 0, 0)
            count = forced_spikes(q, i, t, count)
            if count > 0:
                emit(q, f, i, x, out[b], t, count)
            count_states(q, i, 1)
            t += 1
            renew = periodic and periodic_update(q, f, i, x, t)
        i[q[TIME]], x[q[PENDING]] = t, pending
