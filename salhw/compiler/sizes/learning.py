"""Sizes of changes of rules: drift, weight noise, lag, and what is beyond the bounds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from salhw.compiler.sizes.coupled import Pair
from salhw.compiler.sizes.reference import Activity, Learning, instances, on_reference, reciprocal
from salhw.compiler.sizes.statistics import Compared, compared, compared_noise
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.session.changes import Size

RUN = 1000.0
"""ms of the run for which "run end" is sized."""
LEARNED = 10_000.0
"""ms after which weights are held against bounds."""
VANISHING = 1e-5
"""The share of the weight noise below which a drift is none: what the seven digits of ``STILL`` leave."""
STEEP = 2.0
"""How much a drift may change, as a share, by a weight that moves by 1: weights are logarithms of rates, and a pair
takes two spikes."""


def noise(projection: str, before: Activity, after: Activity) -> Compared:
    """The random walk of a weight within a second."""
    return compared_noise(before.learning[projection].square, after.learning[projection].square)


def drifts(projection: str, before: Activity, after: Activity) -> Iterator[Size]:
    """Change per second of the mean weight and of the mean distance of reciprocal weights, with the weights as they
    are; nothing where a rule conserves one of them."""
    path, walk = f"projections.{projection}", noise(projection, before, after)
    for quantity, found in _drifts(before.learning[projection], after.learning[projection]):
        if max(abs(found.written), abs(found.changed)) > VANISHING * max(walk.written, walk.changed):
            yield Size(quantity, path, found.written, found.changed, found.error, "/s", "reference")


def two_neurons(written: Pair, changed: Pair) -> Iterator[Size]:
    """The same of two neurons, by theory."""
    path = f"projections.{written.name}"
    each = [pair.drifts(pair.gap) for pair in (written, changed)]
    means = [float(drift.mean()) for drift in each]
    gaps = [float(np.sign(p.gap) * (d[0] - d[1])) for p, d in zip((written, changed), each, strict=True)]
    largest = max(float(np.abs(drift).max()) for drift in each)
    for quantity, (old, new) in (("drift", means), ("gap drift", gaps)):
        if max(abs(old), abs(new)) > VANISHING * largest:
            yield Size(quantity, path, old, new, 0.0, "/s", "theory")


def lags(written: Projection, changed: Projection, before: Activity, decay: float) -> Iterator[Size]:
    """How far the weights are behind on average, half of what they drift from one update to the next: zero for updates
    on the spike; ``run end`` is sized for a run of a second. ``decay`` of the drift per second, 0 if unknown."""
    learning = before.learning[written.name]
    drift, quantity = (learning.gap, "gap lag") if learning.gap.size else (learning.drift, "weight lag")
    if not drift.any():
        return
    for k, (old, new) in enumerate(zip(written.plasticity, changed.plasticity, strict=True)):
        if old.update != new.update:
            waits = [0.5 * period(rule.update, rule.period) / 1000.0 for rule in (old, new)]
            found = compared(waits[0] * drift, waits[1] * drift)
            longest = 2.0 * max(waits)
            moved = longest * (abs(decay) + STEEP * abs(float(drift.mean())))
            error = found.error + moved * max(abs(found.written), abs(found.changed))
            path = f"projections.{written.name}.{rule_name(written, k)}"
            yield Size(quantity, path, found.written, found.changed, error, "", "reference")


def beyond_bounds(before: Network, after: Network, name: str, seed: int) -> Iterator[Size]:
    """The share of weights that are outside the narrower of the bounds after ten seconds of learning, and then the mean
    distance of reciprocal weights, or the mean weight where there are none."""
    rules = [rule for net in (before, after) for rule in net.projection(name).plasticity]
    low, high = narrowest_bounds(rules)
    path = f"projections.{name}"
    learned = [_learned(net.replace(probes=()), name, seed) for net in (before, after)]
    slack = 1e-9 * max(abs(low), abs(high))
    outside = [((w < low - slack) | (w > high + slack)).mean(axis=1, keepdims=True) for w in learned]
    share = compared(*outside)
    unseen = 3.0 / learned[0].size  # what may be, with 95 %, where nothing was seen in as many weights
    yield Size("share beyond bounds", path, share.written, share.changed, share.error or unseen, "", "reference")
    pairs, sign = reciprocal(before, before.projection(name))
    if len(sign):
        gaps = [((w[:, pairs[0]] - w[:, pairs[1]]) * sign).mean(axis=1, keepdims=True) for w in learned]
        found, quantity = compared(*gaps), "learned gap"
    else:
        found, quantity = compared(*(w.mean(axis=1, keepdims=True) for w in learned)), "learned weight"
    yield Size(quantity, path, found.written, found.changed, found.error, "", "reference")


@lru_cache(maxsize=2)
def _learned(net: Network, name: str, seed: int) -> FloatArray:
    """The weights after ten seconds of learning, (instance, synapse)."""
    projection = net.projection(name)
    position = synapses(projection.weights, *net.ends(name))[2]
    with on_reference(net).open(instances=instances(net), seed=seed) as session:
        session.run(round(LEARNED / net.dt) * net.dt)
        weights = session.get(f"projections.{name}.weights")
    return weights.reshape(len(weights), -1)[:, position]


def _drifts(written: Learning, changed: Learning) -> Iterator[tuple[str, Compared]]:
    yield "drift", compared(written.drift, changed.drift)
    if written.gap.size and changed.gap.size:
        yield "gap drift", compared(written.gap, changed.gap)


def period(update: str, every: float | None) -> float:
    """ms from one update to the next: 0 for ``spike``, that of a run of a second for ``run end``."""
    return {"spike": 0.0, "run end": RUN}[update] if every is None else every
