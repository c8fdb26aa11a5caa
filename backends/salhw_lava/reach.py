"""The largest values that a network can reach: how many spikes of a neuron act at a time, and what inputs add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw_lava.arithmetic import LARGEST_WEIGHT, Arithmetic
from salhw_lava.psps import psp
from salhw_lava.stimuli import sent_to


@dataclass(frozen=True)
class Reach:
    """The lowest and the highest sum of a neuron's PSPs, (neuron,), in units of the weights."""

    low: FloatArray
    high: FloatArray

    @property
    def most(self) -> float:
        """The largest of any neuron."""
        return float(np.max(np.maximum(self.high, -self.low), initial=0.0))


def reach(net: Network, population: str, units: Arithmetic, written: Mapping[str, FloatArray] | None = None) -> Reach:
    """What the PSPs of a population's neurons add up to at most.

    Args:
        written: by projection, weights in the place of the description's, (instance, synapse).
    """
    low = high = np.zeros(net.population(population).size)
    for projection in net.projections:
        if projection.post == population:
            one = of_projection(net, projection, units, (written or {}).get(projection.name))
            low, high = low + one.low, high + one.high
    return Reach(low, high)


def of_projection(net: Network, projection: Projection, units: Arithmetic, written: FloatArray | None = None) -> Reach:
    """What one projection adds: each synapse with its weight, if it learns with the largest that it may get, times the
    PSPs of its neuron that may overlap."""
    overlap, units = overlapping(net, projection.pre, projection.kernel), units.of(projection.name)
    if projection.plasticity:
        learned = _summed(net, projection, np.asarray(largest_learned(projection, units)), overlap)
        return Reach(-learned, learned)
    weight = own_weights(projection) if written is None else written
    held = units.held(weight, 2) / units.unit
    low, high = np.minimum(held, 0.0), np.maximum(held, 0.0)
    if written is not None:
        low, high = (_placed(net, projection, ends) for ends in (low.min(axis=0), high.max(axis=0)))
    return Reach(*(_summed(net, projection, ends, overlap) for ends in (low, high)))


def largest_learned(projection: Projection, units: Arithmetic) -> float:
    """How far weights that learn may get: to the bounds of their rules, or as far as there are weights."""
    ends = [max(map(abs, rule.bounds)) for rule in projection.plasticity if rule.bounds]
    return min([LARGEST_WEIGHT / units.unit, *ends])


def _placed(net: Network, projection: Projection, each: FloatArray) -> FloatArray:
    """One number per synapse, in the order of ``synapses``, in the places where ``own_weights`` has them."""
    n_post, n_pre, recurrent = net.ends(projection.name)
    whole = np.zeros(projection.weights.shape(n_post, n_pre))
    whole.reshape(-1)[projection.weights.synapses(n_post, n_pre, recurrent)[2]] = each
    return whole


def own_weights(projection: Projection) -> FloatArray:
    """The weights as they are described: one number, or one per synapse (of a matrix, per entry)."""
    return np.asarray(projection.weights.stored, dtype=np.float64)


def _summed(net: Network, projection: Projection, weight: FloatArray, per_neuron: FloatArray) -> FloatArray:
    """Per postsynaptic neuron: the sum over its synapses of weight times a number of the presynaptic neuron. A matrix
    takes no list of synapses, of which there may be 10^8."""
    n_post, n_pre, recurrent = net.ends(projection.name)
    shape, hollow = projection.weights.shape(n_post, n_pre), projection.weights.is_hollow(recurrent)
    if shape != (n_post, n_pre):
        post, pre, position = projection.weights.synapses(n_post, n_pre, recurrent)
        each = np.broadcast_to(weight.reshape(-1), (prod(shape),))[position]
        return np.bincount(post, each * per_neuron[pre], n_post).astype(np.float64)
    if weight.ndim == 0:
        return np.asarray(weight * (per_neuron.sum() - (per_neuron if hollow else np.zeros(n_post))))
    matrix = weight.reshape(n_post, n_pre)
    total: FloatArray = matrix @ per_neuron
    return total - matrix.diagonal() * per_neuron if hollow else total


def at_once(net: Network, population: str, units: Arithmetic) -> float:
    """The largest sum of weights that may arrive at a neuron in one step, in the steps in which they arrive."""
    most = 0.0
    for projection in (p for p in net.projections if p.post == population):
        own = units.of(projection.name)
        largest = np.asarray(largest_learned(projection, own) * own.unit)
        weight = largest if projection.plasticity else np.abs(own.held(own_weights(projection), 2))
        weight = weight * units.factor(projection.name)
        ones = np.ones(net.population(projection.pre).size)
        most += float(_summed(net, projection, weight, ones).max(initial=0.0))
    return most


def overlapping(net: Network, name: str, kernel: Kernel) -> FloatArray:
    """Per neuron of a population: the largest sum of its PSPs of weight 1, just after a spike has arrived.

    Of a Poisson source: that of 8 spikes and six standard deviations more than the mean.
    """
    population, shape = net.population(name), psp(kernel, net.dt)
    total = np.zeros(population.size)
    refractory = population.neuron.refractory_period
    if refractory is not None:
        total += shape.of_regular_spikes(max(1, round(refractory / net.dt)))
    for spikes in sent_to(net, name):
        if spikes.trains:
            total += [shape.of_spikes(np.asarray(t) / net.dt) if len(t) else 0.0 for t in spikes.trains]
        if spikes.highest_rates is not None:
            mean = spikes.highest_rates * kernel.tau_syn / 1000.0
            total += np.where(mean > 0, mean + 6.0 * np.sqrt(mean) + 8.0, 0.0)
    return np.minimum(total, shape.of_regular_spikes(1.0))
