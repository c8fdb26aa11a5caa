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
from salhw_reference.event_driven import spikes_of_step, steps_before
from salhw_reference.hazards import LANES, on_grid, set_base, set_cells
from salhw_reference.jit import compiled, helper, inlined
from salhw_reference.kinds import EXACT, LOGISTIC, length
from salhw_reference.learning import has_periodic, learn, learns_on_spike, next_update, periodic_update
from salhw_reference.parts import expire, look_ahead, note_spike, write_spike
from salhw_reference.program import ARRIVES, ENDS, EXPIRES, FREES
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
def set_ends(ends, cells, free):
    """Where the cells of a step end."""
    end = 0.0
    for n in range(LANES):
        end += cells[np.uint64(n)] * free[np.uint64(n)]
        ends[np.uint64(n)] = end


@inlined
def set_row(line, row, mask):
    """Hazards of all neurons while the neurons of ``mask`` have a PSP under way."""
    for n in range(np.uint64(len(line.input))):  # without a loop inside, which would not become vectors
        low = from_neuron(line, mask, 0, n) + from_neuron(line, mask, 1, n)
        low += from_neuron(line, mask, 2, n) + from_neuron(line, mask, 3, n)
        high = from_neuron(line, mask, 4, n) + from_neuron(line, mask, 5, n)
        high += from_neuron(line, mask, 6, n) + from_neuron(line, mask, 7, n)
        line.input[n] = low + high
    set_cells(line, row, np.uint64(0))


@helper
def set_rows(net, state, line, live):
    """What PSPs add, and the whole table, row ``mask`` for the set of neurons that have one, with the ends of cells
    while these neurons are refractory, too; it has one row only where it is ``live``."""
    for n in range(len(net.kind)):
        set_strengths_of(net, state, line, n)
    if not live:
        for mask in range(len(line.cells)):
            set_row(line, mask, mask)
            set_ends(line.ends[mask], line.cells[mask], line.free[mask])


@inlined
def contains(neurons, n):
    """1 if a set of neurons, a bit for each, has neuron n, else 0."""
    return (neurons >> n) & 1


@inlined
def sets_of(state, neurons):
    """Who has a PSP under way, and who is refractory."""
    mask = busy = 0
    for n in range(neurons):
        mask |= np.int64(state.psp[0, n, 0]) << n
        busy |= np.int64(state.free[n] == 0.0) << n
    return mask, busy


@inlined
def keep_sets(state, neurons, mask, busy):
    """What ``sets_of`` reads."""
    for n in range(neurons):
        state.psp[0, n, 0] = contains(mask, n)
        state.free[n] = 1.0 - contains(busy, n)


@inlined
def two_cells(cells, free, n):
    """The hazards of neuron n, which is even, and of the next one."""
    n = np.uint64(n)
    return cells[n] * free[n] + cells[n | np.uint64(1)] * free[n | np.uint64(1)]


@inlined
def length_of(cells, free):
    """event_driven.line_length of LANES neurons; pairs wait for nothing."""
    low = two_cells(cells, free, 0) + two_cells(cells, free, 2)
    return low + (two_cells(cells, free, 4) + two_cells(cells, free, 6))


@helper
def count_refractory(net, state, lasted):
    """parts.count_states for all steps of a call, from how many of them each set of neurons was refractory."""
    for busy in range(len(lasted)):
        if lasted[busy] > 0:
            for o in range(len(net.occupancy)):
                first, end = net.occupancy[o].first, net.occupancy[o].end
                code = (busy >> first) & ((1 << (end - first)) - 1)
                state.states[net.occupancy[o].counter + code] += lasted[busy]
            lasted[busy] = 0


@inlined
def spikes_of_busy_step(state, rng, ends, cells, free, pending):
    """``spikes_of_step`` for a step that has a spike: the first is found without a branch (it could not be predicted),
    a second one is looked for only if the hazard behind the first holds it."""
    chosen, total = 0, ends[LANES - 1]
    end = total  # of the chosen cell; ends[chosen], written just before, made some processes a fifth slower
    for n in range(LANES):
        chosen += np.int64(pending >= ends[np.uint64(n)])
        end = min(end, ends[np.uint64(n)] if pending < ends[np.uint64(n)] else total)
    state.spikes[0] = chosen
    rest, pending = total - end, on_grid(exponential(rng))
    if pending >= rest:
        return 1, pending - rest
    return spikes_of_step(state, rng, cells, free, pending, chosen + 1, 1)


@inlined
def act_on(net, state, h, t, mask, busy):
    """parts.act_until, where sets say who has a PSP under way and who is refractory: the sets then."""
    head, at, end, due = net.head[h], state.head_at[h], state.now[0].past_end, state.due[h]
    while due <= t:
        spike = state.past[np.uint64(at & net.ring[0])]
        n = spike.neuron
        if head.action == FREES:  # nobody spikes while refractory here, so that it is always the last spike's
            busy &= ~(np.int64(net.refractory[np.uint64(n)] == head.index) << n)
        elif head.action in (ARRIVES, ENDS):
            mask ^= 1 << n
        else:
            expire(state, head.index, spike.step, n)
        at += 1
        due = NEVER
        while at < end:
            spike = state.past[np.uint64(at & net.ring[0])]
            if head.first <= spike.neuron < head.end:
                due = spike.step + head.lag
                break
            at += 1
    state.head_at[h], state.due[h] = at, due
    return mask, busy


@inlined
def act_on_due(net, state, t, limit, learned, mask, busy):
    """Let all heads act on what is due: the next step at which one will, at most ``limit``, and both sets. That step is
    t where a spike leaves a window: first, those since spike number ``learned`` must be learned from."""
    change = limit
    for h in range(len(net.head)):
        if state.due[h] <= t:
            if net.head[h].action == EXPIRES and learned < state.now[0].past_end:
                return t, mask, busy
            mask, busy = act_on(net, state, h, t, mask, busy)
        change = min(change, state.due[h])
    return change, mask, busy


@inlined
def send_spikes(net, state, out, t, count, busy):
    """Write the ``count`` spikes of step t where heads find them: who is refractory then."""
    for k in range(count):
        busy |= 1 << state.spikes[k]
        write_spike(net, state, out, t, state.spikes[k])
    for h in range(len(net.head)):
        if state.due[h] == NEVER:
            look_ahead(net, state, h)
    return busy


@inlined
def learn_from_spikes(net, state, learned):
    """Learn from the spikes from number ``learned`` on. Many at once are learned from faster."""
    end = state.now[0].past_end
    while learned < end:
        t, count = state.past[np.uint64(learned & net.ring[0])].step, 0
        while learned < end and state.past[np.uint64(learned & net.ring[0])].step == t:
            state.spikes[count] = state.past[np.uint64(learned & net.ring[0])].neuron
            count += 1
            learned += 1
        learn(net, state, t, count, False)
        for k in range(count):
            note_spike(net, state, t, state.spikes[k])


@compiled
def run(net, batch, rngs, drive, line, out, samples, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out.

    Pair sums change nothing before an update. So spikes are learned from when it comes, when the list of past spikes is
    full of others, and when the run ends; at once where weights change on the spike.
    """
    net = row(net, 0)
    neurons, periodic, live = len(net.kind), has_periodic(net), learns_on_spike(net)
    for b in range(first, last):
        state, rng = row(batch, b), rngs[b]
        t, pending = state.now[0].time, state.now[0].pending
        if pending < 0.0:
            pending = on_grid(exponential(rng))
        set_base(net, state, drive[b % len(drive)], line)
        mask, busy = sets_of(state, neurons)
        shown, renew, room = -1, True, True
        while t < until and room:
            if renew:  # at the start, and after a periodic update
                set_rows(net, state, line, live)
                shown, renew = -1, False
            limit = next_update(net, t, until) if periodic else until
            learned = state.now[0].past_end
            most = 1 if live else net.ring[0] + 1 - neurons
            while t < limit:
                change, mask, busy = act_on_due(net, state, t, limit, learned, mask, busy)
                if change == t:
                    break
                if live and shown != mask:
                    set_row(line, 0, mask)
                    shown = mask
                known = mask == busy and not live
                cells, free = line.cells[np.uint64(0 if live else mask)], line.free[np.uint64(busy)]
                total = line.ends[np.uint64(mask), LANES - 1] if known else length_of(cells, free)
                if pending >= total * (change - t):
                    pending -= total * (change - t)
                    line.lasted[np.uint64(busy)] += change - t
                    t = change
                    continue
                ahead, pending = steps_before(pending, total)
                line.lasted[np.uint64(busy)] += ahead
                t += ahead
                room = state.now[0].used + neurons <= out.shape[2]
                if not room:
                    break
                ends = line.ends[np.uint64(mask if known else len(line.cells))]
                if not known:
                    set_ends(ends, cells, free)
                count, pending = spikes_of_busy_step(state, rng, ends, cells, free, pending)
                busy = send_spikes(net, state, out[b], t, count, busy)
                line.lasted[np.uint64(busy)] += 1
                t += 1
                if state.now[0].past_end >= learned + most:
                    break
            learn_from_spikes(net, state, learned)
            if live:
                for k in range(learned, state.now[0].past_end):
                    set_strengths_of(net, state, line, state.past[k & net.ring[0]].neuron)
                shown = -1
            renew = periodic and t == limit and periodic_update(net, state, t)
        keep_sets(state, neurons, mask, busy)
        count_refractory(net, state, line.lasted)
        state.now[0].time, state.now[0].pending = t, pending
