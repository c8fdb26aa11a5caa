"""How populations spike: their rates, how regular neurons are and how synchronous, and how well that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from salhw import Session, SpikeTrains
from salhw.comparison.spiking import Trains, trains, variations
from salhw.description.fields import FloatArray
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
    """The QUANTITIES of a population, each a value and its standard error, (quantity, 2): between stretches of the
    recording, and of the cv between neurons."""
    parts = trains(spikes, dt, STRETCHES)
    between = [parts.rates.mean(axis=1), correlation(parts, 2.0), correlation(parts, 20.0), synchrony(parts, 3.0)]
    rows = [_estimated(values) for values in between]
    cv = variations(trains(spikes, dt, 1))[0]
    return np.array([rows[0], _estimated(cv[np.isfinite(cv)]), *rows[1:]])


def _estimated(values: FloatArray) -> tuple[float, float]:
    """The mean of independent values and its standard error; NaN where there are too few."""
    if values.size < 2:
        return np.nan, np.nan
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


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
