"""PairSTDP as microcode of the learning engine: traces, impulses and a sum of products.

A presynaptic spike raises the trace x1, which decays with the causal window; a postsynaptic spike (y0) adds what is
left of it to the weight, times a power of two: ``y0*x1``. The anti-causal branch is ``x0*y1``. Traces add up, so every
pair counts: pairing "all". A coincidence reads both traces after their impulses and so counts both branches in full,
where their mean is wanted; x2, a trace that lasts for a single step, takes the other half off again (``y0*x2``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp, floor, log2, log10, sqrt
from typing import Any

import numpy as np

from salhw.diagnostics import Diagnostic
from salhw_lava.arithmetic import Arithmetic

TRACE = 127  # the largest value of a trace, and so of an impulse: 7 bits
EXPONENTS = (-7, 7)  # of two; 8 would be beyond the accumulator with an impulse of 1
ACCUMULATOR = 255  # units: the largest change of a weight at a time, 15 bits with 7 behind the point
LONGEST_EPOCH = 63  # steps: 6 bits
COARSE = 0.01  # relative error of a change from which on a second product is worth its cost


class EngineLimit(Exception):
    """What the chip cannot do: what was asked, what it can do, the fix, and the field that the fix is about;
    ``factor``: how many times as large the learning rate has to be."""

    def __init__(self, asked: str, supported: str, fix: str, at: str = "", factor: float = 0.0) -> None:
        super().__init__(asked, supported, fix, at, factor)
        self.asked, self.supported, self.fix, self.at, self.factor = asked, supported, fix, at, factor

    def finding(self, code: str, path: str) -> Diagnostic:
        """A finding about what lies at ``path``, or elsewhere if ``at`` is a whole path."""
        place = self.at if self.at.startswith("projections.") else f"{path}.{self.at}".rstrip(".")
        return Diagnostic(code, place, self.asked, self.supported, self.fix)


@dataclass(frozen=True)
class Term:
    """Products of one trace: an impulse times a factor, with a sign; what a spike pair at distance 0 adds, in units.
    The factor is a sum of ``parts``, (mantissa of 3 bits, exponent of two), a product of the engine each."""

    sign: int
    impulse: float
    parts: tuple[tuple[int, int], ...]

    @property
    def value(self) -> float:
        return self.sign * self.impulse * self.factor

    @property
    def factor(self) -> float:
        """What a step of the trace is in the weight."""
        return sum(mantissa * 2.0**exponent for mantissa, exponent in self.parts)


@dataclass(frozen=True)
class Microcode:
    """A rule as the engine runs it: the terms of its sum by their product; ``unit`` is a weight of 1 on the chip."""

    terms: Mapping[str, Term]
    unit: float

    @property
    def dw(self) -> str:
        """The sum of products, as Loihi2FLearningRule takes it."""
        text = ""
        for product, term in self.terms.items():
            for mantissa, exponent in term.parts:
                sign = "-" if term.sign < 0 else "+" if text else ""
                scale = f"{mantissa}*2^{exponent}" if mantissa > 1 else f"2^{exponent}"
                text += f" {sign} {scale}*{product}" if text else f"{sign}{scale}*{product}"
        return text

    def impulse(self, product: str) -> float:
        """Of the trace in this product; 0 if there is none."""
        return self.terms[product].impulse if product in self.terms else 0.0

    def achieved(self, product: str) -> float:
        """What a pair at distance 0 adds to a weight."""
        return self.terms[product].value / self.unit if product in self.terms else 0.0

    def as_data(self) -> dict[str, Any]:
        """What changes with the learning rate: impulses and products."""
        return {
            "dw": self.dw,
            "x1_impulse": self.impulse("y0*x1"),
            "y1_impulse": self.impulse("x0*y1"),
            "x2_impulse": self.impulse("y0*x2"),
        }


def microcode(causal: float, anticausal: float, units: Arithmetic, room: tuple[float, float]) -> Microcode:
    """The rule whose pairs at distance 0 add ``causal`` and ``anticausal`` to a weight.

    Args:
        room: the largest number of impulses that are on a pre- and on a postsynaptic trace at a time.

    Raises:
        EngineLimit: too small or too large for impulses of 7 bits and the powers of two.
    """
    wanted = {"y0*x1": (causal, room[0]), "x0*y1": (anticausal, room[1])}
    terms = {product: _term(value, units, share) for product, (value, share) in wanted.items() if value}
    surplus = sum(term.value for term in terms.values()) / 2
    if surplus and not (units.fixed and abs(surplus) < 0.5 * 2.0 ** EXPONENTS[0]):  # less than half of the finest step
        terms["y0*x2"] = _term(-surplus / units.unit, units, 1.0)
    if not terms:
        terms["y0*x1"] = Term(1, 0.0, ((1, 0),))
    return Microcode(terms, units.unit)


def _term(value: float, units: Arithmetic, room: float) -> Term:
    """Impulse and factor for a change of ``value``: the smallest power of two, and so the finest impulse, that leaves
    ``room`` impulses within a trace; where that is coarse, the largest impulse and a factor of 6 bits."""
    sign, size = (1 if value > 0 else -1), abs(value) * units.unit
    if not units.fixed:
        return Term(sign, size, ((1, 0),))
    largest = floor(TRACE / room + 1e-9)
    low = EXPONENTS[0]
    asked = f"a change of {abs(value):.3g} per pair"
    if size > ACCUMULATOR:
        supported = f"at most {ACCUMULATOR / units.unit:.3g}"
        raise EngineLimit(asked, supported, "a smaller learning rate", "learning_rate", 0.999 * ACCUMULATOR / size)
    if size < 0.5 * 2.0**low:
        supported = f"at least {2.0**low / units.unit:.3g}"
        raise EngineLimit(asked, supported, "a larger learning rate", "learning_rate", 2.0**low / size)
    exponent = max(low, ceil(log2(size / largest) - 1e-9))
    if exponent > EXPONENTS[1]:
        supported = f"{TRACE} impulses of 1 on a trace, times 2^{EXPONENTS[1]} at most"
        factor = 0.99 * largest * 2.0 ** EXPONENTS[1] / size
        raise EngineLimit(
            f"{asked} of {room:.3g} spikes", supported, "a smaller learning rate", "learning_rate", factor
        )
    impulse = min(largest, max(1, round(size / 2.0**exponent)), floor(ACCUMULATOR / 2.0**exponent))
    term = Term(sign, float(impulse), ((1, exponent),))
    finer = _factored(sign, size, min(largest, TRACE))
    off, finer_off = _off(term, size), _off(finer, size)
    # What was achieved before is achieved again, by the same products: lowering twice is lowering once.
    return finer if finer_off < off and (off > COARSE or finer_off < 1e-12) else term


def _factored(sign: int, size: float, impulse: int) -> Term:
    """With two products: a factor of 6 bits, as far as the smallest exponent allows."""
    factor = size / impulse
    exponent = max(EXPONENTS[0], floor(log2(factor)) - 5)
    bits = min(63, round(factor / 2.0**exponent), floor(ACCUMULATOR / impulse / 2.0**exponent))
    if exponent + 3 > EXPONENTS[1]:
        return Term(sign, 0.0, ((1, 0),))
    parts = [(part, at) for part, at in ((bits >> 3, exponent + 3), (bits & 7, exponent)) if part]
    return Term(sign, float(impulse), tuple(parts))


def _off(term: Term, size: float) -> float:
    """Relative error of a term."""
    return abs(abs(term.value) / size - 1.0)


def impulses_on_a_trace(shortest_interval: float, tau: float) -> float:
    """How many impulses a trace holds at most, of a neuron whose spikes are ``shortest_interval`` apart."""
    return 1.0 / (1.0 - exp(-shortest_interval / tau))


def scatter(impulse: float, steps: float, tau: float) -> float:
    """Standard deviation of a trace of ``impulse`` after ``steps``, in its own steps: each step of time multiplies it
    by exp(-1 / tau) and rounds it up or down at random, so that the mean is right. Beyond 1000 steps at most one unit
    is lost at a time: units that decay on their own."""
    if steps > 1000:
        left = exp(-steps / tau)
        return sqrt(impulse * left * (1.0 - left))
    keep, values = exp(-1.0 / tau), np.arange(int(impulse) + 1)
    low = np.floor(values * keep + 1e-12).astype(int)
    up = values * keep - low
    odds = np.zeros(int(impulse) + 1)
    odds[int(impulse)] = 1.0
    target, share = np.concatenate([low, np.minimum(low + 1, int(impulse))]), np.concatenate([1.0 - up, up])
    for _ in range(round(steps)):
        odds = np.bincount(target, np.tile(odds, 2) * share, len(odds)).astype(np.float64)
    mean = float(odds @ values)
    return sqrt(max(0.0, float(odds @ values**2) - mean**2))


def rounded_down(value: float) -> str:
    """Three digits, for a limit that is to be kept."""
    digits = 2 - floor(log10(value))
    return f"{floor(value * 10.0**digits) / 10.0**digits:.12g}"


def rounded_up(value: float) -> str:
    """Two digits: a size that is reported is not exceeded."""
    digits = 1 - floor(log10(value)) if value > 0 else 0
    return f"{ceil(value * 10.0**digits) / 10.0**digits:.2g}"
