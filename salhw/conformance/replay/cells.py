"""Neurons and averages as docs/semantics.md has them, one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from salhw.conformance.replay import adaptive
from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import ByKind
from salhw.description.neurons import GLM, LIF, AdEx, Izhikevich, Neuron, Source
from salhw.description.traces import Boxcar, ExponentialTrace

FREE, REFRACTORY, CLAMPED, FORCED, THRESHOLD, SOURCE, UNDECIDED = range(7)
"""What decides whether a neuron spikes at a step: chance, its refractory period, a clamp, a forced spike, its
threshold, the stimuli of a source that act; or nothing that is known: rounding, where a potential is at the threshold,
and the target's own grid, where a refractory period is as good as over."""

CLOSE = 1e-9
"""The share of a potential that rounding may have moved it by: nearer to a threshold, either decision is right."""
ROUNDS = 2.0**-52
"""What a step may be off by, as a share of what it adds up."""


@dataclass(frozen=True)
class Slack:
    """What the neurons of a population may be off by: the share of the most that each projection has given (``psp``),
    and of what PSPs under way follow a weight by (``lag``); which share of a step's error they lack where they solve
    equations (``solved``); by how many steps ``early`` refractory periods may be over; which share of what leaks from a
    membrane in a step (``leak``); and by how much of what teachers add (``nudged``)."""

    psp: float = 0.0
    lag: float = 0.0
    solved: float = 0.0
    early: int = 0
    leak: float = 0.0
    nudged: float = 0.0


@dataclass(frozen=True)
class Moment:
    """What the neurons of a population decide from at one step, (instance, neuron) or (neuron,): the ``drive`` of all
    inputs, the ``conductance`` of their synapses, and each times its reversal potential as ``pull``, whether they are
    ``free`` of their refractory period, ``clamped`` and to which ``state``, ``forced`` to
    spike, how many spikes they are ``expected`` to have of Poisson stimuli, and by how much the drive changes at most
    where the membranes that teachers read do (``feedback``). A target may be ``off`` in the drive by so much; and where
    it solves equations, this share of what their solution differs by from a step (``solved``), in which the part of
    drive, conductance and pull that is ``fading``, by its time constant in ms, decays. What leaks in a step may be off
    by a share of ``leak``."""

    dt: float
    drive: FloatArray
    conductance: FloatArray
    pull: FloatArray
    free: Bools
    clamped: Bools
    state: IntArray
    forced: Bools
    expected: FloatArray
    feedback: FloatArray
    off: FloatArray
    solved: float
    fading: Mapping[float, FloatArray]
    leak: float = 0.0


State = tuple[FloatArray, ...]
"""The potentials of a population, and behind them what else its neurons remember."""
Decided = tuple[State, FloatArray, IntArray]
"""The state as it entered the decision, probabilities of a spike, and what decided."""


@dataclass(frozen=True)
class Cell:
    """One kind of neuron: the state that it ``begins`` with, how it ``decides`` from its last state, and the state that
    a spike ``resets`` it to; what the probability of a spike would be at a potential that is higher (``at_higher``);
    the ``threshold``, in a state, beside which a potential that is a little off may decide otherwise; the accuracies,
    if there are any, that say by how much PSPs ``under_way`` may lag behind a weight that changes, how many steps
    ``early`` it may be free of its refractory period, and which share of a step's error it lacks that is ``solved``
    instead; how far a potential may be off by its own dynamics (``spread``); whether it ``amplifies`` what its
    input is off by, or ``forgets`` all but its present input; and of each of its own ``variables`` what it is and how
    far a target may be off in it, by the state that entered a decision, whether it spiked, and how far its drive may be
    off."""

    begins: Callable[[Any], tuple[float | FloatArray, ...]]
    decides: Callable[[Any, Moment, State], Decided]
    resets: Callable[[Any, State], State]
    at_higher: Callable[[Any, FloatArray, FloatArray], FloatArray] = lambda neuron, chance, higher: chance
    threshold: Callable[[Any, State], FloatArray] = lambda neuron, state: np.full(state[0].shape, np.nan)
    under_way: str = ""
    early: str = ""
    solved: str = ""
    spread: Callable[[State], FloatArray] = lambda state: np.zeros_like(state[0])
    amplifies: bool = False
    forgets: bool = False
    variables: Mapping[str, Callable[[Any, State, Bools, FloatArray], tuple[FloatArray, FloatArray]]] = field(
        default_factory=dict
    )


CELLS: ByKind[Cell] = ByKind("the replay oracle")
AVERAGES: ByKind[Callable[[Any, float], Callable[[FloatArray], FloatArray]]] = ByKind("the replay oracle")
"""What makes of a window and dt a function from the values of one step after the other to their average."""


HIGHEST = 700.0
"""Of a logarithmic hazard, in size: its exponential is a number."""


def as_chance(odds: FloatArray) -> FloatArray:
    """odds / (1 + odds), of any size."""
    return np.asarray(1.0 / (1.0 + 1.0 / np.maximum(odds, 1e-300)))


def _unless_forced(now: Moment, state: State, chance: FloatArray, decider: IntArray) -> Decided:
    """Forced spikes happen whatever the state. A chance that is no number follows from what is not compared."""
    decider = np.where(np.isnan(chance), UNDECIDED, decider)
    return state, np.where(now.forced, 1.0, chance), np.where(now.forced, FORCED, decider)


def _glm(neuron: GLM, now: Moment, state: State) -> Decided:
    """The potential is the drive; a clamp takes the decision of a neuron that is not refractory."""
    with np.errstate(over="ignore"):
        hazard = np.exp(now.drive) * now.dt / neuron.tau_ref
    chances = {"logistic": as_chance(hazard), "exact": -np.expm1(-hazard)}
    chance = np.where(now.clamped, now.state, chances[neuron.discretisation])
    decider = np.where(now.clamped, CLAMPED, FREE)
    return _unless_forced(now, (now.drive,), np.where(now.free, chance, 0.0), np.where(now.free, decider, REFRACTORY))


def _end(neuron: LIF | AdEx, now: Moment, less: float | FloatArray = 0.0) -> FloatArray:
    """Where tau_m dv/dt = v_rest - v + I - less + sum g (e_rev - v) tends to."""
    return np.asarray((neuron.v_rest + now.drive - less + now.pull) / (1.0 + now.conductance))


def _leaked(neuron: LIF | AdEx, now: Moment, v: FloatArray, end: FloatArray, time: float) -> FloatArray:
    """Where it is after a time."""
    return np.asarray(end + (v - end) * np.exp(-(1.0 + now.conductance) * time / neuron.tau_m))


def _near(v: FloatArray, threshold: float | FloatArray, *sizes: FloatArray) -> Bools:
    """Whether rounding may have moved a potential across a threshold, beside numbers of these sizes; also one that is
    no number, as it follows from what is not compared."""
    return ~(np.abs(v - threshold) > CLOSE * (np.abs(v) + np.abs(threshold) + sum(map(np.abs, sizes))))


def _escapes(neuron: LIF | AdEx, now: Moment, v: FloatArray, threshold: float | FloatArray) -> FloatArray:
    """The probability of a spike behind a soft threshold."""
    width = np.broadcast_to(neuron.delta_v, v.shape)
    with np.errstate(over="ignore"):
        hazard = np.exp((v - threshold) / np.where(width > 0.0, width, np.inf)) * now.dt / neuron.tau_ref
    return np.asarray(-np.expm1(-hazard))


def _lif(neuron: LIF, now: Moment, state: State) -> Decided:
    """Exactly over the step for constant I and g; held at v_reset while it is refractory. It spikes at its threshold,
    v_thresh and what is left of what each spike has added, or where that has a width at random. How far v may be off
    by what leaks is remembered behind it."""
    end = _end(neuron, now)
    v = np.where(now.free, _leaked(neuron, now, state[0], end, now.dt), neuron.v_reset)
    share = -np.expm1(-(1.0 + now.conductance) * now.dt / neuron.tau_m)
    off = (1.0 - share * (1.0 - now.leak)) * state[2] + share * now.leak * np.abs(end - state[0])
    soft = np.broadcast_to(neuron.delta_v, v.shape) > 0.0
    state = (v, state[1] * np.exp(-now.dt / np.asarray(neuron.tau_theta)), np.where(now.free, off, 0.0))
    threshold = _lif_threshold(neuron, state)
    chance = np.where(soft, _escapes(neuron, now, v, threshold), v >= threshold)
    decider = np.where(soft, FREE, np.where(_near(v, threshold, end), UNDECIDED, THRESHOLD))
    return _unless_forced(now, state, np.where(now.free, chance, 0.0), np.where(now.free, decider, REFRACTORY))


def _lif_threshold(neuron: LIF, state: State) -> FloatArray:
    return np.asarray(neuron.v_thresh + state[1])


def _adex(neuron: AdEx, now: Moment, state: State) -> Decided:
    """It spikes at v_peak, or where the threshold has a width at random. Where bounds lie on both sides of v_peak
    either decision is right."""
    given = adaptive.Input(now.drive, now.conductance, now.pull)
    v, w = adaptive.both(state[0], state[0]), adaptive.both(state[1], state[1])
    moved, rested = adaptive.stepped(neuron, given, v, w, now.dt), adaptive.held(neuron, v, w, now.dt)
    v, w = (np.where(now.free, free[0], held[0]) for free, held in zip(moved, rested, strict=False))
    raised, off = moved[2][0], adaptive.both(-now.off, now.off)
    fading = {tau: adaptive.Input(*part) for tau, part in now.fading.items()}
    bounds = adaptive.bounded(
        neuron, given._replace(drive=now.drive + off), fading, adaptive.bounds_of(state), now.dt, now.free, now.solved
    )
    soft = np.broadcast_to(neuron.delta_v, v.shape) > 0.0
    reached, (low, high) = v >= neuron.v_peak, bounds.v >= neuron.v_peak
    chance = np.where(reached, 1.0, np.where(soft, _escapes(neuron, now, v, neuron.v_thresh), 0.0))
    spent = np.where(raised >= neuron.v_peak, np.minimum(raised, 1e300), v)
    close = _near(spent, neuron.v_peak, _end(neuron, now, w))
    certain = np.where(close | (low != high), UNDECIDED, THRESHOLD)
    decider = np.where(now.free, np.where(soft & ~reached, FREE, certain), REFRACTORY)
    entered = adaptive.remembered(v, w, bounds)
    return _unless_forced(now, entered, np.where(now.free, chance, 0.0), decider)


def _izhikevich(neuron: Izhikevich, now: Moment, state: State) -> Decided:
    """A step of Euler's, both variables from their last values. Where steps are long it feeds rounding back on itself:
    how far that may have moved v and u, and has moved v at most until now, is remembered behind them, and v is no
    number beyond what is compared."""
    v, u, off_v, off_u, most = state
    dt, a, b = now.dt, np.asarray(neuron.a), np.asarray(neuron.b)
    with np.errstate(over="ignore", invalid="ignore"):
        after = v + dt * (0.04 * v**2 + 5.0 * v + 140.0 - u + now.drive)
        followed = u + dt * a * (b * v - u)
        size = np.abs(v) + dt * (0.04 * v**2 + 5.0 * np.abs(v) + 140.0 + np.abs(u) + np.abs(now.drive))
        moved = np.abs(1.0 + dt * (0.08 * v + 5.0)) * off_v + dt * (off_u + now.feedback * most) + ROUNDS * size
        moved_u = np.abs(1.0 - dt * a) * off_u + dt * a * np.abs(b) * off_v + ROUNDS * (np.abs(u) + np.abs(a * b * v))
        after = np.where(moved <= 0.01 * CLOSE * (1.0 + np.abs(after)), after, np.nan)
    close = _near(after, neuron.v_peak, size)
    chance = np.where(after >= neuron.v_peak, 1.0, 0.0)
    decider = np.where(close, UNDECIDED, THRESHOLD)
    return _unless_forced(now, (after, followed, moved, moved_u, np.maximum(moved, most)), chance, decider)


def _source(neuron: Source, now: Moment, state: State) -> Decided:
    """At most one spike at a step, with the probability 1 - exp(-rate dt)."""
    chance = np.broadcast_to(-np.expm1(-now.expected), now.drive.shape)
    return _unless_forced(now, state, chance, np.where(chance > 0.0, FREE, SOURCE))


def _scaled_odds(chance: FloatArray, higher: FloatArray) -> FloatArray:
    """The probability whose odds are exp(higher) times as large; of one that rounds to 1 they are at least 2^53."""
    odds = np.maximum(chance, 1e-100) / np.maximum(1.0 - chance, 2.0**-53)
    return np.asarray(1.0 / (1.0 + np.exp(-higher) / odds))


def _scaled_hazard(chance: FloatArray, higher: FloatArray) -> FloatArray:
    """The probability whose hazard is exp(higher) times as large; of one that rounds to 1 the hazard is at least 36,
    and that of one that is 0 stays 0, however large the factor."""
    factor = np.exp(np.clip(higher, -HIGHEST, HIGHEST))
    return np.asarray(-np.expm1(np.log1p(-np.minimum(chance, 1.0 - 2.0**-53)) * factor))


def _glm_higher(neuron: GLM, chance: FloatArray, higher: FloatArray) -> FloatArray:
    scaled: FloatArray = {"logistic": _scaled_odds, "exact": _scaled_hazard}[neuron.discretisation](chance, higher)
    return scaled


def _soft_higher(neuron: LIF | AdEx, chance: FloatArray, higher: FloatArray) -> FloatArray:
    """Of a soft threshold; nothing random depends on a sharp one."""
    width = np.asarray(neuron.delta_v)
    return np.where(width > 0.0, _scaled_hazard(chance, higher / np.where(width > 0.0, width, 1.0)), chance)


def _lif_resets(neuron: LIF, state: State) -> State:
    return np.broadcast_to(neuron.v_reset, state[0].shape), state[1] + neuron.theta_plus, np.zeros_like(state[2])


def _izhikevich_resets(neuron: Izhikevich, state: State) -> State:
    v, u, _, off_u, most = state
    return np.broadcast_to(neuron.c, v.shape), u + neuron.d, np.zeros_like(v), off_u, most


def _threshold_raised(neuron: LIF, state: State, spiked: Bools, off: FloatArray) -> tuple[FloatArray, FloatArray]:
    """theta, which follows from spikes alone."""
    return state[1], np.zeros_like(state[1])


def _recovered(neuron: Izhikevich, state: State, spiked: Bools, off: FloatArray) -> tuple[FloatArray, FloatArray]:
    """u, which follows b v."""
    return state[1], state[3] + np.maximum(1.0, np.abs(neuron.b)) * off


def gentle(neuron: Neuron, gain: Any) -> Any:
    """A teacher's gain, or a twentieth of it where neurons amplify what is added: in mV, with potentials that grow with
    their square, more of it makes them grow without end."""
    return np.multiply(0.05, gain) if CELLS[neuron].amplifies else gain


CELLS.register(GLM)(Cell(lambda neuron: (0.0,), _glm, lambda neuron, state: state, _glm_higher, forgets=True))
CELLS.register(LIF)(
    Cell(
        lambda neuron: (neuron.v_rest, 0.0, 0.0), _lif, _lif_resets, _soft_higher, _lif_threshold, "lif_under_way",
        "lif_refractory", spread=lambda state: state[2], variables={"theta": _threshold_raised},
    )
)  # fmt: skip
CELLS.register(AdEx)(
    Cell(
        adaptive.begins, _adex, adaptive.resets, _soft_higher, lambda neuron, state: np.full(state[0].shape, np.inf),
        "lif_under_way", "lif_refractory", spread=adaptive.spread, solved="adex", variables={"w": adaptive.adapted},
    )
)  # fmt: skip
CELLS.register(Izhikevich)(
    Cell(
        lambda neuron: (neuron.c, np.asarray(neuron.b) * neuron.c, 0.0, 0.0, 0.0), _izhikevich, _izhikevich_resets,
        threshold=lambda neuron, state: np.full(state[0].shape, neuron.v_peak), under_way="lif_under_way",
        amplifies=True, variables={"u": _recovered},
    )
)  # fmt: skip
CELLS.register(Source)(Cell(lambda neuron: (0.0,), _source, lambda neuron, state: state))


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
