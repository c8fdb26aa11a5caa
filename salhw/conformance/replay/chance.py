"""Do spikes come as often as their probabilities say? An exact test of likelihoods, given the recomputed probabilities.

At every step each neuron that decides at random spikes with a probability p that its past determines. An alternative
tilts these odds by exp(theta x), where x is known before the decision: 1 for all decisions of a neuron (its rate), or
the input from a projection (the slope of its hazard). The product over all steps of the ratio of both likelihoods,

    E = prod exp(theta x s) / (1 + p (exp(theta x) - 1)),     s = 1 at a spike, else 0,

has the mean 1 whatever the network is, as long as the probabilities are right, and so does the mean of E over several
alternatives. By Markov's inequality E exceeds 1 / level with a probability of at most ``level``, for any number of
decisions: nothing here is asymptotic. A target that may be off has probabilities between two bounds; of these the one
counts that makes E smaller, which keeps its mean at 1 or below.

Pairs of neurons that decide at one step are held to be independent likewise: the alternative has correlated decisions,

    E = prod 1 + theta (s - p) (s' - p') / sqrt(p (1 - p) p' (1 - p')) / bound,

and the same neurons in two instances. min(1, 1 / E) are p-values; Holm (1979) adjusts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salhw.conformance.differences import holm
from salhw.conformance.replay.departures import Departure
from salhw.conformance.replay.oracle import FREE, Course
from salhw.conformance.replay.tolerance import Tolerance
from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray
from salhw.description.network import Network

LEVEL = 1e-3
"""The probability that any test of a family raises a false alarm, at most."""
TILTS = tuple(sign * size for size in (0.03, 0.1, 0.3, 1.0) for sign in (-1.0, 1.0))
"""The alternatives: how far the logarithm of the odds is off, for x = 1 or an input of its largest size."""


@dataclass(frozen=True)
class Decisions:
    """Decisions at random: spikes, and the lowest and the highest probability that they may have had."""

    spikes: Bools
    low: FloatArray
    high: FloatArray
    chance: FloatArray


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
        """Bounds the probability of so much evidence where the probabilities are right."""
        return float(np.exp(-max(0.0, self.evidence)))


def evidence(decisions: Decisions, x: FloatArray) -> float:
    """log E, the mean over TILTS, of decisions whose odds may depend on ``x``, -1 .. 1."""
    each = []
    for theta in TILTS:
        tilt = theta * x
        p = np.where(tilt > 0.0, decisions.high, decisions.low)
        each.append(float(np.sum(tilt * decisions.spikes - np.log1p(p * np.expm1(tilt)))))
    return float(np.logaddexp.reduce(each) - np.log(len(TILTS)))


def together(first: Decisions, second: Decisions) -> float:
    """log E of two neurons whose decisions at one step may depend on each other; the mean over both signs."""

    def normalised(d: Decisions) -> tuple[FloatArray, float]:
        off, bound = d.spikes - d.chance, np.maximum(d.chance, 1.0 - d.chance).max(initial=0.5)
        return off, float(bound)

    (a, most_a), (b, most_b) = normalised(first), normalised(second)
    product = a * b / (most_a * most_b)
    each = [float(np.sum(np.log1p(theta * product))) for theta in (-0.5, -0.1, 0.1, 0.5, 0.9)]
    return float(np.logaddexp.reduce(each) - np.log(len(each)))


def decisions_of(
    net: Network, population: str, spikes: Bools, course: Course, tolerance: Tolerance
) -> tuple[Decisions, npt.NDArray[np.bool_]] | None:
    """The decisions of a population in one run, and which of them are random; None where the target declares nothing
    that would say how probable its spikes are."""
    if tolerance.rate is None or (tolerance.psp is None and any(p.post == population for p in net.projections)):
        return None
    chance, random = course.chances[population], course.deciders[population] == FREE
    off = tolerance.input(net, population, course, tolerance.psp or 0.0)
    odds = chance / np.maximum(1.0 - chance, 1e-300)
    scale = tolerance.rate
    low, high = (np.clip(odds * np.exp(sign * off), 0.0, 1e300) for sign in (-1.0, 1.0))
    low, high = low / (1.0 + low) * (1.0 - scale), np.minimum(1.0, high / (1.0 + high) * (1.0 + scale))
    return Decisions(spikes, low, high, chance), random


def tests(
    net: Network, spikes: Mapping[str, Bools], courses: Iterable[Course], tolerance: Tolerance
) -> Iterator[Tested]:
    """All tests of one trial: the rate of each neuron, the slope of each population's hazard over the input from each
    projection, and the independence of neighbouring neurons and instances."""
    courses = list(courses)
    for p in net.populations:
        runs = [
            decisions_of(net, p.name, spikes[p.name][:, c.start : c.stop], c, tolerance) for c in courses
        ]
        if any(run is None for run in runs):
            continue
        parts = [run for run in runs if run is not None]
        decided = _joined([d for d, _ in parts])
        random = np.concatenate([which for _, which in parts], axis=1)
        where = f"populations.{p.name}"
        for neuron in range(p.size):
            mine = random[:, :, neuron]
            one = _of(decided, (slice(None), slice(None), neuron), mine)
            if one.spikes.size:
                yield Tested("rate", f"{where}[{neuron}]", evidence(one, np.ones(one.spikes.shape)),
                             float(one.chance.sum()), float(one.spikes.sum()))  # fmt: skip
        for q in net.projections:
            if q.post == p.name:
                x = np.concatenate([c.inputs[q.name] for c in courses], axis=1)[random]
                largest = float(np.abs(x).max(initial=0.0))
                if largest > 0.0:
                    every = _of(decided, slice(None), random)
                    x = x / largest
                    yield Tested("slope", f"{where} over projections.{q.name}", evidence(every, x),
                                 float((every.chance * x).sum()), float((every.spikes * x).sum()))  # fmt: skip
        yield from _pairs(where, decided, random)


def _pairs(where: str, decided: Decisions, random: npt.NDArray[np.bool_]) -> Iterator[Tested]:
    """Neighbouring neurons of an instance, and one neuron in neighbouring instances."""
    for axis, what in ((2, "neurons"), (0, "instances")):
        if random.shape[axis] < 2:
            continue
        ahead = tuple(slice(1, None) if k == axis else slice(None) for k in range(3))
        behind = tuple(slice(None, -1) if k == axis else slice(None) for k in range(3))
        both = random[ahead] & random[behind]
        # Pairs of a chain are not independent of each other, but every other one has no neuron in common with another.
        for parity in (0, 1):
            some = np.zeros_like(both)
            some[tuple(slice(parity, None, 2) if k == axis else slice(None) for k in range(3))] = True
            chosen = both & some
            if chosen.any():
                one, two = _of(decided, ahead, chosen), _of(decided, behind, chosen)
                off = (one.spikes - one.chance) * (two.spikes - two.chance)
                yield Tested("independence", f"{where}, {what} {parity} apart", together(one, two), 0.0, float(off.mean()))


def _joined(parts: list[Decisions]) -> Decisions:
    names = ("spikes", "low", "high", "chance")
    return Decisions(*(np.concatenate([getattr(d, name) for d in parts], axis=1) for name in names))


def _of(decided: Decisions, place: object, which: npt.NDArray[np.bool_]) -> Decisions:
    names = ("spikes", "low", "high", "chance")
    return Decisions(*(getattr(decided, name)[place][which] for name in names))


def alarms(tested: Iterable[Tested], level: float = LEVEL) -> list[Departure]:
    """The tests of a family that reject their probabilities, any of them wrongly with a probability of ``level``."""
    all_of_them = list(tested)
    if not all_of_them:
        return []
    adjusted = holm([t.p_value for t in all_of_them])
    return [
        Departure(t.kind, t.where, 0, 0, t.expected, t.measured)
        for t, p in zip(all_of_them, adjusted, strict=True)
        if p <= level
    ]
