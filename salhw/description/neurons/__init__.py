"""Neuron models: what makes a neuron spike."""

from salhw.description.neurons.adex import AdEx
from salhw.description.neurons.glm import GLM, Discretisation
from salhw.description.neurons.izhikevich import Izhikevich
from salhw.description.neurons.lif import LIF
from salhw.description.neurons.neuron import InputName, Inputs, Neuron
from salhw.description.neurons.source import Source

__all__ = ["GLM", "LIF", "AdEx", "Discretisation", "InputName", "Inputs", "Izhikevich", "Neuron", "Source"]
