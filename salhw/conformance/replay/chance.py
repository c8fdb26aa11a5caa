"""Do spikes come as often as their probabilities say? An exact test of likelihoods, given the recomputed probabilities.

At every step each neuron that decides at random spikes with a probability p that its past determines. An alternative
tilts these odds by exp(theta x), where x is known before the decision: 1 for all decisions of a neuron (its rate), the
input from a projection (the slope of its hazard), or whether any neuron has spiked in the step before (succession: a
simulator that waits for the next spike begins to wait anew then). The product over all steps of the ratio of both
likelihoods,

    E = prod exp(theta x s) / (1 + p (exp(theta x) - 1)),     s = 1 at a spike, else 0,

has the mean 1 whatever the network is, as long as the probabilities are right, and so does the mean of E over several
alternatives. By Markov's inequality E exceeds 1 / level with a probability of at most ``level``, for any number of
decisions: nothing here is asymptotic. A target that may be off has probabilities between two bounds; of these the one
counts that makes E smaller, which keeps its mean at 1 or below.

Pairs of neurons that decide at one step are held to be independent likewise: the alternative has correlated decisions,

    E = prod 1 + theta (s - p) (s' - p'),

less what two probabilities that are off by all that is allowed make of the product; and so are the same neurons in two
instances. min(1, 1 / E) are p-values; Holm (1979) adjusts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw.conformance.differences import holm
from salhw.conformance.replay.cells import CELLS, FREE
from salhw.conformance.replay.course import Course
from salhw.conformance.replay.departing import Departure
from salhw.conformance.replay.tolerance import Tolerance
from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray
from salhw.description.network import Network

LEVEL = 1e-3
"""The probability that any test of a family raises a false alarm, at most."""
TILTS = tuple(sign * size for size in (0.03, 0.1, 0.3, 1.0) for sign in (-1.0, 1.0))
"""The alternatives: how far the logarithm of the odds is off, for x = 1 or an input of its largest size."""
COUPLINGS = (-0.4, -0.1, 0.1, 0.4)
"""Alternatives of decisions that are not independent. Twice the largest is below one, so that no factor is negative."""


@dataclass(frozen=True)
class Decisions:
    """Decisions at random: spikes, their recomputed probabilities, and the lowest and the highest that are allowed."""

    spikes: Bools
    low: FloatArray
    high: FloatArray
    chance: FloatArray

    @property
    def uncertain(self) -> FloatArray:
        """How far a probability may be off."""
        return np.maximum(self.high - self.chance, self.chance - self.low)

    def at(self, place: Any) -> Decisions:
        """Some of them."""
        return Decisions(self.spikes[place], self.low[place], self.high[place], self.chance[place])


@dataclass(frozen=True)
class Tested:
    """One test: of what, ``evidence`` = log E against the recomputed probabilities, and what was expected and seen."""

    kind: str
    where: str
    evidence: float
    expected: float
    measured: float

    @property
    def p_value(self) -> float:
        """Bounds the probability of so much evidence where the probabilities are right; 0 if it is no number, which
        must not pass for none."""
        return 0.0 if np.isnan(self.evidence) else float(np.exp(-max(0.0, self.evidence)))


def evidence(decisions: Decisions, x: FloatArray) -> float:
    """log E, the mean over TILTS, of decisions whose odds may depend on ``x``, -1 .. 1."""
    each = []
    for theta in TILTS:
        tilt = theta * x
        p = np.where(tilt > 0.0, decisions.high, decisions.low)
        each.append(float(np.sum(tilt * decisions.spikes - np.log1p(p * np.expm1(tilt)))))
    return float(np.logaddexp.reduce(each) - np.log(len(TILTS)))


def together(first: Decisions, second: Decisions) -> float:
    """log E of two neurons whose decisions at one step may depend on each other, the mean over COUPLINGS."""
    product = (first.spikes - first.chance) * (second.spikes - second.chance)
    allowed = first.uncertain * second.uncertain
    each = [float(np.sum(np.log1p(theta * product - abs(theta) * allowed))) for theta in COUPLINGS]
    return float(np.logaddexp.reduce(each) - np.log(len(each)))


def decisions_of(
    net: Network, population: str, spikes: Bools, course: Course, tolerance: Tolerance
) -> tuple[Decisions, Bools] | None:
    """The decisions of a population in one run, and which of them are random; None where the target declares nothing
    that would say how probable its spikes are."""
    if tolerance.rate is None or (tolerance.psp is None and any(p.post == population for p in net.projections)):
        return None
    chance, off = course.chances[population], np.minimum(tolerance.decided(net, population, course), 200.0)
    random = (course.deciders[population] == FREE) & ~course.diverged & ~np.isnan(chance) & ~np.isnan(off)
    neuron = net.population(population).neuron
    low, high = (CELLS[neuron].at_higher(neuron, chance, sign * off) for sign in (-1.0, 1.0))
    low, high = low * (1.0 - tolerance.rate), np.minimum(1.0, high * (1.0 + tolerance.rate))
    return Decisions(spikes, low, high, chance), random


def tests(
    net: Network, spikes: Mapping[str, Bools], courses: Sequence[Course], tolerance: Tolerance
) -> Iterator[Tested]:
    """All tests of one trial: the rate of each neuron, the slope of each population's hazard over the input from each
    projection, what follows a step with a spike, and the independence of neurons and instances."""
    after = _after_a_spike(spikes)
    for p in net.populations if courses else ():
        runs = [decisions_of(net, p.name, spikes[p.name][:, c.start : c.stop], c, tolerance) for c in courses]
        decided = [run for run in runs if run is not None]
        if len(decided) < len(runs):
            continue
        names = ("spikes", "low", "high", "chance")
        every = Decisions(*(np.concatenate([getattr(d, name) for d, _ in decided], axis=1) for name in names))
        random = np.concatenate([which for _, which in decided], axis=1)
        where = f"populations.{p.name}"
        for neuron in range(p.size):
            mine = every.at((slice(None), slice(None), neuron)).at(random[:, :, neuron])
            if mine.spikes.size:
                yield _tested("rate", f"{where}[{neuron}]", mine, np.ones(mine.spikes.shape))
        for q in net.projections:
            if q.post == p.name:
                x = np.concatenate(
                    [np.where(c.diverged, 0.0, np.nan_to_num(c.inputs[q.name])) for c in courses], axis=1
                )
                largest = np.maximum.accumulate(np.abs(x).max(axis=(0, 2)))[:, None]  # until now: x is known in advance
                x = (x / np.where(largest > 0.0, largest, 1.0))[random]
                yield _tested("slope", f"{where} over projections.{q.name}", every.at(random), x)
        x = np.concatenate([after[:, c.start : c.stop] for c in courses], axis=1)[:, :, None]
        if random.any():
            what = f"{where} after a step with a spike"
            yield _tested("succession", what, every.at(random), (x & random)[random] * 1.0)
        yield from _pairs(where, every, random)


def _after_a_spike(spikes: Mapping[str, Bools]) -> Bools:
    """Whether any neuron has spiked in the step before, (instance, step)."""
    busy = np.any([each.any(axis=2) for each in spikes.values()], axis=0)
    return np.concatenate([np.zeros_like(busy[:, :1]), busy[:, :-1]], axis=1)


def _tested(kind: str, where: str, decisions: Decisions, x: FloatArray) -> Tested:
    expected, measured = float(np.sum(decisions.chance * x)), float(np.sum(decisions.spikes * x))
    return Tested(kind, where, evidence(decisions, x), expected, measured)


def _pairs(where: str, decided: Decisions, random: Bools) -> Iterator[Tested]:
    """Neighbouring neurons of an instance, neurons half a population apart, and one neuron in neighbouring instances:
    of each kind no neuron is in two pairs."""
    instances, _, neurons = random.shape
    for what, axis, count, distance in (
        ("neighbouring neurons", 2, neurons // 2, 1),
        ("neurons half a population apart", 2, neurons // 2 if neurons > 3 else 0, neurons // 2),
        ("neighbouring instances", 0, instances // 2, 1),
    ):
        firsts = slice(0, 2 * count, 2) if distance == 1 else slice(0, count)
        one = tuple(firsts if k == axis else slice(None) for k in range(3))
        seconds = slice(firsts.start + distance, firsts.stop + distance, firsts.step)
        two = tuple(seconds if k == axis else slice(None) for k in range(3))
        both = random[one] & random[two]
        if both.any():
            first, second = decided.at(one).at(both), decided.at(two).at(both)
            off = float(np.mean((first.spikes - first.chance) * (second.spikes - second.chance)))
            yield Tested("independence", f"{where}, {what}", together(first, second), 0.0, off)


def alarms(tested: Iterable[Tested], level: float = LEVEL) -> list[tuple[Tested, Departure]]:
    """The tests of a family that reject their probabilities, any of them wrongly with a probability of ``level`` at
    most, as departures."""
    family = list(tested)
    adjusted = holm([t.p_value for t in family])
    return [
        (t, Departure(t.kind, t.where, 0, 0, t.expected, t.measured))
        for t, p in zip(family, adjusted, strict=True)
        if p <= level
    ]
