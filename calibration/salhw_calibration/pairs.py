"""Both weights of a pair from its spike-timing difference distribution (paper Eqs 14-20).

Pairs are measured two by two: in each round of the measurement, disjoint pairs keep their weights and everything else
is set to zero, so that the Markov chain of two neurons (salhw.theory) is what the chip should do.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw_calibration.circuit import MeasuredCircuit
from salhw_calibration.measuring import Record, Rig, refused
from salhw_calibration.response import horizon
from salhw_calibration.results import Estimate

BLOCKS = 50  # into which a recording is cut for the standard errors
LAGS = 3.0  # largest lag, in units of the longer of tau_ref and the PSP
ROUNDS = 30
STEP = 1e-4  # of the numerical derivatives


@dataclass(frozen=True)
class Pair:
    """Neurons ``first`` and ``second``, and the synapses between them: ``forth`` from first to second, ``back``; -1 for
    none."""

    first: int
    second: int
    forth: int = -1
    back: int = -1


def pairs(c: MeasuredCircuit) -> list[Pair]:
    """The pairs whose STDD the theory knows: GLM neurons alike in tau_ref and discretisation, with one synapse each way
    at most, of one kernel and delay."""
    between: dict[tuple[int, int], list[int]] = defaultdict(list)
    for s in range(len(c.post)):
        i, j = int(c.post[s]), int(c.pre[s])
        between[min(i, j), max(i, j)].append(s)
    known = []
    for (a, b), synapses in between.items():
        alike = c.glm[a] and c.glm[b] and c.refractory[a] == c.refractory[b] and c.exact[a] == c.exact[b]
        ways = {int(c.post[s]): s for s in synapses}
        same = len({(c.kernel(s), int(c.columns.delay[c.column[s]])) for s in synapses}) == 1
        if alike and same and len(ways) == len(synapses):
            known.append(Pair(a, b, ways.get(b, -1), ways.get(a, -1)))
    return known


def rounds(pairs: list[Pair]) -> list[list[Pair]]:
    """The pairs in groups in which every neuron occurs once: few groups, by giving each pair the first that is free
    (a round-robin tournament needs one less than there are neurons; this at most twice as many)."""
    groups: list[list[Pair]] = []
    busy: list[set[int]] = []
    for pair in sorted(pairs, key=lambda p: ((p.first + p.second), p.first)):
        ends = {pair.first, pair.second}
        k = next((k for k, taken in enumerate(busy) if not ends & taken), len(busy))
        if k == len(busy):
            groups.append([])
            busy.append(set())
        groups[k].append(pair)
        busy[k] |= ends
    return groups


def stdd(rig: Rig, duration: float) -> tuple[list[Estimate], dict[str, Any]]:
    """Measure each pair for ``duration`` ms and fit its two weights and biases.

    Raises:
        MeasurementError: no pair of neurons for which the theory holds.
    """
    c = rig.circuit
    groups = rounds(pairs(c))
    if not groups:
        supported = "pairs of GLM neurons, alike in tau_ref, discretisation, kernel and delay"
        raise refused("SAL802", "method", "stdd", supported, "method='likelihood'")
    held = rig.held()
    estimates = [Estimate.unknown(len(c.post), c.size) for _ in range(rig.instances)]
    provenance: dict[str, Any] = {}
    for k, group in enumerate(groups):
        keep = [s for p in group for s in (p.forth, p.back) if s >= 0]
        only = np.zeros_like(held)
        only[:, keep] = held[:, keep]
        rig.hold(only)
        records, provenance = rig.run(duration, (k / len(groups), (k + 1) / len(groups)))
        for record, estimate in zip(records, estimates, strict=True):
            for pair in group:
                _fit(c, record, pair, estimate)
    rig.hold(held)
    return estimates, provenance | {"rounds": len(groups)}


def _fit(c: MeasuredCircuit, record: Record, pair: Pair, into: Estimate) -> None:
    """Scoring on the counts of lags and of spikes (the lags alone hardly tell the biases), as if they were Poisson. The
    errors come from the scatter of the scores over blocks of the recording (a sandwich), because neighbouring pairs of
    spikes share a spike."""
    from salhw.theory import rates
    from salhw.theory import stdd as theory

    some = pair.forth if pair.forth >= 0 else pair.back
    kernel, tau_ref = c.kernel(some), int(c.refractory[pair.first])
    delay = int(c.columns.delay[c.column[some]])
    kappa = np.concatenate([np.zeros(delay), kernel.sample(c.net.dt, horizon(kernel, c.net.dt))])
    t_max = round(LAGS * max(tau_ref, len(kappa)))
    edges = np.linspace(0, record.steps, BLOCKS + 1).astype(int)
    trains = [np.flatnonzero(record.raster[i]) for i in (pair.first, pair.second)]
    counts = np.array([_counts(trains, a, b, t_max) for a, b in pairwise(edges.tolist())])
    # Bias 0, bias 1, weight from 0 to 1, weight from 1 to 0; a synapse that does not exist stays at zero.
    free = np.array([True, True, pair.forth >= 0, pair.back >= 0])
    discretisation = "exact" if c.exact[pair.first] else "logistic"

    def expected(theta: FloatArray) -> FloatArray:
        weights = [[0.0, theta[3]], [theta[2], 0.0]]
        args = (weights, theta[:2], kappa, tau_ref)
        lags = theory(*args, t_max, discretisation).rate
        return record.steps * np.concatenate([lags, rates(*args, discretisation)])

    theta = np.zeros(4)
    for k, train in enumerate(trains):
        occupied = np.clip(len(train) * tau_ref / record.steps, 0.02, 0.98)
        theta[k] = np.log(occupied / (1.0 - occupied))
    observed = counts.sum(axis=0)
    if min(map(len, trains)) < 2 * BLOCKS:
        return
    for _ in range(ROUNDS):
        model = np.maximum(expected(theta), 1e-9)
        shifts = STEP * np.eye(4)[free]
        slopes = np.array([expected(theta + shift) - expected(theta - shift) for shift in shifts]) / (2 * STEP)
        information = slopes / model @ slopes.T
        step = np.linalg.lstsq(information, slopes / model @ (observed - model), rcond=None)[0]
        theta[free] = np.clip(theta[free] + np.clip(step, -1.0, 1.0), -8.0, 8.0)
        if np.abs(step).max() < 1e-7:
            break
    else:
        return
    scores = (counts - model / BLOCKS) @ (slopes / model).T
    inverse = np.linalg.pinv(information)
    covariance = inverse @ np.cov(scores.T) @ inverse * BLOCKS
    error = np.full(4, np.nan)
    error[free] = np.sqrt(np.diag(covariance))
    for synapse, k in ((pair.forth, 2), (pair.back, 3)):
        if synapse >= 0:
            into.weights[synapse], into.errors[synapse] = theta[k], error[k]


def _counts(trains: list[IntArray], begin: int, end: int, t_max: int) -> list[float]:
    """Spike pairs at each lag, then spikes of either neuron, between two steps."""
    from salhw.theory import measured_stdd

    first, second = (t[(t >= begin) & (t < end)] - begin for t in trains)
    size = end - begin
    return [*(measured_stdd(first, second, t_max, size).rate * size), len(first), len(second)]
