"""Neurons that integrate a membrane: one step of each kind, and what a spike resets (equations: docs/semantics.md).

``net`` holds the network, ``state`` one instance; arrays.py says what is what.
"""

from __future__ import annotations

import numpy as np

from salhw_reference.averages import conductance_of
from salhw_reference.jit import inlined
from salhw_reference.kinds import ADAPTIVE, HIGHEST, INTEGRATE, LEAKY, QUADRATIC, RISING
from salhw_reference.parts import threshold_of


@inlined
def relaxed(net, state, n, v, drive):
    """The potential v of a leaky membrane after the time that its ``decay`` is of: a step, or half of one."""
    membrane = net.membrane[n]
    target, decay = membrane.rest + drive, membrane.decay
    if net.conducting[0]:
        g, pull = conductance_of(net, state, n)
        target, decay = (target + pull) / (1.0 + g), decay ** (1.0 + g)
    return target + (v - target) * decay


@inlined
def leak(net, state, n, drive):
    """A step of a LIF membrane; whether it has reached its threshold."""
    v = relaxed(net, state, n, state.potential[n], drive)
    state.potential[n] = v
    return v >= threshold_of(net, state, n)


@inlined
def adapt(net, state, n, v):
    """Half a step of an AdEx neuron's w, at the potential v."""
    goal = net.recovery[n].coupling * (v - net.membrane[n].rest)
    state.adaptation[n] = goal + (state.adaptation[n] - goal) * net.recovery[n].fade


@inlined
def run_away(net, n, v):
    """The potential v after a step of the upstroke alone, tau_m dv/dt = slope exp((v - threshold) / slope); infinity
    where that takes less than a step."""
    slope = net.recovery[n].slope
    x = net.recovery[n].span * np.exp(min((v - net.membrane[n].threshold) / slope, HIGHEST))
    return v - slope * np.log1p(-x) if x < 1.0 else np.inf


@inlined
def leak_and_run_away(net, state, n, drive):
    """A step of an AdEx neuron that is not refractory; whether it has reached its peak, where it stays."""
    peak, current = net.recovery[n].peak, drive - state.adaptation[n]
    v = run_away(net, n, relaxed(net, state, n, state.potential[n], current))
    state.potential[n] = peak if v >= peak else relaxed(net, state, n, v, current)
    return state.potential[n] >= peak


@inlined
def follow(net, state, n, drive):
    """A step of Euler's of a neuron of Izhikevich; whether it has reached its peak."""
    own, v, u = net.recovery[n], state.potential[n], state.adaptation[n]
    state.potential[n] = v + own.span * (0.04 * v * v + 5.0 * v + 140.0 - u + drive)
    state.adaptation[n] = u + own.fade * (own.coupling * v - u)
    return state.potential[n] >= own.peak


@inlined
def integrate(net, state, n, drive):
    """One step of the membrane of neuron n; whether it has reached what makes it spike."""
    kind, free, fires = net.kind[n], state.free[n] == 1.0, False
    if not free:
        state.potential[n] = net.membrane[n].reset
    if kind == RISING:
        state.adaptation[n] *= net.recovery[n].fade
    if kind in (LEAKY, RISING) and free:
        fires = leak(net, state, n, drive)
    if kind == ADAPTIVE:
        adapt(net, state, n, state.potential[n])
        if free:
            fires = leak_and_run_away(net, state, n, drive)
        adapt(net, state, n, state.potential[n])
    if kind == QUADRATIC and free:
        fires = follow(net, state, n, drive)
    return fires


@inlined
def reset(net, state, n):
    """What a spike of neuron n makes of its membrane, if it has one."""
    if net.kind[n] >= INTEGRATE:
        state.potential[n] = net.membrane[n].reset
    if net.kind[n] in (ADAPTIVE, QUADRATIC, RISING):
        state.adaptation[n] += net.recovery[n].jump
