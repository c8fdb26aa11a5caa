"""Where neurons and synapses lie on the target, and whether they fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salhw.connectivity import synapses
from salhw.diagnostics import Diagnostic
from salhw.fields import IntArray
from salhw.network import Network
from salhw.target import Target


@dataclass(frozen=True)
class Placement:
    """Physical locations: neuron k of a population lies at ``first[population] + k``. ``used`` counts resources."""

    first: dict[str, int]
    used: dict[str, int]

    def neurons(self, net: Network, population: str) -> IntArray:
        """Locations of a population's neurons."""
        return self.first[population] + np.arange(net.population(population).size)

    def synapses(self, net: Network, projection: str) -> IntArray:
        """Locations of a projection's synapses, in the order of ``connectivity.synapses``: the crossing of the
        postsynaptic neuron's column and the presynaptic neuron's row."""
        chosen = net.projection(projection)
        n_post, n_pre = net.population(chosen.post).size, net.population(chosen.pre).size
        post, pre, _ = synapses(chosen.weights, n_post, n_pre, chosen.pre == chosen.post)
        return ((self.first[chosen.post] + post) << 32) + self.first[chosen.pre] + pre


def place(net: Network, target: Target) -> tuple[Placement, list[Diagnostic]]:
    """Neurons one after the other in the order of the populations; findings where a resource runs out."""
    first: dict[str, int] = {}
    total = 0
    for population in net.populations:
        first[population.name] = total
        total += population.size
    used = {"neurons": total, "synapses": sum(_count(net, p.name) for p in net.projections)}
    findings = [
        Diagnostic(
            "SAL201", f"network.{name}", str(used[name]), f"{available} available", f"fewer {name}, or several chips"
        )
        for name, available in target.resources.items()
        if used.get(name, 0) > available
    ]
    return Placement(first, used), findings


def _count(net: Network, name: str) -> int:
    projection = net.projection(name)
    n_post, n_pre = net.population(projection.post).size, net.population(projection.pre).size
    return len(synapses(projection.weights, n_post, n_pre, projection.pre == projection.post)[0])
