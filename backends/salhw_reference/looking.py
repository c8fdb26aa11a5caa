"""Which neurons probes look at that sample at the algorithms' steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from salhw.description.fields import IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.probes import Membrane, Probe, SynapseVariable, Traces, Variable, sampling
from salhw.session.recorder import presynaptic

Sampled = Membrane | SynapseVariable | Traces | Variable


def sampled(net: Network) -> Iterator[tuple[Sampled, str]]:
    """The probes that sample at the algorithm's steps, each with the population that it looks at: synapses that differ
    by their presynaptic neurons alone are looked at there."""
    for probe in sampling(net.probes):
        yield probe, probe.population
    for traces in only(net.probes, Traces):
        yield traces, net.trace(traces.trace).population
    for variable in only(net.probes, SynapseVariable):
        yield variable, net.projection(variable.projection).pre


def looked_at(net: Network, probe: Probe, population: str) -> IntArray:
    """The neurons of a population that a probe looks at."""
    if isinstance(probe, SynapseVariable):
        return np.unique(presynaptic(net, probe))
    chosen = getattr(probe, "neurons", None)
    return np.arange(net.population(population).size) if chosen is None else chosen
