"""What sessions take of the machine's memory, NEST's process included; bytes as measured by benchmarks/memory.py."""

from __future__ import annotations

from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.machine import Memory
from salhw_nest.memory import CONNECTION, generators, in_all

SYNAPSE = CONNECTION + 320  # what emulates a synapse of the chip
LEARNER, LEARNED = 240_000, 3_100  # a projection, and each of its synapses, as the plasticity processor sees them


def memory(net: Network) -> Memory:
    """Of a session of the target ``brainscales2``."""
    connections, largest = 0, 0
    for p in net.projections:
        synapses = count(p.weights, *net.ends(p.name))
        largest = max(largest, synapses)
        connections += synapses * SYNAPSE + (LEARNER + LEARNED * synapses) * len(p.plasticity)
    return in_all(generators(net), connections, largest)
