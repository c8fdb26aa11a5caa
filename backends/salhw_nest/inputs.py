"""How large the input of a neuron can become: what the sizes in reports and the strength of forced spikes rest on."""

from __future__ import annotations

from math import ceil, log2

import numpy as np

from salhw.description.connectivity import synapses, values
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.neurons import LIF
from salhw.description.parts import Population, Projection
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target
from salhw_nest.kernels import NEST, psp
from salhw_nest.stimuli import nest_stimuli

STRENGTH = 1024.0, 2.0**22  # what forces a GLM neuron to spike, or keeps it from that: at least, and at most


def overlap(net: Network, p: Projection) -> float:
    """How many times the height of its PSP one synapse can give at once, if its neuron spikes as often as it can."""
    return psp(p.kernel).overlap(net.population(p.pre).neuron.refractory_period or net.dt)


def weights(net: Network, p: Projection) -> tuple[IntArray, FloatArray]:
    """(post, weight) of each described synapse."""
    post, _, position = synapses(p.weights, *net.ends(p.name))
    return post, values(p.weights, *net.ends(p.name)).ravel()[position]


def extent(net: Network, population: Population, overlapping: bool) -> FloatArray:
    """Least and greatest potential that the described synapses give, and none, (neuron, 3): with one PSP of each, or
    with as many as can overlap."""
    low, high = np.zeros(population.size), np.zeros(population.size)
    for p in net.projections:
        if p.post == population.name:
            post, w = weights(net, p)
            w = w * p.kernel.height
            w = w * (overlap(net, p) if overlapping else 1.0)
            np.add.at(low, post, np.minimum(w, 0.0))
            np.add.at(high, post, np.maximum(w, 0.0))
    return np.stack([low, np.zeros_like(low), high], axis=1)


def strength_of(net: Network, target: Target, population: Population) -> float:
    """What is added to the potential of a GLM neuron to force a spike, or taken from it to prevent one: four times the
    largest input with any weights that a session can write. A power of two, so that adding it and taking it away again
    rounds the potential once (to 1e-9 at most), not again and again."""
    total = 0.0
    for p in net.projections:
        if p.post == population.name:
            learned = [target.plasticity.get(rule.kind, {}).get("bounds") for rule in p.plasticity]
            ranges = [r for r in (target.projections.get("weights"), *learned) if isinstance(r, Range)]
            largest = max((abs(end) for r in ranges for end in (r.min, r.max)), default=0.0)
            post, w = weights(net, p)
            bounds = [abs(bound) for rule in p.plasticity for bound in rule.bounds or ()]
            most = max([largest, *bounds, *np.abs(w)])
            total += most * p.kernel.height * overlap(net, p) * int(np.bincount(post, minlength=1).max())
    least, most = STRENGTH
    return float(np.clip(2.0 ** ceil(log2(4.0 * max(total, 1.0))), least, most))


def jump(net: Network, population: Population, tick: float) -> float:
    """The current that lifts a LIF neuron above its threshold within a tick, from wherever it may be."""
    neuron = of_kind(population.neuron, LIF, NEST)
    decay = -np.expm1(-tick / neuron.tau_m)
    currents = sum(float(np.abs(s.current).max(initial=0.0)) for s in nest_stimuli(net)
                   if s.population == population.name)  # fmt: skip
    driven = float(np.abs(neuron.bias).max()) + currents + float(np.abs(extent(net, population, True)).max())
    potentials = np.concatenate([np.ravel(each) for each in (neuron.v_thresh, neuron.v_reset, neuron.v_rest)])
    raised = float(np.max(neuron.theta_plus / -np.expm1(-net.dt / np.asarray(neuron.tau_theta))))  # by a spike a step
    span = max(float(np.abs(potentials).max()) + raised, driven, 1.0)
    return float(2.0 ** np.ceil(np.log2(1e3 * span / decay)))
