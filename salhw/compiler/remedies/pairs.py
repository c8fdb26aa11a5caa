"""A remedy for pairs of neurons with several synapses, on a target that takes one of each pair."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from salhw.compiler.edits import edited
from salhw.compiler.remedies.remedy import Proposal
from salhw.description.connectivity import Sparse
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
    _, first, each = np.unique([table.post, table.pre], axis=1, return_index=True, return_inverse=True)
    each = each.ravel()  # of numpy 2.0 it has two dimensions
    if np.any(table.delay != table.delay[first][each]):
        return
    sums, own = np.bincount(each, table.weight), "autapses" in p.weights.beyond
    weights = Sparse(post=table.post[first], pre=table.pre[first], weight=sums, autapses=own)
    delay = p.delay if isinstance(p.delay, float) else table.delay[first]
    yield edited(net, {f"{path}.weights": weights, f"{path}.delay": delay})
