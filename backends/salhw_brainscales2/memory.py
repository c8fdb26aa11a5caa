"""What sessions take of the machine's memory, NEST's process included; bytes as measured by benchmarks/memory.py."""

from __future__ import annotations

from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.machine import Memory
from salhw.substrate.target import Target
from salhw_brainscales2.codes import rows_per_weight
from salhw_nest.memory import CONNECTING, CONNECTION, generators, in_all

SYNAPSE = CONNECTION + 320  # what emulates a synapse of the chip
ROW = 40  # each row more of a weight
LEARNER, LEARNED = 240_000, 3_100  # a projection, and each of its synapses, as the plasticity processor sees them


def memory(net: Network, target: Target) -> Memory:
    """Of a session of the target ``brainscales2``."""
    connections, largest, rows = 0, 0, rows_per_weight(net, target)
    for p in net.projections:
        synapses = count(p.weights, *net.ends(p.name))
        largest = max(largest, synapses)
        connections += synapses * (SYNAPSE + ROW * (rows[p.name] - 1)) + (LEARNER + LEARNED * synapses) * len(
            p.plasticity
        )
    return in_all(generators(net), connections, CONNECTING * largest)
