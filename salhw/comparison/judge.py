"""Is a target the same as the reference? A verdict for every quantity, with the error rates of the whole family."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from salhw.comparison.measures import Measure
from salhw.comparison.quantities import QUANTITIES
from salhw.conformance.differences import FAMILY, Difference, difference, distance, holm
from salhw.description.fields import FloatArray

Verdict = Literal["equivalent", "different", "undecided"]


@dataclass(frozen=True)
class Row:
    """What came out for one quantity of one target.

    Args:
        quantity, path: which one, of which population, synapse or projection; ``where`` names the element that is
            furthest from the reference.
        reference, measured: its mean with its standard error (``reference_error``, ``error``); of a distance between
            distributions ``measured`` is the distance, ``reference`` None.
        deviation: how far both are apart, with its standard error ``deviation_error``, and the ``margin``; all in
            ``unit``.
        verdict: ``equivalent``: shown to be within the margin; ``different``: shown to be beyond; else ``undecided``.
        within, beyond: the p-values of both, adjusted for all quantities of the target (Holm).
        more: of what is undecided, how many times the data would tell; None if nobody can say.
        effect, effect_error: Hedges' g of a distribution over neurons or synapses, and its standard error.
    """

    quantity: str
    path: str
    where: str
    unit: str
    margin: float
    reference: float | None = None
    reference_error: float | None = None
    measured: float | None = None
    error: float | None = None
    deviation: float | None = None
    deviation_error: float | None = None
    verdict: Verdict = "undecided"
    within: float = 1.0
    beyond: float = 1.0
    more: float | None = None
    effect: float | None = None
    effect_error: float | None = None


def judged(reference: Sequence[Measure], target: Sequence[Measure], margins: Mapping[str, float]) -> tuple[Row, ...]:
    """A row for everything that was measured on both, in the order of QUANTITIES.

    A target that is right (within all margins) has any row ``different``, and one that is beyond a margin has any row
    of such a quantity ``equivalent``, with at most FAMILY.
    """
    known = {(m.quantity, m.path): m for m in _with_ks(reference, reference)}
    measured = [m for m in _with_ks(target, reference) if (m.quantity, m.path) in known]
    order = list(QUANTITIES)
    rows = [_row(known[m.quantity, m.path], m, margins[m.quantity]) for m in measured]
    within, beyond = (holm([getattr(row, name) for row in rows]) for name in ("within", "beyond"))
    rows = [_decided(row, float(w), float(b)) for row, w, b in zip(rows, within, beyond, strict=True)]
    return tuple(sorted(rows, key=lambda row: order.index(row.quantity)))


def _decided(row: Row, within: float, beyond: float) -> Row:
    verdict: Verdict = "different" if beyond <= FAMILY else "equivalent" if within <= FAMILY else "undecided"
    more = row.more if verdict == "undecided" else None
    return replace(row, within=within, beyond=beyond, verdict=verdict, more=more)


def _with_ks(sample: Sequence[Measure], reference: Sequence[Measure]) -> list[Measure]:
    """With the shares of neurons below each decile of the reference's, the largest difference of which is Kolmogorov
    and Smirnov's distance."""
    grids = {
        m.path: np.quantile(m.values.mean(axis=0), np.arange(1, 10) / 10)
        for m in reference
        if m.quantity == "rate_distribution"
    }
    added = []
    for m in sample:
        if m.quantity == "rate_distribution" and m.path in grids:
            below = (m.values[:, :, None] <= grids[m.path]).mean(axis=1)
            added.append(Measure("rate_ks", m.path, below, tuple(f"decile {k}" for k in range(1, 10))))
    return [*sample, *added]


def _row(reference: Measure, sample: Measure, share: float) -> Row:
    quantity = QUANTITIES[sample.quantity]
    margin = share * reference.scale if quantity.of else share
    blank = Row(sample.quantity, sample.path, "", quantity.unit, margin)
    if min(len(reference.values), len(sample.values)) < 2 or sample.values.shape[1] != reference.values.shape[1]:
        return replace(blank, measured=_finite(float(sample.values.mean())) if not quantity.distance else None)
    if not quantity.distance:
        result = difference(sample.values, reference.values, margin)
        column = [m.values[:, result.worst] for m in (reference, sample)]
        (there, there_error), (here, here_error) = ((_mean(x), _error(x)) for x in column)
        told = replace(blank, where=sample.labels[result.worst], reference=there, reference_error=there_error)
        return _with(replace(told, measured=here, error=here_error), result)
    result = distance(sample.values, reference.values, margin, _weight(sample))
    row = _with(replace(blank, measured=_finite(result.deviation), error=_finite(result.error)), result)
    if sample.support:
        return row
    effect, effect_error = hedges(sample.values, reference.values)
    return replace(row, effect=_finite(effect), effect_error=_finite(effect_error))


def _weight(sample: Measure) -> float:
    """1/2 for a total variation of shares, 1 over their number for Wasserstein's distance of sorted values."""
    return 0.5 if sample.support else 1.0 / sample.values.shape[1]


def _with(row: Row, result: Difference) -> Row:
    return replace(
        row,
        deviation=_finite(result.deviation),
        deviation_error=_finite(result.error),
        within=result.within,
        beyond=result.beyond,
        more=_finite(result.more),
    )


def hedges(sample: FloatArray, reference: FloatArray) -> tuple[float, float]:
    """Hedges' g of two distributions over elements, from (replicate, sorted element), and its standard error: the
    difference of the means over the pooled standard deviation of elements, corrected for their number. The error is
    that of the means, over replicates."""
    count = sample.shape[1]
    spread = math.sqrt(sum(float(x.mean(axis=0).var(ddof=1)) for x in (sample, reference)) / 2)
    if spread == 0.0:
        return math.nan, math.nan
    means = [x.mean(axis=1) for x in (sample, reference)]
    error = math.sqrt(sum(float(m.var(ddof=1)) / len(m) for m in means))
    correction = 1 - 3 / (8 * count - 9)
    return correction * float(means[0].mean() - means[1].mean()) / spread, correction * error / spread


def _mean(values: FloatArray) -> float | None:
    return _finite(float(values.mean()))


def _error(values: FloatArray) -> float | None:
    return _finite(float(values.std(ddof=1) / math.sqrt(len(values))))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
