"""Sizes of changes of what makes neurons spike: grid, discretisation, PSPs, delays, weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from salhw.compiler.sizes.coupled import Pair
from salhw.compiler.sizes.reference import Activity
from salhw.compiler.sizes.statistics import compared
from salhw.description.connectivity import first_of_pairs
from salhw.description.fields import FloatArray
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM
from salhw.description.parts import Projection
from salhw.session.changes import Size

FADED = 0.01
"""The share of its peak below which a PSP counts as over."""
LONGEST = 20.0
"""The longest PSP that is looked at, in time constants."""

Probability = Callable[[Any, FloatArray, float], FloatArray]
_PROBABILITIES: ByKind[Probability] = ByKind("spike probability")
"""Spike probability per step, by neuron: of the mean neuron of a population, with this input, in steps of dt."""


@_PROBABILITIES.register(GLM)
def _glm(neuron: GLM, drive: FloatArray, dt: float) -> FloatArray:
    expected = np.exp(np.minimum(np.mean(neuron.bias) + drive, 500.0)) * dt / np.mean(neuron.tau_ref)
    if neuron.discretisation == "logistic":
        return np.asarray(expected / (1.0 + expected))
    return np.asarray(-np.expm1(-expected))


def weights(before: Network, after: Network) -> Iterator[Size]:
    """The mean weight, and the root mean square change of a weight, of each projection whose weights differ; several
    synapses of a pair count as one, with the sum."""
    for written, changed in _projections(before, after):
        if written.weights != changed.weights:
            path = f"projections.{written.name}.weights"
            old, new = _of_pairs(before, written), _of_pairs(after, changed)
            if not old.size:
                continue
            yield Size("mean weight", path, float(old.mean()), float(new.mean()), 0.0, "", "exact")
            moved = float(np.sqrt(np.mean((new - old) ** 2)))
            yield Size("rms weight change", path, 0.0, moved, 0.0, "", "exact")


def probabilities(before: Network, after: Network) -> Iterator[Size]:
    """What one PSP of the projection's root mean square weight does to a neuron that is ready and at its population's
    mean bias: the probability that it spikes while the longer of both PSPs lasts, and the mean distance of both hazards
    during it."""
    for written, changed in _projections(before, after):
        neurons = [net.population(written.post).neuron for net in (before, after)]
        parts = [(p.kernel, n, net.dt) for p, n, net in zip((written, changed), neurons, (before, after), strict=True)]
        if parts[0] == parts[1] or not all(n in _PROBABILITIES for n in neurons):
            continue
        weights = [_typical(net.synapses(p.name).weight) for net, p in ((before, written), (after, changed))]
        span = max(_lasts(p, net.dt) for p, net in ((written, before), (changed, after)))
        if any(weights):
            sides = zip((before, after), (written, changed), weights, strict=True)
            hazards = [_hazards(net, p, weight, span) for net, p, weight in sides]
            old, new = (
                float(-np.expm1(-each.sum() * net.dt)) for each, net in zip(hazards, (before, after), strict=True)
            )
            path = f"projections.{written.name}"
            yield Size("spike probability", path, old, new, 0.0, "", "exact")
            distance = float(np.mean(np.abs(np.diff(_on_one_grid(hazards), axis=0))))
            yield Size("mean hazard error", path, 0.0, distance, 0.0, "/ms", "exact")


def two_neurons(net: Network, written: Pair, changed: Pair) -> Iterator[Size]:
    """The mean rate of two neurons, by theory."""
    path = f"populations.{net.populations[0].name}"
    yield Size("rate", path, float(written.rates.mean()), float(changed.rates.mean()), 0.0, "Hz", "theory")


def rates(before: Activity, after: Activity) -> Iterator[Size]:
    """The mean rate of each population."""
    for name, written in before.rates.items():
        found = compared(written, after.rates[name])
        yield Size("rate", f"populations.{name}", found.written, found.changed, found.error, "Hz", "reference")


def _projections(before: Network, after: Network) -> Iterator[tuple[Projection, Projection]]:
    for written in before.projections:
        yield written, after.projection(written.name)


def _of_pairs(net: Network, projection: Projection) -> FloatArray:
    """What the synapses of each pair that has any add up to, sorted by post, then pre."""
    table = net.synapses(projection.name)
    return np.asarray(np.add.reduceat(table.weight, first_of_pairs(table.post, table.pre)))


def _typical(weights: FloatArray) -> float:
    """The root mean square, with the sign of the mean."""
    size = float(np.sqrt(np.mean(weights**2))) if weights.size else 0.0
    return -size if size and weights.mean() < 0 else size


def _lasts(projection: Projection, dt: float) -> float:
    """How long a PSP stays above ``FADED`` of its peak, in ms."""
    steps = int(np.ceil(LONGEST * projection.kernel.tau_syn / dt))
    shape = np.abs(projection.kernel.sample(dt, steps))
    return float(np.flatnonzero(shape > FADED * shape.max())[-1] + 1) * dt


def _hazards(net: Network, projection: Projection, weight: float, span: float) -> FloatArray:
    """Of a spike, per ms, in every step of a PSP."""
    neuron = net.population(projection.post).neuron
    gain = neuron.input_gains.get(projection.into or "", 1.0)
    drive = gain * weight * projection.kernel.sample(net.dt, max(1, round(span / net.dt)))
    chance = _PROBABILITIES[neuron](neuron, drive, net.dt)
    return np.asarray(-np.log1p(-np.minimum(chance, 1.0 - 1e-16)) / net.dt)


def _on_one_grid(arrays: list[FloatArray]) -> FloatArray:
    """Arrays over one span, each with its own number of steps, at the steps of the finest."""
    most = max(len(each) for each in arrays)
    middle = (np.arange(most) + 0.5) / most
    return np.stack([each[(middle * len(each)).astype(np.int64)] for each in arrays])
