"""How populations spike: their rates, how regular neurons are and how synchronous, and how well that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from salhw import Session, SpikeTrains
from salhw.comparison.spiking import LEAST, Trains, trains
from salhw.description.fields import FloatArray
from salhw.session.recorder import ascending
from salhw_networks.experiment import Progress

PIECE = 1000.0  # ms
STRETCHES = 10  # of a recording, each long beside what correlates in time
FEW = 1000  # neurons at most whose spikes together make ``synchrony``: it grows with their number
QUANTITIES = {
    "rate": "Hz",
    "cv": "coefficient of variation of inter-spike intervals, mean over neurons with five and more",
    "fast": "correlation of two neurons' spike counts in 2 ms, mean over all pairs",
    "slow": "the same in 20 ms",
    "synchrony": f"variance of the spike count of (at most {FEW:,}) neurons in 3 ms over its mean",
}  # fmt: skip
"""What ``activity`` has rows of."""


def activity(spikes: SpikeTrains, dt: float) -> FloatArray:
    """The QUANTITIES of a population, each a value and its standard error between stretches of the recording,
    (quantity, 2). Neurons are no independent samples: what is common to them moves all."""
    parts = trains(spikes, dt, STRETCHES)
    between = [parts.rates.mean(axis=1), correlation(parts, 2.0), correlation(parts, 20.0), synchrony(parts, 3.0)]
    rows = [_estimated(values) for values in between]
    return np.array([rows[0], variation(trains(spikes, dt, 1)), *rows[1:]])


def _estimated(values: FloatArray) -> tuple[float, float]:
    """The mean of independent values and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def variation(spikes: Trains) -> tuple[float, float]:
    """The mean over neurons of the cv of their intervals (``salhw.comparison``), and its standard error by the
    jackknife: how it moves as the intervals that begin in one stretch are left out. NaN where neurons hardly spike."""
    order = ascending(spikes.raster.neuron, spikes.raster.step)
    neuron, step = spikes.raster.neuron[order], spikes.raster.step[order]
    same = neuron[1:] == neuron[:-1]
    interval, stretch = np.diff(step)[same].astype(np.float64), step[:-1][same] * STRETCHES // spikes.steps
    place, shape = stretch * spikes.size + neuron[1:][same], (STRETCHES, spikes.size)
    moments = np.array(
        [np.bincount(place, interval**k, STRETCHES * spikes.size).reshape(shape) for k in range(3)]
    )  # number, sum and sum of squares of intervals, (moment, stretch, neuron)
    often = moments[0].sum(axis=0) >= LEAST
    if not often.any():
        return np.nan, np.nan
    whole = moments.sum(axis=1, keepdims=True)
    left_out = np.concatenate([whole, whole - moments], axis=1)[:, :, often]
    number, total, squares = np.where(left_out[0] >= 2, left_out, np.nan)
    cv = np.nanmean(np.sqrt(np.maximum(squares * number / total**2 - 1.0, 0.0)), axis=1)
    return float(cv[0]), float(np.sqrt((STRETCHES - 1) * np.var(cv[1:])))


def counts(spikes: Trains, window: float, neurons: int) -> FloatArray:
    """The spikes of each of the first ``neurons`` in windows of ``window`` ms, (replicate, neuron, window)."""
    width = max(1, round(window / spikes.dt))
    bins, raster = spikes.steps // width, spikes.raster
    seen = (raster.neuron < neurons) & (raster.step < bins * width)
    place = (raster.instance[seen] * neurons + raster.neuron[seen]) * bins + raster.step[seen] // width
    each = np.bincount(place, minlength=spikes.replicates * neurons * bins)
    return each.reshape(spikes.replicates, neurons, bins).astype(np.float64)


def correlation(spikes: Trains, window: float) -> FloatArray:
    """The mean covariance of the spike counts of two neurons over their mean variance, (replicate,). The variance of
    the sum of all counts has it for all pairs at once. NaN where nothing varies."""
    each = counts(spikes, window, spikes.size)
    alone, together = each.var(axis=2).sum(axis=1), each.sum(axis=1).var(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((together - alone) / ((spikes.size - 1) * alone))


def synchrony(spikes: Trains, window: float) -> FloatArray:
    """The variance of the spike count of at most FEW neurons over its mean, (replicate,): 1 for Poisson spikes,
    NaN without any."""
    together = counts(spikes, window, min(FEW, spikes.size)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(together.var(axis=1) / together.mean(axis=1))


def apart(first: FloatArray, second: FloatArray) -> FloatArray:
    """How many standard errors the ``activity`` of two independent runs differs by, without the last dimension."""
    return np.asarray((first[..., 0] - second[..., 0]) / np.hypot(first[..., 1], second[..., 1]))


def spikes_of(session: Session, duration: float, progress: Progress) -> dict[str, SpikeTrains]:
    """The probed spikes of the next ``duration`` ms of a session of one instance, by population. It runs second by
    second, because some targets keep the spikes of all sources until the end of a run."""
    pieces, left = list[Mapping[str, SpikeTrains]](), duration
    while left > 0.0:
        pieces.append(session.run(min(left, PIECE)).spikes)
        left -= PIECE
        progress(min(1.0, 1.0 - left / duration))
    return {name: _joined([piece[name] for piece in pieces]) for name in pieces[0]}


def _joined(pieces: list[SpikeTrains]) -> SpikeTrains:
    return replace(
        pieces[0],
        stop=pieces[-1].stop,
        instance=np.concatenate([piece.instance for piece in pieces]),
        neuron=np.concatenate([piece.neuron for piece in pieces]),
        time=np.concatenate([piece.time for piece in pieces]),
    )
