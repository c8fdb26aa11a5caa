"""Plasticity rules as the learning engine will run them: their microcode, or what the engine cannot do and the fix."""

from __future__ import annotations

from math import exp, floor, sqrt
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.kinds import ByKind, of_kind
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity import PairSTDP
from salhw.description.windows import ExponentialWindow, Window
from salhw.diagnostics.wording import number
from salhw.substrate.target import Target
from salhw_lava.arithmetic import BACKEND, LARGEST_WEIGHT, Arithmetic
from salhw_lava.learning import (
    EXPONENTS,
    LONGEST_EPOCH,
    TRACE,
    EngineLimit,
    Microcode,
    Term,
    impulses_on_a_trace,
    microcode,
    rounded_down,
    scatter,
)
from salhw_lava.stimuli import sent_to

LARGEST_RATE = 3.96875  # as the target declares it
WINDOW = 0.04  # relative error of a pair's change from which on a rule is refused: .05 is declared, scatter included


SAME_STEP = 1e-3  # steps: the time constant of a trace that is gone in the next step
BRANCH = {"y0*x1": "causal", "x0*y1": "anticausal"}
"""The branch of a rule that a product is."""

RULES = ByKind(BACKEND, {PairSTDP: None})
"""Sums of products know pairs alone."""

WINDOWS = ByKind(BACKEND, {ExponentialWindow: None})
"""Traces know no other decay."""


def learning_rule(projection: Projection) -> PairSTDP:
    """The rule by which a plastic projection learns, of which the engine takes one."""
    return of_kind(projection.plasticity[0], PairSTDP, BACKEND)


def windows(rule: PairSTDP) -> dict[str, Window]:
    """The branches of a rule by product."""
    return {"y0*x1": rule.causal, "x0*y1": rule.anticausal}


def wanted_changes(rule: PairSTDP, rate: float | None = None) -> dict[str, float]:
    """What a pair at distance 0 is to add to a weight, by product."""
    eta = float(np.asarray(rule.learning_rate)) if rate is None else rate
    return {product: eta * _amplitude(window) for product, window in windows(rule).items()}


def _amplitude(window: Window) -> float:
    return float(np.asarray(window.amplitude))


def longest_epoch(net: Network, projection: Projection) -> int:
    """The most steps in which no neuron of a plastic projection can spike twice, and no trace decays too far."""
    taus = [floor(window.tau / net.dt) for window in windows(learning_rule(projection)).values()]
    gaps = [shortest_interval(net, name) for name in (projection.pre, projection.post)]
    return max(1, min([LONGEST_EPOCH, *taus, *gaps]))


def epoch(target: Target) -> int:
    """Steps per learning epoch, of a target for which ``auto`` has been chosen (``lower.chosen``)."""
    return int(target.option("epoch"))


def epoch_of(net: Network, projection: Projection, steps: int) -> int:
    """The steps of a plastic projection's learning epoch: the period of its rule, or the target's ``steps``."""
    return in_steps(learning_rule(projection).period or 0.0, net.dt) or steps


def lowered_rule(net: Network, projection: Projection, units: Arithmetic, steps: int) -> tuple[PairSTDP, Microcode]:
    """The rule with what the engine achieves in the place of what was asked, and its microcode.

    A rule with ``every T ms`` has epochs of T: weights change at their ends, which are the whole multiples of T, by all
    pairs since the last.

    Args:
        steps: of a learning epoch of rules that are updated with the spike.

    Raises:
        EngineLimit: the engine cannot do it.
    """
    if len(projection.plasticity) > 1:
        asked, last = f"{len(projection.plasticity)} rules", len(projection.plasticity) - 1
        raise EngineLimit(asked, "one rule per synapse", "leave it out, or one rule for both", f"plasticity[{last}]")
    if late := projection.longest_delay(net.dt):
        asked = f"a delay of {number(late * net.dt)} ms"
        raise EngineLimit(asked, "plastic synapses have none", "delay = 0 ms", "delay")
    rule = learning_rule(projection)
    longest, period = longest_epoch(net, projection), epoch_of(net, projection, 1)
    if rule.period is not None and period > longest:
        every = f"every {number(longest * net.dt)} ms"
        supported = f"at most {every}: a learning epoch in which no neuron spikes twice"
        raise EngineLimit(f"{rule.update}, {period} steps", supported, f'update = "{every}"', "update")
    steps = epoch_of(net, projection, steps)
    for product, window in windows(rule).items():
        if steps > 1 and steps > window.tau / net.dt:
            fix = f"tau >= {steps * net.dt:g} ms, or a shorter epoch"
            supported = f"not shorter than the epoch of {steps} steps"
            raise EngineLimit(f"a window of {window.tau:g} ms", supported, fix, f"{BRANCH[product]}.tau")
    for name in (projection.pre, projection.post):
        if steps > (gap := shortest_interval(net, name)):
            asked, supported = f"{name} may spike every {gap} steps", f"once in an epoch of {steps} steps"
            raise EngineLimit(asked, supported, "a shorter epoch")
    wanted = wanted_changes(rule)
    code = code_for(net, projection, units, wanted)
    _refuse_coarse(rule, wanted, code)
    return _with(rule, code), code


def _refuse_coarse(rule: PairSTDP, wanted: dict[str, float], code: Microcode) -> None:
    """The target promises the accuracy of a window. What a session writes may be rounded further: it can be read.

    Raises:
        EngineLimit: the smallest steps of the engine are too large for what pairs are to add.
    """
    off = {product: code.achieved(product) / change for product, change in wanted.items() if change}
    if all(abs(ratio - 1.0) <= WINDOW for ratio in off.values()):
        return
    worst = max(off, key=lambda product: abs(off[product] - 1.0))
    asked = f"a change of {abs(wanted[worst]):.3g} per pair"
    supported = f"steps of {2.0 ** EXPONENTS[0] / code.unit:.3g}, which are off by {abs(off[worst] - 1.0):.0%}"
    amplitude = _amplitude(windows(rule)[worst])
    rate = wanted[worst] / amplitude * off[worst]
    if max(off.values()) - min(off.values()) < 1e-9 and abs(rate) <= LARGEST_RATE:
        raise EngineLimit(asked, supported, f"learning_rate = {rate:.12g}", "learning_rate")
    amplitude *= off[worst]
    raise EngineLimit(asked, supported, f"amplitude = {amplitude:.12g}", f"{BRANCH[worst]}.amplitude")


def code_for(net: Network, projection: Projection, units: Arithmetic, wanted: dict[str, float]) -> Microcode:
    """The microcode for these changes; the same room on both traces, so that equal branches stay equal.

    Raises:
        EngineLimit: the engine cannot do it.
    """
    rule, room = learning_rule(projection), 0.0
    for (product, window), name in zip(windows(rule).items(), (projection.pre, projection.post), strict=True):
        spikes = room_on_a_trace(net, name, window.tau)
        if units.fixed and spikes > TRACE:
            fix = f"tau <= {_longest_window(net, name, window.tau)} ms"
            supported = f"at most {TRACE} impulses of 1 on a trace"
            raise EngineLimit(f"traces of {spikes:.3g} spikes", supported, fix, f"{BRANCH[product]}.tau")
        room = max(room, spikes)
    try:
        return microcode(wanted["y0*x1"], wanted["x0*y1"], units, (room, room))
    except EngineLimit as limit:
        raise _other_rate(limit, rule, wanted, units, room) from None


def rounded_learning(net: Network, projection: Projection, units: Arithmetic) -> dict[str, float]:
    """What is rounded as the engine learns, as ``Report.rounding`` has it: a change of a weight to a step; by path
    below the projection's, the largest share of a pair's change that a step of a trace is, whatever the learning rate,
    unless it is the engine's finest change of a weight (impulses fill at least half of the room on a trace)."""
    rule, path = learning_rule(projection), f"projections.{projection.name}"
    ends = zip(windows(rule).values(), (projection.pre, projection.post), strict=True)
    room = max(room_on_a_trace(net, name, window.tau) for window, name in ends)
    share = 2.0 / floor(TRACE / room + 1e-9)
    finest = 2.0 ** EXPONENTS[0] / units.unit
    return {path: 1.0 / units.unit, f"{path}.plasticity": share, f"{path}.plasticity.finest": finest}


def _other_rate(
    limit: EngineLimit, rule: PairSTDP, wanted: dict[str, float], units: Arithmetic, room: float
) -> EngineLimit:
    """The same with the learning rate that the engine can do, if it does for both branches and is none that the target
    refuses; or without the branch that is too small."""
    scaled = [limit.factor * change for change in wanted.values()]
    rate = float(np.asarray(rule.learning_rate)) * limit.factor
    try:
        microcode(scaled[0], scaled[1], units, (room, room))
        possible = abs(rate) <= LARGEST_RATE
    except EngineLimit:
        possible = False
    if not possible:
        weak = min((name for name in wanted if wanted[name]), key=lambda name: abs(wanted[name]))
        return EngineLimit(limit.asked, limit.supported, "amplitude = 0", f"{BRANCH[weak]}.amplitude")
    sign = ">=" if (limit.factor > 1.0) == (rate > 0.0) else "<="
    return EngineLimit(limit.asked, limit.supported, f"learning_rate {sign} {rate:.4g}", limit.at)


def _longest_window(net: Network, name: str, tau: float) -> str:
    """The largest time constant, below ``tau``, of whose trace the spikes of a population leave enough room."""
    low, high = 1e-3 * net.dt, tau
    for _ in range(60):
        middle = sqrt(low * high)
        low, high = (middle, high) if room_on_a_trace(net, name, middle) <= 0.999 * TRACE else (low, middle)
    return rounded_down(low)


def _with(rule: PairSTDP, code: Microcode) -> PairSTDP:
    """The rule that the microcode is."""
    anticausal, rate = code.achieved("x0*y1"), achieved_rate(rule, code)
    wanted = wanted_changes(rule)
    if all(abs(code.achieved(product) - change) < 1e-12 for product, change in wanted.items()):
        return rule
    same = abs(anticausal - rate * _amplitude(rule.anticausal)) < 1e-12
    other = rule.anticausal if same else rule.anticausal.replace(amplitude=anticausal / rate)
    return rule.replace(learning_rate=rate, anticausal=other)


def achieved_rate(rule: PairSTDP, code: Microcode) -> float:
    """The learning rate that the engine achieves on the causal branch, or on the other one if that is nil."""
    causal, anticausal = (_amplitude(window) for window in windows(rule).values())
    if causal:
        return code.achieved("y0*x1") / causal
    return code.achieved("x0*y1") / anticausal if anticausal else 0.0


def learning_size(rule: PairSTDP, dt: float, code: Microcode, units: Arithmetic) -> str:
    """What rounding at random makes of one pair's change, and where weights end."""
    branches = [(code.terms[product], w) for product, w in windows(rule).items() if product in code.terms]
    branches = [(term, window) for term, window in branches if term.impulse]
    ends = f"weights of 8 bits end at {LARGEST_WEIGHT / units.unit:.3g}"
    if not branches:
        return f"none; {ends}"
    near, far = (max(_scatter(term, window.tau / dt, share) for term, window in branches) for share in (0.5, 1.0))
    return (
        f"rounded at random: one pair's scatters by {near[0]:.0%} of itself at half a time constant ({near[1]:.0%} by "
        f"traces of 7 bits, the rest by weights in steps of 1/{units.unit:g}), by {far[0]:.0%} at one; without a "
        f"drift, but {ends}"
    )


def _scatter(term: Term, tau: float, distance: float) -> tuple[float, float]:
    """(by how much of itself the change of a pair ``distance`` time constants apart scatters, what of it traces do)."""
    mean = abs(term.value) * exp(-distance)
    off = scatter(term.impulse, distance * tau, tau) * term.factor
    return sqrt(off**2 + _rounding(mean, off)) / mean, off / mean


def _rounding(mean: float, scatters: float) -> float:
    """The variance of rounding a change to whole steps, up or down at random: f (1 - f) with f what is left over; the
    largest, 1/4, as far as the change itself scatters over more than a step."""
    left = mean % 1.0
    return 0.25 if scatters > 0.25 else left * (1.0 - left)


def engine_parameters(rule: PairSTDP, code: Microcode, dt: float, units: Arithmetic, steps: int) -> dict[str, Any]:
    """A rule as the engine is set up with it: impulses, products, decays of traces and steps of an epoch."""
    return code.as_data() | {
        "x1_tau": rule.causal.tau / dt,
        "y1_tau": rule.anticausal.tau / dt,
        "x2_tau": 0.0 if units.fixed else SAME_STEP,
        "t_epoch": steps,
        "rng_seed": 1,
    }


def too_dense(net: Network, sent: Network, p: Projection, units: Arithmetic, steps: int) -> EngineLimit | None:
    """Why a plastic projection of ``net`` cannot learn from the spikes that the host sends in ``sent``, if it cannot:
    its epochs of ``steps``, and the room on its traces, are those for what is described."""
    ends = [*zip((p.pre, p.post), windows(learning_rule(p)).values(), strict=True)]
    most = max(room_on_a_trace(net, name, window.tau) for name, window in ends)
    for name, window in ends:
        if steps > (gap := shortest_interval(sent, name)):
            asked, supported = f"spikes of {name} {gap} steps apart", f"one in a learning epoch of {steps} steps"
            return EngineLimit(asked, supported, f"times that are {number(steps * net.dt)} ms apart")
        if units.fixed and (room := room_on_a_trace(sent, name, window.tau)) > most * (1.0 + 1e-9):
            supported = f"{most:.3g}, by the spikes that are described"
            return EngineLimit(f"traces of {room:.3g} spikes", supported, "describe spikes as dense as those to come")
    return None


# ---------------------------------------------------------------- how often a population spikes


def _forced(net: Network, name: str) -> list[FloatArray]:
    """The trains of a population's forced spikes that have any, in ms."""
    return [train for spikes in sent_to(net, name) for train in spikes.trains if len(train)]


def shortest_interval(net: Network, name: str) -> int:
    """In steps, between two spikes of a neuron of the population."""
    refractory, forced = net.population(name).neuron.refractory_period, _forced(net, name)
    if refractory is not None:
        return 1 if forced else max(1, round(refractory / net.dt))
    gaps = [np.diff(train).min() for train in forced if len(train) > 1]
    poisson = any(spikes.rates is not None for spikes in sent_to(net, name))
    return 1 if poisson or not gaps else max(1, round(min(gaps) / net.dt))


def room_on_a_trace(net: Network, name: str, tau: float) -> float:
    """How many impulses a trace of time constant ``tau`` ms holds at most. For Poisson sources: with more than six
    standard deviations beyond the mean, in which case it saturates."""
    refractory = net.population(name).neuron.refractory_period
    room = impulses_on_a_trace(refractory, tau) if refractory is not None else 0.0
    largest = 0.0
    for train in _forced(net, name):
        trace = 0.0
        for gap in np.diff(train, prepend=train[0]):
            trace = trace * exp(-float(gap) / tau) + 1.0
            largest = max(largest, trace)
    every = impulses_on_a_trace(net.dt, tau)
    for spikes in sent_to(net, name):
        if spikes.highest_rates is not None:
            mean = float(np.max(spikes.highest_rates, initial=0.0)) * tau / 1000.0
            largest += min(every, 1.0 + mean + 6.0 * sqrt(mean / 2.0))
    return max(1.0, min(every, room + largest))
