"""The event-driven algorithm: exact for the discrete-time chain where hazards are constant between events.

Picture a unit-rate Poisson process along a line made of one cell per step and non-refractory neuron, step after step
and neuron after neuron, each as long as that neuron's hazard. A neuron spikes at a step if its cell holds a point. So
one exponential variate says how many steps pass and who spikes next; an event (a spike, a PSP's arrival or end, the end
of a refractory period) only changes the cells behind it.

Hazards and waiting times are multiples of 2**-46 (hazards.py), so that their sums and differences are exact: a run in
two halves gives the bits of one whole run. The hazard is thereby rounded by at most 7e-15 per step.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.arrays import NEVER
from salhw_reference.hazards import on_grid, renew_cells, set_base
from salhw_reference.jit import compiled, inlined, reassociated
from salhw_reference.learning import has_periodic, learn, next_update, periodic_update
from salhw_reference.parts import act_until, begin, count_states, emit, recompute_inputs
from salhw_reference.rng import exponential
from salhw_reference.tables import row


@reassociated
def line_length(cells, free):
    """Length of one step of the line: the hazards of all neurons that are not refractory."""
    total = 0.0
    for n in range(len(free)):
        total += cells[n] * free[n]
    return total


@inlined
def steps_before(pending, total):
    """(steps, hazard left over) before the step of the next candidate spike, which comes after ``pending``."""
    ahead = np.floor(pending / total)  # sooner than by an integer and back
    if ahead * total > pending:  # the division rounded up
        ahead -= 1.0
    return np.int64(ahead), pending - ahead * total


@inlined
def wait(pending, total, limit):
    """``steps_before``, but ``limit`` steps where no candidate spike comes before."""
    if pending >= total * limit:
        return limit, pending - total * limit
    return steps_before(pending, total)


@inlined
def spikes_of_step(state, rng, cells, free, pending, first, count):
    """Walk through the cells of one step from neuron ``first`` on, where ``count`` have spiked before it: (number of
    spikes, hazard left over)."""
    for n in range(first, len(free)):
        cell = cells[n] * free[n]
        if pending < cell:
            state.spikes[count] = n
            count += 1
            pending = on_grid(exponential(rng))
        else:
            pending -= cell
    return count, pending


@inlined
def next_forced(state):
    """The step of the next forced spike, or NEVER."""
    at = state.now[0].forced_at
    return state.forced[at].step if at < len(state.forced) else NEVER


@inlined
def forced_spikes(state, t, count):
    """Add the forced spikes of step t to those that happen anyway; their number."""
    while next_forced(state) == t:
        n, new = state.forced[state.now[0].forced_at].neuron, True
        for k in range(count):
            new = new and state.spikes[k] != n
        if new:
            state.spikes[count] = n
            count += 1
        state.now[0].forced_at += 1
    return count


@compiled
def run(net, batch, rngs, drive, line, out, samples, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out."""
    net = row(net, 0)
    cells, neurons = line.cells[0], len(net.kind)
    periodic = has_periodic(net)
    for b in range(first, last):
        state, rng = row(batch, b), rngs[b]
        t, pending = state.now[0].time, state.now[0].pending
        if pending < 0.0:
            pending = on_grid(exponential(rng))
        begin(net, state)
        set_base(net, state, drive[b % len(drive)], line)
        renew = True
        while t < until:
            if renew:  # at the start, and after a periodic update or copies of weights
                if state.now[0].stale:
                    recompute_inputs(net, state)
                state.touched[:] = 1
                renew = False
            change = next_update(net, t, until) if periodic else until
            for h in range(len(net.head)):
                if state.due[h] <= t:
                    act_until(net, state, h, t)
                change = min(change, state.due[h])
            renew_cells(net, state, line)
            forced = next_forced(state)
            if forced > t:
                change = min(change, forced)
                ahead, pending = wait(pending, line_length(cells, state.free), change - t)
                count_states(net, state, ahead)
                t += ahead
                if t == change:
                    renew = periodic and periodic_update(net, state, t)
                    continue
            if state.now[0].used + neurons > out.shape[2]:
                break
            count, pending = spikes_of_step(state, rng, cells, state.free, pending, 0, 0)
            count = forced_spikes(state, t, count)
            if count > 0:
                learn(net, state, t, count, True)
                emit(net, state, out[b], t, count)
            count_states(net, state, 1)
            t += 1
            renew = (periodic and periodic_update(net, state, t)) or state.now[0].stale == 1  # by copies of weights
        state.now[0].time, state.now[0].pending = t, pending
