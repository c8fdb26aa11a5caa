"""Which noise matters: each switched on and off on the same chips, and Sobol' indices over a sampled design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salhw.description.fields import FloatArray
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.study.answers import Cell, Results
from salhw.study.description import Level
from salhw.study.intervals import LEVEL, Interval, mean_interval

RESAMPLES = 500


@dataclass(frozen=True)
class Effect:
    """What one noise does to a metric, on the same chips, from its lowest to its highest level.

    Args:
        alone: while all others are at their lowest.
        last: while all others are at their highest: what is gained by removing this one first, with its sign turned.
        mean: over all combinations of the others that the study has; of one whose design is ``one at a time`` that is
            the mean of the two before.
    """

    noise: str
    target: str
    method: str
    alone: Interval
    last: Interval
    mean: Interval


@dataclass(frozen=True)
class SobolIndex:
    """The share of a metric's variance over the design that one noise makes: by itself (``first``), and together with
    all others (``total``); with bootstrap intervals. The metric is the mean over chips, the same for all points."""

    noise: str
    target: str
    method: str
    first: Interval
    total: Interval


def effects(results: Results, metric: str, level: float = LEVEL) -> list[Effect]:
    """The effect of each noise, of each target and method, paired by chip.

    Raises:
        DescriptionError: the study samples its levels; ask for ``sobol_indices``.
    """
    study = results.study
    if study.sobol is not None:
        raise _refused(
            "sobol", "the levels are sampled", "a study with levels in full", "sobol_indices(results, metric)"
        )
    ends = [(min(noise.levels), max(noise.levels)) for noise in study.noises]
    found, known = [], set(study.levels)
    for target in study.targets:
        for method in study.methods:
            for k, noise in enumerate(study.noises):
                pairs = {
                    tuple(v for j, v in enumerate(one) if j != k): _difference(
                        results, metric, target, method.name, one, k, ends[k]
                    )
                    for one in study.levels
                    if one[k] == ends[k][1] and (*one[:k], ends[k][0], *one[k + 1 :]) in known
                }
                others = [end for j, end in enumerate(ends) if j != k]
                lowest, highest = tuple(low for low, _ in others), tuple(high for _, high in others)
                mean = _over_combinations(list(pairs.values()))
                three = (mean_interval(list(each.values()), level) for each in (pairs[lowest], pairs[highest], mean))
                found.append(Effect(noise.name, target, method.name, *three))
    return found


def _difference(
    results: Results, metric: str, target: str, method: str, level: Level, k: int, ends: tuple[float, float]
) -> dict[int, float]:
    """By chip: the metric with the ``k``-th noise at its highest, minus that with it at its lowest."""
    low, high = (results.by_chip(Cell(target, (*level[:k], end, *level[k + 1 :]), method), metric) for end in ends)
    before = dict(zip(low[0].tolist(), low[1].tolist(), strict=True))
    return {i: value - before[i] for i, value in zip(high[0].tolist(), high[1].tolist(), strict=True) if i in before}


def _over_combinations(each: list[dict[int, float]]) -> dict[int, float]:
    """The mean of each chip that is in all of them."""
    chips = set.intersection(*map(set, each)) if each else set()
    return {i: float(np.mean([one[i] for one in each])) for i in sorted(chips)}


def sobol_indices(results: Results, metric: str, level: float = LEVEL) -> list[SobolIndex]:
    """First-order and total Sobol' indices of each noise, from a finished design (Saltelli et al. 2010, scipy).

    Raises:
        DescriptionError: the study has no ``sobol``, or points of its design are missing.
    """
    from scipy.stats import sobol_indices as estimated

    study = results.study
    if study.sobol is None:
        raise _refused("sobol", "", "a study whose levels are sampled", "add [sobol] to the study")
    n, found = study.sobol.points, []
    for target in study.targets:
        for method in study.methods:
            values = _of_design(results, metric, target, method.name)
            parts = {"f_A": values[None, :n], "f_B": values[None, n : 2 * n], "f_AB": values[2 * n :].reshape(-1, 1, n)}
            # random_state is the seed of the bootstrap alone: the design has run already.
            indices = estimated(func=parts, n=n, random_state=np.random.default_rng(study.sobol.seed))
            spread = indices.bootstrap(level, RESAMPLES)
            for k, noise in enumerate(study.noises):
                both = [
                    Interval(*(float(np.ravel(v)[k]) for v in (value, ends.low, ends.high)))
                    for value, ends in (
                        (indices.first_order, spread.first_order.confidence_interval),
                        (indices.total_order, spread.total_order.confidence_interval),
                    )
                ]
                found.append(SobolIndex(noise.name, target, method.name, *both))
    return found


def _of_design(results: Results, metric: str, target: str, method: str) -> FloatArray:
    """The mean over chips at each point of the design."""
    cells = [Cell(target, one, method) for one in results.study.levels]
    values = [results.by_chip(cell, metric)[1] for cell in cells]
    missing = sum(not np.isfinite(v).any() for v in values)
    if missing:
        raise _refused("sobol", f"{missing} of {len(cells)} points", "a design that is finished", "run the study on")
    return np.array([float(np.nanmean(v)) for v in values])


def _refused(path: str, asked: str, supported: str, fix: str) -> DescriptionError:
    return DescriptionError(
        "DescriptionError: this study does not answer that", [Diagnostic("SAL904", path, asked, supported, fix)]
    )
