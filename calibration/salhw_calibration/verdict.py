"""Whether a goal is met, whether the recording was long enough to know, and which chips got worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from salhw.description.fields import FloatArray

DOUBT = 0.01  # probability at most of a wrong "met" or "missed", each
FALSE_ALARM = 0.05  # and that a calibration names any chip at all that did not get worse
FORESEEN = 1e4  # how many times a duration can be told from it
ROUNDING = 1e-6  # spreads below are those of numbers, not of chips
SHOWN = 0.95  # of the intervals that are told

Word = Literal["met", "missed", "too short", "at the goal"]


@dataclass(frozen=True, eq=False)
class Deviations:
    """Of one quantity: how far everything that was measured on a chip is from what is described. (chip,) each.

    Args:
        square: the mean square, less what measuring alone makes of it: where nothing is left, below zero as often as
            above.
        error: root mean square of the standard errors of what was measured; they fall with the square root of the
            duration.
        freedom: how many measurements of one standard error would scatter as these do together; 0: nothing is known.
    """

    square: FloatArray
    error: FloatArray
    freedom: FloatArray

    @classmethod
    def of(cls, deviation: FloatArray, error: FloatArray) -> Deviations:
        """From (chip, measurement); NaN does not count."""
        known = np.isfinite(deviation) & np.isfinite(error)
        count = np.maximum(1, known.sum(axis=1))
        squares = np.where(known, error, 0.0) ** 2
        total, fourth = squares.sum(axis=1), (squares**2).sum(axis=1)
        # A sum of c_i chi2(1) has the first two moments of chi2(freedom), scaled: Welch and Satterthwaite.
        alike = np.divide(total**2, fourth, out=known.sum(axis=1).astype(float), where=fourth > 0.0)
        mean = (np.where(known, deviation, 0.0) ** 2).sum(axis=1) / count
        return cls(mean - total / count, np.sqrt(total / count), alike)

    @classmethod
    def from_array(cls, of_chips: FloatArray) -> Deviations:
        """From what ``array`` gave."""
        return cls(*of_chips.T)

    @property
    def array(self) -> FloatArray:
        """(chip, 3), to be kept in a file."""
        return np.stack([self.square, self.error, self.freedom], axis=1)

    @property
    def spread(self) -> FloatArray:
        """(chip,): root mean square of the true deviations, as far as it is known."""
        return np.sqrt(np.maximum(self.square, 0.0))

    @property
    def together(self) -> Deviations:
        """All chips as one: the mean of their mean squares."""
        known = self.freedom > 0.0
        if not known.any():
            return Deviations(np.zeros(1), np.full(1, np.nan), np.zeros(1))
        square, error, freedom = self.square[known], self.error[known], self.freedom[known]
        fourth = (error**4 / freedom).sum()
        alike = (error**2).sum() ** 2 / fourth if fourth > 0.0 else freedom.sum()
        return Deviations(*(np.array([x]) for x in (square.mean(), np.sqrt(np.mean(error**2)), alike)))

    def limits(self, beyond: float) -> tuple[FloatArray, FloatArray]:
        """(chip,): the true spread is below the first, and above the second, with this probability each.

        The sum of squares over their variances is chi squared, not central by what is left. NaN where nothing is known.
        """
        from scipy.special import chndtrinc, ndtri

        freedom = np.where(self.freedom > 0.0, self.freedom, np.nan)
        left, bounds = self.square / np.where(self.error > 0.0, self.error, 1.0) ** 2, []
        for side, ratio in ((1.0 - beyond, left), (beyond, np.maximum(left, 0.0))):
            statistic = freedom * np.maximum(1.0 + ratio, 0.0)
            far = statistic > 1e5  # where all is normal, and the exact inverse slow
            normal = ratio - ndtri(side) * np.sqrt((2.0 + 4.0 * np.maximum(ratio, 0.0)) / freedom)
            exact = chndtrinc(np.where(far, 1.0, statistic), freedom, side) / freedom
            bound = np.nan_to_num(np.where(far, normal, exact))
            bound = self.error**2 * np.where(bound > 1e-9, bound, 0.0)
            bounds.append(np.where(self.freedom > 0.0, np.sqrt(np.where(self.error > 0.0, bound, self.square)), np.nan))
        return bounds[0], bounds[1]

    def needed(self, goal: float) -> float:
        """How many times as long a recording of all chips should be, so that its errors keep nobody from meeting the
        goal, nor from knowing it. Corrections are off by an error of measuring; measured again with one more such
        error, the upper limit of what is left shall be the goal. Infinity if nothing is known."""
        whole = self.together
        if not whole.freedom[0] > 0.0 or goal <= 0.0:
            return float("inf")
        upper = Deviations(np.ones(1), np.ones(1), whole.freedom).limits(DOUBT)[1]  # of errors of 1
        return float(whole.error[0] * upper[0] / goal) ** 2


@dataclass(frozen=True)
class Worse:
    """A chip that a calibration made worse: spreads, with the ends of their 95 % intervals."""

    chip: int
    quantity: str
    before: float
    before_interval: tuple[float, float]
    after: float
    after_interval: tuple[float, float]


@dataclass(frozen=True)
class Verdict:
    """What is known of one quantity after a calibration, all chips together.

    Args:
        quantity, goal: see ``Goals``.
        word: "met" or "missed", wrong with a probability of at most 1 %; "too short": the recording was too short to
            know, or its errors too large to meet the goal; "at the goal": it is long enough, and neither is certain.
        interval: 95 % interval of the spread that is left.
        error: standard error of one synapse or neuron, root mean square; NaN if nothing could be measured.
        duration: of the recording, in ms.
        needed: how long it should have been, in ms: standard errors fall with the square root. None if it was long
            enough, or if nobody can tell, because next to nothing was measured.
        worse: chips that certainly got worse.
    """

    quantity: str
    goal: float
    word: Word
    interval: tuple[float, float]
    error: float
    duration: float
    needed: float | None
    worse: tuple[Worse, ...]

    @property
    def known(self) -> bool:
        """Whether what was measured says anything about the goal."""
        return self.word != "too short"

    @property
    def words(self) -> str:
        """In words."""
        if self.known:
            return {"met": "goal met", "missed": "goal missed"}.get(self.word, "at the goal, within errors")
        if self.needed is None:
            return f"too short: next to nothing can be measured in {self.duration:.6g} ms"
        what = "meet it" if self.interval[0] > self.goal else "know"
        return f"too short to {what}: single errors of {self.error:.2g}; takes some {two_digits(self.needed)} ms"


def judged(
    quantity: str, before: Deviations, after: Deviations, *, goal: float, duration: float, ids: tuple[int, ...], of: int
) -> Verdict:
    """The verdict on one of ``of`` quantities, whose chips are named by ``ids``.

    A chip got worse if the lower limit of its spread after calibration is above the upper limit before; each is wrong
    with a probability of half of FALSE_ALARM over all chips and quantities.
    """
    whole, times = after.together, after.needed(goal)
    low, high = (float(limit[0]) for limit in whole.limits(DOUBT))
    word: Word = "at the goal"
    if high <= goal:
        word = "met"
    elif not times <= 1.0:
        word = "too short"
    elif low > goal:
        word = "missed"
    once = FALSE_ALARM / (2.0 * of * len(ids))
    worse = np.flatnonzero(after.limits(once)[0] > np.maximum(before.limits(once)[1], ROUNDING))
    intervals = [_intervals(of_chips) for of_chips in (before, after)]
    return Verdict(
        quantity, goal, word, _intervals(whole)[0], float(whole.error[0]), duration,
        times * duration if word == "too short" and times < FORESEEN else None,
        tuple(
            Worse(ids[k], quantity, float(before.spread[k]), intervals[0][k], float(after.spread[k]), intervals[1][k])
            for k in worse
        ),
    )  # fmt: skip


def _intervals(of_chips: Deviations) -> list[tuple[float, float]]:
    return [(float(low), float(high)) for low, high in zip(*of_chips.limits((1.0 - SHOWN) / 2.0), strict=True)]


def headline(verdicts: Mapping[str, Verdict]) -> str:
    """All quantities in one line."""
    short = [v for v in verdicts.values() if not v.known]
    missed = ", ".join(v.quantity for v in verdicts.values() if v.word == "missed")
    parts = [f"goal missed: {missed}"] if missed else []
    if short:
        times = [v.needed for v in short if v.needed is not None]
        takes = f": it takes some {two_digits(max(times))} ms" if len(times) == len(short) else ""
        parts.append(f"{short[0].duration:.6g} ms are too short{takes}")
    chips = sorted({worse.chip for v in verdicts.values() for worse in v.worse})
    if chips:
        parts.append(f"chip{'s' * (len(chips) > 1)} {', '.join(map(str, chips))} got worse")
    return "; ".join(parts) or "goals met"


def two_digits(value: float) -> str:
    """Rounded up to two significant digits."""
    scale = 10.0 ** (np.floor(np.log10(value)) - 1.0)
    return f"{np.ceil(value / scale - 1e-9) * scale:.12g}"
