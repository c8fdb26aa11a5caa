"""Neuron models: what makes a neuron spike."""

from salhw.description.neurons.glm import GLM, Discretisation
from salhw.description.neurons.lif import LIF
from salhw.description.neurons.neuron import Neuron
from salhw.description.neurons.source import Source

__all__ = ["GLM", "LIF", "Discretisation", "Neuron", "Source"]
