"""All synapses of a neuron and its bias from spikes alone, by maximum likelihood.

A GLM neuron that decides at step t spikes with a probability that depends on u = bias + sum_j W_j x_j(t) alone, where
x_j is the PSP trace that follows from the spikes of j (paper Eqs 1, 8). So the weights are the coefficients of a
binomial regression with one row per decision: link logit (``logistic``) or complementary log-log (``exact``), and
ln(dt / tau_ref) as known offset. Fisher scoring maximises the likelihood; it is concave, so the maximum is unique.

What makes it fast: all neurons share one design matrix; the information matrix, which costs the most, is only renewed
where it has to be; and the first steps are made on the beginning of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw_calibration.circuit import MeasuredCircuit
from salhw_calibration.measuring import Record
from salhw_calibration.regression import BLOCK, Coefficients, Regression, regression
from salhw_calibration.results import Estimate

ROUNDS = 60  # of scoring at most; it takes five to ten
TOLERANCE = 1e-9  # of a step in any coefficient, at the end
SINGULAR = 1e-5  # smallest eigenvalue of an information matrix (as a correlation matrix) that still tells something
LEVELS = (1 / 16, 1 / 4)  # shares of the recording on which the fit begins
SPIKES = 10  # per coefficient, that a share of the recording has to hold


def likelihood(c: MeasuredCircuit, record: Record, *, seed: int = 0) -> Estimate:
    """Maximum-likelihood weights and biases of one instance; ``seed`` only breaks ties in the goodness of fit.

    A coefficient is NaN where the data do not determine it: a silent neuron; a PSP during which the neuron never
    decided to spike (the estimate is minus infinity); traces that cannot be told apart.
    """
    r = _finite(regression(c, record))
    top = _maximum(r)
    estimate = Estimate.unknown(len(c.post), c.size)
    at = top.sums.find(c.row_of(r.posts)[c.post], c.column)
    # Of two synapses with one trace only the sum is determined.
    mine = np.flatnonzero((at >= 0) & (np.bincount(at[at >= 0], minlength=1)[at] == 1))
    estimate.weights[mine], estimate.errors[mine] = top.estimates[at[mine]], top.errors[at[mine]]
    last = top.sums.first[1:] - 1
    estimate.biases[r.posts], estimate.bias_errors[r.posts] = top.estimates[last], top.errors[last]
    estimate.fit[r.posts] = _goodness_of_fit(r, top.beta, seed)
    return estimate


def maximum(c: MeasuredCircuit, record: Record) -> FloatArray:
    """The largest log likelihood of each neuron's spikes, (neuron,); NaN where there is none."""
    r = _finite(regression(c, record))
    largest = np.full(c.size, np.nan)
    largest[r.posts] = _maximum(r).value
    return largest


def _finite(r: Regression) -> Regression:
    """Without the coefficients whose estimate would be minus infinity and the steps at which they act (the limit of
    the likelihood); and without the neurons that never spike, or always."""
    from salhw_calibration.jit import add_moments, add_product

    each, deciding = r.coefficients, r.deciding.copy()
    active = np.zeros(len(each.column))
    for where, block in r.blocks(r.steps):
        add_moments(
            r.spikes[:, where].astype(np.float64), each.first, each.column, (block > 0.0).astype(np.float64), active
        )
    hopeless = each.only_where(active == 0.0)
    for where, block in r.blocks(r.steps) if np.any(hopeless.column < r.columns - 1) else ():
        acting = np.zeros((len(r.posts), block.shape[1]))
        add_product(np.ones(len(hopeless.column)), hopeless.first, hopeless.column, block, acting)
        deciding[:, where] &= acting <= 0.0
    count, decisions = (mask.sum(axis=1, dtype=np.int64) for mask in (r.spikes, deciding))
    left = replace(r, deciding=deciding, coefficients=each.only_where(active > 0.0))
    return left.only(np.flatnonzero((count > 0) & (count < decisions)))


@dataclass(frozen=True, eq=False)
class _Maximum:
    """The coefficients ``beta`` at which the likelihood is largest, and its logarithm ``value`` (post,) there; and of
    the ``sums`` of coefficients over the echoes of a trace the ``estimates`` and standard ``errors``. NaN where the
    data do not determine it."""

    beta: FloatArray
    value: FloatArray
    sums: Coefficients
    estimates: FloatArray
    errors: FloatArray


def _maximum(r: Regression) -> _Maximum:
    """Where the likelihood is largest."""
    each, c, neurons = r.coefficients, r.circuit, len(r.posts)
    value, beta = np.full(neurons, np.nan), np.zeros(len(each.column))
    spikes, decisions = (mask.sum(axis=1, dtype=np.float64) for mask in (r.spikes, r.deciding))
    share = spikes / decisions
    # The best constant input to begin with.
    start = np.where(c.exact[r.posts], np.log(-np.log1p(-share)), np.log(share / (1.0 - share)))
    beta[each.first[1:] - 1] = start - c.offset[r.posts]
    enough = spikes / (SPIKES * np.diff(each.first))
    for level in LEVELS:
        if level * r.steps > 2 * BLOCK:
            some = np.flatnonzero(level * enough >= 1.0)
            at = each.those_of(some)
            beta[at], _ = _scoring(r.only(some), beta[at], round(level * r.steps), 1e-3)
    beta, converged = _scoring(r, beta, r.steps, TOLERANCE)
    done = np.flatnonzero(converged)
    trace = np.where(each.column < r.columns - 1, each.column % max(c.distinct, 1), c.distinct)
    sums = Coefficients.of(neurons, each.owner, trace)
    term = sums.find(each.owner, trace)
    variance = np.full(len(sums.column), np.nan)
    whole = np.ones(len(done), dtype=np.bool_)
    value[done], _, information = r.only(done).derivatives(beta[each.those_of(done)], r.steps, whole)
    for post, matrix in zip(done.tolist(), information, strict=True):
        inverse, free = _inverse(matrix)
        within, begin = term[slice(*each.first[post : post + 2])], sums.first[post]
        covariances = np.sum(inverse * (within[:, None] == within), axis=1)
        variance[begin : sums.first[post + 1]] = np.bincount(within - begin, covariances)
        variance[within[free]] = np.nan
    echoes = np.where(sums.column < c.distinct, 1 + c.echoes, 1)
    variance[np.bincount(term, minlength=len(echoes)) < echoes] = np.nan
    estimates = np.bincount(term, beta, len(sums.column))
    return _Maximum(beta, value, sums, np.where(np.isnan(variance), np.nan, estimates), np.sqrt(variance))


def _scoring(r: Regression, beta: FloatArray, steps: int, tolerance: float) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Fisher scoring from ``beta`` on; returns the coefficients, and which neurons converged.

    The information is renewed where the last step was not much shorter than the one before, and a step that lowers the
    likelihood is halved.
    """
    each, neurons = r.coefficients, len(r.posts)
    going, inverse = np.arange(neurons), dict[int, FloatArray]()
    best, last = np.full(neurons, -np.inf), np.full(neurons, np.inf)
    beta, kept, step, slope = beta.copy(), beta.copy(), np.zeros_like(beta), np.zeros_like(beta)
    stale = np.ones(neurons, dtype=np.bool_)
    for _ in range(ROUNDS):
        if not len(going):
            break
        at = each.those_of(going)
        value, slope[at], fresh = r.only(going).derivatives(beta[at], steps, stale[going])
        renewed = dict(zip(going[stale[going]].tolist(), fresh, strict=True))
        worse = value < best[going] - 1e-9 * np.abs(value)
        back, advancing = going[worse], going[~worse]
        at = each.those_of(back)
        step[at] *= 0.5
        stale[back] = True
        beta[at] = kept[at] + step[at]
        at = each.those_of(advancing)
        best[advancing], kept[at] = value[~worse], beta[at]
        inverse |= {post: _inverse(renewed[post])[0] for post in advancing.tolist() if post in renewed}
        for post in advancing.tolist():
            own = slice(*each.first[post : post + 2])
            step[own] = inverse[post] @ slope[own]
        beta[at] += step[at]
        length = np.maximum.reduceat(np.abs(step), each.first[:-1])[advancing]
        stale[advancing] = length > 0.2 * last[advancing]
        last[advancing] = length
        going = np.sort(np.concatenate([back, advancing[length > tolerance]]))
    converged = np.ones(neurons, dtype=np.bool_)
    converged[going] = False
    return beta, converged


def _inverse(information: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The pseudo-inverse of an information matrix, and which coefficients take part in a combination about which the
    data say nothing."""
    scale = np.sqrt(np.diag(information))
    used = np.flatnonzero(scale > 0.0)
    inverse, free = np.zeros_like(information), scale <= 0.0
    s = np.outer(scale[used], scale[used])
    correlation = information[np.ix_(used, used)] / s
    try:
        part = np.linalg.inv(correlation)
        sound = np.diag(part).min(initial=1.0) > 0.0 and np.diag(part).max(initial=1.0) < 1.0 / SINGULAR
    except np.linalg.LinAlgError:
        sound = False
    if not sound:
        values, vectors = np.linalg.eigh(correlation)
        good = values > SINGULAR
        part = (vectors[:, good] / values[good]) @ vectors[:, good].T
        free[used] = np.abs(vectors[:, ~good]).max(axis=1, initial=0.0) > 1e-3
    inverse[np.ix_(used, used)] = part / s
    return inverse, free


def _goodness_of_fit(r: Regression, beta: FloatArray, seed: int) -> FloatArray:
    """p-values (post,) of the Kolmogorov-Smirnov test of the time-rescaled intervals (Brown et al. 2002)."""
    from scipy.stats import kstwo

    from salhw_calibration.jit import rescaled

    random = np.random.default_rng(seed)
    counts = r.spikes.sum(axis=1, dtype=np.int64)
    uniform, intervals = [random.random(n) for n in counts], [np.empty(n) for n in counts]
    filled, carry = np.zeros(len(counts), dtype=np.int64), np.full((len(counts), 1), -1.0)
    for where, block in r.blocks(r.steps):
        eta = r.eta(beta, where, block)
        for post, exact in enumerate(r.circuit.exact[r.posts]):
            args = (eta[post], r.spikes[post, where], r.deciding[post, where], exact)
            filled[post] = rescaled(*args, uniform[post], carry[post], intervals[post], filled[post])
    p_values, enough = np.full(len(r.posts), np.nan), np.flatnonzero(filled >= 5)
    distances = [_distance(intervals[post][: filled[post]]) for post in enough.tolist()]
    p_values[enough] = kstwo.sf(distances, filled[enough])
    return p_values


def _distance(intervals: FloatArray) -> float:
    """How far their cumulative distribution is from that of unit exponential ones at most; scipy's ``kstest``, which
    says the same, takes nine times as long."""
    count = len(intervals)
    below = -np.expm1(-np.sort(intervals))
    return float(max((np.arange(1, count + 1) / count - below).max(), (below - np.arange(count) / count).max()))
