"""What ``calibrate`` writes into chips to measure them: a network at the same places that is easy to measure."""

from __future__ import annotations

import numpy as np

from salhw.description.connectivity import shape_of, synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM
from salhw.description.parts import Population, Projection
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target
from salhw_calibration.kinds import stochastic
from salhw_calibration.measuring import path_of, refused, without_plasticity

LARGEST = 1.5  # probing weight
INPUT = 5.0  # largest root of the sum of squares of a neuron's probing weights


def first_neurons(size: int = 16) -> Network:
    """The first neurons of a chip, all to all: what is calibrated where nobody says which network will run."""
    neurons = Population(name="neurons", size=size, neuron=GLM(bias=0.0, tau_ref=10.0))
    everything = Projection(
        name="recurrent",
        pre="neurons",
        post="neurons",
        weights=np.zeros((size, size)),
        kernel=Rectangular(tau_syn=10.0),
    )
    return Network(name="first_neurons", dt=1.0, populations=[neurons], projections=[everything])


def signs_of(target: Target) -> tuple[float, ...]:
    """Of the weights that the target has."""
    limits = target.projections.get("weights")
    if not isinstance(limits, Range) or limits.min < 0.0 < limits.max:
        return (1.0, -1.0)
    return (1.0,) if limits.max > 0.0 else (-1.0,)


def by_path(net: Network, flat: FloatArray) -> dict[str, FloatArray]:
    """Weights (synapse,) of all projections, by path."""
    weights, first = {}, 0
    for p in net.projections:
        position = synapses(p.weights, *net.ends(p.name))[2]
        full = np.zeros(shape_of(p.weights, *net.ends(p.name)[:2]))
        full.reshape(-1)[position] = flat[first : first + len(position)]
        weights[path_of(p)], first = full, first + len(position)
    return weights


def probing_network(net: Network, both: bool) -> Network:
    """The same places with weights large enough to be measured, half of a neuron's of either sign if the target has
    ``both``, and biases of zero; no stimuli, unless sources need them to spike, and no weight is another's copy."""
    noisy = {p.name for p in stochastic(net)}
    if not noisy:
        raise refused(
            "SAL803", "populations", "no GLM neurons", "GLM neurons", "calibrate with a network that has some"
        )
    projections = []
    for k, p in enumerate(net.projections):
        post, pre, position = synapses(p.weights, *net.ends(p.name))
        weight = np.zeros(shape_of(p.weights, *net.ends(p.name)[:2]))
        size = min(LARGEST, INPUT / np.sqrt(np.bincount(post).max(initial=1)))
        weight.reshape(-1)[position] = size * _signs(post, pre, seed=k) if both else size
        fresh = weight if weight.ndim == 2 else p.weights.with_weights(weight)
        projections.append(p.replace(weights=fresh, plasticity=()))
    populations = [p.replace(neuron=p.neuron.replace(bias=0.0)) if p.name in noisy else p for p in net.populations]
    stimuli = tuple(s for s in net.stimuli if s.population not in noisy)
    return without_plasticity(net.replace(projections=projections, populations=populations, stimuli=stimuli, ties=()))


def _signs(post: IntArray, pre: IntArray, seed: int) -> FloatArray:
    """1 or -1 at random, (synapse,), equally many for a neuron from lower neurons, and from higher ones.

    A regular pattern such as a chess board makes neurons take sides: some drive each other up and the others down, the
    more of them the further, until they tell nothing. At random there is no such mode.
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(post)), pre < post, post))
    signs = np.empty(len(post))
    signs[order] = np.resize([1.0, -1.0], len(post))
    return signs
