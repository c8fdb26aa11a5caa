"""The event-driven algorithm where all hazards fit a table: few GLM neurons, one projection, no PSPs that overlap.

The state is then who has a PSP under way (a row of the table) and who is refractory. Where weights change on the spike,
the table is live: its one row is that of the present state. The same line of cells as in event_driven.py, the same
random numbers, the same bits; only faster.
"""

from __future__ import annotations

import numpy as np

from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.stimuli import SpikeTimes
from salhw_reference.arrays import NEVER, NetworkArrays
from salhw_reference.common import is_short_term, repeats
from salhw_reference.event_driven import line_length, spikes_of_step, wait
from salhw_reference.hazards import LANES, on_grid, set_base, set_cells
from salhw_reference.jit import compiled, helper, inlined
from salhw_reference.kinds import EXACT, LOGISTIC, length
from salhw_reference.learning import has_periodic, learn, learns_on_spike, next_update, periodic_update
from salhw_reference.parts import act_until, begin, count_states, emit
from salhw_reference.program import ARRIVES, ENDS
from salhw_reference.rng import exponential
from salhw_reference.tables import row

TABULATED = 8  # neurons up to which hazards are tabulated: 2**8 * 8 numbers stay in the fastest cache


def fits_table(net: Network, arrays: NetworkArrays) -> bool:
    """Whether every hazard is a function of the weights and of who has a PSP under way: few GLM neurons, one projection
    whose PSPs never overlap, and one synapse of each pair."""
    lasts = length(net.projections[0].kernel, net.dt) if len(net.projections) == 1 else None
    return (
        lasts is not None
        and lasts <= arrays.refractory.min()
        and len(arrays.kind) <= TABULATED
        and bool(np.isin(arrays.kind, (LOGISTIC, EXACT)).all())
        and not only(net.stimuli, SpikeTimes)
        and not is_short_term(arrays)
        and not repeats(arrays.out[0], arrays.post)
    )


@inlined
def set_strength(net, state, line, k, pre, post):
    """What a PSP through synapse k adds."""
    line.strength[LANES * pre + post] = state.weight[k] * state.gain[k] * net.psp[0].height * state.input_gain[0]


@inlined
def set_strengths_of(net, state, line, n):
    """What PSPs add through the synapses from and onto neuron n."""
    for k in range(net.out[0, n], net.out[0, n + 1]):
        set_strength(net, state, line, k, n, net.post[k])
    for c in range(net.into[0, n], net.into[0, n + 1]):
        set_strength(net, state, line, np.int64(net.row[c]), net.pre[c], n)


@inlined
def under_way(mask, j):
    return np.float64((mask >> j) & 1)


@inlined
def from_neuron(line, mask, j, n):
    """What the neuron j adds to the input of n."""
    return under_way(mask, j) * line.strength[np.uint64(LANES * j) + n]


@inlined
def set_row(line, row, mask):
    """Hazards of all neurons while the neurons of ``mask`` have a PSP under way."""
    inputs = line.input[row]
    for n in range(np.uint64(len(inputs))):  # without a loop inside, which would not become vectors
        low = from_neuron(line, mask, 0, n) + from_neuron(line, mask, 1, n)
        low += from_neuron(line, mask, 2, n) + from_neuron(line, mask, 3, n)
        high = from_neuron(line, mask, 4, n) + from_neuron(line, mask, 5, n)
        high += from_neuron(line, mask, 6, n) + from_neuron(line, mask, 7, n)
        inputs[n] = low + high
    set_cells(line, row, np.uint64(0))


@helper
def set_rows(net, state, line, live):
    """What PSPs add, and the whole table, row ``mask`` for the set of neurons that have one; it has one row only where
    it is ``live``."""
    for n in range(len(net.kind)):
        set_strengths_of(net, state, line, n)
    if not live:
        for mask in range(len(line.cells)):
            set_row(line, mask, mask)


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
def run(net, batch, rngs, drive, line, out, samples, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out."""
    net = row(net, 0)
    neurons, periodic, live = len(net.kind), has_periodic(net), learns_on_spike(net)
    for b in range(first, last):
        state, rng = row(batch, b), rngs[b]
        t, pending = state.now[0].time, state.now[0].pending
        if pending < 0.0:
            pending = on_grid(exponential(rng))
        begin(net, state)
        set_base(net, state, drive[b % len(drive)], line)
        mask, shown, renew = 0, -1, True
        for n in range(neurons):
            mask |= np.int64(state.psp[0, n, 0]) << n
        while t < until:
            if renew:  # at the start, and after a periodic update
                set_rows(net, state, line, live)
                shown, renew = -1, False
            change = next_update(net, t, until) if periodic else until
            for h in range(len(net.head)):
                if state.due[h] <= t:
                    if net.head[h].action in (ARRIVES, ENDS):
                        mask = toggle_until(net, state, h, t, mask)
                    else:
                        act_until(net, state, h, t)
                change = min(change, state.due[h])
            if live and shown != mask:
                set_row(line, 0, mask)
                shown = mask
            cells = line.cells[0 if live else mask]
            total = line_length(cells, state.free)
            ahead, pending = wait(pending, total, change - t)
            count_states(net, state, ahead)
            t += ahead
            if t == change:
                renew = periodic and periodic_update(net, state, t)
                continue
            if state.now[0].used + neurons > out.shape[2]:
                break
            count, pending = spikes_of_busy_step(net, state, rng, cells, total, pending)
            learn(net, state, t, count, False)
            if live:
                for k in range(count):
                    set_strengths_of(net, state, line, state.spikes[k])
                shown = -1
            emit(net, state, out[b], t, count)
            count_states(net, state, 1)
            t += 1
            renew = periodic and periodic_update(net, state, t)
        state.now[0].time, state.now[0].pending = t, pending
