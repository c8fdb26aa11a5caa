"""Where a rule that aligns reciprocal weights lets them settle, and how fast: by theory for two neurons, else measured.

The gap of two reciprocal weights is that into the neuron that is faster in the network as written minus the other. Its
attractor is where it drifts no more, for small learning rates and without bounds, with the sum of the two weights kept;
close to it a gap decays exponentially. Of several pairs it is the mean. Where a rule goes on moving the sum, nothing
settles, and there is no attractor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from salhw.compiler.sizes.coupled import APART, MOVING, Pair
from salhw.compiler.sizes.reference import MOST_PAIRS, Activity, activity, reciprocal
from salhw.compiler.sizes.statistics import half_width
from salhw.description.connectivity import Dense, synapses, values
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.session.changes import Size

FARTHEST = 4.0
"""The largest gap that is tried."""
ROUNDS = 3
"""How often the drift is measured anew at the gaps at which it should vanish."""
ENOUGH = 0.1
"""Between gaps that are so far apart the slope is taken anew."""
SIGNIFICANT = 4.0
"""Standard errors by which each pair has to be stable."""
CURVED = 0.25
"""How far the slope may be from that between the last two gaps, as a share: of the last correction."""


@dataclass(frozen=True, eq=False)
class Settling:
    """Of the pairs of one projection, by instance: the mean decay of a gap per second, and the mean attractor; no
    attractor if a pair has none. ``doubt`` is how far the attractor may be off for being between measured points."""

    decay: FloatArray
    attractor: FloatArray | None
    doubt: float


def two_neurons(written: Pair, changed: Pair, noise: tuple[float, float]) -> Iterator[Size]:
    """Of two neurons, by theory. ``noise`` is the weight noise: the gap walks around its attractor, and where the drift
    is curved its mean is off by half the curvature times the variance over the decay, which is the error."""
    toward = 1.0 if written.rates[1] >= written.rates[0] else -1.0
    gaps = [pair.attractor() for pair in (written, changed)]
    path = f"projections.{written.name}"
    yield Size("gap decay", path, written.decay, changed.decay, 0.0, "/s", "theory")
    if gaps[0] is not None and gaps[1] is not None:
        error = 0.0
        for pair, gap, walk in zip((written, changed), gaps, noise, strict=True):
            decay = -pair.slope(gap or 0.0)
            variance = (2.0 * walk) ** 2 / (2.0 * decay)
            error += 0.5 * abs(pair.curvature(gap or 0.0)) * variance / decay
        yield Size("attractor", path, toward * gaps[0], toward * gaps[1], error, "", "theory")


def measured(before: Network, after: Network, name: str, held: Activity, seed: int) -> Iterator[Size]:
    """Of all reciprocal pairs of a projection, from runs at several gaps. ``held`` tells which neuron is faster."""
    toward = _faster(before, name, held)
    written, changed = (settling(net, name, toward, seed) for net in (before, after))
    if written is None or changed is None:
        return
    path = f"projections.{name}"
    yield _compared("gap decay", path, written.decay, changed.decay, 0.0, "/s")
    if written.attractor is not None and changed.attractor is not None:
        yield _compared("attractor", path, written.attractor, changed.attractor, written.doubt + changed.doubt, "")


def decay(net: Network, name: str, held: Activity, seed: int) -> float:
    """The mean decay of a gap per second; 0 where there is none."""
    found = settling(net, name, _faster(net, name, held), seed)
    return 0.0 if found is None else float(found.decay.mean())


def _faster(net: Network, name: str, held: Activity) -> FloatArray:
    """1 where the first weight of a reciprocal pair goes into the faster neuron, else -1."""
    projection = net.projection(name)
    post, pre, _ = synapses(projection.weights, *net.ends(name))
    first, rates = reciprocal(net, projection)[0][0], held.neurons[projection.post]
    return np.where(rates[post[first]] >= rates[pre[first]], 1.0, -1.0) if projection.recurrent else np.zeros(0)


def _compared(quantity: str, path: str, written: FloatArray, changed: FloatArray, doubt: float, unit: str) -> Size:
    error = half_width(changed - written) + doubt
    return Size(quantity, path, float(written.mean()), float(changed.mean()), error, unit, "reference")


def settling(net: Network, name: str, toward: FloatArray, seed: int) -> Settling | None:
    """How the pairs of a projection settle; None if there are none or too many, or if the reference does not hold the
    network.

    Args:
        toward: 1 where the first weight of a pair, as ``reciprocal`` lists it, goes into the faster neuron, else -1.
    """
    if not 0 < len(toward) <= MOST_PAIRS:
        return None
    ends = [_gap_drifts(net, name, toward, np.full(len(toward), gap), seed) for gap in (-APART, APART)]
    low, high = ends
    if low is None or high is None:
        return None
    decays = (low - high) / (2.0 * APART)
    decay = decays.mean(axis=0)
    uncertain = decays.std(axis=0, ddof=1) / np.sqrt(len(decays))
    if not (decay > SIGNIFICANT * uncertain).all():
        return Settling(decays.mean(axis=1), None, 0.0)
    middle = ((low + high) / 2.0).mean(axis=0) / decay
    last = np.copysign(APART, middle)
    drift_there = np.where(middle > 0.0, high.mean(axis=0), low.mean(axis=0))
    gaps, slope, by_instance = middle, decay, low
    for turn in range(ROUNDS):
        gaps = np.clip(gaps, -FARTHEST, FARTHEST)
        drift = _gap_drifts(net, name, toward, gaps, seed + 1 + turn)
        assert drift is not None
        drift_here, moved = drift.mean(axis=0), gaps - last
        far = np.abs(moved) > ENOUGH
        secant = (drift_there - drift_here) / np.where(far, moved, 1.0)
        slope = np.where(far & (secant > 0.0), secant, slope)
        last, drift_there = gaps, drift_here
        by_instance = gaps + drift / slope
        gaps = by_instance.mean(axis=0)
    doubt = CURVED * float(np.abs(gaps - last).mean())
    end = activity(_with_gaps(net, name, toward * last), seed + ROUNDS)
    assert end is not None
    moves = 2.0 * abs(float(end.learning[name].drift.mean())) > MOVING * float(slope.mean())
    return Settling(decays.mean(axis=1), None if moves else by_instance.mean(axis=1), doubt)


def _gap_drifts(net: Network, name: str, toward: FloatArray, gaps: FloatArray, seed: int) -> FloatArray | None:
    """Change per second of the gaps, (instance, pair), where they are ``gaps``."""
    held = activity(_with_gaps(net, name, toward * gaps), seed)
    return None if held is None else held.learning[name].pairs * toward


def _with_gaps(net: Network, name: str, differences: FloatArray) -> Network:
    """The network with these differences between reciprocal weights, and their sums as they were; without bounds, which
    such weights may leave."""
    projection, ends = net.projection(name), net.ends(name)
    pairs = reciprocal(net, projection)[0]
    position = synapses(projection.weights, *ends)[2]
    weights = np.array(values(projection.weights, *ends), dtype=np.float64)
    first, second = position[pairs]
    half = 0.5 * (weights.flat[first] + weights.flat[second])
    weights.flat[first], weights.flat[second] = half + 0.5 * differences, half - 0.5 * differences
    connector = Dense(values=weights) if weights.ndim == 2 else projection.weights.with_weights(weights)
    free = tuple(rule.replace(bounds=None) for rule in projection.plasticity)
    other = projection.replace(weights=connector, plasticity=free)
    return net.replace(projections=tuple(other if p.name == name else p for p in net.projections))
