"""A chip's fixed pattern is really on, belongs to the chip, and is off where ``ideal()`` says so.

What is looked at: the spike counts of eight neurons that the description makes all alike, inhibiting or exciting each
other, and the changes of their weights, on a number of chips. A pattern that is fixed shows as a correlation between
two sessions with different noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.conformance import rigs
from salhw.conformance.circuits import one_to_one
from salhw.conformance.lab import Lab, Subject, Undeclared
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.subprocess_run import counts_in_subprocess
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.neurons import Source
from salhw.description.parts import Population, Projection
from salhw.description.short_term import TsodyksMarkram
from salhw.diagnostics import Diagnostic
from salhw.registry import backends
from salhw.session.backend import Session
from salhw.session.paths import addresses
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw.substrate.variability import PARTS, Variability

NEURONS, CHIPS, STEPS = 8, 16, 3000
SHUFFLED = [(5 * k + 3) % CHIPS for k in range(CHIPS)]  # neither reversed, shifted nor sorted is it the old order
INDEPENDENT = (CHIPS - 1) * (NEURONS - 1)  # numbers in a pattern, at least: weight changes go in pairs
SURE = 1e-6  # p value of what counts as a correlation; right targets without one have it this rarely
VISIBLE = 2.0  # times the variance without variability
LATER = 1.0  # days and kelvin, over which what drifts is raised to a visible size
WORDS = {"chip": "chip-wide"}  # for a part of a spread, where its name is not the word
SPREAD = {"relative": 0.4, "absolute": 1.0}  # at least, so that the pattern exceeds the noise of a short run
WIDER = 5.0  # than declared, of circuits whose spread is in units of the target's own


@dataclass(frozen=True)
class Pattern:
    """Spike counts (chip, neuron) of neurons that inhibit each other, and weight changes (chip, synapse)."""

    counts: FloatArray
    changes: FloatArray

    def parts(self) -> dict[str, FloatArray]:
        """What varies at all."""
        return {name: part for name, part in vars(self).items() if part.size and np.ptp(part) > 0.0}

    def unshuffled(self) -> Pattern:
        """That of the chips in the order of which ``SHUFFLED`` was made."""
        back = np.argsort(SHUFFLED)
        return Pattern(self.counts[back], self.changes[back])


def raised(spread: Variability) -> Variability:
    """A spread as wide as a short run can show. Of a quantity that is compensated nothing must show, and only as wide
    as declared."""
    if spread.compensated:
        return spread
    if not spread.sd and spread.varies:  # chip-wide, broken places, or what moves, and nothing else
        parts = [part for part in ("chip", "drift", "thermal") if getattr(spread, part)]
        wide = {part: max(getattr(spread, part), SPREAD[spread.mode]) for part in parts}
        return spread.replace(**wide, stuck=0.5 if spread.stuck else 0.0, truncate=min(spread.truncate, 2.0))
    wider = WIDER if (spread.mode, spread.group) == ("absolute", "mismatch") else 1.0
    sd = max(wider * spread.sd, SPREAD[spread.mode])
    return spread.replace(sd=sd, truncate=min(spread.truncate, 2.0))


def parts_alone(spread: Variability) -> dict[str, Variability]:
    """What a quantity is declared to vary by, each by itself: from place to place, chip-wide, broken places, with age
    and temperature."""
    alone = {"": spread.silent().replace(sd=spread.sd)}
    for part in PARTS[1:]:
        words = f" {WORDS.get(part, part)}"
        if getattr(spread, part):
            alone[words] = spread.silent().replace(**{part: getattr(spread, part)})
    return alone if spread.sd or len(alone) == 1 else {words: each for words, each in alone.items() if words}


def varied(lab: Lab, *only: str) -> Target:
    """The target with its declared variability raised: of some quantities ``only``, or of all that are frozen; then the
    noise from trial to trial is as declared.

    Raises:
        Undeclared: the target does not vary.
    """
    declared = lab.target.variability
    if not any(only or spread.group != "trial" for spread in declared.values()):
        raise Undeclared([Diagnostic("SAL009", "variability", "", "none: every chip of the target is the same")])
    changed: dict[str, Variability | float] = {}
    for name, spread in declared.items():
        if only:
            changed[name] = raised(spread) if name in only else spread.silent()
        elif spread.group != "trial":
            changed[name] = raised(spread)
    return lab.target.with_variability(changed)


def alike(lab: Lab, then: Sequence[Population] = (), *, learning: bool = False, exciting: bool = False) -> Network:
    """Eight neurons that are all alike, on a target of any kind; their input counts as much as their bias."""
    if "GLM" not in lab.target.neurons:
        neuron = rigs.neuron(lab, ("LIF",), bias=2.0, tau_ref=2 * lab.dt)
        return Network(name="alike", dt=lab.dt, populations=[Population(name="a", size=NEURONS, neuron=neuron), *then])
    psp = rigs.kernel(lab) if lab.target.kernels else None
    strength = 1.0 if psp is None else 10 * lab.dt / (psp.height * psp.tau_syn)
    inhibiting = rigs.weight_range(lab).min < 0.0 and not exciting
    weight, bias = (-0.7 * strength, 1.0) if inhibiting else (0.5 * strength, -1.5)
    rules = []
    if learning:
        rules = [rigs.rule(lab, learning_rate=max(0.002, rigs.resolution(lab)), causal=1.0, anticausal=-1.0)]
    return rigs.crowd(lab, NEURONS, weight=weight, rules=rules, bias=bias, then=then)


@contextmanager
def written_again(lab: Lab, net: Network, target: Target, chips: Sequence[Chip], seed: int) -> Iterator[Session]:
    """A session that has run a step, and was written what it held then: a fixed pattern outlasts both."""
    executable = compile(net, target, plugin=lab.backend)
    with executable.open(chips=chips, seed=seed) as session:
        session.run(lab.dt)
        for path, address in addresses(executable.network, executable.target).items():
            if not address.copy_of:
                session.set(path, session.get(path))
        yield session


def counted_here(lab: Lab, net: Network, target: Target, chips: Sequence[Chip], seed: int) -> FloatArray:
    """Spike counts of one session, (chip, neuron), after everything was written again."""
    with written_again(lab, net, target, chips, seed) as session:
        return np.asarray(session.run(STEPS * lab.scale * lab.dt).counts["a"], dtype=np.float64)


def with_more(lab: Lab, target: Target) -> dict[str, Network]:
    """By part of the pattern, what shows quantities that eight GLM neurons have not: their own circuits' and those of
    short-term plasticity. Drive and input are regular, so that nothing else scatters counts."""
    dt, made = lab.dt, {}
    if "AdEx" in target.neurons:
        neuron = rigs.neuron(lab, ("AdEx",), bias=2.0, tau_ref=2 * dt, a=0.3, b=0.3, tau_w=30 * dt)
        made["adapting"] = Network(
            name="adapting", dt=dt, populations=[Population(name="a", size=NEURONS, neuron=neuron)]
        )
    if "TsodyksMarkram" in target.short_term and "LIF" in target.neurons:
        setting = rigs.fitted(
            TsodyksMarkram, target.short_term["TsodyksMarkram"], dt, {"U": 0.5, "tau_rec": 60 * dt, "tau_facil": 0.0}
        )
        neuron = rigs.neuron(lab, ("LIF",), bias=0.9, tau_ref=2 * dt)
        steps = np.arange(1, STEPS * lab.scale, 20)
        weight = 1.0 / rigs.kernel(lab).height
        made["depressed"] = Network(
            name="depressed", dt=dt,
            populations=[Population(name="pre", size=NEURONS, neuron=Source()),
                         Population(name="a", size=NEURONS, neuron=neuron)],
            projections=[Projection(name="p", pre="pre", post="a", weights=one_to_one(lab, weight, NEURONS),
                                    kernel=rigs.kernel(lab), short_term=setting)],
            stimuli=[rigs.forced("pre", [steps] * NEURONS, dt)],
        )  # fmt: skip
    return made


def pattern(lab: Lab, target: Target, chips: Sequence[Chip], seed: int, then: Sequence[Population] = ()) -> Pattern:
    """One session on these chips for the counts, and one for the weight changes where the target learns."""
    counts = counted_here(lab, alike(lab, then), target, chips, seed)
    return Pattern(counts, changed_here(lab, target, chips, seed, then))


def changed_here(
    lab: Lab, target: Target, chips: Sequence[Chip], seed: int, then: Sequence[Population] = ()
) -> FloatArray:
    """How far one session changes weights, (chip, synapse); of no synapse where the target does not learn."""
    if "PairSTDP" not in target.plasticity or not target.kernels or "GLM" not in target.neurons:
        return np.zeros((len(chips), 0))
    with written_again(lab, alike(lab, then, learning=True), target, chips, seed) as session:
        before = session.get("projections.p.weights")
        session.run(STEPS * lab.scale * lab.dt)
        changes = (session.get("projections.p.weights") - before).reshape(len(chips), -1)
    return changes[:, ~np.eye(NEURONS, dtype=np.bool_).ravel()] if changes.shape[1] == NEURONS**2 else changes


def correlation(one: Pattern, two: Pattern, *, over_chips: bool = False) -> tuple[float, float]:
    """(r, p): how far two sessions show the same pattern, and how probably chance does as well. With ``over_chips``, of
    what differs from the chips' mean alone."""
    best, both = (0.0, 1.0), two.parts()
    for name, part in one.parts().items():
        if name not in both:
            continue
        x, y = (a - (a.mean(axis=0) if over_chips else a.mean()) for a in (part, both[name]))
        norm = float(np.sqrt((x**2).sum() * (y**2).sum()))
        if norm <= 1e-12:
            continue
        r = float((x * y).sum()) / norm
        p = beyond(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)) * np.sqrt(INDEPENDENT))
        if p < best[1]:
            best = (r, p)
    return best[0], min(1.0, 2.0 * best[1])


def beyond(z: float) -> float:
    """Probability of a standard normal number above ``z``."""
    from scipy.special import ndtr

    return float(ndtr(-z))


def _figure(one: Pattern, two: Pattern, first: str, second: str) -> Figure:
    order = np.argsort(one.counts.ravel(), kind="stable")
    curves: Mapping[str, Sequence[float]] = {
        first: one.counts.ravel()[order].tolist(), second: two.counts.ravel()[order].tolist(),
    }  # fmt: skip
    return Figure("neurons of all chips, in the order of their counts", "spikes", list(range(order.size)), curves)


def sampled(lab: Lab, target: Target, later: float = 0.0) -> tuple[Chip, ...]:
    """The chips that are looked at, ``later`` days older and kelvin warmer than when they were new."""
    return target.sample_chips(CHIPS, seed=lab.seed + 1, age=later, temperature=later)


@check("mismatch-is-on", group="interface")
def mismatch_is_on(lab: Lab) -> Evidence:
    """Every quantity that the target says to vary does: from place to place, chip-wide, where places are stuck, with
    age and temperature. Each alone, and raised to a visible spread, it scatters the neurons of different chips, or the
    changes of their weights, at least twice as much (in variance) as without variability, after a run and writes of
    what is held; neurons that inhibit each other, or exciting ones. One that the target says to be compensated scatters
    nothing so much, as wide as declared."""
    if not lab.target.variability:
        varied(lab)  # says so
    base = dict(scattered(lab, lab.without("mismatch", "trial", "plasticity").target))
    weakest, silent, loud = np.inf, [], []
    each = [(name, *part) for name, v in lab.target.variability.items() for part in parts_alone(v).items()]
    for quantity, which, spread in each:
        name, ratio = f"{quantity}{which}", 0.0
        only = replace(lab, target=lab.target.with_variability({quantity: spread}))
        for kind, part in scattered(lab, varied(only, quantity)):
            ratio = max(ratio, _variance(part) / max(_variance(base[kind]), 1e-12))
            if ratio >= VISIBLE:
                break
        if spread.compensated:
            loud += [name] * (ratio >= VISIBLE)
            continue
        weakest = min(weakest, ratio)
        silent += [name] * (ratio < VISIBLE)
    said = [f"{', '.join(silent)} without effect"] * bool(silent)
    said += [f"{', '.join(loud)} declared as compensated, and with effect"] * bool(loud)
    reason = "; ".join(said) or "least variance over chips and neurons, over that without variability"
    return Evidence(not said, reason, float(min(weakest, 1e6)), VISIBLE, "variance ratio (at least)")


def scattered(lab: Lab, target: Target) -> Iterator[tuple[str, FloatArray]]:
    """What is looked at one after the other, each measured when it is asked for, of chips that are a day older and a
    kelvin warmer than when they were new."""
    chips, weights = sampled(lab, target, LATER), rigs.weight_range(lab)
    yield "counts", counted_here(lab, alike(lab), target, chips, lab.seed)
    yield "changes", changed_here(lab, target, chips, lab.seed)
    if weights.min < 0.0 < weights.max and "GLM" in lab.target.neurons:
        yield "excited", counted_here(lab, alike(lab, exciting=True), target, chips, lab.seed)
        for name, net in with_more(lab, target).items():
            yield name, counted_here(lab, net, target, chips, lab.seed)


def _variance(part: FloatArray) -> float:
    return float(part.var()) if part.size else 0.0


@lru_cache(maxsize=1)
def _first(subject: Subject) -> Pattern:
    """What several checks compare another session with: the declared variability, raised, on the sampled chips."""
    target = varied(subject.lab)
    return pattern(subject.lab, target, sampled(subject.lab, target), subject.lab.seed)


@check("chips-differ", group="interface")
def chips_differ(lab: Lab) -> Evidence:
    """Distinct chips have distinct patterns, which are fixed: what sets a chip apart from the mean of all chips comes
    back in another session, with other noise and the chips in another order."""
    target = varied(lab)
    chips = sampled(lab, target)
    again = pattern(lab, target, [chips[k] for k in SHUFFLED], lab.seed + 1)
    one, two = _first(Subject(lab)), again.unshuffled()
    r, p = correlation(one, two, over_chips=True)
    figure = _figure(one, two, "first session", "second session")
    return Evidence(
        p < SURE, "correlation of what sets chips apart, between two sessions", r, 1.0, "correlation", p, figure
    )


@check("same-chip-in-another-process", group="interface")
def same_chip_in_another_process(lab: Lab) -> Evidence:
    """In another process (an installed backend), or when opened anew (others), and in another order, each chip differs
    from the mean of all as it does here."""
    target = varied(lab)
    sample = sampled(lab, target)
    chips = [sample[k] for k in SHUFFLED]
    if backends().get(lab.backend.name) is lab.backend:
        there = counts_in_subprocess(alike(lab), target, chips, lab.seed + 1, STEPS * lab.scale * lab.dt)
        other, where = Pattern(there.astype(np.float64), np.zeros((CHIPS, 0))), "another process"
    else:
        again = tuple(Chip.model_validate(chip.model_dump()) for chip in chips)
        other, where = pattern(lab, target, again, lab.seed + 1), "a new session (the backend is not installed)"
    r, p = correlation(_first(Subject(lab)), other.unshuffled(), over_chips=True)
    said = f"correlation of what sets chips apart here with the same in {where}, in another order"
    return Evidence(p < SURE, said, r, 1.0, "correlation", p)


@check("editing-keeps-the-chip", group="interface")
def editing_keeps_the_chip(lab: Lab) -> Evidence:
    """A population that is added after the others does not redraw their pattern."""
    target, plain = varied(lab), alike(lab).population("a").neuron
    later = [Population(name="later", size=5, neuron=plain)]
    one, two = _first(Subject(lab)), pattern(lab, target, sampled(lab, target), lab.seed + 1, later)
    r, p = correlation(one, two)
    figure = _figure(one, two, "before", "after a population was added")
    return Evidence(p < SURE, "correlation of the patterns before and after the edit", r, 1.0, "correlation", p, figure)


@check("ideal-is-ideal", group="interface")
def ideal_is_ideal(lab: Lab) -> Evidence:
    """On ``ideal()`` neurons that are described alike are alike: no pattern comes back in a second session, and weights
    are held to rounding."""
    target = lab.target.ideal()
    chips = sampled(lab, target)
    one, two = (pattern(lab, target, chips, lab.seed + k) for k in range(2))
    r, p = correlation(one, two)
    quantised = [f for f in compile(alike(lab), target, plugin=lab.backend).report.approximations if f.code == "SAL301"]
    regular = not one.parts() or all(np.ptp(part) == 0.0 for part in one.parts().values())
    reason = "correlation of the patterns of two sessions, where there should be none"
    if quantised:
        reason = f"ideal() still rounds: {quantised[0].supported}"
    return Evidence((p > SURE or regular) and not quantised, reason, r, 0.0, "correlation", p)
