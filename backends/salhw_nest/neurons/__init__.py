"""Neuron models as NEST's: one class for each says what its populations become."""

from __future__ import annotations

from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Neuron, Source
from salhw.substrate.target import Target
from salhw_nest.kernels import NEST
from salhw_nest.neurons.glm import NestGLM
from salhw_nest.neurons.lif import NestLIF
from salhw_nest.neurons.neuron import NestNeuron, Potential
from salhw_nest.neurons.source import NestSource

__all__ = ["NEURONS", "NestNeuron", "Potential", "nest_neuron"]

NEURONS: ByKind[type[NestNeuron[Neuron]]] = ByKind(NEST, {GLM: NestGLM, LIF: NestLIF, Source: NestSource})


def nest_neuron(net: Network, target: Target, population: str) -> NestNeuron[Neuron]:
    """What NEST makes of a population.

    Raises:
        UnsupportedNetworkError: SAL101 nothing.
    """
    cells = net.population(population)
    return NEURONS[cells.neuron](cells.neuron, cells, net, target)
