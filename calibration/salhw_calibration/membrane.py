"""The method that looks at the PSPs themselves, where the target records membranes."""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray
from salhw_calibration.circuit import Mask, MeasuredCircuit, current
from salhw_calibration.kinds import measured_neuron
from salhw_calibration.likelihood import BLOCK, Gram, Regression
from salhw_calibration.measuring import Record
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
    from salhw_calibration.jit import add_gram

    estimate = Estimate.unknown(len(c.post), c.size)
    watched = [p for p in c.net.populations if p.name in record.membrane]
    value, known = np.zeros((c.size, record.steps)), np.zeros((c.size, record.steps), dtype=np.uint8)
    for p in watched:
        v, where = inputs(c, record, p.name)
        value[c.slice(p.name)], known[c.slice(p.name)] = v.T, where.T
    posts = np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(c.size)[c.slice(p.name)] for p in watched)])
    for i in posts:
        given = current(c, int(i), record.steps, record.begin)
        value[i] -= 0.0 if given is None else given
    uses = np.zeros((c.size, len(c.columns) + 1), dtype=np.bool_)
    uses[c.post, c.column] = uses[:, -1] = True
    r = Regression(c, record.raster, posts, record.raster, known, uses, {})
    grams = [Gram(np.flatnonzero(uses[i])) for i in posts]
    moment = np.zeros((len(posts), r.columns))
    room = np.zeros((r.columns + 3, BLOCK))
    for where_, block in r.blocks(record.steps):
        moment += (value[posts, where_] * known[posts, where_]) @ block.T
        for gram, i in zip(grams, posts, strict=True):
            add_gram(block, gram.rows, known[i, where_].astype(np.float64), room, gram.lower)
    beta, unscaled = np.zeros((len(posts), r.columns)), np.full((len(posts), r.columns), np.nan)
    for row in range(len(posts)):
        whole = grams[row].whole()
        seen = np.flatnonzero(np.diag(whole) > 0.0)
        used, own = grams[row].rows[seen], whole[np.ix_(seen, seen)]
        if used.size and np.linalg.cond(own) < 1e12:
            beta[row, used] = np.linalg.solve(own, moment[row, used])
            unscaled[row, used] = np.diag(np.linalg.inv(own))
    residual = np.zeros(len(posts))
    for where_, block in r.blocks(record.steps):
        residual += ((value[posts, where_] - beta @ block) ** 2 * known[posts, where_]).sum(axis=1)
    degrees = np.maximum(1.0, known[posts].sum(axis=1, dtype=np.float64) - uses[posts].sum(axis=1))
    largest = np.abs(value[posts]).max(axis=1, initial=0.0)
    errors = np.maximum(np.sqrt(unscaled * (residual / degrees)[:, None]), ROUNDING * largest[:, None])
    beta[np.isnan(unscaled)] = np.nan
    row_of = np.full(c.size, -1)
    row_of[posts] = np.arange(len(posts))
    mine = np.flatnonzero(row_of[c.post] >= 0)
    estimate.weights[mine] = beta[row_of[c.post[mine]], c.column[mine]]
    estimate.errors[mine] = errors[row_of[c.post[mine]], c.column[mine]]
    estimate.biases[posts], estimate.bias_errors[posts] = beta[:, -1], errors[:, -1]
    return estimate
