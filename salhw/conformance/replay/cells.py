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
threshold, the stimuli of a source that act; or nothing that is known: rounding, where a potential is at the threshold,
and the target's own grid, where a refractory period is as good as over."""

CLOSE = 1e-9
"""The share of a potential that rounding may have moved it by: nearer to a threshold, either decision is right."""


@dataclass(frozen=True)
class Moment:
    """What the neurons of a population decide from at one step, (instance, neuron) or (neuron,): the ``drive`` of all
    inputs, the ``conductance`` of their synapses, and each times its reversal potential as ``pull``, whether they are
    ``free`` of their refractory period, ``clamped`` and to which ``state``, ``forced`` to
    spike, and how many spikes they are ``expected`` to have of Poisson stimuli."""

    dt: float
    drive: FloatArray
    conductance: FloatArray
    pull: FloatArray
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
    potential that a spike ``resets`` it to; what the probability of a spike would be at a potential that is higher
    (``at_higher``); and the accuracies, if there are any, that say by how much PSPs ``under_way`` may lag behind a
    weight that changes, and how many steps ``early`` it may be free of its refractory period."""

    begins: Callable[[Any], float | FloatArray]
    decides: Callable[[Any, Moment, FloatArray], Decided]
    resets: Callable[[Any, FloatArray], FloatArray]
    at_higher: Callable[[Any, FloatArray, FloatArray], FloatArray] = lambda neuron, chance, higher: chance
    under_way: str = ""
    early: str = ""


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
    """tau_m dv/dt = v_rest - v + I + sum g (e_rev - v), exactly over the step for constant I and g; held at v_reset
    while it is refractory. It spikes at v_thresh, or where the threshold has a width at random."""
    leak = 1.0 + now.conductance
    end = (neuron.v_rest + now.drive + now.pull) / leak
    v = np.where(now.free, end + (potential - end) * np.exp(-leak * now.dt / neuron.tau_m), neuron.v_reset)
    close = np.abs(v - neuron.v_thresh) <= CLOSE * (np.abs(v) + np.abs(end) + np.abs(neuron.v_thresh))
    width = np.broadcast_to(neuron.delta_v, v.shape)
    with np.errstate(over="ignore"):
        hazard = np.exp((v - neuron.v_thresh) / np.where(width > 0.0, width, np.inf)) * now.dt / neuron.tau_ref
    chance = np.where(width > 0.0, -np.expm1(-hazard), v >= neuron.v_thresh)
    decider = np.where(width > 0.0, FREE, np.where(close, UNDECIDED, THRESHOLD))
    return _unless_forced(now, v, np.where(now.free, chance, 0.0), np.where(now.free, decider, REFRACTORY))


def _source(neuron: Source, now: Moment, potential: FloatArray) -> Decided:
    """At most one spike at a step, with the probability 1 - exp(-rate dt)."""
    chance = np.broadcast_to(-np.expm1(-now.expected), now.drive.shape)
    return _unless_forced(now, potential, chance, np.where(chance > 0.0, FREE, SOURCE))


def _scaled_odds(chance: FloatArray, higher: FloatArray) -> FloatArray:
    """The probability whose odds are exp(higher) times as large."""
    odds = np.maximum(chance, 1e-100) / np.maximum(1.0 - chance, 1e-100)
    return np.asarray(1.0 / (1.0 + np.exp(-higher) / odds))


def _scaled_hazard(chance: FloatArray, higher: FloatArray) -> FloatArray:
    """The probability whose hazard is exp(higher) times as large; of one that rounds to 1 the hazard is at least 36,
    and that of one that is 0 stays 0, however large the factor."""
    factor = np.exp(np.minimum(higher, 700.0))
    return np.asarray(-np.expm1(np.log1p(-np.minimum(chance, 1.0 - 2.0**-53)) * factor))


def _glm_higher(neuron: GLM, chance: FloatArray, higher: FloatArray) -> FloatArray:
    scaled: FloatArray = {"logistic": _scaled_odds, "exact": _scaled_hazard}[neuron.discretisation](chance, higher)
    return scaled


def _lif_higher(neuron: LIF, chance: FloatArray, higher: FloatArray) -> FloatArray:
    """Of a soft threshold; nothing random depends on a sharp one."""
    width = np.asarray(neuron.delta_v)
    return np.where(width > 0.0, _scaled_hazard(chance, higher / np.where(width > 0.0, width, 1.0)), chance)


CELLS.register(GLM)(Cell(lambda neuron: 0.0, _glm, lambda neuron, u: u, _glm_higher))
CELLS.register(LIF)(
    Cell(
        lambda neuron: neuron.v_rest,
        _lif,
        lambda neuron, v: np.broadcast_to(neuron.v_reset, v.shape),
        _lif_higher,
        "lif_under_way",
        "lif_refractory",
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
