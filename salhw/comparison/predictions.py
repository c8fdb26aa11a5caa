"""What ``fit`` predicted of its changes, beside what the runs show: the difference of target and reference.

Every quantity that ``salhw.compiler.sizes`` predicts is looked up here. Two are not measured, since no run shows them:
``spike probability`` and ``mean hazard error`` are those of a neuron at its population's mean bias that one PSP reaches
and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from salhw.comparison.comparison import Predicted
from salhw.comparison.measures import Measure, Run, pair_signs, signed_gaps, trajectory
from salhw.compiler.fit import Fitted
from salhw.compiler.sizes.learning import LEARNED, period
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.session.changes import Size


@dataclass(frozen=True)
class Side:
    """One of the two runs that are compared.

    Args:
        network: as it was written for the reference, as it was fitted for the target.
        measured: what ``measures`` makes of the run.
    """

    run: Run
    network: Network
    measured: Sequence[Measure]


Sides = tuple[Side, Side]
"""Target and reference."""
Statistic = Callable[[Side, Sides, Size], FloatArray | None]
"""(one of the sides, both, what was predicted) -> a value for each replicate; None where the run does not show it."""


def predictions(fitted: Fitted, target: Side, reference: Side) -> Iterator[Predicted]:
    """Every size of every change, with the measured difference between target and reference and its standard error."""
    for change in fitted.changes:
        for size in change.sizes:
            measured, error = _measured(size, (target, reference))
            yield Predicted(str(change), **size.as_dict(), measured=measured, measured_error=error)


def _measured(size: Size, sides: Sides) -> tuple[float | None, float | None]:
    statistic = MEASURED.get(size.quantity)
    here, there = (statistic(side, sides, size) if statistic else None for side in sides)
    if here is None or there is None or not len(here) or not len(there):
        return None, None
    error = None
    if min(len(here), len(there)) > 1:
        error = float((here.var(ddof=1) / len(here) + there.var(ddof=1) / len(there)) ** 0.5)
    return float(here.mean() - there.mean()), error


def _projection(size: Size) -> str:
    return size.path.split(".")[1]


def _rules(side: Side, size: Size) -> tuple[PlasticityRule, ...]:
    """Those that a size is about: one, or all of its projection."""
    p = side.network.projection(_projection(size))
    own = [rule for k, rule in enumerate(p.plasticity) if f"projections.{p.name}.{rule_name(p, k)}" == size.path]
    return tuple(own) or p.plasticity


def _of(quantity: str) -> Statistic:
    """What a measure has, the mean over its elements."""

    def statistic(side: Side, sides: Sides, size: Size) -> FloatArray | None:
        for m in side.measured:
            if m.quantity == quantity and f"{size.path}.".startswith(f"{m.path}."):
                return np.asarray(m.values.mean(axis=1))
        return None

    return statistic


def _mean_weight(side: Side, sides: Sides, size: Size) -> FloatArray | None:
    """At the start, when nothing has been learned yet."""
    start = side.run.start.get(_projection(size))
    return None if start is None else np.asarray(start.mean(axis=1))


def _moved_weights(side: Side, sides: Sides, size: Size) -> FloatArray | None:
    """The root mean square distance from the reference's weights at the start."""
    start, there = (each.run.start.get(_projection(size)) for each in (side, sides[1]))
    return None if start is None or there is None else np.sqrt(((start - there.mean(axis=0)) ** 2).mean(axis=1))


def _paths(side: Side, size: Size) -> FloatArray | None:
    """The weights of a projection that were sampled, (instance, time, synapse)."""
    name = _projection(size)
    return trajectory(side.run, name)[1] if name in side.run.final else None


def _gaps(side: Side, size: Size, sign: FloatArray | None = None) -> FloatArray | None:
    """The mean distance of reciprocal weights, (instance, time), with the signs that the run began with by default."""
    weights = _paths(side, size)
    return None if weights is None else signed_gaps(side.run, _projection(size), weights, sign)


def _evenly(side: Side, size: Size) -> tuple[float, int]:
    """Seconds between samples, and how many samples are as far apart."""
    time = trajectory(side.run, _projection(size))[0]
    step = time[1] - time[0]
    return float(step) / 1000.0, len(time) - int(abs(time[-1] - time[-2] - step) > 1e-6 * step)


def _persistence(gaps: FloatArray) -> float:
    """The share of a gap's distance from where it settles that is left one sample later: a regression of the mean gap
    over replicates on the one before."""
    mean = gaps.mean(axis=0)
    before, after = mean[:-1] - mean[:-1].mean(), mean[1:] - mean[1:].mean()
    square = float(before @ before)
    return float(before @ after) / square if square else np.nan


def _jackknifed(estimate: Callable[[Sequence[int]], float], replicates: int) -> FloatArray | None:
    """Pseudo-values of an estimate from some of the replicates: their mean is the jackknife's estimate, their standard
    error its. None with fewer than four replicates, or where the estimate means nothing."""
    everyone = [*range(replicates)]
    if replicates < 4:
        return None
    without = np.array([estimate(everyone[:k] + everyone[k + 1 :]) for k in everyone])
    values = replicates * estimate(everyone) - (replicates - 1) * without
    return values if np.isfinite(values).all() else None


def _decay(side: Side, sides: Sides, size: Size) -> FloatArray | None:
    """Per second, over the gaps that the run went through."""
    gaps = _gaps(side, size)
    if gaps is None:
        return None
    step, samples = _evenly(side, size)

    def estimate(some: Sequence[int]) -> float:
        left = _persistence(gaps[some, :samples])
        return -float(np.log(left)) / step if left > 0.0 else np.nan

    return _jackknifed(estimate, len(gaps))


def _attractor(side: Side, sides: Sides, size: Size) -> FloatArray | None:
    """Where the mean gap is going, if it comes as much nearer in each sample as in all of them; the weight into the
    neuron that is faster on the reference minus the other."""
    name, reference = _projection(size), sides[1]
    p = reference.network.projection(name)
    rates = reference.run.recording.counts[p.post].mean(axis=0)
    own, toward = _gaps(side, size), _gaps(side, size, pair_signs(reference.run, name, rates))
    if own is None or toward is None:
        return None
    _, samples = _evenly(side, size)

    def estimate(some: Sequence[int]) -> float:
        left, mean = _persistence(own[some, :samples]), toward[some, :samples].mean(axis=0)
        if not left < 1.0:
            return np.nan
        return float(mean[:-1].mean() + (mean[-1] - mean[0]) / ((len(mean) - 1) * (1.0 - left)))

    return _jackknifed(estimate, len(own))


def _lag(quantity: str) -> Statistic:
    """Half of what was drifted in a period."""
    drift = _of(quantity)

    def statistic(side: Side, sides: Sides, size: Size) -> FloatArray | None:
        found, rule = drift(side, sides, size), _rules(side, size)[0]
        return None if found is None else 0.5 * period(rule.update, rule.period) / 1000.0 * found

    return statistic


def _then(side: Side, size: Size, values: FloatArray) -> FloatArray | None:
    """Of (instance, time) what it was after as long as ``fit`` predicts, between the two samples; None if the run is
    shorter."""
    time = trajectory(side.run, _projection(size))[0]
    time = time - time[0]
    if time[-1] < LEARNED - 1e-6:
        return None
    return np.array([np.interp(LEARNED, time, row) for row in values])


def _share_beyond(side: Side, sides: Sides, size: Size) -> FloatArray | None:
    """Of the weights, outside the narrower of the bounds."""
    name, weights = _projection(size), _paths(side, size)
    return None if weights is None else _then(side, size, _outside(weights, _narrower(name, sides)))


def _narrower(name: str, sides: Sides) -> tuple[float, float]:
    return narrowest_bounds([rule for side in sides for rule in side.network.projection(name).plasticity])


def _outside(weights: FloatArray, bounds: tuple[float, float]) -> FloatArray:
    low, high = bounds
    slack = 1e-9 * max(abs(low), abs(high))
    return np.asarray(((weights < low - slack) | (weights > high + slack)).mean(axis=2))


def _learned_gap(side: Side, sides: Sides, size: Size) -> FloatArray | None:
    gaps = _gaps(side, size)
    return None if gaps is None else _then(side, size, gaps)


def _learned_weight(side: Side, sides: Sides, size: Size) -> FloatArray | None:
    weights = _paths(side, size)
    return None if weights is None else _then(side, size, weights.mean(axis=2))


MEASURED: dict[str, Statistic] = {
    "mean weight": _mean_weight,
    "rms weight change": _moved_weights,
    "rate": _of("rate"),
    "drift": _of("drift"),
    "gap drift": _of("gap_drift"),
    "gap decay": _decay,
    "attractor": _attractor,
    "weight noise": _of("weight_noise"),
    "gap lag": _lag("gap_drift"),
    "weight lag": _lag("drift"),
    "share beyond bounds": _share_beyond,
    "learned gap": _learned_gap,
    "learned weight": _learned_weight,
}
