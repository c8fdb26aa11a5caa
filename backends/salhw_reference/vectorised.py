"""The time-driven algorithm for large networks: all neurons decide at once, and a spike walks along one row of weights.

What makes it fast: each neuron has a random stream of its own, so that one loop of vector instructions draws for all;
an upper bound of the spike probability, three more of them, sends nearly all neurons on, and only those that are left
need an exponential; the synapses of a neuron lie side by side, in the order in which its spikes need them (rows.py);
and plasticity adds pairs up along such vectors, too (row_learning.py).

Several threads may share a network out (team.py): each has what happens to some of the neurons, inputs, decisions and
the synapses onto them, and what its spikes change for a neuron. What cannot be shared out, the list of a step's
spikes, is the business of the last to meet.
"""

from __future__ import annotations

import math

import numpy as np

from salhw_reference.arrivals import receive_arrivals, remember_psps, resend
from salhw_reference.event_driven import forced_spikes
from salhw_reference.jit import compiled, inlined, spliced
from salhw_reference.kinds import ALPHA, EXACT, INTEGRATE, RECTANGULAR, SOURCE
from salhw_reference.learning import copy_weights
from salhw_reference.membranes import integrate, reset
from salhw_reference.parts import (
    SENT,
    begin,
    change_of_psp,
    count_states,
    end_refractory,
    escape_probability,
    expire,
    note_spike,
    occupy,
    use,
    write_spike,
)
from salhw_reference.program import ARRIVES, ENDS, FREES, USES
from salhw_reference.row_learning import (
    begin_learning,
    end_block,
    end_learning,
    learn_in_rows,
)
from salhw_reference.row_updates import is_due, update_weights
from salhw_reference.rows import clear_inputs, deliver_changes, list_psps, list_row
from salhw_reference.tables import row
from salhw_reference.team import LINE, begin_work, go_on, holds_together, join, last_to_meet, share_of
from salhw_reference.time_driven import fade, sample
from salhw_reference.vectors import CLOSED, overlap
from salhw_reference.volleys import ends_whole, expect, is_whole, place_of, take_volleys

BITS = np.float32(2**23 / math.log(2.0))
ONE = np.float32(127 * 2**23 + 4000)  # the bits of 1.0; the rest is 70 times what rounding in this file may take away
MOST = np.float32(129 * 2**23)  # the bits of 4.0, a bound that every draw is below
ULP = np.float32(2.0**-32)
LEAST = 0.94  # of the upper bound of exp(u), which lies above it by 6.2 % at most, rounding included


@inlined
def draw(random, drawn, low, high):
    """The next number of the streams of the neurons low..high-1 (xoshiro128++, Blackman & Vigna), uniform on 0 ..
    2**32 - 1."""
    s0, s1, s2, s3 = random[0], random[1], random[2], random[3]
    for n in range(np.uint64(low), np.uint64(high)):
        a, b, c, d = s0[n], s1[n], s2[n], s3[n]
        sum_ = np.uint32(a + d)
        drawn[n] = np.uint32(np.uint32((sum_ << np.uint32(7)) | (sum_ >> np.uint32(25))) + a)
        c = np.uint32(c ^ a)
        d = np.uint32(d ^ b)
        s0[n], s1[n] = np.uint32(a ^ d), np.uint32(b ^ c)
        s2[n] = np.uint32(c ^ np.uint32(b << np.uint32(9)))
        s3[n] = np.uint32((d << np.uint32(11)) | (d >> np.uint32(21)))


@inlined
def bound_of(vectors, n):
    """An upper bound of exp(u) of neuron n, or 4 where that is above 4.

    A float32 whose bits are those of 1.0 plus 2**23 u / ln 2 is 2**(u / ln 2) at whole powers and linear in between, so
    it lies above by up to 6 %.
    """
    u = np.float32(vectors.input[n] + vectors.base[n]) + vectors.gate[n]
    return np.int32(min(max(u * BITS + ONE, np.float32(0.0)), MOST)).view(np.float32)


@inlined
def find_candidates(vectors, low, high):
    """Set ``hit`` where the draw of a neuron of low..high-1 is below an upper bound of its spike probability, which is
    at most exp(u) per step."""
    for n in range(np.uint64(low), np.uint64(high)):
        vectors.hit[n] = np.float32(vectors.drawn[n]) * ULP <= bound_of(vectors, n)


@inlined
def falls_below(vectors, n, p):
    """Whether the draw of neuron n is below p. One that 32 bits cannot tell from it is refined by the next."""
    scaled = p * 2.0**32
    whole = np.floor(scaled)
    drawn = np.float64(vectors.drawn[n])
    if drawn == whole:
        draw(vectors.random, vectors.drawn, n, n + 1)
        return np.float64(vectors.drawn[n]) * 2.0**-32 < scaled - whole
    return drawn < whole


@inlined
def spikes_now(net, vectors, n):
    """Whether the draw of neuron n, who is not refractory, is below its spike probability, which is x / (1 + x) with
    x = exp(u) at least. A lower bound of that spares nearly all candidates the exponential."""
    least = LEAST * bound_of(vectors, n)
    if (np.float64(vectors.drawn[n]) + 1.0) * 2.0**-32 * (1.0 + least) < least:
        return True
    x = np.exp(min(vectors.input[n] + vectors.base[n], 50.0))
    kind = net.kind[n]
    p = -np.expm1(-x) if kind in (EXACT, SOURCE) or vectors.base[n] >= 50.0 else x / (1.0 + x)
    return falls_below(vectors, n, p)


@inlined
def integrate_membranes(net, state, vectors, drive, low, high):
    """Set ``hit`` where a neuron of low..high-1 spikes that integrates its membrane."""
    for n in range(low, high):
        if net.kind[n] >= INTEGRATE:
            current = state.bias[n] + drive[0, n] + vectors.input[n]
            fires = integrate(net, state, n, current)
            if net.membrane[n].width > 0.0 and state.free[n] == 1.0:
                fires = falls_below(vectors, n, escape_probability(net, state, n))
            vectors.hit[n] = np.uint8(fires)


@inlined
def begins_at(low):
    """Where the list of a share begins that starts with neuron ``low``, if each has room for one entry more."""
    return np.uint64(low + low // LINE)


@inlined
def list_candidates(vectors, low, high):
    """List those of the neurons low..high-1 that are a ``hit``; where the list ends. Every number is written, and the
    end moved on where it belongs there, as wrong guesses of the processor take longer than that."""
    begin, end, at = np.uint64(low // 8), begins_at(low), begins_at(low)
    for word in range(begin, np.uint64((high + 7) // 8)):
        vectors.word[at] = word
        at += np.uint64(vectors.hits[word] != 0)
    for k in range(end, at):
        first = np.uint64(8) * np.uint64(vectors.word[k])
        for n in range(first, first + np.uint64(8)):
            vectors.candidate[end] = n
            end += np.uint64(vectors.hit[n])
    return end


@spliced
def decide(net, state, vectors, drive, low, high):
    """List which of the neurons low..high-1 spike now, from entry ``low`` of ``spikes`` on; how many do."""
    draw(vectors.random, vectors.drawn, low, high)
    find_candidates(vectors, low, high)
    if net.integrating[0]:
        integrate_membranes(net, state, vectors, drive, low, high)
    end = low
    for k in range(begins_at(low), list_candidates(vectors, low, high)):
        n = np.uint64(vectors.candidate[k])
        if net.kind[n] >= INTEGRATE or (vectors.gate[n] == 0.0 and spikes_now(net, vectors, n)):
            state.spikes[end] = n
            end += 1
    return end - low


@inlined
def joined_spikes(net, state, vectors):
    """Move the spikes that the threads have found together; how many there are."""
    count = vectors.found[0, 0]  # where they are already
    for rank in range(1, len(vectors.found)):
        low, _ = share_of(len(net.kind), rank, vectors.team)
        for k in range(low, low + vectors.found[rank, 0]):
            state.spikes[count] = state.spikes[k]
            count += 1
    return count


@inlined
def gate_of(net, state, n):
    """0 where neuron n may spike by chance."""
    return np.float32(0.0) if state.free[n] == 1.0 and net.kind[n] < INTEGRATE else CLOSED


@inlined
def note_change(net, vectors, t, p, n, place, dy, dx, onto):
    """Note for all threads by how much a presynaptic state changes at step t; at one place, where a PSP ends as the
    next begins outside volleys (``onto`` is 0)."""
    most, alpha = len(vectors.dy), net.psp[p].kernel == ALPHA
    earlier = vectors.listed[p, n] - t * most
    if earlier < 0 or onto > 0:
        vectors.listed[p, n] = t * most + place
    else:
        vectors.dy[place] = 0.0
        dy += vectors.dy[earlier]
        if alpha:
            vectors.dx[place] = 0.0
            dx += vectors.dx[earlier]
        place = earlier
    vectors.dy[place] = dy
    if alpha:
        vectors.dx[place] = dx


@inlined
def act(net, state, vectors, t, action, index, step, n, place, onto):
    """What a head does at step t with the spike of neuron n at ``step``, one of this thread's share; how a presynaptic
    state changes goes to ``place``, if that is not negative."""
    if action == FREES:
        if end_refractory(net, state, index, n, step):
            vectors.gate[n] = gate_of(net, state, n)
    elif action in (ARRIVES, ENDS):
        dy, dx = change_of_psp(net, state, action, index, step, n)
        state.psp[index, n, 0] += dy
        state.psp[index, n, 1] += dx
        if place >= 0:
            note_change(net, vectors, t, index, n, place, dy, dx, onto)
    elif action == USES:
        use(net, state, index, SENT, step, n)
    else:
        expire(state, index, step, n)


@spliced
def look_back(net, state, vectors, t, low, high, rank):
    """Let all heads act on what is due at step t for the neurons low..high-1; how many presynaptic states of all
    neurons change. Each thread lists the rows of all, in one order, whoever they belong to."""
    place, end, rows, looked = 0, state.now[0].past_end, vectors.rows[rank], vectors.looked[rank]
    for h in range(len(net.head) - 1, -1, -1):  # PSPs end before others begin
        head, at, before = net.head[h], looked[h], place
        onto = place_of(vectors, head.index, t) if head.action == ARRIVES and is_whole(vectors, head.index, t) else 0
        lists = np.int64(head.action == ARRIVES or (head.action == ENDS and not ends_whole(vectors, head.index, t)))
        while at < end:
            spike = state.past[at & net.ring[0]]
            if spike.step + head.lag > t:
                break
            n = spike.neuron
            if head.first <= n < head.end:
                if lists:
                    list_row(vectors, rows, place, head.index, n, rank)
                    rows[place].at = onto
                if low <= n < high:
                    act(net, state, vectors, t, head.action, head.index, spike.step, n, place if lists else -1, onto)
                place += lists
            at += 1
        looked[h] = at
        if head.action == ARRIVES and rank == 0:
            expect(vectors, head.index, t + 1, place - before)
    return place


@inlined
def set_base(net, state, vectors, drive):
    """What the input is added to, so that exp(input + base) is the hazard of a step: of a source the logarithm of it;
    where a clamp holds the neuron, far above or below."""
    for n in range(len(net.kind)):
        vectors.base[n] = state.bias[n] + drive[0, n] - np.log(net.refractory[n])
        if net.kind[n] == SOURCE:
            vectors.base[n] = np.log(drive[2, n]) if drive[2, n] > 0.0 else CLOSED
        if drive[1, n] == 1.0:
            vectors.base[n] = CLOSED
        elif drive[1, n] == 2.0:
            vectors.base[n] = -CLOSED
        vectors.gate[n] = gate_of(net, state, n)


@inlined
def fade_inputs(net, state, vectors, low, high):
    """One step of all PSPs that decay, from and onto the neurons low..high-1, and the inputs that all are now."""
    for n in range(np.uint64(low), np.uint64(high)):
        vectors.input[n] = 0.0
    for p in range(len(net.psp)):
        psp, gain = net.psp[p], state.input_gain[p]
        begin, end = overlap(low, high, psp.post_first, psp.post_end)
        if psp.kernel != RECTANGULAR:
            first, last = overlap(low, high, psp.pre_first, psp.pre_end)
            fade(state.psp[p], psp, first, last)
            fade(state.current[p], psp, begin, end)
        which = 1 if psp.kernel == ALPHA else 0
        if not psp.conducts:
            for n in range(np.uint64(begin), np.uint64(end)):
                vectors.input[n] += gain * state.current[p, n, which]


@inlined
def is_sampled(net, t):
    """Whether a probe looks at membranes at step t."""
    sampled = False
    for m in range(len(net.samples)):
        sampled = sampled or t % net.samples[m].every == 0
    return sampled


@inlined
def sample_membranes(net, state, vectors, drive, rows, origin, t):
    """Write the potentials of step t where a probe asks for them."""
    for n in range(len(net.kind)):
        if net.kind[n] < INTEGRATE:
            state.potential[n] = state.bias[n] + drive[0, n] + vectors.input[n]
    sample(net, state, rows, origin, t, False)


@spliced
def prepare(net, state, vectors, drive, out, until):
    """What precedes the first step of a call."""
    begin_work(vectors.team)
    begin(net, state)
    set_base(net, state, vectors, drive)
    if state.now[0].stale:
        list_psps(net, state, vectors)
    set_going(net, state, vectors, out, until)


@inlined
def set_going(net, state, vectors, out, until):
    """Whether there is a next step now, room for its spikes, and a team for it."""
    room = state.now[0].used + len(net.kind) <= out.shape[1]
    vectors.progress[0].going = np.int64(room and state.now[0].time < until and holds_together(vectors.team))


@spliced
def collect_spikes(net, state, vectors, drive, out, rows, origin, t):
    """The spikes of step t together, membranes as they were before them, and what learning looks at."""
    count = joined_spikes(net, state, vectors)
    if is_sampled(net, t):
        sample_membranes(net, state, vectors, drive, rows, origin, t)
    count = forced_spikes(state, t, count)
    vectors.progress[0].spikes = count
    if len(net.rule) > 0:
        begin_learning(net, state, vectors, t, count)
    for k in range(count):
        occupy(net, state, state.spikes[k])
        write_spike(net, state, out, t, state.spikes[k])
    count_states(net, state, 1)


@spliced
def follow_spikes(net, state, vectors, t, low, high, rank):
    """What follows from the spikes of step t for the neurons low..high-1, and what is due for them at the next; how
    many presynaptic states of all neurons change then."""
    count = vectors.progress[0].spikes
    end_learning(net, state, vectors, t, count, low, high)
    for k in range(count):
        n = state.spikes[k]
        if low <= n < high:
            reset(net, state, n)
            note_spike(net, state, t, n)
            vectors.gate[n] = gate_of(net, state, n)
    changes = look_back(net, state, vectors, t + 1, low, high, rank)
    if len(net.place) > 0:
        remember_psps(net, state, vectors, t + 1, low, high)
    return changes


@spliced
def finish_step(net, state, vectors, out, t, changes, until):
    """What follows from the spikes of step t for all, and whether there is a next step."""
    state.now[0].stale = 0
    if vectors.progress[0].spikes > 0 and len(net.tie) > 0:
        copy_weights(net, state, t, True)
    state.now[0].time = t + 1
    vectors.progress[0].changes = changes
    begin(net, state)
    if state.now[0].stale:
        list_psps(net, state, vectors)
    set_going(net, state, vectors, out, until)


@spliced
def receive(net, state, vectors, t, low, high, rank):
    """What a thread's share of the neurons receives at step t."""
    delayed = len(net.place) > 0
    if state.now[0].stale:
        clear_inputs(net, state, vectors, low, high)
        if delayed:
            resend(net, state, vectors, t, low, high, rank)
    deliver_changes(net, state, vectors, rank)
    take_volleys(net, vectors, t, low, high)
    if delayed:
        receive_arrivals(net, state, vectors, t, low, high)
    if net.fading[0]:
        fade_inputs(net, state, vectors, low, high)


@spliced
def step(net, state, vectors, drive, out, rows, origin, low, high, rank, until):
    """A thread's share of one step."""
    t, team = state.now[0].time, vectors.team
    receive(net, state, vectors, t, low, high, rank)
    vectors.found[rank, 0] = decide(net, state, vectors, drive, low, high)
    if last_to_meet(team):
        collect_spikes(net, state, vectors, drive, out, rows, origin, t)
        go_on(team)
    if len(net.rule) > 0:
        learn_in_rows(net, state, vectors, t, low, high, rank)
        if last_to_meet(team):
            end_block(net, vectors, t)
            go_on(team)
    changes = follow_spikes(net, state, vectors, t, low, high, rank)
    if last_to_meet(team):
        finish_step(net, state, vectors, out, t, changes, until)
        go_on(team)
    if is_due(net, t + 1):
        update_weights(net, state, vectors, t + 1, low, high)


@compiled
def run(net, batch, all_vectors, drive, table, out, samples, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out or the
    team gives up. With a team, each of its threads calls it, for one instance."""
    net = row(net, 0)
    for b in range(first, last):
        state, vectors, own_drive = row(batch, b), row(all_vectors, b), drive[b % len(drive)]
        team = vectors.team
        rank = join(team)
        low, high = share_of(len(net.kind), rank, team)
        if last_to_meet(team):
            prepare(net, state, vectors, own_drive, out[b], until)
            go_on(team)
        while vectors.progress[0].going:
            step(net, state, vectors, own_drive, out[b], samples[b], origin, low, high, rank, until)
