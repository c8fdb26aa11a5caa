"""Do two noisy samples agree? Three outcomes instead of two: within a margin, beyond it, or too little data to say.

Both sides are replicates (instances, chips, stretches of time). With few of them, the level is one that the data of a
minute can reach: each verdict of a family is adjusted by Holm (1979), so that any of them is wrongly ``different``, or
any wrongly ``equivalent``, with at most FAMILY.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salhw.conformance.statistics import ROUNDING, sampling_floor, signs_of
from salhw.description.fields import FloatArray

FAMILY = 0.01
"""The probability of any wrong verdict of one kind in a family of verdicts."""
PLANNED = FAMILY / 20
"""The level for which ``more`` plans: that of one verdict of twenty."""


@dataclass(frozen=True)
class Difference:
    """How far the mean of a sample is from that of a reference sample, in units of their scale.

    ``deviation`` and its standard ``error`` are those of the ``worst`` quantity. ``within`` bounds the probability of
    data like these if the true deviation is the margin or more, ``beyond`` if it is the margin or less: neither small
    means that nobody knows yet. ``more`` estimates how many times the data would tell, infinity if the deviation seems
    to be the margin itself.
    """

    deviation: float
    error: float
    margin: float
    within: float
    beyond: float
    worst: int
    more: float


def difference(
    sample: npt.ArrayLike, reference: npt.ArrayLike, margin: float, scale: npt.ArrayLike = 1.0
) -> Difference:
    """The means of ``sample`` (replicate, quantity) against those of ``reference`` (replicate, quantity):
    t-tests against ``margin * scale`` on either side. All quantities have to be within (intersection-union test); one
    beyond is enough (Bonferroni). What does not scatter is compared as it is, up to rounding.

    Raises:
        ValueError: fewer than two replicates on a side.
    """
    from scipy import stats

    first, second = _replicates(sample), _replicates(reference)
    off, error, dof = (np.atleast_1d(v) for v in _welch(first / np.ravel(scale), second / np.ravel(scale)))
    size = np.abs(off)
    known = np.isfinite(size)
    steady = error <= ROUNDING * (1e-3 + size)
    unit = np.where(steady, 1.0, error)
    inside = size <= margin + 1e-3 * ROUNDING
    within = np.where(steady, np.where(inside, 0.0, 1.0), stats.t.sf((margin - size) / unit, dof))
    beyond = stats.t.sf((size - margin) / unit, dof) + stats.t.sf((size + margin) / unit, dof)
    beyond = np.where(steady, np.where(inside, 1.0, 0.0), np.minimum(beyond, 1.0))
    within, beyond = np.where(known, within, 1.0), np.where(known, beyond, 1.0)
    worst = int(np.lexsort((-size, -within))[0])
    need = _more(size, error, dof, margin)
    more = float(np.max(need) if inside.all() else np.min(need[~inside]))
    p_beyond = min(1.0, len(size) * float(beyond.min()))
    return Difference(float(size[worst]), float(error[worst]), margin, float(within[worst]), p_beyond, worst, more)


def distance(sample: npt.ArrayLike, reference: npt.ArrayLike, margin: float, weight: float) -> Difference:
    """``weight`` times the sum of absolute differences between the means of ``sample`` and ``reference`` (replicate,
    element): a total variation for shares and 1/2, Wasserstein's distance for sorted values and 1 over their number.

    The sum is at least the projection on any pattern of signs, that of the true differences among them, so a t-test on
    it shows a distance to be within; its standard error is the larger one of two projections, see ``total_variation``.
    To show that it is beyond, the signs come from one half of the replicates and the projection from the other: its
    mean is at most the distance. Both halves have their turn (Bonferroni); it takes four replicates on a side. The
    sampling floor is taken off the reported deviation alone, whose error is that of the observed signs.

    Raises:
        ValueError: fewer than two replicates on a side.
    """
    from scipy import stats

    first, second = _replicates(sample), _replicates(reference)
    mean = first.mean(axis=0) - second.mean(axis=0)
    covariance = np.sum([np.atleast_2d(np.cov(x.T)) / len(x) for x in (first, second)], axis=0)
    raw = weight * float(np.abs(mean).sum())
    tests = [_welch(weight * first @ signs, weight * second @ signs) for signs in signs_of(mean, covariance)]
    own = float(tests[0][1])
    _, error, dof = (float(v) for v in max(tests, key=lambda test: float(test[1])))
    if error <= ROUNDING * (1e-3 + raw):
        inside = raw <= margin + 1e-3 * ROUNDING
        return Difference(raw if raw > ROUNDING else 0.0, 0.0, margin, float(not inside), float(inside), 0, 1.0)
    deviation = max(0.0, raw - weight * sampling_floor(covariance))
    within = float(stats.t.sf((margin - raw) / error, dof))
    need = more_of_distance(deviation, error, dof, raw - deviation, margin)
    return Difference(deviation, own, margin, within, _beyond(first, second, margin, weight), 0, need)


def _beyond(first: FloatArray, second: FloatArray, margin: float, weight: float) -> float:
    from scipy import stats

    if min(len(first), len(second)) < 4:
        return 1.0
    p = []
    for half in (0, 1):
        learnt = first[half::2].mean(axis=0) - second[half::2].mean(axis=0)
        signs = weight * np.where(learnt >= 0, 1.0, -1.0)
        off, error, dof = (float(v) for v in _welch(first[1 - half :: 2] @ signs, second[1 - half :: 2] @ signs))
        p.append(float(stats.t.sf((off - margin) / error, dof)) if error > 0 else float(off <= margin))
    return min(1.0, 2 * min(p))


def _replicates(sample: npt.ArrayLike) -> FloatArray:
    values = np.asarray(sample, dtype=np.float64)
    if len(values) < 2:
        raise ValueError(f"{len(values)} replicates: at least 2 are needed for a standard error")
    return values.reshape(len(values), -1)


def _welch(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Difference of the means over the first dimension, Welch's standard error, and degrees of freedom: those of the
    smaller sample, with which the test keeps its level whatever the spreads are (Hsu 1938; Mickey and Brown 1966). With
    Satterthwaite's, a few replicates that are alike by chance would pass for a small error."""
    with np.errstate(invalid="ignore"):
        off = first.mean(axis=0) - second.mean(axis=0)
        error = np.sqrt(sum(x.var(axis=0, ddof=1) / len(x) for x in (first, second)))
    return np.asarray(off), np.asarray(error), np.full(np.shape(off), min(len(first), len(second)) - 1.0)


def _more(size: FloatArray, error: FloatArray, dof: FloatArray, margin: float) -> FloatArray:
    """How many times the data of each replicate make the gap between deviation and margin wide enough for all
    quantities. What noise alone makes of the largest of so many is no deviation."""
    from scipy import stats

    chance = float(stats.norm.isf(0.5 / len(size)))
    gap = np.abs(margin - np.maximum(0.0, size - chance * error))
    with np.errstate(divide="ignore", invalid="ignore"):
        need = ((stats.t.isf(PLANNED, dof) + chance) * error / gap) ** 2
    return np.where(np.isfinite(need), np.maximum(need, 1.0), np.inf)


def more_of_distance(deviation: float, error: float, dof: float, floor: float, margin: float) -> float:
    """The same for a distance, of which data take off the sampling floor as well, and half of them show it beyond."""
    from scipy import stats

    wide, gap = float(stats.t.isf(PLANNED, dof)) * error, margin - deviation
    if gap == 0.0:
        return float("inf")
    return max(1.0, ((wide + floor) / gap) ** 2 if gap > 0 else 2 * (wide / gap) ** 2)


def shares(counts: npt.ArrayLike) -> FloatArray:
    """Counts (replicate, outcome) as shares of all outcomes: each row is what it adds to the ratio of the sums, to
    first order, so that the rows' mean is that ratio exactly, whatever their totals."""
    observed = np.asarray(counts, dtype=np.float64)
    total = observed.sum(axis=1, keepdims=True)
    ratio = observed.sum(axis=0) / observed.sum()
    return np.asarray(ratio + (observed - total * ratio) / total.mean())


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """p-values of one family, adjusted so that each can be held against the level of the family (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    result = np.empty(len(p))
    result[order] = adjusted
    return result
