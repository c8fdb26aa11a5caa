"""The largest values that a network can reach: how many spikes of a neuron act at a time, and what inputs add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp

import numpy as np

from salhw.description.connectivity import Dense, OneToOne, Sparse, shape_of, synapses
from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel, Rectangular
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw_lava.arithmetic import LARGEST_WEIGHT, Arithmetic


@dataclass(frozen=True)
class Reach:
    """The lowest and the highest sum of a neuron's PSPs, (neuron,), in units of the weights."""

    low: FloatArray
    high: FloatArray

    @property
    def most(self) -> float:
        """The largest of any neuron."""
        return float(np.max(np.maximum(self.high, -self.low), initial=0.0))


def reach(net: Network, population: str, how: Arithmetic, written: Mapping[str, FloatArray] | None = None) -> Reach:
    """What the PSPs of a population's neurons add up to at most.

    Args:
        written: by projection, weights in the place of the description's, (instance, synapse).
    """
    low = high = np.zeros(net.population(population).size)
    for projection in net.projections:
        if projection.post == population:
            one = of_projection(net, projection, how, (written or {}).get(projection.name))
            low, high = low + one.low, high + one.high
    return Reach(low, high)


def of_projection(net: Network, projection: Projection, how: Arithmetic, written: FloatArray | None = None) -> Reach:
    """What one projection adds: each synapse with its weight, if it learns with the largest that there is, times the
    PSPs of its neuron that may overlap."""
    overlap = overlapping(net, projection.pre, projection.kernel)
    if projection.plasticity:
        learned = _summed(net, projection, np.asarray(LARGEST_WEIGHT / how.unit), overlap)
        return Reach(-learned, learned)
    weight = own_weights(projection) if written is None else written
    held = how.held(weight, 2) / how.unit
    low, high = np.minimum(held, 0.0), np.maximum(held, 0.0)
    if written is not None:
        low, high = (_placed(net, projection, ends) for ends in (low.min(axis=0), high.max(axis=0)))
    return Reach(*(_summed(net, projection, ends, overlap) for ends in (low, high)))


def _placed(net: Network, projection: Projection, each: FloatArray) -> FloatArray:
    """One number per synapse, in the order of ``synapses``, as ``own_weights`` has them."""
    n_post, n_pre, recurrent = net.ends(projection.name)
    whole = np.zeros(shape_of(projection.weights, n_post, n_pre))
    whole.reshape(-1)[synapses(projection.weights, n_post, n_pre, recurrent)[2]] = each
    return whole


def own_weights(projection: Projection) -> FloatArray:
    """The weights as they are described: one number, or one per synapse (of a matrix, per entry)."""
    weights = projection.weights
    return np.asarray(weights.values if isinstance(weights, Dense) else weights.weight, dtype=np.float64)


def _summed(net: Network, projection: Projection, weight: FloatArray, per_neuron: FloatArray) -> FloatArray:
    """Per postsynaptic neuron: the sum over its synapses of weight times a number of the presynaptic neuron. A single
    weight takes no list of synapses, of which there may be 10^8."""
    n_post, n_pre, recurrent = net.ends(projection.name)
    if isinstance(projection.weights, Sparse | OneToOne):
        post, pre, position = synapses(projection.weights, n_post, n_pre, recurrent)
        each = np.broadcast_to(weight, (len(post),))[position]
        return np.bincount(post, each * per_neuron[pre], n_post).astype(np.float64)
    if weight.ndim == 0:
        return np.asarray(weight * (per_neuron.sum() - (per_neuron if recurrent else np.zeros(n_post))))
    matrix = weight.reshape(n_post, n_pre)
    total: FloatArray = matrix @ per_neuron
    return total - matrix.diagonal() * per_neuron if recurrent else total


def at_once(net: Network, population: str, how: Arithmetic) -> float:
    """The largest sum of weights that may arrive at a neuron in one step, in steps of the weights."""
    most = 0.0
    for projection in (p for p in net.projections if p.post == population):
        largest = np.asarray(float(LARGEST_WEIGHT))
        weight = largest if projection.plasticity else np.abs(how.held(own_weights(projection), 2))
        ones = np.ones(net.population(projection.pre).size)
        most += float(_summed(net, projection, weight, ones).max(initial=0.0))
    return most


def overlapping(net: Network, name: str, kernel: Kernel) -> FloatArray:
    """Per neuron of a population: the largest sum of its PSPs of weight 1, just after a spike has arrived.

    Of a Poisson source: that of 8 spikes and six standard deviations more than the mean.
    """
    size, dt = net.population(name).size, net.dt
    rectangular = isinstance(kernel, Rectangular)
    length = kernel.tau_syn / dt
    every = ceil(length - 1e-9) if rectangular else _sum(1.0 / length)
    total = np.zeros(size)
    refractory = net.population(name).neuron.refractory_period
    if refractory is not None:
        gap = max(1, round(refractory / dt))
        total += ceil(length / gap - 1e-9) if rectangular else _sum(gap / length)
    for stimulus in net.stimuli:
        if stimulus.population != name:
            continue
        if isinstance(stimulus, SpikeTimes):
            total += [_at_a_time(np.asarray(t) / dt, length, rectangular) for t in stimulus.times]
        elif isinstance(stimulus, Poisson):
            mean = np.asarray(stimulus.rate) * kernel.tau_syn / 1000.0
            total += np.where(mean > 0, mean + 6.0 * np.sqrt(mean) + 8.0, 0.0)
    return np.minimum(total, every)


def _sum(gap: float) -> float:
    """1 + exp(-gap) + exp(-2 gap) + ..."""
    return 1.0 / (1.0 - exp(-gap))


def _at_a_time(steps: FloatArray, length: float, rectangular: bool) -> float:
    """Of a train of forced spikes."""
    if not len(steps):
        return 0.0
    if rectangular:
        return float((np.arange(len(steps)) - np.searchsorted(steps, steps - length + 0.5, "right")).max() + 1)
    trace = most = 0.0
    for gap in np.diff(steps, prepend=steps[0]):
        trace = trace * exp(-float(gap) / length) + 1.0
        most = max(most, trace)
    return most
