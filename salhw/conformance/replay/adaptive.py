"""AdEx neurons as docs/semantics.md has them, and between what bounds those of a target may be that solves their
equations instead, or whose inputs are a little off.

Bounds are worked out step by step from bounds. Each part of a step rises with v and falls with w, so that its lowest
result follows from the lowest v and the highest w.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray
from salhw.description.neurons import AdEx

PIECES = 8
"""Of a step, by which equations are solved: steps are of second order, so 64 times as exact as one."""
SOLVED = 1e-9
"""What a solver may be off by in a step, as a share of potentials."""


class Bounds(NamedTuple):
    """The lowest and the highest v and w that there may be, and w after a spike, (2, instance, neuron) each."""

    v: FloatArray
    w: FloatArray
    after: FloatArray


class Input(NamedTuple):
    """What drives neurons, lowest and highest; the conductance of their synapses, and each times its reversal
    potential."""

    drive: FloatArray
    conductance: FloatArray
    pull: FloatArray


def begins(neuron: AdEx) -> tuple[Any, ...]:
    """At rest: v and w, and bounds of v, of w, and of w after a spike, low and high."""
    return neuron.v_rest, 0.0, neuron.v_rest, neuron.v_rest, 0.0, 0.0, 0.0, 0.0


def both(low: Any, high: Any) -> FloatArray:
    """A lowest and a highest value as one array."""
    return np.stack(np.broadcast_arrays(low, high))


def bounds_of(state: tuple[FloatArray, ...]) -> Bounds:
    """What a state remembers behind v and w."""
    return Bounds(both(*state[2:4]), both(*state[4:6]), both(*state[6:8]))


def remembered(v: FloatArray, w: FloatArray, bounds: Bounds) -> tuple[FloatArray, ...]:
    """The state of v, w and bounds."""
    return v, w, *bounds.v, *bounds.w, *bounds.after


def resets(neuron: AdEx, state: tuple[FloatArray, ...]) -> tuple[FloatArray, ...]:
    """After a spike."""
    v, after = np.broadcast_to(neuron.v_reset, state[0].shape), bounds_of(state).after
    return remembered(v, state[1] + neuron.b, Bounds(both(v, v), after, after))


def spread(state: tuple[FloatArray, ...]) -> FloatArray:
    """How far v may be from what the description says, at most."""
    low, high = bounds_of(state).v
    return np.asarray(np.maximum(high - state[0], state[0] - low))


def adapted(
    neuron: AdEx, state: tuple[FloatArray, ...], spiked: Bools, off: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """w as it entered a decision, and how far it may be off; of a target that solves the step of a spike, w after it
    less b."""
    w, bounds = state[1], bounds_of(state)
    low, high = np.where(spiked, bounds.after - neuron.b, bounds.w)
    low, high = np.minimum(low, bounds.w[0]), np.maximum(high, bounds.w[1])
    return w, np.asarray(np.maximum(high - w, w - low))


def followed(neuron: AdEx, w: FloatArray, v: FloatArray, time: float) -> FloatArray:
    """w after a time at v; lowest and highest."""
    to = np.sort(neuron.a * (v - neuron.v_rest), axis=0)
    return np.asarray(to + (w - to) * np.exp(-time / neuron.tau_w))


def _leaked(neuron: AdEx, given: Input, v: FloatArray, w: FloatArray, time: float) -> FloatArray:
    """Where tau_m dv/dt = v_rest - v + I - w + sum g (e_rev - v) leads to in a time."""
    g = given.conductance
    end = (neuron.v_rest + given.drive - w[::-1] + given.pull) / (1.0 + g)
    return np.asarray(end + (v - end) * np.exp(-(1.0 + g) * time / neuron.tau_m))


def _run_away(neuron: AdEx, v: FloatArray, time: FloatArray | float) -> FloatArray:
    """v after a time of the upstroke alone; infinity where it takes less."""
    with np.errstate(over="ignore"):
        # exp(-v / slope) falls by exp(-v_thresh / slope) time / tau_m
        left = 1.0 - time / neuron.tau_m * np.exp((v - neuron.v_thresh) / neuron.slope_factor)
    return np.where(left <= 0.0, np.inf, v - neuron.slope_factor * np.log(np.maximum(left, 1e-300)))


def stepped(
    neuron: AdEx, given: Input, v: FloatArray, w: FloatArray, dt: float, upstroke: FloatArray | float = 1.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """v and w after a step of the description's: half a step of w, half one of the leak, the upstroke, and both halves
    again; and v as the upstroke leaves it, which takes this share of the step. Of a neuron without bounds low and high
    are the same."""
    half = 0.5 * dt
    w = followed(neuron, w, v, half)
    raised = _run_away(neuron, _leaked(neuron, given, v, w, half), upstroke * dt)
    spent = raised >= neuron.v_peak
    v = np.where(spent, neuron.v_peak, _leaked(neuron, given, np.where(spent, 0.0, raised), w, half))
    return v, followed(neuron, w, v, half), raised


def _solved(
    neuron: AdEx, given: Input, fading: dict[float, Input], bounds: Bounds, dt: float
) -> tuple[FloatArray, FloatArray]:
    """v and w after the time of a step in which the equations are solved, and what of the input is ``fading``, by its
    time constant, decays, with the effect on the leak alone that it has if it is constant. Where an upstroke is sharp,
    a piece knows when it came to half of its own length."""
    piece = dt / PIECES
    middle = (np.arange(PIECES) + 0.5) * piece
    share = np.exp(-(dt - middle)[:, None, None] / np.broadcast_to(neuron.tau_m, bounds.v.shape[1:]))
    v, w = _or_sooner(neuron, bounds.v, piece), bounds.w
    for k in range(PIECES):
        now = given
        for tau, part in fading.items():
            decay = np.exp(-middle / tau)[:, None, None]
            factor = decay[k] * np.sum(share, axis=0) / np.sum(share * decay, axis=0) - 1.0
            now = Input(*(whole + factor * of for whole, of in zip(now, part, strict=True)))
        over, last = v >= neuron.v_peak, k == PIECES - 1
        v, w, _ = stepped(neuron, now, v, w, piece, np.array([0.5 if last else 1.0, 1.0])[:, None, None])
        v = np.where(over, neuron.v_peak, v)
    return _or_sooner(neuron, v, piece), w


def _or_sooner(neuron: AdEx, v: FloatArray, piece: float) -> FloatArray:
    """v, whose upstroke may be half a piece further, until it is at v_peak."""
    return both(v[0], np.minimum(_run_away(neuron, v[1], 0.5 * piece), np.maximum(v[1], neuron.v_peak)))


def _between(stepped: FloatArray, solved: FloatArray, share: float) -> FloatArray:
    """Bounds of all that lies between two results, and beyond by what the ``share`` is more than 1."""
    low, high = np.minimum(solved[0] - stepped[0], 0.0), np.maximum(solved[1] - stepped[1], 0.0)
    return both(stepped[0] + share * low, stepped[1] + share * high)


def held(neuron: AdEx, v: FloatArray, w: FloatArray, dt: float) -> tuple[FloatArray, FloatArray]:
    """v and w after a step of the refractory period."""
    reset = np.broadcast_to(neuron.v_reset, v.shape)
    return reset, followed(neuron, w, reset, dt)


def bounded(
    neuron: AdEx, given: Input, fading: dict[float, Input], bounds: Bounds, dt: float, free: Bools, share: float
) -> Bounds:
    """The bounds after a step, in which a target goes this ``share`` of the way from the step to the solution."""
    v, w, _ = stepped(neuron, given, bounds.v, bounds.w, dt)
    if share:
        exact, exact_w = _solved(neuron, given, fading, bounds, dt)
        v, w = _between(v, exact, share), _between(w, exact_w, share)
        off = np.array([-SOLVED, SOLVED])[:, None, None]
        v, w = v + off * (1.0 + np.abs(v)), w + off * (1.0 + np.abs(w))
        v = np.where(v[1] >= neuron.v_peak, both(np.minimum(v[0], neuron.v_peak), v[1]), v)
    v, w = (np.where(free, *each) for each in zip((v, w), held(neuron, bounds.v, bounds.w, dt), strict=True))
    return Bounds(v, w, _after(neuron, bounds, w, dt) if share else w + neuron.b)


def _after(neuron: AdEx, before: Bounds, w: FloatArray, dt: float) -> FloatArray:
    """Bounds of w after a spike in a step that was solved: from when it came in the step on, which is not known, v was
    at v_reset, and what was added to w faded."""
    begun, reset = followed(neuron, before.w, before.v, dt), held(neuron, before.v, before.w, dt)[1]
    added = np.sort(both(neuron.b * np.exp(-dt / neuron.tau_w), neuron.b), axis=0)
    added = added.reshape(2, 1, -1)
    low, high = (np.stack([w, begun, reset])[:, k] for k in (0, 1))
    return both(low.min(axis=0) + added[0], high.max(axis=0) + added[1])
