"""Measurements on many pairs of neurons at once: what Figs 2, 10, 11 and 13 have in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from salhw import Network, Target, compile
from salhw.description.fields import FloatArray
from salhw.theory import measured_stdd
from salhw_networks.experiment import Progress

WEIGHTS, BIAS = "projections.pair.weights", "populations.neurons.bias"


def matrices(weights: FloatArray) -> FloatArray:
    """(..., 2), (into 0, into 1), as W[post, pre]."""
    matrix = np.zeros((*np.shape(weights), 2))
    matrix[..., 0, 1], matrix[..., 1, 0] = np.moveaxis(np.asarray(weights, dtype=np.float64), -1, 0)
    return matrix


def stdds(
    net: Network,
    weights: FloatArray,
    bias: FloatArray,
    *,
    target: Target | str,
    duration: float,
    repeats: int,
    t_max: int,
    seed: int,
    progress: Progress | None = None,
) -> FloatArray:
    """Nearest spike pairs per step at the lags -t_max..t_max steps (theory.measured_stdd), (pair, repeat, lag).

    Args:
        net: the builder ``pair`` with spikes; its plasticity is left out.
        weights, bias: (pair, 2).
        duration: ms per repeat.
    """
    static = net.replace(projections=tuple(p.replace(plasticity=()) for p in net.projections))
    with compile(static, target).open(instances=len(weights) * repeats, seed=seed) as session:
        session.set(WEIGHTS, np.repeat(matrices(weights), repeats, axis=0))
        session.set(BIAS, np.repeat(np.asarray(bias, dtype=np.float64), repeats, axis=0))
        recording = session.run(duration, progress=progress)
    trains, rates = recording.spikes["neurons"], []
    for k in range(len(weights) * repeats):
        first, second = (np.rint(trains.times(n, k) / net.dt).astype(np.int64) for n in (0, 1))
        rates.append(measured_stdd(first, second, t_max, round(duration / net.dt)).rate)
    return np.array(rates).reshape(len(weights), repeats, -1)


def learned(
    net: Network,
    starts: FloatArray,
    *,
    target: Target | str,
    duration: float,
    repeats: int,
    seed: int,
    bias: FloatArray | None = None,
    rates: FloatArray | None = None,
    progress: Progress | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Weights (into 0, into 1) while SAL acts, as the network's probe samples them.

    Args:
        starts: (pair, 2); bias: (pair, 2), by default the network's; rates: learning rates (pair, 2), by default
            the network's.
    Returns: time (ms), weights (pair, repeat, time, 2).
    """
    with compile(net, target).open(instances=len(starts) * repeats, seed=seed) as session:
        session.set(WEIGHTS, np.repeat(matrices(starts), repeats, axis=0))
        if bias is not None:
            session.set(BIAS, np.repeat(bias, repeats, axis=0))
        if rates is not None:
            session.set("projections.pair.plasticity.learning_rate", np.repeat(matrices(rates), repeats, axis=0))
        trace = session.run(duration, progress=progress).weight_traces["pair"]
    both = np.stack([trace.values[..., 0, 1], trace.values[..., 1, 0]], axis=-1)
    return trace.time, both.reshape(len(starts), repeats, *both.shape[1:])


def misfit(sample: FloatArray, exact: FloatArray, enough: npt.NDArray[np.bool_]) -> FloatArray:
    """Mean over lags of (measured - exact)^2 / standard error^2, (pair,): (R - 1) / (R - 3) is expected if they agree,
    with R repeats. ``enough``: which lags (pair, lag) have pairs enough for a comparison."""
    error = sample.std(axis=1, ddof=1) / np.sqrt(sample.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        z2 = ((sample.mean(axis=1) - exact) / error) ** 2
    return np.array([float(row[good].mean()) for row, good in zip(z2, enough, strict=True)])
