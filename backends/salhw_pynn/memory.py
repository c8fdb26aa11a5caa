"""What sessions take of the machine's memory, NEST's process included; bytes as measured by benchmarks/memory.py."""

from __future__ import annotations

from salhw.connectivity import count
from salhw.kernels import Rectangular
from salhw.memory import Memory
from salhw.network import Network
from salhw.neurons import GLM
from salhw.stimuli import Poisson, SpikeTimes

PROCESS = 157_000_000  # Python with PyNN and NEST
CELL, RELAY = 37_000, 12_000  # a neuron or generator; a parrot neuron, which delays spikes
CONNECTION = 640
CONNECTING = 2_200  # more for each of those that are made at once
ANALOG_SYNAPSE = 320  # more, for what emulates a chip's synapse
LEARNER, LEARNED = 240_000, 3_100  # a projection, and each of its synapses, as the plasticity processor sees them


def memory(net: Network, *, analog: bool) -> Memory:
    """Every instance has cells and connections of its own."""
    cells = CELL * sum(p.size for p in net.populations)
    cells += sum(CELL * net.population(s.population).size for s in net.stimuli if isinstance(s, Poisson | SpikeTimes))
    connections, largest = 0, 0
    for p in net.projections:
        n_post, n_pre, recurrent = net.ends(p.name)
        synapses = count(p.weights, n_post, n_pre, recurrent)
        largest = max(largest, synapses)
        if analog:
            connections += synapses * (CONNECTION + ANALOG_SYNAPSE)
            connections += (LEARNER + LEARNED * synapses) * len(p.plasticity)
            continue
        ends = 1 + isinstance(p.kernel, Rectangular)  # a rectangular PSP begins and ends
        rules = len(p.plasticity)
        connections += CONNECTION * synapses * ends * (1 + rules)
        relays = ends * rules + (ends - 1) * isinstance(net.population(p.post).neuron, GLM)
        cells += RELAY * n_pre * relays
    return Memory(once=PROCESS, each=3_000 + cells + connections + CONNECTING * largest)
