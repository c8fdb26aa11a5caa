"""What sessions take of the machine's memory, NEST's process included; bytes as measured by benchmarks/memory.py."""

from __future__ import annotations

from salhw.description.connectivity import count
from salhw.description.kernels import Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM
from salhw.description.probes import Membrane
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw.machine import Memory
from salhw_nest.neurons import NOISE

PROCESS = 157_000_000  # Python with PyNN and NEST
CELL, RELAY = 37_000, 12_000  # a neuron or generator; a parrot neuron, which delays spikes
CONNECTION = 640
CONNECTING = 2_200  # more for each of those that are made at once


def generators(net: Network) -> int:
    """Cells that neurons and what drives them take, in bytes."""
    driven = (net.population(s.population).size for s in net.stimuli if isinstance(s, Poisson | SpikeTimes))
    return CELL * (sum(p.size for p in net.populations) + sum(driven))


def in_all(cells: int, connections: int, largest: int) -> Memory:
    """Of cells and connections in bytes, and of the ``largest`` number of connections that are made at once. Every
    instance has cells and connections of its own."""
    return Memory(once=PROCESS, each=3_000 + cells + connections + CONNECTING * largest)


def memory(net: Network) -> Memory:
    """Of a session of the target ``nest``."""
    cells, connections, largest = generators(net), 0, 0
    for population in net.populations:
        neuron, size = population.neuron, population.size
        if isinstance(neuron, GLM) and neuron.discretisation == "logistic":  # a relay for each source of noise
            sampled = any(isinstance(probe, Membrane) and probe.population == population.name for probe in net.probes)
            cells += size * (RELAY * len(NOISE) + CELL * sampled)
            connections += CONNECTION * size * len(NOISE) * (3 + 2 * sampled)
    for p in net.projections:
        n_post, n_pre, recurrent = net.ends(p.name)
        synapses = count(p.weights, n_post, n_pre, recurrent)
        largest = max(largest, synapses)
        ends = 1 + isinstance(p.kernel, Rectangular)  # a rectangular PSP begins and ends
        rules = len(p.plasticity)
        connections += CONNECTION * synapses * ends * (1 + rules)
        relays = ends * rules + (ends - 1) * isinstance(net.population(p.post).neuron, GLM)
        cells += RELAY * n_pre * relays
    return in_all(cells, connections, largest)
