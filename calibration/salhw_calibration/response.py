"""Methods that look at one synapse at a time, from spikes alone: the response to isolated spikes, and STDWI.

Both are quick and need no model of the whole network; whatever else drives the neuron is noise to them, and a bias
wherever it goes together with the presynaptic spikes (docs/calibration.md gives the sizes).
"""

from __future__ import annotations

from math import ceil

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Kernel
from salhw_calibration.circuit import Columns, MeasuredCircuit
from salhw_calibration.kinds import EXPONENTIAL, measured_psp
from salhw_calibration.measuring import Record
from salhw_calibration.regression import BLOCK, Coefficients, regression
from salhw_calibration.results import Estimate

SLOW = 10.0  # the slow trace of STDWI, in units of the fast one
ROUNDS = 50  # of scoring at most


def horizon(kernel: Kernel, dt: float) -> int:
    """How many steps a PSP lasts."""
    return ceil(kernel.tau_syn / dt * measured_psp(kernel, dt).lasting - 1e-9)


def response(c: MeasuredCircuit, record: Record) -> Estimate:
    """How much more likely a spike is at each age of an isolated PSP than without one.

    Only steps count at which the last presynaptic spike is the only one within two PSP lengths, or at which no PSP is
    under way. Where ``link(p(age)) = base + W kernel(age)``, the weight and its error are a binomial regression with
    two coefficients.
    """
    from salhw_calibration.jit import ages, tally

    r = regression(c, record)
    estimate = Estimate.unknown(len(c.post), c.size)
    row = {int(post): k for k, post in enumerate(r.posts)}
    for column in range(len(c.columns)):
        mine = [s for s in np.flatnonzero(c.column == column).tolist() if int(c.post[s]) in row]
        if not mine:
            continue
        kernel = c.kernel(mine[0])
        lasts = horizon(kernel, c.net.dt)
        age = np.empty(record.steps, dtype=np.int64)
        ages(record.raster[c.columns.pre[column]], c.columns.delay[column], lasts, age)
        shape = np.concatenate([[0.0], kernel.sample(c.net.dt, lasts)])
        counts = np.zeros((len(mine), 2, lasts + 1))
        for k, synapse in enumerate(mine):
            post = row[int(c.post[synapse])]
            tally(age, r.spikes[post], r.deciding[post], counts[k])
        exact = c.exact[c.post[mine]].astype(bool)
        value, error = two_coefficients(counts[:, 0], counts[:, 1], shape, exact)
        estimate.weights[mine], estimate.errors[mine] = value[1], error[1]
    return estimate


def two_coefficients(
    n: FloatArray, y: FloatArray, shape: FloatArray, exact: npt.NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Binomial regressions of ``y`` successes of ``n``, (case, level), on ``shape`` (level,) with an intercept.

    Returns (intercept and slope) and their standard errors, both (2, case); NaN where there is no solution.
    """
    weight = np.zeros(len(n))
    with np.errstate(all="ignore"):
        share = y.sum(axis=1) / n.sum(axis=1)
        base = np.where(exact, np.log(-np.log1p(-share)), np.log(share / (1.0 - share)))
        for _ in range(ROUNDS):
            eta = np.clip(base[:, None] + weight[:, None] * shape, -50.0, 50.0)
            x = np.exp(eta)
            per = x / np.expm1(x)
            p = x / (1.0 + x)
            score = np.where(exact[:, None], y * per - (n - y) * x, y - n * p)
            size = n * np.where(exact[:, None], x * per, p * (1.0 - p))
            a, b, d = size.sum(axis=1), (size * shape).sum(axis=1), (size * shape**2).sum(axis=1)
            g, h = score.sum(axis=1), (score * shape).sum(axis=1)
            determinant = a * d - b * b
            first, second = (d * g - b * h) / determinant, (a * h - b * g) / determinant
            base, weight = base + np.clip(first, -2.0, 2.0), weight + np.clip(second, -2.0, 2.0)
        errors = np.sqrt(np.stack([d, a]) / determinant)
        sound = (np.abs(second) < 1e-6) & ((y * (shape != 0.0)).sum(axis=1) > 0) & np.isfinite(errors).all(axis=0)
    return np.where(sound, np.stack([base, weight]), np.nan), np.where(sound, errors, np.nan)


def stdwi(c: MeasuredCircuit, record: Record) -> Estimate:
    """Spike-timing-dependent weight inference (Ahmad, Ambrogioni & van Gerven 2021): where its rule comes to rest.

    A fast and a slow trace of equal area follow the presynaptic spikes; their difference, read at the postsynaptic
    spikes, is zero on average without a synapse. The rule has no units; here its resting value is divided by what
    W = 1 would make of it to first order: the covariance of the difference with the PSPs, times the neuron's gain
    d ln(rate) / du. So it is biased where exp(W) is far from 1 + W.
    """
    from salhw_calibration.jit import add_moments, traces

    r = regression(c, record)
    estimate = Estimate.unknown(len(c.post), c.size)
    if not len(c.columns):
        return estimate
    row = c.row_of(r.posts)
    mine = np.flatnonzero(row[c.post] >= 0)
    each = Coefficients.of(len(r.posts), row[c.post[mine]], c.column[mine])
    some = np.unique(c.column, return_index=True)[1]
    fast = np.array([c.kernel(int(s)).tau_syn / c.net.dt for s in some])
    kinds = (c.columns, _exponential(c.columns, fast), _exponential(c.columns, SLOW * fast))
    carry = [np.zeros((len(c.columns), 2)) for _ in kinds]
    total, square = np.zeros((2, len(each.column)))
    mean, product = np.zeros((2, len(c.columns))), np.zeros(len(c.columns))
    for begin in range(0, record.steps, BLOCK):
        size = min(BLOCK, record.steps - begin)
        psp, quick, slow = np.empty((3, len(c.columns), size))
        for kind, state, block in zip(kinds, carry, (psp, quick, slow), strict=True):
            traces(record.raster, kind, state, begin, block)
        difference = quick - slow
        spikes = r.spikes[:, begin : begin + size].astype(np.float64)
        for values, sums in ((difference, total), (difference**2, square)):
            add_moments(spikes, each.first, each.column, values, sums)
        mean += np.stack([difference.sum(axis=1), psp.sum(axis=1)]) / record.steps
        product += (difference * psp).sum(axis=1) / record.steps
    count = r.spikes.sum(axis=1, dtype=np.int64)
    with np.errstate(all="ignore"):
        share = count / r.deciding.sum(axis=1, dtype=np.int64)
        relative = np.where(c.exact[r.posts] != 0, -np.log1p(-share) * (1.0 - share) / share, 1.0 - share)
        gain = relative / (1.0 + (c.refractory[r.posts] - 1) * share)  # d ln(rate) / du; relative is d ln(p) / du
        unit = (product - mean[0] * mean[1])[each.column] * gain[each.owner]
        count = count[each.owner]
        average = total / count
        spread = np.sqrt(np.maximum(square / count - average**2, 0.0) / count)
        weights, errors = (average - mean[0, each.column]) / unit, spread / np.abs(unit)
    sound = np.isfinite(weights) & (errors > 0.0)
    at = each.find(row[c.post[mine]], c.column[mine])
    for into, found in ((estimate.weights, weights), (estimate.errors, errors)):
        into[mine] = np.where(sound, found, np.nan)[at]
    return estimate


def _exponential(columns: Columns, tau: FloatArray) -> Columns:
    """Exponential traces of the same spikes, of area 1, with time constants ``tau`` in steps."""
    decay = np.exp(-1.0 / tau)
    kind: IntArray = np.full(len(tau), EXPONENTIAL)
    return Columns(
        columns.pre, kind, columns.delay, columns.length, decay, (1.0 - decay) / decay, np.zeros_like(columns.last)
    )
