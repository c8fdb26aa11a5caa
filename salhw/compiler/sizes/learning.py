"""Sizes of changes of rules: drift, weight noise, lag, and what is beyond the bounds."""

from __future__ import annotations

from collections.abc import Iterator

from salhw.compiler.sizes.activity import Activity, Learning
from salhw.compiler.sizes.statistics import Compared, compared, compared_noise
from salhw.description.parts import Projection, rule_name
from salhw.session.changes import Size

RUN = 1000.0
"""ms of the run for which "run end" is sized."""
VANISHING = 1e-5
"""The share of the weight noise below which a drift is none: what the seven digits of ``STILL`` leave."""


def drifts(projection: Projection, before: Activity, after: Activity) -> Iterator[Size]:
    """Change per second of the mean weight and of the mean distance of reciprocal weights, and the random walk of a
    weight within a second, with the weights as they are."""
    path = f"projections.{projection.name}"
    written, changed = before.learning[projection.name], after.learning[projection.name]
    noise = compared_noise(written.square, changed.square)
    for quantity, found in _drifts(written, changed):
        if max(abs(found.written), abs(found.changed)) > VANISHING * max(noise.written, noise.changed):
            yield _size(quantity, path, found, "/s")
    if max(noise.written, noise.changed):
        yield _size("weight noise", path, noise, "/sqrt(s)")


def lags(written: Projection, changed: Projection, before: Activity) -> Iterator[Size]:
    """How far the weights are behind on average, half of what they drift from one update to the next: zero for updates
    on the spike; ``run end`` is sized for a run of a second."""
    learning = before.learning[written.name]
    drift = learning.gap if learning.gap.size else learning.drift
    if not drift.any():
        return
    for k, (old, new) in enumerate(zip(written.plasticity, changed.plasticity, strict=True)):
        if old.update != new.update:
            waits = [0.5 * _period(rule.update, rule.period) / 1000.0 for rule in (old, new)]
            found = compared(waits[0] * drift, waits[1] * drift)
            path = f"projections.{written.name}.{rule_name(written, k)}"
            yield _size("gap lag" if learning.gap.size else "weight lag", path, found, "")


def _drifts(written: Learning, changed: Learning) -> Iterator[tuple[str, Compared]]:
    yield "drift", compared(written.drift, changed.drift)
    if written.gap.size and changed.gap.size:
        yield "gap drift", compared(written.gap, changed.gap)


def _period(update: str, period: float | None) -> float:
    return {"spike": 0.0, "run end": RUN}[update] if period is None else period


def _size(quantity: str, path: str, found: Compared, unit: str) -> Size:
    return Size(quantity, path, found.written, found.changed, found.error, unit, "reference")
