"""What both algorithms share: hazards, the arrival of PSPs, and what happens when neurons spike.

``net`` holds the network, ``state`` one instance; arrays.py says what is what.
"""

from __future__ import annotations

import math

import numpy as np

from salhw_reference.arrays import NEVER
from salhw_reference.jit import helper, inlined
from salhw_reference.kinds import ADAPTIVE, HIGHEST, LOGISTIC, QUADRATIC, RISING, SOURCE
from salhw_reference.learning import add_current
from salhw_reference.program import ARRIVES, ENDS, FREES, USES

CERTAIN = 1e3  # a hazard per step above which a spike is certain in double precision
EXACT = 2.0**-46  # sums of its whole multiples below 2**7 are exact: PSPs that overlap end as they began
BEGAN, ENDED, SENT = 0, 1, 2  # what spikes have used, as PSPs began, as they ended, and as spikes were sent
BITS = 2.0**52 / math.log(2.0)
ONE = 1023.0 * 2.0**52 + 2.0**15  # the bits of 1.0; the rest is 16 times what rounding may take away


@inlined
def hazard(net, drive, n, u):
    """Integrated hazard of one step: the spike probability is 1 - exp(-hazard), refractoriness apart."""
    if drive[1, n] == 1.0:
        return 0.0
    if drive[1, n] == 2.0:
        return CERTAIN
    kind = net.kind[n]
    if kind == SOURCE:
        return drive[2, n]
    odds = np.exp(u) / net.refractory[n]
    if kind == LOGISTIC:
        odds = np.log(1.0 + odds)  # log1p would be right to more digits than the grid of event_driven.py has
    return min(odds, CERTAIN)


@inlined
def spike_probability(net, drive, n, u):
    """1 - exp(-hazard), without the detour where it is the logistic function."""
    if net.kind[n] == LOGISTIC and drive[1, n] == 0.0:
        return 1.0 / (1.0 + net.refractory[n] * np.exp(-u))
    return -np.expm1(-hazard(net, drive, n, u))


@inlined
def threshold_of(net, state, n):
    """The threshold of neuron n at this step."""
    return net.membrane[n].threshold + (state.adaptation[n] if net.kind[n] == RISING else 0.0)


@inlined
def escape_probability(net, state, n):
    """That a neuron with a soft threshold spikes at a step, refractoriness apart; one with a peak is sure to spike
    there."""
    v = state.potential[n]
    if net.kind[n] == ADAPTIVE and v >= net.recovery[n].peak:
        return 1.0
    x = np.exp(min((v - threshold_of(net, state, n)) / net.membrane[n].width, HIGHEST)) / net.refractory[n]
    return -np.expm1(-min(x, CERTAIN))


@inlined
def above_exp(u):
    """A number above exp(u) by at most 6.2 %, u within HIGHEST: the bits of 1.0 plus 2**52 u / ln 2 are those of
    2**(u / ln 2) at whole powers, and linear in between."""
    return np.int64(u * BITS + ONE).view(np.float64)


@inlined
def largest_odds(net, drive, n, u):
    """A number that is not below ``spike_probability`` times the refractory steps, without an exponential."""
    if drive[1, n] != 0.0:
        return 0.0 if drive[1, n] == 1.0 else np.inf
    if net.kind[n] == SOURCE:
        return drive[2, n] * (1.0 + 2.0**-40)  # rounding may not lift what the hazard gives above it
    return above_exp(min(max(u, -HIGHEST), HIGHEST))


@helper
def recompute_inputs(net, state):
    """Postsynaptic input from presynaptic state and weights: u_i = b_i + sum_j W_ij(t) (kernel * S_j)(t), Eq 8."""
    state.current[:] = 0.0
    for p in range(len(net.psp)):
        for j in range(len(net.kind)):
            for k in range(net.out[p, j], net.out[p, j + 1]):
                w = state.weight[k] * state.gain[k] * net.psp[p].height
                add_current(state, p, net.post[k], w, state.psp[p, j, 0], state.psp[p, j, 1])
    state.now[0].stale = 0


@inlined
def deliver(net, state, p, j, dy, dx):
    """Change neuron j's PSP in projection p by (dy, dx) at all its targets."""
    state.psp[p, j, 0] += dy
    state.psp[p, j, 1] += dx
    for k in range(net.out[p, j], net.out[p, j + 1]):
        post = net.post[k]
        add_current(state, p, post, state.weight[k] * state.gain[k] * net.psp[p].height, dy, dx)
        state.touched[post] = 1


@inlined
def end_refractory(net, state, period, n, step):
    """``set_free``, but for the network states of occupancy probes."""
    if state.last[n] != step or net.refractory[n] != period:
        return False
    state.free[n] = 1.0
    return True


@inlined
def set_free(net, state, period, n, step):
    """A refractory ``period`` after neuron n's spike at ``step`` ends; whether it was n's own, and that of its last
    spike."""
    if not end_refractory(net, state, period, n, step):
        return False
    for o in range(len(net.occupancy)):
        first = net.occupancy[o].first
        if first <= n < net.occupancy[o].end:
            state.code[o] &= ~(1 << (n - first))
    return True


@inlined
def left_for(psp, used, step):
    """The resources that a spike at ``step`` finds, after the one that has ``used`` some."""
    return 1.0 - (1.0 - used.left * (1.0 - used.share)) * np.exp((used.step - step) * psp.recovery)


@inlined
def share_for(psp, used, step):
    """The share of them that it uses."""
    return psp.utilisation + used.share * (1.0 - psp.utilisation) * np.exp((used.step - step) * psp.facilitation)


@inlined
def use(net, state, p, lane, step, n):
    """Neuron n's spike at ``step`` uses resources of its synapses in projection p; the strength of its PSP."""
    psp, used = net.psp[p], state.used[p, lane, n]
    used.left, used.share, used.step = left_for(psp, used, step), share_for(psp, used, step), step
    return used.share * used.left


@inlined
def strength_of(net, state, action, p, step, n):
    """How strong the PSP of neuron n's spike at ``step`` in projection p is, by its spikes before. What PSPs end with
    follows once more from the same spikes: they end in the order in which they began."""
    if net.psp[p].utilisation == 0.0:
        return 1.0
    return np.rint(use(net, state, p, ENDED if action == ENDS else BEGAN, step, n) / EXACT) * EXACT


@inlined
def change_of_psp(net, state, action, p, step, n):
    """How the presynaptic state of neuron n in projection p changes as the PSP of its spike at ``step`` arrives or
    ends."""
    strength = strength_of(net, state, action, p, step, n)
    renews = net.psp[p].renews
    if action == ARRIVES:
        if not renews:
            return strength, 0.0
        state.arrived[p, n] = step
        return strength - state.psp[p, n, 0], -state.psp[p, n, 1]
    return (0.0 if renews and state.arrived[p, n] != step else -strength), 0.0


@inlined
def expire(state, branch, step, n):
    """The spike of neuron n at ``step`` leaves the triangular window of a rule's branch, 2 * rule + side."""
    counted = state.counted[branch >> 1, branch & 1, n]
    counted.number -= 1
    counted.total -= step


@inlined
def act(net, state, action, index, step, n):
    """What a head does with the spike of neuron n at ``step``."""
    if action == FREES:
        set_free(net, state, index, n, step)
    elif action in (ARRIVES, ENDS):
        dy, dx = change_of_psp(net, state, action, index, step, n)
        if dy != 0.0 or dx != 0.0:
            deliver(net, state, index, n, dy, dx)
    elif action == USES:
        use(net, state, index, SENT, step, n)
    else:
        expire(state, index, step, n)


@inlined
def note_spike(net, state, t, n):
    """What a spike of neuron n at t, once it has been learned from, changes for n itself."""
    state.spiking[n] = 0
    state.spiked[n] += 1
    state.last[n] = t
    if net.kind[n] != SOURCE and net.kind[n] != QUADRATIC:  # which have no refractory period
        state.free[n] = 0.0


@inlined
def occupy(net, state, n):
    """The network states of occupancy probes after a spike of neuron n."""
    for o in range(len(net.occupancy)):
        first = net.occupancy[o].first
        if first <= n < net.occupancy[o].end and net.kind[n] != SOURCE:
            state.code[o] |= 1 << (n - first)


@inlined
def write_spike(net, state, out, t, n):
    """Write a spike into the ring, where heads will find it, and to those that are recorded."""
    spike = state.past[state.now[0].past_end & net.ring[0]]
    spike.step, spike.neuron = t, n
    state.now[0].past_end += 1
    if net.recorded[n]:
        out[0, state.now[0].used] = t
        out[1, state.now[0].used] = n
        state.now[0].used += 1


@inlined
def note_spikes(net, state, out, t, count):
    """What follows from the ``count`` spikes of step t at once, when they have been learned from."""
    for k in range(count):
        n = state.spikes[k]
        note_spike(net, state, t, n)
        occupy(net, state, n)
        write_spike(net, state, out, t, n)


@inlined
def emit(net, state, out, t, count):
    """``note_spikes``, and heads that had nothing to wait for wait for these."""
    note_spikes(net, state, out, t, count)
    for h in range(len(net.head)):
        if state.due[h] == NEVER:
            look_ahead(net, state, h)


@inlined
def look_ahead(net, state, h):
    """Move head h to its next spike and note when it will act on it."""
    head, at, end = net.head[h], state.head_at[h], state.now[0].past_end
    due = NEVER
    while at < end:
        spike = state.past[at & net.ring[0]]
        if head.first <= spike.neuron < head.end:
            due = spike.step + head.lag
            break
        at += 1
    state.head_at[h], state.due[h] = at, due


@inlined
def act_until(net, state, h, t):
    """Let head h act on everything that is due at t or before."""
    head = net.head[h]
    while state.due[h] <= t:
        spike = state.past[state.head_at[h] & net.ring[0]]
        act(net, state, head.action, head.index, spike.step, spike.neuron)
        state.head_at[h] += 1
        look_ahead(net, state, h)


@helper
def begin(net, state):
    """The network states that the occupancy probes start from."""
    for o in range(len(net.occupancy)):
        code, first = 0, net.occupancy[o].first
        for n in range(first, net.occupancy[o].end):
            if state.free[n] == 0.0:
                code |= 1 << (n - first)
        state.code[o] = code


@inlined
def count_states(net, state, steps):
    """The network spends ``steps`` in its present state."""
    for o in range(len(net.occupancy)):
        state.states[net.occupancy[o].counter + state.code[o]] += steps
