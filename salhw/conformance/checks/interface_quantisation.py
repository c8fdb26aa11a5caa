"""Weights are those of the description, or the report says by how much they are not."""

from __future__ import annotations

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.description.network import Network
from salhw.description.parts import Population, Projection


def _scattered(lab: Lab) -> Network:
    """Eight by eight weights that lie on no grid."""
    limits = rigs.described_range(lab)
    scale = min(limits.max, 4.0), max(limits.min, -4.0)
    matrix = np.random.default_rng(lab.seed + 11).uniform(scale[1], scale[0], (8, 8))
    neuron = rigs.neuron(lab, bias=rigs.LOW)
    return Network(
        name="scattered",
        dt=lab.dt,
        populations=[Population(name="a", size=8, neuron=neuron), Population(name="b", size=8, neuron=neuron)],
        projections=[
            Projection(name="p", pre="a", post="b", weights=rigs.connected(lab, matrix), kernel=rigs.kernel(lab))
        ],
    )


@check("weights-as-described", group="interface")
def weights_as_described(lab: Lab) -> Evidence:
    """The weights that a fresh session holds are those described; where they are not, the report names an approximation
    of the weights, and they are nowhere further off than half a step of the declared weight bits."""
    net = _scattered(lab)
    executable = lab.compile(net)
    described = net.projection("p").weights
    exact = np.asarray(getattr(described, "values", getattr(described, "weight", None)))
    with executable.open(seed=lab.seed) as session:
        held = session.get("projections.p.weights")[0]
    off = float(np.abs(held - exact).max())
    named = [f for f in executable.report.approximations if f.path.startswith("projections.p.weights")]
    limit = rigs.resolution(lab)
    if off > 1e-9 and not named:
        return Evidence(False, "weights differ from the description, and the report does not say so", off, 0.0)
    reason = f"largest difference from the description; the report says: {named[0].supported if named else 'nothing'}"
    return Evidence(off <= limit, reason, off, limit)
