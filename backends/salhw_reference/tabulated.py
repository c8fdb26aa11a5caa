"""The event-driven algorithm where all hazards fit a table: few GLM neurons, one projection, no PSPs that overlap.

The state is then who has a PSP under way (a row of the table) and who is refractory. The same line of cells as in
event_driven.py, the same random numbers, the same bits; only faster.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.arrays import NEVER
from salhw_reference.event_driven import line_length, on_grid, spikes_of_step, wait
from salhw_reference.jit import compiled, helper, inlined
from salhw_reference.learning import has_periodic, instance, learn, next_update, periodic_update
from salhw_reference.parts import act_until, begin, count_states, emit, hazard
from salhw_reference.program import ARRIVES, ENDS
from salhw_reference.rng import exponential


@helper
def fill(net, state, drive, inputs, cells):
    """Hazards of every neuron for every set of presynaptic neurons with a PSP under way: row ``mask`` of ``cells``;
    ``inputs`` are what they come from. Both (2**N, N)."""
    count = len(net.kind)
    inputs[0] = 0.0
    for mask in range(1, 1 << count):
        j = 0
        while not (mask >> j) & 1:
            j += 1
        for n in range(count):
            inputs[mask, n] = inputs[mask & (mask - 1), n]
        for k in range(net.out[0, j], net.out[0, j + 1]):
            inputs[mask, net.post[k]] += state.weight[k] * state.gain[k] * net.psp[0].height
    for mask in range(1 << count):
        for n in range(count):
            u = state.bias[n] + drive[0, n] + state.input_gain[0] * inputs[mask, n]
            cells[mask, n] = on_grid(hazard(net, drive, n, u))


@inlined
def toggle_until(net, state, h, t, mask):
    """Let the PSP head h act on everything that is due: the set of PSPs under way changes, nothing else."""
    head, at, end, due = net.head[h], state.head_at[h], state.now[0].past_end, state.due[h]
    while due <= t:
        n = state.past[at & net.ring[0]].neuron
        state.psp[0, n, 0] = 1.0 - state.psp[0, n, 0]
        mask ^= 1 << n
        at += 1
        due = NEVER
        while at < end:
            spike = state.past[at & net.ring[0]]
            if head.first <= spike.neuron < head.end:
                due = spike.step + head.lag
                break
            at += 1
    state.head_at[h], state.due[h] = at, due
    return mask


@inlined
def spikes_of_busy_step(net, state, rng, cells, total, pending):
    """event_driven.spikes_of_step for a step that has a spike: the first is found without a branch (it could not be
    predicted), a second one is looked for only if the hazard behind the first holds it."""
    chosen, before, end = 0, 0.0, 0.0
    for n in range(len(net.kind)):
        cell = cells[n] * state.free[n]
        end += cell
        passed = pending >= end
        chosen += passed
        before += cell * passed
    state.spikes[0] = chosen
    rest = total - before - cells[chosen]
    pending = on_grid(exponential(rng))
    if pending >= rest:
        return 1, pending - rest
    return spikes_of_step(state, rng, cells, pending, chosen + 1, 1)


@compiled
def run(net, batch, rngs, drive, table, out, samples, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out."""
    inputs, cells, neurons = table[0], table[1], len(net.kind)
    periodic = has_periodic(net)
    for b in range(first, last):
        state, rng = instance(batch, b), rngs[b]
        t, pending = state.now[0].time, state.now[0].pending
        if pending < 0.0:
            pending = on_grid(exponential(rng))
        begin(net, state)
        mask, renew = 0, True
        for n in range(neurons):
            mask |= np.int64(state.psp[0, n, 0]) << n
        while t < until:
            if renew:  # at the start, and after a periodic update
                fill(net, state, drive, inputs, cells)
                renew = False
            change = next_update(net, t, until) if periodic else until
            for h in range(len(net.head)):
                if state.due[h] <= t:
                    if net.head[h].action in (ARRIVES, ENDS):
                        mask = toggle_until(net, state, h, t, mask)
                    else:
                        act_until(net, state, h, t)
                change = min(change, state.due[h])
            total = line_length(cells[mask], state.free)
            ahead, pending = wait(pending, total, change - t)
            count_states(net, state, ahead)
            t += ahead
            if t == change:
                renew = periodic and periodic_update(net, state, t)
                continue
            if state.now[0].used + neurons > out.shape[2]:
                break
            count, pending = spikes_of_busy_step(net, state, rng, cells[mask], total, pending)
            learn(net, state, t, count)
            emit(net, state, out[b], t, count)
            count_states(net, state, 1)
            t += 1
            renew = periodic and periodic_update(net, state, t)
        state.now[0].time, state.now[0].pending = t, pending
