"""Neurons and averages as docs/semantics.md has them, one step at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import ByKind
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.traces import Boxcar, ExponentialTrace

FREE, REFRACTORY, CLAMPED, FORCED, THRESHOLD, SOURCE, UNDECIDED = range(7)
"""What decides whether a neuron spikes at a step: chance, its refractory period, a clamp, a forced spike, its
threshold, the stimuli of a source that act; or rounding, where a potential is at the threshold."""

CLOSE = 1e-9
"""The share of a potential that rounding may have moved it by: nearer to a threshold, either decision is right."""


@dataclass(frozen=True)
class Moment:
    """What the neurons of a population decide from at one step, (instance, neuron) or (neuron,): the ``drive`` of all
    inputs, whether they are ``free`` of their refractory period, ``clamped`` and to which ``state``, ``forced`` to
    spike, and how many spikes they are ``expected`` to have of Poisson stimuli."""

    dt: float
    drive: FloatArray
    free: Bools
    clamped: Bools
    state: IntArray
    forced: Bools
    expected: FloatArray


Decided = tuple[FloatArray, FloatArray, IntArray]
"""Potentials as they entered the decision, probabilities of a spike, and what decided."""


@dataclass(frozen=True)
class Cell:
    """One kind of neuron: the potential that it ``begins`` with, how it ``decides`` from its last potential, and the
    potential that a spike ``resets`` it to; and the accuracy, if there is one, that says by how much PSPs ``under_way``
    may lag behind a weight that changes."""

    begins: Callable[[Any], float | FloatArray]
    decides: Callable[[Any, Moment, FloatArray], Decided]
    resets: Callable[[Any, FloatArray], FloatArray]
    under_way: str = ""


CELLS: ByKind[Cell] = ByKind("the replay oracle")
AVERAGES: ByKind[Callable[[Any, float], Callable[[FloatArray], FloatArray]]] = ByKind("the replay oracle")
"""What makes of a window and dt a function from the values of one step after the other to their average."""


def as_chance(odds: FloatArray) -> FloatArray:
    """odds / (1 + odds), of any size."""
    return np.asarray(1.0 / (1.0 + 1.0 / np.maximum(odds, 1e-300)))


def _unless_forced(now: Moment, potential: FloatArray, chance: FloatArray, decider: IntArray) -> Decided:
    """Forced spikes happen whatever the state."""
    return potential, np.where(now.forced, 1.0, chance), np.where(now.forced, FORCED, decider)


def _glm(neuron: GLM, now: Moment, potential: FloatArray) -> Decided:
    """The potential is the drive; a clamp takes the decision of a neuron that is not refractory."""
    with np.errstate(over="ignore"):
        hazard = np.exp(now.drive) * now.dt / neuron.tau_ref
    chances = {"logistic": as_chance(hazard), "exact": -np.expm1(-hazard)}
    chance = np.where(now.clamped, now.state, chances[neuron.discretisation])
    decider = np.where(now.clamped, CLAMPED, FREE)
    return _unless_forced(now, now.drive, np.where(now.free, chance, 0.0), np.where(now.free, decider, REFRACTORY))


def _lif(neuron: LIF, now: Moment, potential: FloatArray) -> Decided:
    """tau_m dv/dt = v_rest - v + I, exactly over the step; held at v_reset while it is refractory."""
    end = neuron.v_rest + now.drive
    v = np.where(now.free, end + (potential - end) * np.exp(-now.dt / neuron.tau_m), neuron.v_reset)
    close = np.abs(v - neuron.v_thresh) <= CLOSE * (np.abs(v) + np.abs(end) + np.abs(neuron.v_thresh))
    decider = np.where(now.free, np.where(close, UNDECIDED, THRESHOLD), REFRACTORY)
    return _unless_forced(now, v, (now.free & (v >= neuron.v_thresh)).astype(np.float64), decider)


def _source(neuron: Source, now: Moment, potential: FloatArray) -> Decided:
    """At most one spike at a step, with the probability 1 - exp(-rate dt)."""
    chance = np.broadcast_to(-np.expm1(-now.expected), now.drive.shape)
    return _unless_forced(now, potential, chance, np.where(chance > 0.0, FREE, SOURCE))


CELLS.register(GLM)(Cell(lambda neuron: 0.0, _glm, lambda neuron, u: u))
CELLS.register(LIF)(
    Cell(
        lambda neuron: neuron.v_rest, _lif, lambda neuron, v: np.broadcast_to(neuron.v_reset, v.shape), "lif_under_way"
    )
)
CELLS.register(Source)(Cell(lambda neuron: 0.0, _source, lambda neuron, nothing: nothing))


@AVERAGES.register(Boxcar)
def _boxcar(window: Boxcar, dt: float) -> Callable[[FloatArray], FloatArray]:
    """The mean over the last duration / dt steps; over all while there are fewer."""
    length = round(window.duration / dt)
    seen: list[FloatArray] = []

    def follow(x: FloatArray) -> FloatArray:
        seen.append(x)
        return np.asarray(np.mean(seen[-length:], axis=0))

    return follow


@AVERAGES.register(ExponentialTrace)
def _exponential(window: ExponentialTrace, dt: float) -> Callable[[FloatArray], FloatArray]:
    """y(t) = y(t - 1) + (x(t) - y(t - 1)) (1 - exp(-dt / tau)), which begins at y(0) = x(0)."""
    share = -np.expm1(-dt / window.tau)
    mean: list[FloatArray] = []

    def follow(x: FloatArray) -> FloatArray:
        mean[:] = [mean[0] + (x - mean[0]) * share if mean else x]
        return mean[0]

    return follow
