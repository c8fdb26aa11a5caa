"""Traces in the time-driven algorithm: running averages of potentials, inputs and spikes, and who reads them.

``net`` holds the network, ``state`` one instance; arrays.py says what is what.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.arrays import DRIVEN
from salhw_reference.jit import inlined
from salhw_reference.kinds import ALPHA, BOXCAR, HIGHEST, INPUTS, LOGISTIC, MEMBRANE_POTENTIAL, SPIKING


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
def value_now(net, state, k, n):
    """What trace k averages, at neuron n at this step."""
    trace = net.average[k]
    if trace.of == MEMBRANE_POTENTIAL:
        return state.potential[n]
    if trace.of == INPUTS:
        return through(net, state, trace.input, n) if trace.input >= 0 else state.input[n]
    return trace.rate * state.spiking[n]


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
    """Move all traces on with step t, whose ``count`` spikes are known. Potentials and inputs are looked up for those
    neurons alone whose input or drive has changed."""
    for k in range(count):
        state.spiking[state.spikes[k]] = 1
    for at in range(len(net.averaged)):
        mine = net.averaged[at]
        k, n = np.uint64(mine.number), np.uint64(mine.neuron)  # a signed index is looked at for its sign
        trace, turn = net.average[k], state.turn[k]
        if state.renewed[n] == t or trace.of == SPIKING:
            state.value[at] = value_now(net, state, k, n)
        value = state.value[at]
        if trace.window == BOXCAR:
            place = np.uint64(mine.ring + turn)
            state.total[at] += value - state.history[place]
            state.history[place] = value
            if turn == trace.length - 1:
                state.total[at] = rounded_up(state.history, mine.ring, trace.length)
        elif t == 0:
            state.total[at] = value
        else:
            state.total[at] += (value - state.total[at]) * trace.share
    for k in range(len(net.average)):
        length = net.average[k].length
        state.turn[k] = state.turn[k] + 1 if state.turn[k] + 1 < length else 0
        if net.average[k].window == BOXCAR and t < length:
            state.filled[k] = t + 1
    for k in range(count):
        state.spiking[state.spikes[k]] = 0


@inlined
def mean_of(net, state, k, n):
    """Trace k at neuron n. Means are read more rarely than they move on: who reads divides."""
    trace = net.average[np.uint64(k)]
    return state.total[np.uint64(trace.column) + np.uint64(n) - np.uint64(trace.first)] / state.filled[np.uint64(k)]


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
def nudge(net, state, t):
    """What the teachers add at step t, from the traces as the step before has left them; a teacher with a period works
    it out anew at its multiples, and when a session has written."""
    for k in range(len(net.teacher)):
        for n in range(np.uint64(net.teacher[k].first), np.uint64(net.teacher[k].end)):
            state.nudge[n] = 0.0
    for k in range(len(net.teacher)):
        teacher = net.teacher[k]
        due = state.now[0].written == 1 or teacher.period == 1 or t % teacher.period == 0
        for n in range(np.uint64(teacher.first), np.uint64(teacher.end)):
            at = np.uint64(teacher.column) + n - np.uint64(teacher.first)
            if due:
                error = state.target[at] - potential_of(net, state, teacher.reads, n)
                state.pushed[at] = state.nudging[at] * error
                if state.touched[n] == 0:
                    state.touched[n] = DRIVEN
            state.nudge[n] += state.pushed[at]
    state.now[0].written = 0
