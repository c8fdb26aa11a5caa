"""A remedy for pairs of neurons with several synapses, on a target that takes one of each pair."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from salhw.compiler.edits import edited
from salhw.compiler.remedies.remedy import Proposal
from salhw.description.connectivity import Sparse, first_of_pairs
from salhw.description.network import Network
from salhw.description.probes import SynapseVariable, Weights
from salhw.diagnostics import Diagnostic
from salhw.substrate.target import Target


def one_of_each(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """One synapse of each pair, with the sum of the weights: where they do not change and come equally late, neurons
    receive the same."""
    named = re.fullmatch(r"projections\.(\w+)\.weights\.multapses", finding.path)
    if named is None:
        return
    p = net.projection(named[1])
    numbered = any(isinstance(probe, Weights | SynapseVariable) and probe.synapses for probe in net.probes)
    if p.plasticity or numbered or any(p.name in (tie.projection, tie.to) for tie in net.ties):
        return
    table, path = net.synapses(p.name), f"projections.{p.name}"
    first = first_of_pairs(table.post, table.pre)
    if np.any(table.delay != np.repeat(table.delay[first], np.diff(first, append=len(table)))):
        return
    sums, own = np.add.reduceat(table.weight, first), "autapses" in p.weights.beyond
    weights = Sparse(post=table.post[first], pre=table.pre[first], weight=sums, autapses=own)
    delay = p.delay if isinstance(p.delay, float) else table.delay[first]
    yield edited(net, {f"{path}.weights": weights, f"{path}.delay": delay})
