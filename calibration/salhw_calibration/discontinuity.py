"""Regression discontinuity at the presynaptic spike threshold."""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw_calibration.circuit import Mask, MeasuredCircuit
from salhw_calibration.kinds import measured_neuron
from salhw_calibration.measuring import Record
from salhw_calibration.regression import Regression, regression
from salhw_calibration.response import horizon
from salhw_calibration.results import Estimate

BAND = 1.0  # distance from the threshold that counts as near, in units of the median overshoot of a spike
EVENTS = 30  # on either side of the threshold, that a discontinuity needs
ROUNDS = 30  # of scoring at most


def rdd(c: MeasuredCircuit, record: Record) -> Estimate:
    """Regression discontinuity (Lansdell & Kording 2019; Guerguiev, Kording & Richards 2020): does the neuron spike
    more after the presynaptic membrane has just reached its threshold than after it has just missed it?

    Needs deterministic thresholds (LIF) before the synapse, and a GLM neuron behind it. Events are the steps at which
    the membrane enters a narrow band around the threshold, whatever happens later: to choose by what follows would
    bring the common drive back in. Who missed the threshold may reach it soon after, so the discontinuity is fuzzy: the
    jump of the postsynaptic log odds is set against the jump of the mean PSP trace. What drives both neurons varies
    smoothly with the distance from the threshold and drops out.
    """
    from salhw_calibration.jit import traces

    r = regression(c, record)
    estimate = Estimate.unknown(len(c.post), c.size)
    row = {int(post): k for k, post in enumerate(r.posts)}
    for column in range(len(c.columns)):
        pre, delay = int(c.columns.pre[column]), int(c.columns.delay[column])
        mine = [s for s in np.flatnonzero(c.column == column).tolist() if int(c.post[s]) in row]
        population = next(p for p in c.net.populations if c.slice(p.name).start <= pre < c.slice(p.name).stop)
        threshold = measured_neuron(population.neuron, c.net.dt).threshold
        if not mine or threshold is None:
            continue
        lasts = horizon(c.kernel(mine[0]), c.net.dt)
        own = pre - c.first[population.name]
        above = record.membrane[population.name][:, own] - np.broadcast_to(threshold, population.size)[own]
        at, distance = _entries(above, record.raster[pre], int(c.refractory[pre]) + lasts)
        inside = at < record.steps - lasts - delay - 1
        at, distance = at[inside], distance[inside]
        if min(np.sum(distance >= 0.0), np.sum(distance < 0.0)) < EVENTS:
            continue
        trace = np.empty((1, record.steps))
        traces(record.raster, c.columns.only(column), np.zeros((1, 2)), 0, trace)
        steps = at[:, None] + 1 + delay + np.arange(lasts)
        z = distance / distance.std()
        smooth = np.stack([np.minimum(z, 0.0), np.maximum(z, 0.0)])
        # First stage: the mean trace at each age, with its jump at the threshold.
        first = np.stack([np.ones_like(z), *smooth, (z >= 0.0).astype(np.float64)])
        mean_trace = first.T @ np.linalg.lstsq(first.T, trace[0][steps], rcond=None)[0]
        ages = np.tile(np.eye(lasts), len(at))  # what follows an event on average, whether or not it is a spike
        design = np.concatenate([ages, np.repeat(smooth, lasts, axis=1), mean_trace.reshape(1, -1)])
        for s in mine:
            estimate.weights[s], estimate.errors[s] = _last_coefficient(r, row[int(c.post[s])], steps.ravel(), design)
    return estimate


def _entries(above: FloatArray, spikes: Mask, quiet: int) -> tuple[IntArray, FloatArray]:
    """Steps and distances from the threshold (positive: spiked) at which a neuron's membrane enters the band around it,
    ``quiet`` steps at least after it was there last."""
    overshoot = above[np.flatnonzero(spikes)]
    if not overshoot.size:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    band = BAND * float(np.median(overshoot))
    near = np.flatnonzero((above > -band) & ((above < 0.0) | (spikes != 0)))
    first = near[np.diff(near, prepend=-quiet - 1) > quiet]
    first = first[above[first] < band]
    return first, above[first]


def _last_coefficient(r: Regression, post: int, steps: IntArray, design: FloatArray) -> tuple[float, float]:
    """The last coefficient, and its standard error, of a binomial regression at the ``steps`` at which the neuron
    decides; NaN if it does not converge."""
    from salhw_calibration.jit import score

    decided = r.deciding[post, steps][None]
    spikes, exact = r.spikes[post, steps][None], r.circuit.exact[r.posts[post]][None]
    share = spikes.sum(dtype=np.int64) / max(1, decided.sum(dtype=np.int64))
    if not 0.0 < share < 1.0:
        return np.nan, np.nan
    beta = np.zeros(len(design))
    residual, weight = np.empty(spikes.shape), np.empty(spikes.shape)
    for _ in range(ROUNDS):
        score((beta @ design)[None], spikes, decided, exact, residual, weight, np.zeros(1))
        information = (design * weight) @ design.T
        if np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, design @ residual[0])
        beta += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            return float(beta[-1]), float(np.sqrt(np.linalg.inv(information)[-1, -1]))
    return np.nan, np.nan
