"""Intervals over chips: of means, of yields, and one that holds however often one looks."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray

LEVEL = 0.95
RESAMPLES = 1999
MANY = 1000
"""Chips beyond which the bootstrap, which then takes seconds, and Student's interval are one."""
LOOK = 100
"""The number of chips at which confidence sequences are narrowest, relative to what any could be."""


class Interval(NamedTuple):
    """An estimate with the ends of its interval; NaN where the chips do not determine them."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of its length."""
        return 0.5 * (self.high - self.low)


NONE = Interval(float("nan"), float("nan"), float("nan"))


def mean_interval(values: npt.ArrayLike, level: float = LEVEL, *, seed: int = 0) -> Interval:
    """The mean of independent chips, with its bias-corrected and accelerated bootstrap interval (Efron 1987); of more
    than MANY with Student's.

    Values that are no finite numbers are left out.
    """
    from scipy.stats import bootstrap, sem, t

    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        return NONE
    mean = float(found.mean())
    if len(found) < 2 or np.ptp(found) <= 1e-12 * abs(mean):
        return Interval(mean, *(2 * (mean if len(found) > 1 else float("nan"),)))
    if len(found) > MANY:
        low, high = t.interval(level, len(found) - 1, mean, sem(found))
        return Interval(mean, float(low), float(high))
    method = "BCa" if len(found) > 2 else "percentile"
    rng = np.random.default_rng(seed)
    ends = bootstrap(
        (found,), np.mean, n_resamples=RESAMPLES, confidence_level=level, method=method, random_state=rng
    ).confidence_interval
    return Interval(mean, float(ends.low), float(ends.high))


def wilson(good: int, count: int, level: float = LEVEL) -> Interval:
    """The share of good chips, with Wilson's score interval (1927)."""
    from scipy.stats import binomtest

    if not count:
        return NONE
    ends = binomtest(good, count).proportion_ci(level, "wilson")
    return Interval(good / count, float(ends.low), float(ends.high))


def confidence_sequence(values: npt.ArrayLike, level: float = LEVEL, *, look: int = LOOK) -> FloatArray:
    """Half widths around the running means of ``values``, for every number of chips: with probability ``level`` the
    true mean lies within all of them at once, so that one may stop whenever one likes.

    An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 2024,
    Eq 5), narrowest about ``look`` values (their Eq 9); infinite for the first value, of which no spread is known.
    """
    x = np.asarray(values, dtype=np.float64)
    n = np.arange(1, len(x) + 1)
    mean = np.cumsum(x) / n
    variance = np.maximum(np.cumsum((x - x[:1]) ** 2) / n - (mean - x[:1]) ** 2, 0.0)
    alpha = 1.0 - level
    rho2 = (-2.0 * log(alpha) + log(-2.0 * log(alpha) + 1.0)) / look
    unit = np.sqrt(2.0 * (n * rho2 + 1.0) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1.0) / alpha))
    half = np.sqrt(variance * n / np.maximum(n - 1, 1)) * unit
    half[:1] = np.inf
    return np.asarray(half)
