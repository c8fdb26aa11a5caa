"""Neuron models: what makes a neuron spike."""

from salhw.description.neurons.glm import GLM, Discretisation
from salhw.description.neurons.lif import LIF
from salhw.description.neurons.neuron import InputName, Inputs, Neuron
from salhw.description.neurons.source import Source

__all__ = ["GLM", "LIF", "Discretisation", "InputName", "Inputs", "Neuron", "Source"]
