"""Pair sums of both branches of a rule along the rows of presynaptic spikes, each of which touches a synapse once.

With spikes s of the presynaptic and t of the postsynaptic neuron, the causal sum of exp(-(t - s) / tau) over s < t is

    x f - sum_s exp(s / tau) f(s),  x = sum_s exp(s / tau),  f(u) = sum_{t <= u} exp(-t / tau),  f = f(end),

which takes a presynaptic spike what its anticausal sum takes: one number of each neuron that it reaches. x f follows
at the update. Simultaneous spikes count half in f(s), as they should.

Times are counted from the beginning of a stretch of at most STRETCH time constants, since the difference above loses
exp(STRETCH), some 1e2, of the digits of a sum; spikes of other stretches have the product of what x was at the end of
one and f at the end of the other. Where the amplitudes of both branches are the same for all synapses, a single sum
holds both. If they change between updates, the parts of that sum are worked out anew, from the spikes since the last
update, which the ring of past spikes holds (``regroup``).

Threads share the neurons that synapses lead to while spikes are added, and those that they come from at updates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw_reference.arrays import NetworkArrays, StateArrays
from salhw_reference.jit import inlined
from salhw_reference.pair_blocks import in_blocks
from salhw_reference.rows import AHEAD, add_partners, fetch, list_row
from salhw_reference.vectors import Vectors, overlap


@inlined
def along_rows(net, vectors, r):
    """Whether the pair sums of a rule are formed so."""
    return net.rule[r].stretches > 0 and not in_blocks(vectors, r)


@inlined
def in_stretch(rule, t):
    """How many steps after the beginning of its stretch t is."""
    return t % rule.period % rule.stretch


@inlined
def stretch_at(rule, t):
    """Which stretch of a period t is in."""
    return t % rule.period // rule.stretch


@inlined
def begin_stretch(net, vectors, r, t):
    """At the first step of a stretch: keep what the last one ends with, count times from here."""
    rule, at = net.rule[r], stretch_at(net.rule[r], t)
    if in_stretch(rule, t) > 0:
        return
    last = rule.stretch if at > 0 else rule.period - (rule.stretches - 1) * rule.stretch
    trace, fall = vectors.trace[r, 0], np.exp(-last / net.window[r, 0].length)
    for n in range(len(trace)):
        if at > 0:
            vectors.risen[r, at - 1, n] = trace[n]
        trace[n] *= fall
        vectors.fallen[r, at, n] = 0.0


@inlined
def fall_by_half_a_spike(net, state, vectors, r, t, count, low, high):
    """Add half of each of this step's spikes of the neurons low..high-1 to f."""
    fallen, half = vectors.fallen[r, stretch_at(net.rule[r], t)], 0.5 / vectors.rise[r, 0]
    for k in range(count):
        if low <= state.spikes[k] < high:
            fallen[state.spikes[k]] += half


@inlined
def factors(vectors, r, side):
    """What f and the anticausal trace of a neuron are multiplied by in a sum: the only one, or one of two."""
    rated, rise, fall = vectors.rated[r], vectors.rise[r, 0], 1.0 / vectors.rise[r, 1]
    if rated.joined:
        return -rated.causal * rise, rated.anticausal * fall
    return (-rise, 0.0) if side == 0 else (0.0, fall)


@inlined
def sends(net, state, p, count):
    """Whether some of a step's spikes are presynaptic in a projection."""
    some = False
    for k in range(count):
        some = some or net.psp[p].pre_first <= state.spikes[k] < net.psp[p].pre_end
    return some


@inlined
def add_spikes(net, state, vectors, r, t, low, high, rank):
    """Add the spikes of step t to the sums of the synapses onto the neurons low..high-1."""
    rule, count, ahead = net.rule[r], vectors.progress[0].spikes, AHEAD * len(vectors.found)
    p, shift = rule.projection, rule.first_sum - rule.first_synapse
    if not sends(net, state, p, count):
        return
    begin, end = overlap(low, high, net.psp[p].post_first, net.psp[p].post_end)
    fallen, trace, worth = vectors.fallen[r, stretch_at(rule, t)], vectors.trace[r, 1], vectors.worth
    rows = vectors.rows[rank]  # free, as what changed has been delivered
    for k in range(count):
        list_row(vectors, rows, k, p, state.spikes[k], rank)
    for side in range(2 - vectors.rated[r].joined):
        lost, won = factors(vectors, r, side)
        for n in range(np.uint64(begin), np.uint64(end)):
            worth[n] = lost * fallen[n] + won * trace[n]
        for k in range(count):
            if k + ahead < count:
                later = rows[k + ahead]
                fetch(net.post, state.pairs[side], shift, later.first, later.end, vectors.dense[p])
            row = rows[k]
            add_partners(
                state.pairs[side], shift, net.post, worth, row.first, row.end, row.neuron, vectors.dense[p], 1.0
            )


@inlined
def add_products(net, state, vectors, r, low, high):
    """Complete the sums of the synapses from the neurons low..high-1, at an update."""
    rule, rated = net.rule[r], vectors.rated[r]
    p, shift = rule.projection, rule.first_sum - rule.first_synapse
    begin, end = overlap(low, high, net.psp[p].pre_first, net.psp[p].pre_end)
    for n in range(begin, end):
        for at in range(rule.stretches):
            risen = vectors.trace[r, 0, n] if at == rule.stretches - 1 else vectors.risen[r, at, n]
            scale = risen * (rated.causal if rated.joined else 1.0)
            first, last, fallen = net.out[p, n], net.out[p, n + 1], vectors.fallen[r, at]
            if scale != 0.0:
                add_partners(state.pairs[0], shift, net.post, fallen, first, last, n, vectors.dense[p], scale)


# what follows is Python -----------------------------------------------------------------------------------------------


def sums_in_rows(net: NetworkArrays, vectors: Vectors, r: int) -> bool:
    """``along_rows`` for Python."""
    return bool(net.rule[r]["stretches"] > 0 and vectors.kept[r, 0]["neurons"] == 0)


def regroup(net: NetworkArrays, state: StateArrays, r: int, was: Any, rated: Any, t: int) -> None:
    """Turn the sums of a rule, as they are at step t with the amplitudes of ``was`` (RATE in vectors.py), into those
    with the amplitudes of ``rated``, where that changes them."""
    rule, form = net.rule[r], ["joined", "causal", "anticausal"]
    if t % rule["period"] == 0 or all(was[name] == rated[name] for name in form):
        return
    into, first = net.into[rule["projection"]], int(rule["first_sum"])
    here = slice(first, first + int(into[-1] - into[0]))
    for b in range(len(state.now)):
        causal, anticausal = state.pairs[b, :, here]
        if was["joined"]:
            lost = _lost(net, state, b, r, t)
            anticausal[:] = (causal - was["causal"] * lost) / was["anticausal"]
            causal[:] = lost
        if rated["joined"]:
            causal[:] = rated["causal"] * causal + rated["anticausal"] * anticausal
            anticausal[:] = 0.0


def _lost(net: NetworkArrays, state: StateArrays, b: int, r: int, t: int) -> FloatArray:
    """The causal sums of a rule since the last update before step t, in rows, without the products that follow."""
    rule, length, end = net.rule[r], net.window[r, 0]["length"], int(state.now[b, 0]["past_end"])
    p, period, stretch = (int(rule[name]) for name in ("projection", "period", "stretch"))
    latest = state.past[b, np.arange(max(end - len(state.past[b]), 0), end) & net.ring[0]]
    latest = latest[latest["step"] >= t // period * period]
    first, last, fallen, sent_in = int(net.out[p, 0]), int(net.out[p, -1]), np.zeros(len(net.kind)), 0
    sums = np.zeros(last - first)
    for step in np.unique(latest["step"]):
        neurons = latest["neuron"][latest["step"] == step]
        if step % period // stretch != sent_in:
            sent_in, fallen[:] = step % period // stretch, 0.0
        rise = np.exp(step % period % stretch / length)
        fallen[neurons] += 0.5 / rise
        for n in neurons:
            row = slice(int(net.out[p, n]), int(net.out[p, n + 1]))
            sums[row.start - first : row.stop - first] -= rise * fallen[net.post[row]]
        fallen[neurons] += 0.5 / rise
    return sums
