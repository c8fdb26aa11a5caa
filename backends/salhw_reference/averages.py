"""Traces in the time-driven algorithm: running averages of potentials, inputs and spikes, and who reads them.

``net`` holds the network, ``state`` one instance; arrays.py says what is what.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.jit import inlined
from salhw_reference.kinds import ALPHA, BOXCAR, INPUTS, LOGISTIC, MEMBRANE_POTENTIAL, SPIKING


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
    """Synaptic input to neuron n from all projections."""
    total = 0.0
    for p in range(len(net.psp)):
        total += state.input_gain[p] * state.current[p, n, 1 if net.psp[p].kernel == ALPHA else 0]
    return total


@inlined
def value_now(net, state, k, n):
    """What trace k averages, at neuron n at this step."""
    trace = net.average[k]
    if trace.of == MEMBRANE_POTENTIAL:
        return state.potential[n]
    if trace.of == INPUTS:
        return through(net, state, trace.input, n) if trace.input >= 0 else input_of(net, state, n)
    return trace.rate * state.spiking[n]


@inlined
def round_up(state, first, length, at):
    """Add a boxcar's ring up anew, so that what rounding has done to the running sum stays as small as a round of it
    makes it."""
    total = 0.0
    for k in range(first, first + length):
        total += state.history[k]
    state.total[at] = total


@inlined
def follow_traces(net, state, t, count):
    """Move all traces on with step t, whose ``count`` spikes are known."""
    for k in range(count):
        state.spiking[state.spikes[k]] = 1
    for k in range(len(net.average)):
        trace, turn = net.average[k], state.turn[k]
        state.turn[k] = turn + 1 if turn + 1 < trace.length else 0
        for n in range(trace.first, trace.end):
            value, at = value_now(net, state, k, n), trace.column + n - trace.first
            if trace.window == BOXCAR:
                first = trace.ring + (n - trace.first) * trace.length
                place = first + turn
                state.total[at] += value - state.history[place]
                state.history[place] = value
                if turn == trace.length - 1:
                    round_up(state, first, trace.length, at)
                state.mean[at] = state.total[at] / min(t + 1, trace.length)
            elif t == 0:
                state.mean[at] = value
            else:
                state.mean[at] += (value - state.mean[at]) * trace.share
    for k in range(count):
        state.spiking[state.spikes[k]] = 0


@inlined
def potential_of(net, state, k, n):
    """The potential of neuron n that trace k stands for."""
    trace = net.average[k]
    mean = state.mean[trace.column + n - trace.first]
    if trace.of == MEMBRANE_POTENTIAL:
        return mean
    gain = 1.0
    for p in range(len(net.psp)):
        if trace.input >= 0 and net.psp[p].input == trace.input:
            gain = state.input_gain[p]
    return state.bias[n] + gain * mean


@inlined
def rate_of(net, state, k, link, dt, n):
    """The spikes per ms of neuron n that trace k stands for."""
    trace = net.average[k]
    if trace.of == SPIKING:
        return state.mean[trace.column + n - trace.first]
    u = potential_of(net, state, k, n)
    if link == LOGISTIC:
        return 1.0 / ((1.0 + net.refractory[n] * np.exp(-u)) * dt)
    return np.exp(u) / (net.refractory[n] * dt)


@inlined
def nudge(net, state, t):
    """What the teachers add at step t, from the traces as the step before has left them; a teacher with a period works
    it out anew at its multiples, and when a session has written."""
    state.nudge[:] = 0.0
    for k in range(len(net.teacher)):
        teacher = net.teacher[k]
        due = state.now[0].written == 1 or t % teacher.period == 0
        for n in range(teacher.first, teacher.end):
            at = teacher.column + n - teacher.first
            if due:
                error = state.target[at] - potential_of(net, state, teacher.reads, n)
                state.pushed[at] = state.nudging[at] * error
                state.touched[n] = 1
            state.nudge[n] += state.pushed[at]
    state.now[0].written = 0
