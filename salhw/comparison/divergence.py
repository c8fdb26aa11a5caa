"""Is a divergence of Kullback and Leibler within a margin, or beyond it? And effect sizes, from noisy distributions."""

from __future__ import annotations

import math

import numpy as np

from salhw.conformance.differences import Difference, more_of_distance
from salhw.description.fields import FloatArray

STEEPEST = math.log(1000.0)
"""The largest log ratio that half of the data may claim: rare states would otherwise decide alone."""


def divergence(sample: FloatArray, reference: FloatArray, margin: float) -> Difference:
    """D_KL in nats of the mean shares of ``sample`` (replicate, state) from those of ``reference`` (replicate, state),
    of which a single row is known exactly.

    *Within*: the root of D_KL is, to leading order, the length of a difference; it is convex, so that noise makes it
    larger on average, and a t-test of the root against the margin's, with the error of the observed direction, keeps
    its level. *Beyond*: E_p[g] + 1 - E_q[exp g] is at most D_KL for any g (Nguyen, Wainwright and Jordan 2010, IEEE
    Trans. Inf. Theory 56:5847) and linear in both, so that it is a mean, of which a t-test shows that it is beyond.
    g = log p/q comes from one half of the replicates, the mean from the other; both halves have their turn
    (Bonferroni). That takes four replicates on a side. What noise adds on average, to second order, is taken off the
    deviation alone, and what that scatters is part of its error.

    Raises:
        ValueError: a state in which the reference never is: the divergence is then not finite.
    """
    from scipy import stats

    p, q = sample.mean(axis=0), reference.mean(axis=0)
    if not (q > 0.0).all():
        raise ValueError("a state in which the reference never is")
    raw = _divergence(p, q)
    slope = np.log(np.where(p > 0.0, p, q) / q), p / q
    variances = _mean_variance(sample), _mean_variance(reference)
    squares = variances[0] / np.where(p > 0.0, p, q) + variances[1] * p / q**2
    noise, of_noise = 0.5 * float(squares.sum()), math.sqrt(0.5 * float(squares @ squares))
    error = math.hypot(_error(sample @ slope[0]), _error(reference @ slope[1]))
    deviation, told = max(0.0, raw - noise), math.hypot(error, of_noise)
    freedom = float(_freedom(sample, reference))
    root, of_root = math.sqrt(raw), error / (2.0 * math.sqrt(raw)) if raw > 0.0 else 0.0
    if of_root == 0.0:
        inside = raw <= margin
        return Difference(deviation, told, margin, float(not inside), float(inside), 0, 1.0)
    within = float(stats.t.sf((math.sqrt(margin) - root) / of_root, freedom))
    more = more_of_distance(math.sqrt(deviation), of_root, freedom, math.sqrt(noise), math.sqrt(margin))
    return Difference(deviation, told, margin, within, _beyond(sample, reference, margin), 0, more)


def _beyond(sample: FloatArray, reference: FloatArray, margin: float) -> float:
    from scipy import stats

    if min(len(each) for each in (sample, reference) if len(each) > 1) < 4:
        return 1.0
    found = []
    for half in (0, 1):
        mine, theirs = (x[half::2] if len(x) > 1 else x for x in (sample, reference))
        p, q = (np.maximum(x.mean(axis=0), 1e-12) for x in (mine, theirs))
        g = np.clip(np.log(p / q), -STEEPEST, STEEPEST)
        first, second = (x[1 - half :: 2] if len(x) > 1 else x for x in (sample, reference))
        here, there = first @ g, second @ np.exp(g)
        gap = float(here.mean() + 1.0 - there.mean()) - margin
        error = math.hypot(_error(here), _error(there))
        found.append(float(stats.t.sf(gap / error, _freedom(first, second))) if error else float(gap <= 0.0))
    return min(1.0, 2.0 * min(found))


def _divergence(p: FloatArray, q: FloatArray) -> float:
    """sum p log(p/q) in nats; what linearised shares have below 0 counts as 0."""
    seen = p > 0.0
    return max(0.0, float((p[seen] * np.log(p[seen] / q[seen])).sum() + q.sum() - p[seen].sum()))


def _mean_variance(rows: FloatArray) -> FloatArray:
    """Of the mean over replicates; 0 of what is known exactly."""
    return np.asarray(rows.var(axis=0, ddof=1) / len(rows)) if len(rows) > 1 else np.zeros(rows.shape[1])


def _error(values: FloatArray) -> float:
    """The standard error of the mean over replicates; 0 of what is known exactly."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0


def _freedom(sample: FloatArray, reference: FloatArray) -> int:
    """Degrees of freedom: those of the smaller sample, as in ``salhw.conformance.differences``."""
    return min(len(x) for x in (sample, reference) if len(x) > 1) - 1


def standardised(sample: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Hedges' g of two distributions over elements, as samples whose means differ by it.

    g is the difference of the means over the pooled standard deviation of the elements, corrected for their number.
    The rows of both results are what each replicate adds to it, to first order: in the means, and in the standard
    deviation. None where the elements do not differ.

    Args:
        sample, reference: (replicate, sorted element).

    Returns:
        (replicate, 1) of either side.
    """
    means = [float(x.mean()) for x in (sample, reference)]
    centred = [x.mean(axis=0) - mean for x, mean in zip((sample, reference), means, strict=True)]
    spread = math.sqrt(sum(float(c @ c) / (len(c) - 1) for c in centred) / 2.0)
    if not spread > 1e-9 * max(map(abs, means)):
        return None
    count, g = sample.shape[1], (means[0] - means[1]) / spread
    sides = []
    for rows, mean, middle, sign in zip((sample, reference), means, centred, (1.0, -1.0), strict=True):
        own = rows.mean(axis=1)
        wider = 2.0 / (count - 1) * (rows - own[:, None] - middle) @ middle  # of the variance of the elements
        sides.append((own - mean) / spread - sign * g * wider / (4.0 * spread**2))
    correction = 1.0 - 3.0 / (8.0 * count - 9.0)  # of 2 count - 2 degrees of freedom: 1 - 3 / (4 (2 count - 2) - 1)
    return correction * (g + sides[0])[:, None], correction * sides[1][:, None]
