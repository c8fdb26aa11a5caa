"""The method that looks at the PSPs themselves, where the target records membranes."""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray
from salhw_calibration.circuit import Mask, MeasuredCircuit, current
from salhw_calibration.kinds import measured_neuron
from salhw_calibration.measuring import Record
from salhw_calibration.regression import Regression, coefficients_of, grams
from salhw_calibration.results import Estimate

ROUNDING = 1e-12  # of the largest input: no result is surer than that


def inputs(c: MeasuredCircuit, record: Record, population: str) -> tuple[FloatArray, Mask]:
    """The synaptic input plus bias of a population's neurons as their membranes tell it, (step, neuron), and where it
    is known.

    The membrane of neurons that decide at random is their input. A leaky one is integrated by the known equation,
    exactly for the step's constant input, so the input follows from two successive samples, unless a reset came
    between.
    """
    v, mine = record.membrane[population], c.slice(population)
    neuron = measured_neuron(c.net.population(population).neuron, c.net.dt)
    known = np.ones(v.shape, dtype=np.uint8)
    if neuron.decay is None:
        return v, known
    value = np.zeros_like(v)
    value[1:] = (v[1:] - neuron.decay * v[:-1]) / (1.0 - neuron.decay) - neuron.rest
    known[0] = 0
    for k, i in enumerate(range(mine.start, mine.stop)):
        for s in np.flatnonzero(record.raster[i]):
            known[s + 1 : s + 1 + c.refractory[i], k] = 0
    return value, known


def psp(c: MeasuredCircuit, record: Record) -> Estimate:
    """The spike-triggered average of the membrane, corrected for overlapping PSPs: a linear regression of each neuron's
    input on the PSP traces of all its synapses and a constant.

    Without readout noise it is exact to rounding, and the standard error is a bound on that; with white noise the
    standard errors are those of least squares.
    """
    from salhw_calibration.jit import add_moments, add_product

    estimate = Estimate.unknown(len(c.post), c.size)
    watched = [p for p in c.net.populations if p.name in record.membrane]
    posts = np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(c.size)[c.slice(p.name)] for p in watched)])
    value, known = np.zeros((len(posts), record.steps)), np.zeros((len(posts), record.steps), dtype=np.uint8)
    row = c.row_of(posts)
    for p in watched:
        v, where = inputs(c, record, p.name)
        value[row[c.slice(p.name)]], known[row[c.slice(p.name)]] = v.T, where.T
    for k, i in enumerate(posts.tolist()):
        given = current(c, i, record.steps, record.begin)
        value[k] -= 0.0 if given is None else given
    each = coefficients_of(c, posts)
    r = Regression(c, record.raster, posts, record.raster[posts], known, each, {})
    sums, moment = grams(each, np.float64), np.zeros(len(each.column))
    for where_, block in r.blocks(record.steps):
        add_moments(value[:, where_] * known[:, where_], each.first, each.column, block, moment)
        for gram, here in zip(sums, known[:, where_].astype(np.float64), strict=True):
            gram.add(block, here)
    beta, unscaled = np.zeros(len(moment)), np.full(len(moment), np.nan)
    for k, gram in enumerate(sums):
        whole = gram.whole()
        seen = np.flatnonzero(np.diag(whole) > 0.0)
        used, own = each.first[k] + seen, whole[np.ix_(seen, seen)]
        if used.size and np.linalg.cond(own) < 1e12:
            beta[used] = np.linalg.solve(own, moment[used])
            unscaled[used] = np.diag(np.linalg.inv(own))
    residual = np.zeros(len(posts))
    for where_, block in r.blocks(record.steps):
        left = -value[:, where_]
        add_product(beta, each.first, each.column, block, left)
        residual += (left**2 * known[:, where_]).sum(axis=1)
    degrees = np.maximum(1.0, known.sum(axis=1, dtype=np.float64) - np.diff(each.first))
    largest = np.abs(value).max(axis=1, initial=0.0)
    scatter, rounding = np.sqrt(residual / degrees)[each.owner], ROUNDING * largest[each.owner]
    errors = np.maximum(np.sqrt(unscaled) * scatter, rounding)
    beta[np.isnan(unscaled)] = np.nan
    at = each.find(row[c.post], c.column)
    mine = np.flatnonzero(at >= 0)
    estimate.weights[mine], estimate.errors[mine] = beta[at[mine]], errors[at[mine]]
    constant = each.first[1:] - 1
    estimate.biases[posts], estimate.bias_errors[posts] = beta[constant], errors[constant]
    return estimate
