"""Where the neurons and synapses of a network lie on a target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salhw.description.connectivity import synapses
from salhw.description.fields import IntArray
from salhw.description.network import Network


@dataclass(frozen=True)
class Placement:
    """Physical locations: neuron k of a population lies at ``first[population] + k``. ``used`` counts resources."""

    first: dict[str, int]
    used: dict[str, int]

    def neurons(self, net: Network, population: str) -> IntArray:
        """Locations of a population's neurons."""
        return self.first[population] + np.arange(net.population(population).size)

    def synapses(self, net: Network, projection: str) -> IntArray:
        """Locations of a projection's synapses, in the order of ``connectivity.synapses``: the crossing of the
        postsynaptic neuron's column and the presynaptic neuron's row."""
        chosen = net.projection(projection)
        post, pre, _ = synapses(chosen.weights, *net.ends(projection))
        return ((self.first[chosen.post] + post) << 32) + self.first[chosen.pre] + pre
