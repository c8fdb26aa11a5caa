"""The time-driven algorithm: every description, one step after the other."""

from __future__ import annotations

import numpy as np

from salhw_reference.arrays import CHANGED, NEVER
from salhw_reference.averages import follow_traces, input_of, mean_of, nudge, touch
from salhw_reference.event_driven import forced_spikes
from salhw_reference.jit import compiled, inlined
from salhw_reference.kinds import (
    ADAPTATION,
    ADAPTIVE,
    ALPHA,
    INTEGRATE,
    LEFT,
    MEAN,
    QUADRATIC,
    RECTANGULAR,
    RISING,
    SHARE,
    SUM,
)
from salhw_reference.learning import has_periodic, learn, periodic_update
from salhw_reference.membranes import integrate, reset
from salhw_reference.parts import (
    SENT,
    act,
    begin,
    count_states,
    escape_probability,
    largest_odds,
    left_for,
    note_spikes,
    recompute_inputs,
    share_for,
    spike_probability,
)
from salhw_reference.program import FREES
from salhw_reference.rng import uniform
from salhw_reference.tables import row


@inlined
def fade(states, psp, low, high):
    """One step of a kernel that decays, for the (y, x) of the neurons low..high-1 in a projection; x is that of alpha
    kernels alone."""
    decay, ratio = psp.decay, psp.ratio
    if psp.kernel == ALPHA:
        for n in range(np.uint64(low), np.uint64(high)):
            y = states[n, 0]
            states[n, 0] = decay * y
            states[n, 1] = decay * (states[n, 1] + ratio * y)
    else:
        for n in range(np.uint64(low), np.uint64(high)):
            states[n, 0] *= decay


@inlined
def summed(net, state, m, n):
    """What the projections that probe m looks at give neuron n, with their gains where these count."""
    total, gained = 0.0, net.samples[m].gained
    for p in range(len(net.psp)):
        if net.summed[m, p]:
            gain = state.input_gain[p] if gained else 1.0
            total += gain * state.current[p, n, 1 if net.psp[p].kernel == ALPHA else 0]
    return total


@inlined
def value_of(net, state, m, n, t):
    """What probe m shows of neuron n at step t."""
    of, number = net.samples[m].of, net.samples[m].traced
    if of == SHARE:
        return share_for(net.psp[number], state.used[number, SENT, n], t)
    if of == LEFT:
        return left_for(net.psp[number], state.used[number, SENT, n], t)
    if of == SUM:
        return summed(net, state, m, n)
    if of == ADAPTATION:  # what does not adapt has none
        return state.adaptation[n] if net.kind[n] in (ADAPTIVE, QUADRATIC, RISING) else 0.0
    return mean_of(net, state, number, n) if of == MEAN else state.potential[n]


@inlined
def sample(net, state, rows, origin, t, traces):
    """Write what probes ask for at this step: what entered the decisions, or the means of ``traces`` after them."""
    for m in range(len(net.samples)):
        probe = net.samples[m]
        if t % probe.every == 0 and (probe.of == MEAN) == traces:
            for n in range(probe.first, probe.end):
                value = value_of(net, state, m, n, t)
                rows[t // probe.every - origin[m], probe.column + n - probe.first] = value


@inlined
def look_back(net, state, t):
    """Let all heads act on what is due at step t. Those of one lag come to a spike at the same step, so they look at
    the past spikes together."""
    for k in range(len(net.lag)):
        while state.due[k] <= t:
            lag, at = net.lag[k], state.head_at[k]
            spike = state.past[at & net.ring[0]]
            for h in range(np.uint64(lag.first), np.uint64(lag.end)):
                head = net.by_lag[h]
                if head.first <= spike.neuron < head.end:
                    act(net, state, head.action, head.index, spike.step, spike.neuron)
                    if head.action == FREES:
                        touch(state, spike.neuron)
            state.head_at[k] = at + 1
            pending = at + 1 < state.now[0].past_end
            state.due[k] = state.past[(at + 1) & net.ring[0]].step + lag.steps if pending else NEVER


@inlined
def look_ahead(net, state, t):
    """Note when heads that had no spike to wait for act on those of step t."""
    for k in range(len(net.lag)):
        if state.due[k] == NEVER:
            state.due[k] = t + net.lag[k].steps


@inlined
def step_neurons(net, state, rng, drive, t):
    """Decide for every neuron whether it spikes at step t; how many do. Probabilities are worked out where the draw is
    below an upper bound of them, which is 0 for refractory neurons: seldom."""
    count = 0
    for n in range(len(net.kind)):
        if net.kind[n] >= INTEGRATE:
            state.input[n], state.renewed[n] = input_of(net, state, n), t
            fires = integrate(net, state, n, state.bias[n] + drive[0, n] + state.nudge[n] + state.input[n])
            if net.membrane[n].width > 0.0:
                drawn = uniform(rng)
                fires = state.free[n] == 1.0 and drawn < escape_probability(net, state, n)
        else:
            if state.touched[n]:
                if state.touched[n] == CHANGED:
                    state.input[n], state.renewed[n] = input_of(net, state, n), t
                state.touched[n] = 0
                u = state.bias[n] + drive[0, n] + state.nudge[n] + state.input[n]
                state.potential[n] = u
                state.chance[n] = largest_odds(net, drive, n, u) if state.free[n] == 1.0 else 0.0
            drawn = uniform(rng)
            fires = drawn * net.refractory[n] < state.chance[n]
            if fires:
                fires = drawn < spike_probability(net, drive, n, state.potential[n])
        if fires:
            state.spikes[count] = n
            count += 1
    return count


@compiled
def run(net, batch, rngs, drive, line, out, samples, origin, first, last, until):
    """Advance the instances first..last-1 to step ``until``, or to where the room for recorded spikes runs out."""
    net = row(net, 0)
    periodic = has_periodic(net)
    for b in range(first, last):
        state, rng, own_drive = row(batch, b), rngs[b], drive[b % len(drive)]
        begin(net, state)
        state.touched[:] = CHANGED
        for t in range(state.now[0].time, until):
            if state.now[0].used + len(net.kind) > out.shape[2]:
                break
            if state.now[0].stale:
                recompute_inputs(net, state)
                state.touched[:] = CHANGED
            if len(net.teacher) > 0:  # as soon as can be: what follows waits long for it
                nudge(net, state, t)
            look_back(net, state, t)
            if net.fading[0]:
                for p in range(len(net.psp)):
                    psp = net.psp[p]
                    if psp.kernel != RECTANGULAR:
                        fade(state.psp[p], psp, psp.pre_first, psp.pre_end)
                        fade(state.current[p], psp, psp.post_first, psp.post_end)
                state.touched[:] = CHANGED
            count = step_neurons(net, state, rng, own_drive, t)
            sample(net, state, samples[b], origin, t, False)
            count = forced_spikes(state, t, count)
            if len(net.average) > 0:
                follow_traces(net, state, t, count)
                sample(net, state, samples[b], origin, t, True)
            if count > 0:
                for k in range(count):
                    reset(net, state, state.spikes[k])
                    touch(state, state.spikes[k])
                learn(net, state, t, count, True)
                note_spikes(net, state, out[b], t, count)
                look_ahead(net, state, t)
            count_states(net, state, 1)
            state.now[0].time = t + 1
            if periodic:
                periodic_update(net, state, t + 1)
