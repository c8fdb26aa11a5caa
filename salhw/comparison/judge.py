"""Is a target the same as the reference? A verdict for every quantity, with the error rates of the whole family."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from salhw.comparison.divergence import divergence, standardised
from salhw.comparison.measures import Measure
from salhw.comparison.quantities import EFFECTS, QUANTITIES, Test
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
            distributions, an effect or a divergence ``measured`` is that, ``reference`` None.
        deviation: how far both are apart, with its standard error ``deviation_error``, and the ``margin``; all in
            ``unit``.
        verdict: ``equivalent``: shown to be within the margin; ``different``: shown to be beyond; else ``undecided``.
        within, beyond: the p-values of both, adjusted for all quantities of the target (Holm).
        more: of what is undecided, how many times the data would tell; None if nobody can say.
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


def judged(reference: Sequence[Measure], target: Sequence[Measure], margins: Mapping[str, float]) -> tuple[Row, ...]:
    """A row for everything that was measured on both, in the order of QUANTITIES.

    A target that is right (within all margins) has any row ``different``, and one that is beyond a margin has any row
    of such a quantity ``equivalent``, with at most FAMILY.
    """
    theirs, mine = _derived(reference, target)
    known = {(m.quantity, m.path): m for m in theirs}
    measured = [m for m in mine if (m.quantity, m.path) in known]
    order = list(QUANTITIES)
    rows = [_row(known[m.quantity, m.path], m, margins[m.quantity]) for m in measured]
    within, beyond = (holm([getattr(row, name) for row in rows]) for name in ("within", "beyond"))
    rows = [_decided(row, float(w), float(b)) for row, w, b in zip(rows, within, beyond, strict=True)]
    return tuple(sorted(rows, key=lambda row: order.index(row.quantity)))


def _decided(row: Row, within: float, beyond: float) -> Row:
    verdict: Verdict = "different" if beyond <= FAMILY else "equivalent" if within <= FAMILY else "undecided"
    more = row.more if verdict == "undecided" else None
    return replace(row, within=within, beyond=beyond, verdict=verdict, more=more)


def _derived(reference: Sequence[Measure], target: Sequence[Measure]) -> tuple[list[Measure], list[Measure]]:
    """Both with what follows from their distributions over elements: of rates the shares of neurons below each decile
    of the reference's, the largest difference of which is Kolmogorov and Smirnov's distance; and effect sizes."""
    theirs, mine = [*reference], [*target]
    known = {(m.quantity, m.path): m for m in reference}
    for m in target:
        other = known.get((m.quantity, m.path))
        if m.quantity not in EFFECTS or other is None or m.values.shape[1] != other.values.shape[1]:
            continue
        if m.quantity == "rate_distribution":
            deciles = np.quantile(other.values.mean(axis=0), np.arange(1, 10) / 10)
            for each, found in ((other, theirs), (m, mine)):
                below = (each.values[:, :, None] <= deciles).mean(axis=1)
                found.append(Measure("rate_ks", m.path, below, tuple(f"decile {k}" for k in range(1, 10))))
        pair = standardised(m.values, other.values) if min(len(m.values), len(other.values)) > 1 else None
        for values, found in zip(pair or (), (mine, theirs), strict=False):
            found.append(Measure(EFFECTS[m.quantity], m.path, values, ("mean",)))
    return theirs, mine


def _row(reference: Measure, sample: Measure, share: float) -> Row:
    """What one quantity comes to, not yet adjusted for the others."""
    quantity = QUANTITIES[sample.quantity]
    margin = share * reference.scale if quantity.of else share
    blank = Row(sample.quantity, sample.path, "", quantity.unit, margin)
    few = any(len(m.values) < 2 and not m.exact for m in (reference, sample))
    if few or sample.values.shape[1] != reference.values.shape[1]:
        single = quantity.test == "difference"
        return replace(blank, measured=_finite(float(sample.values.mean())) if single else None)
    return _TESTS[quantity.test](blank, reference, sample)


def _by_difference(blank: Row, reference: Measure, sample: Measure) -> Row:
    result = difference(sample.values, reference.values, blank.margin)
    column = [m.values[:, result.worst] for m in (reference, sample)]
    (there, there_error), (here, here_error) = ((_mean(x), _error(x)) for x in column)
    told = replace(blank, where=sample.labels[result.worst], reference=there, reference_error=there_error)
    return _with(replace(told, measured=here, error=here_error), result)


def _by_distance(blank: Row, reference: Measure, sample: Measure) -> Row:
    """1/2 makes of shares a total variation, 1 over their number of sorted values Wasserstein's distance."""
    weight = 0.5 if sample.support else 1.0 / sample.values.shape[1]
    result = distance(sample.values, reference.values, blank.margin, weight)
    return _with(replace(blank, measured=_finite(result.deviation), error=_finite(result.error)), result)


def _by_effect(blank: Row, reference: Measure, sample: Measure) -> Row:
    result = difference(sample.values, reference.values, blank.margin)
    return _with(replace(blank, measured=_mean(sample.values), error=_finite(result.error)), result)


def _by_divergence(blank: Row, reference: Measure, sample: Measure) -> Row:
    if not (reference.values.mean(axis=0) > 0.0).all():
        return blank  # not finite where the reference never is
    result = divergence(sample.values, reference.values, blank.margin)
    return _with(replace(blank, measured=_finite(result.deviation), error=_finite(result.error)), result)


_TESTS: dict[Test, Callable[[Row, Measure, Measure], Row]] = {
    "difference": _by_difference,
    "distance": _by_distance,
    "effect": _by_effect,
    "divergence": _by_divergence,
}


def _with(row: Row, result: Difference) -> Row:
    return replace(
        row,
        deviation=_finite(result.deviation),
        deviation_error=_finite(result.error),
        within=result.within,
        beyond=result.beyond,
        more=_finite(result.more),
    )


def _mean(values: FloatArray) -> float | None:
    return _finite(float(values.mean()))


def _error(values: FloatArray) -> float | None:
    return _finite(float(values.std(ddof=1) / math.sqrt(len(values))))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
