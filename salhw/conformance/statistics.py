"""Is a target within its declared accuracy? Equivalence tests, with the sizes that make them trustworthy.

The null hypothesis is "the target deviates by the margin or more"; a check passes if it is rejected at LEVEL. So a
target beyond its declared margin passes with at most that probability, and one that measures too little does not pass
at all. A check over several quantities passes if each of them does, which keeps the level (intersection-union test).

A right target fails if noise carries an estimate too far. That happens with less than FALSE_ALARM as long as the margin
is STANDARD_ERRORS standard errors wide, which is how ``observations`` sizes a measurement; ``false_alarm`` computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, pi, sqrt

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray

LEVEL = 1e-4  # probability with which a check passes a target that deviates by its margin
FALSE_ALARM = 1e-6  # and fails one that does not deviate at all
STANDARD_ERRORS = 11.0  # in a margin
REPLICATES = 64  # groups whose scatter gives a standard error; false_alarm(11, 64, 100) is 3e-9, 10 would do
ROUNDING = 1e-9  # what is exact may differ by this


@dataclass(frozen=True)
class Equivalence:
    """``deviation`` is the estimate that speaks most against the target, in units of its scale, ``error`` its standard
    error, ``worst`` where it is among the quantities. ``p_value`` bounds the probability that a target at the margin
    looks as good."""

    deviation: float
    error: float
    margin: float
    p_value: float
    worst: int = 0

    @property
    def passed(self) -> bool:
        """Shown to be within the margin."""
        return self.p_value <= LEVEL


def equivalent(
    sample: npt.ArrayLike, expected: npt.ArrayLike, margin: float, scale: npt.ArrayLike = 1.0
) -> Equivalence:
    """Are the means of ``sample`` (replicate, quantity) within ``margin * scale`` of ``expected``? One t-test on each
    side of each quantity. Quantities without scatter are compared as they are, up to rounding.

    Raises:
        ValueError: fewer than two replicates.
    """
    values = np.asarray(sample, dtype=np.float64).reshape(len(np.asarray(sample)), -1)
    if len(values) < 2:
        raise ValueError(f"{len(values)} replicates: at least 2 are needed for a standard error")
    values = (values - np.ravel(expected)) / np.ravel(scale)
    with np.errstate(invalid="ignore"):
        off, error = np.abs(values.mean(axis=0)), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    steady = error <= ROUNDING * (1e-3 + off)
    distance = np.where(steady, 0.0, margin - off) / np.where(steady, 1.0, error)
    p = np.where(steady, np.where(off <= margin + 1e-3 * ROUNDING, 0.0, 1.0), t_above(distance, len(values) - 1))
    p = np.where(np.isfinite(off), p, 1.0)
    worst = int(np.lexsort((-off, -p))[0])
    return Equivalence(float(off[worst]), float(error[worst]), margin, float(p[worst]), worst)


def total_variation(counts: npt.ArrayLike, expected: npt.ArrayLike, margin: float) -> Equivalence:
    """Is the distribution behind ``counts`` (replicate, outcome) within ``margin`` of ``expected`` in total variation?

    Half the sum of absolute deviations is at least the projection of the deviations on any pattern of signs, the true
    one among them, so the t-test on it keeps its level with the sampling floor in; the floor (the mean of that sum
    where nothing deviates) is taken off the reported deviation alone. The standard error is the larger one of the
    projections on the observed signs and on those of the strongest common fluctuation.
    """
    observed, target = np.asarray(counts, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    total = observed.sum(axis=1, keepdims=True)
    if not total.sum():
        return Equivalence(1.0, 0.0, margin, 1.0)
    off = (observed - total * target) / total.mean()  # linear in the counts: the mean is exact, whatever the totals
    mean, covariance = off.mean(axis=0), np.cov(off.T) / len(off)
    raw = 0.5 * float(np.abs(mean).sum())
    error = 0.5 * max(float(np.sqrt(s @ covariance @ s)) for s in signs_of(mean, covariance))
    floor = 0.5 * sampling_floor(covariance)
    if error <= ROUNDING**2:
        return Equivalence(raw, 0.0, margin, 0.0 if raw <= margin else 1.0)
    p = float(t_above((margin - raw) / error, len(off) - 1))
    return Equivalence(max(0.0, raw - floor), error, margin, p)


def t_above(value: npt.ArrayLike, dof: npt.ArrayLike) -> FloatArray:
    """The probability that Student's t with ``dof`` degrees of freedom is above a value: scipy's ``stats.t.sf``,
    without the import of ``scipy.stats``, which takes longer than most checks."""
    from scipy.special import stdtr

    return np.asarray(stdtr(dof, -np.asarray(value)))


def signs_of(mean: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The signs of the observed deviations, and of the strongest common fluctuation."""
    first, second = (np.where(v >= 0, 1.0, -1.0) for v in (mean, np.linalg.eigh(covariance)[1][:, -1]))
    return first, second


def sampling_floor(covariance: FloatArray) -> float:
    """The mean of the sum of absolute deviations where nothing deviates."""
    return float(np.sqrt(2 / np.pi) * np.sqrt(np.maximum(np.diag(covariance), 0.0)).sum())


def observations(margin: float, spread: float, *, least: int = 1) -> int:
    """How many independent observations of standard deviation ``spread`` make ``margin`` STANDARD_ERRORS wide."""
    return max(least, ceil((STANDARD_ERRORS * spread / margin) ** 2))


def pairs_needed(margin: float, outcomes: int) -> int:
    """How many independent outcomes make ``total_variation`` sharp enough: beside the noise of one projection there is
    its sampling floor, sqrt(2 outcomes / pi) / 2 at most."""
    return ceil(((STANDARD_ERRORS / 2 + sqrt(outcomes / (2 * pi))) / margin) ** 2)


def false_alarm(margin: float, replicates: int, quantities: int = 1) -> float:
    """Probability that ``equivalent`` fails a target without deviation, ``margin`` in true standard errors: the
    expectation, over the scatter of the standard error, of noise beyond the margin minus its bound (Bonferroni)."""
    from scipy import stats

    dof = replicates - 1
    share = (np.arange(200_000) + 0.5) / 200_000
    error = np.sqrt(stats.chi2.ppf(share, dof) / dof)
    beyond = np.minimum(1.0, 2 * stats.norm.sf(margin - stats.t.isf(LEVEL, dof) * error))
    # The upper tail of the scatter carries most of it and is finer than the grid: add it in closed form.
    tail = stats.chi2.isf(0.5 / 200_000 * np.logspace(0, -9, 400), dof)
    mass = 0.5 / 200_000 * np.logspace(0, -9, 400)
    late = np.minimum(1.0, 2 * stats.norm.sf(margin - stats.t.isf(LEVEL, dof) * np.sqrt(tail / dof)))
    return float(quantities * (beyond.mean() + np.sum(late[:-1] * -np.diff(mass))))


def groups(values: FloatArray, count: int = REPLICATES) -> FloatArray:
    """Sum neighbours along the first axis into ``count`` groups of equal size; what is left over is dropped."""
    size = max(1, len(values) // count)
    kept = values[: size * (len(values) // size)]
    return np.asarray(kept.reshape(-1, size, *values.shape[1:]).sum(axis=1), dtype=np.float64)


def replicates(quantities: Sequence[npt.NDArray[np.generic]]) -> FloatArray:
    """The means of neighbours in REPLICATES groups of each quantity, or of as many as its fewest observations make:
    (replicate, quantity), for ``equivalent``."""
    observed = [np.asarray(each, dtype=np.float64).reshape(-1) for each in quantities]
    means = [groups(each) / max(1, len(each) // REPLICATES) for each in observed]
    count = min(REPLICATES, *map(len, means))
    return np.stack([each[:count] for each in means], axis=1)
