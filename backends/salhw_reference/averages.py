"""Traces in the time-driven algorithm: running averages of potentials, inputs and spikes, and who reads them.

``net`` holds the network, ``state`` one instance; arrays.py says what is what.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.arrays import DRIVEN
from salhw_reference.jit import inlined
from salhw_reference.kinds import ALPHA, BOXCAR, HIGHEST, LOGISTIC, MEMBRANE_POTENTIAL, SPIKING


@inlined
def through(net, state, named, n):
    """What the projections into a named input of neuron n add up to, before its gain."""
    total = 0.0
    for p in range(len(net.psp)):
        if net.psp[p].input == named:
            total += state.current[p, n, 1 if net.psp[p].kernel == ALPHA else 0]
    return total


@inlined
def input_of(net, state, n):
    """Synaptic input to neuron n from all projections whose synapses are currents."""
    total = 0.0
    for p in range(len(net.psp)):
        if not net.psp[p].conducts:
            total += state.input_gain[p] * state.current[p, n, 1 if net.psp[p].kernel == ALPHA else 0]
    return total


@inlined
def conductance_of(net, state, n):
    """Synaptic conductance of neuron n, in units of its leak's, and what it pulls its potential to, times it."""
    total, pull = 0.0, 0.0
    for p in range(len(net.psp)):
        if net.psp[p].conducts:
            g = state.current[p, n, 1 if net.psp[p].kernel == ALPHA else 0]
            total += g
            pull += g * net.psp[p].reversal
    return total, pull


@inlined
def value_now(net, state, at, n, t):
    """What column ``at`` of ``total`` averages, of neuron n at step t. A named input is summed up where it has
    changed."""
    mine = net.averaged[at]
    if mine.of == MEMBRANE_POTENTIAL:
        return state.potential[n]
    if mine.of == SPIKING:
        return mine.rate * state.spiking[n]
    if mine.input < 0:
        return state.input[n]
    if state.renewed[n] == t:
        state.value[at] = through(net, state, mine.input, n)
    return state.value[at]


@inlined
def rounded_up(values, first, length):
    """The sum over a boxcar's ring, anew, so that what rounding has done to the running sum stays as small as a round
    of it makes it. Four sums side by side, because an addition waits for the one before."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = first + length // 4 * 4
    for k in range(first, whole, 4):
        a += values[k]
        b += values[k + 1]
        c += values[k + 2]
        d += values[k + 3]
    for k in range(whole, first + length):
        a += values[k]
    return (a + b) + (c + d)


@inlined
def follow_traces(net, state, t, count):
    """Move all traces on with step t, whose ``count`` spikes are known. One loop over all columns: a loop over the
    neurons of each trace would be made ready for many of them, which takes longer than it takes for a few."""
    for k in range(count):
        state.spiking[state.spikes[k]] = 1
    for at in range(len(net.averaged)):
        mine = net.averaged[at]
        value = value_now(net, state, at, np.uint64(mine.neuron), t)
        if mine.window == BOXCAR:
            place = state.place[at]
            state.total[at] += value - state.history[np.uint64(place)]
            state.history[np.uint64(place)] = value
            state.place[at] = place + 1
            if place + 1 == mine.end:
                state.place[at] = mine.first
                state.total[at] = rounded_up(state.history, mine.first, mine.end - mine.first)
            if t < mine.end - mine.first:
                state.filled[at] = t + 1
        else:
            state.total[at] += (value - state.total[at]) * (mine.share if t > 0 else 1.0)
    for k in range(count):
        state.spiking[state.spikes[k]] = 0


@inlined
def mean_of(net, state, k, n):
    """Trace k at neuron n. Means are read more rarely than they move on: who reads divides."""
    trace = net.average[np.uint64(k)]
    at = np.uint64(trace.column) + np.uint64(n) - np.uint64(trace.first)  # a signed index is looked at for its sign
    return state.total[at] / state.filled[at]


@inlined
def potential_of(net, state, k, n):
    """The potential of neuron n that trace k stands for."""
    trace, mean = net.average[k], mean_of(net, state, k, n)
    if trace.of == MEMBRANE_POTENTIAL:
        return mean
    gain = state.input_gain[trace.through] if trace.through >= 0 else 1.0
    return state.bias[n] + gain * mean


@inlined
def rate_of(net, state, k, link, dt, n):
    """The spikes per ms of neuron n that trace k stands for."""
    trace = net.average[k]
    if trace.of == SPIKING:
        return mean_of(net, state, k, n)
    u = potential_of(net, state, k, n)
    if link == LOGISTIC:
        return 1.0 / ((1.0 + net.refractory[n] * np.exp(-u)) * dt)
    return np.exp(min(u, HIGHEST)) / (net.refractory[n] * dt)


@inlined
def modulator_of(net, state, k, baseline):
    """The mean of trace k over its neurons, less the baseline."""
    trace, total = net.average[k], 0.0
    for n in range(trace.first, trace.end):
        total += mean_of(net, state, k, n)
    return total / (trace.end - trace.first) - baseline


@inlined
def touch(state, n):
    """Note that neuron n may spike with another probability from now on, though its input is the same."""
    if state.touched[n] == 0:
        state.touched[n] = DRIVEN


@inlined
def nudge(net, state, t):
    """What the teachers add at step t, from the traces as the step before has left them; a teacher with a period works
    it out anew at its multiples, and when a session has written."""
    for at in range(len(net.teacher)):
        teacher = net.teacher[at]
        n, pushed = np.uint64(teacher.neuron), state.pushed[at]
        if state.now[0].written == 1 or teacher.period == 1 or t % teacher.period == 0:
            error = state.target[at] - potential_of(net, state, np.uint64(teacher.reads), n)
            pushed = state.nudging[at] * error
            state.pushed[at] = pushed
            touch(state, n)
        state.nudge[n] = (state.nudge[n] if teacher.joins else 0.0) + pushed
    state.now[0].written = 0
