"""Statistics of spike trains, for every replicate at once: intervals, correlations, differences between two neurons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.session.recorder import Raster, ascending, counted
from salhw.session.recording import SpikeTrains
from salhw.theory import measured_stdd

LEAST = 5
"""The fewest inter-spike intervals of which a neuron's variation is told."""
WINDOW = 20.0
"""ms in which spikes are counted for correlations."""


@dataclass(frozen=True)
class Trains:
    """The spikes of a population in replicates of equal length: ``steps`` of ``dt`` ms. A replicate is an instance, or
    a stretch of time of one; ``raster.step`` counts from its beginning."""

    raster: Raster
    size: int
    replicates: int
    steps: int
    dt: float

    @property
    def seconds(self) -> float:
        """The length of a replicate."""
        return self.steps * self.dt / 1000.0

    @property
    def rates(self) -> FloatArray:
        """Hz, (replicate, neuron)."""
        return counted(self.raster, self.size, self.replicates) / self.seconds

    def of(self, neuron: int) -> list[IntArray]:
        """The steps at which one neuron spikes, replicate by replicate."""
        mine = self.raster.neuron == neuron
        instance, step = self.raster.instance[mine], self.raster.step[mine]
        return np.split(step, np.searchsorted(instance, np.arange(1, self.replicates)))


def trains(spikes: SpikeTrains, dt: float, stretches: int) -> Trains:
    """The spikes of a recording, each instance cut into ``stretches`` of equal length; what is left over is dropped."""
    steps = round((spikes.stop - spikes.start) / dt) // stretches
    step = np.rint((spikes.time - spikes.start) / dt).astype(np.int64)
    kept = step < steps * stretches
    instance = spikes.instance[kept] * stretches + step[kept] // steps
    raster = Raster.joined([Raster(instance, spikes.neuron[kept], step[kept] % steps)])
    return Trains(raster, spikes.size, len(spikes.ids) * stretches, steps, dt)


def variations(spikes: Trains) -> tuple[FloatArray, FloatArray]:
    """(CV, LV) of the inter-spike intervals, each (replicate, neuron); NaN below LEAST intervals.

    CV is their standard deviation over their mean, LV the mean of 3 ((I_k - I_k+1) / (I_k + I_k+1))^2 (Shinomoto et al.
    2003, Neural Computation 15:2823).
    """
    shape = spikes.replicates, spikes.size
    place = spikes.raster.instance * spikes.size + spikes.raster.neuron
    order = ascending(place, spikes.raster.step)
    place, step = place[order], spikes.raster.step[order]
    same = place[1:] == place[:-1]
    interval, owner = np.diff(step)[same].astype(np.float64), place[1:][same]

    def mean(values: FloatArray, of: IntArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.bincount(of, values, shape[0] * shape[1]) / np.bincount(of, minlength=shape[0] * shape[1])
        return np.asarray(sums)

    average = mean(interval, owner)
    with np.errstate(invalid="ignore", divide="ignore"):
        cv = np.sqrt(mean((interval - average[owner]) ** 2, owner)) / average
    pair = owner[1:] == owner[:-1]
    near, next_one = interval[:-1][pair], interval[1:][pair]
    lv = mean(3.0 * ((near - next_one) / (near + next_one)) ** 2, owner[1:][pair])
    few = np.bincount(owner, minlength=shape[0] * shape[1]) < LEAST
    return np.where(few, np.nan, cv).reshape(shape), np.where(few, np.nan, lv).reshape(shape)


def correlations(spikes: Trains, neurons: int) -> tuple[FloatArray, list[tuple[int, int]]]:
    """Pearson correlation of the spike counts of the first ``neurons`` in windows of WINDOW ms, (replicate, pair), NaN
    where a neuron never or always spikes alike; and the pairs."""
    width = max(1, round(WINDOW / spikes.dt))
    bins, neurons = spikes.steps // width, min(neurons, spikes.size)
    seen = (spikes.raster.neuron < neurons) & (spikes.raster.step < bins * width)
    place = (spikes.raster.instance * neurons + spikes.raster.neuron)[seen] * bins + spikes.raster.step[seen] // width
    count = np.bincount(place, minlength=spikes.replicates * neurons * bins).astype(np.float64)
    count = count.reshape(spikes.replicates, neurons, bins)
    count -= count.mean(axis=2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        count /= np.sqrt((count**2).sum(axis=2, keepdims=True))
    both = count @ count.transpose(0, 2, 1)
    first, second = np.triu_indices(neurons, 1)
    return both[:, first, second], [*zip(first.tolist(), second.tolist(), strict=True)]


def timing_differences(
    first: list[IntArray], second: list[IntArray], steps: int, dt: float, lags: FloatArray
) -> FloatArray:
    """Nearest spike pairs of two neurons at each lag, (replicate, lag): ``theory.measured_stdd`` in bins around the
    equidistant ``lags`` in ms; the outermost two hold everything beyond them."""
    width, middle = lags[1] - lags[0], len(lags) // 2
    t_max = max(1, min(steps - 1, round(20 * middle * width / dt)))
    bins = binned(np.arange(-t_max, t_max + 1) * dt, lags)
    counts = [
        np.bincount(bins, measured_stdd(a, b, t_max, steps).rate * steps, len(lags))
        for a, b in zip(first, second, strict=True)
    ]
    return np.array(counts)


def binned(lag: FloatArray, lags: FloatArray) -> IntArray:
    """The bin of each lag (ms) around equidistant ``lags``, those beyond in the outermost ones."""
    width, middle = lags[1] - lags[0], len(lags) // 2
    away = np.floor(np.abs(lag) / width + 0.5 + 1e-9) * np.sign(lag)  # both directions alike
    return np.asarray(np.clip(away, -middle, middle) + middle, dtype=np.int64)
