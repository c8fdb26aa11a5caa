"""What sessions take of the machine's memory, NEST's process included; bytes as measured by benchmarks/memory.py."""

from __future__ import annotations

from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.machine import Memory
from salhw.substrate.target import Target
from salhw_nest.kernels import psp
from salhw_nest.neurons import nest_neuron
from salhw_nest.neurons.noise import NOISE
from salhw_nest.probes import sampled
from salhw_nest.stimuli import nest_stimuli

PROCESS = 157_000_000  # Python with PyNN and NEST
CELL, RELAY = 37_000, 12_000  # a neuron or generator; a parrot neuron, which delays spikes
CONNECTION = 640
CONNECTING = 2_200  # more for each of those that are made at once
STATIC, WRITING = 300, 500  # a static connection without rules; more for each of those that are written at once


def generators(net: Network) -> int:
    """Cells that neurons and what drives them take, in bytes.

    Raises:
        UnsupportedNetworkError: SAL101 NEST has nothing for a stimulus.
    """
    driven = (net.population(s.population).size for s in nest_stimuli(net) if s.generator)
    return CELL * (sum(p.size for p in net.populations) + sum(driven))


def in_all(cells: int, connections: int, passing: int) -> Memory:
    """Of bytes of cells and connections, and of those more that are taken while connections are made or written. Every
    instance has cells and connections of its own."""
    return Memory(once=PROCESS, each=3_000 + cells + connections + passing)


def memory(net: Network, target: Target) -> Memory:
    """Of a session of the target ``nest``."""
    cells, connections, passing = generators(net), 0, 0
    for population in net.populations:
        if nest_neuron(net, target, population.name).logistic:  # a relay for each source of noise
            metered, size = population.name in sampled(net), population.size
            cells += size * (RELAY * len(NOISE) + CELL * metered)
            connections += CONNECTION * size * len(NOISE) * (3 + 2 * metered)
    cells += CELL * sum(p.size for p in net.populations if nest_neuron(net, target, p.name).shadow(1))
    for p in net.projections:
        synapses, neuron = count(p.weights, *net.ends(p.name)), nest_neuron(net, target, p.post)
        rules, seen = len(p.plasticity), neuron.shadow(1) is not None
        held, more = (CONNECTION, CONNECTING) if rules else (STATIC, WRITING)
        passing = max(passing, more * synapses)
        # a rectangular PSP begins and ends, or is an event for each step
        ends = max(1, psp(p.kernel).steps(net.dt)) if neuron.repeats else 2 if neuron.length(p.kernel) else 1
        connections += held * synapses * ends * (1 + rules + seen)
        relays = ends * rules + (ends - 1) * (neuron.takes_psps and neuron.relays_ends and not neuron.repeats)
        cells += RELAY * net.ends(p.name)[1] * relays
    return in_all(cells, connections, passing)
