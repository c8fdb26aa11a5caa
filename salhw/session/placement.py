"""Where the neurons and synapses of a network lie on a target."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from salhw.description.connectivity import synapses
from salhw.description.fields import IntArray
from salhw.description.network import Network


@dataclass(frozen=True)
class Placement:
    """Physical locations: neuron k of a population lies at ``first[population] + k``. ``used`` counts resources,
    ``synapses_per_weight`` those of the hardware that make a weight of a projection (one, where nothing is said)."""

    first: dict[str, int]
    used: dict[str, int]
    synapses_per_weight: dict[str, int] = field(default_factory=dict)

    def neurons(self, net: Network, population: str) -> IntArray:
        """Locations of a population's neurons."""
        return self.first[population] + np.arange(net.population(population).size)

    def synapses(self, net: Network, projection: str) -> IntArray:
        """Locations of a projection's synapses, in the order of ``connectivity.synapses``: the crossing of the
        postsynaptic neuron's column and the presynaptic neuron's row."""
        chosen = net.projection(projection)
        post, pre, _ = synapses(chosen.weights, *net.ends(projection))
        return ((self.first[chosen.post] + post) << 32) + self.first[chosen.pre] + pre

    def weights(self, net: Network, projection: str) -> IntArray:
        """What a calibration of a projection's weights is kept by: the locations of their synapses, and, where several
        make a weight, how many."""
        return self.synapses(net, projection) + ((self.synapses_per_weight.get(projection, 1) - 1) << 24)
