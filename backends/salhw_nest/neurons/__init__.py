"""Neuron models as NEST's: one class for each says what its populations become."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, AdEx, Izhikevich, Neuron, Source
from salhw.description.parts import Population
from salhw.substrate.target import Target
from salhw_nest.kernels import NEST
from salhw_nest.neurons.adex import NestAdEx, NestAdExConductance
from salhw_nest.neurons.conductance import NestConductance, conductances
from salhw_nest.neurons.delta import NestDelta
from salhw_nest.neurons.escape import NestEscape
from salhw_nest.neurons.glm import NestGLM
from salhw_nest.neurons.izhikevich import NestIzhikevich
from salhw_nest.neurons.lif import NestLIF
from salhw_nest.neurons.neuron import NestNeuron, Potential
from salhw_nest.neurons.source import NestSource

__all__ = ["NEURONS", "NestNeuron", "Potential", "nest_neuron"]


def _lif(neuron: LIF, population: Population, net: Network, target: Target) -> NestLIF:
    """NEST has a model each for conductances, for currents under a threshold that is soft or adapts, for jumps and for
    other currents."""
    model = NestLIF
    if conductances(net, population):
        model = NestConductance
    elif np.any(np.asarray(neuron.delta_v) > 0.0) or np.any(np.asarray(neuron.theta_plus) > 0.0):
        model = NestEscape
    elif NestDelta.suits(net, target, population):
        model = NestDelta
    return model(neuron, population, net, target)


def _adex(neuron: AdEx, population: Population, net: Network, target: Target) -> NestAdEx:
    """NEST has a model for conductances, and one for currents."""
    model = NestAdExConductance if conductances(net, population) else NestAdEx
    return model(neuron, population, net, target)


Made = Callable[..., NestNeuron[Neuron]]
NEURONS: ByKind[Made] = ByKind(
    NEST, {GLM: NestGLM, LIF: _lif, AdEx: _adex, Izhikevich: NestIzhikevich, Source: NestSource}
)


def nest_neuron(net: Network, target: Target, population: str) -> NestNeuron[Neuron]:
    """What NEST makes of a population.

    Raises:
        UnsupportedNetworkError: SAL101 nothing.
    """
    cells = net.population(population)
    return NEURONS[cells.neuron](cells.neuron, cells, net, target)
