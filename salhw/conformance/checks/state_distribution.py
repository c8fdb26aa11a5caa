"""Three neurons"""

from __future__ import annotations

from math import ceil, isqrt

import numpy as np

from salhw.conformance.chain import stationary
from salhw.conformance.circuits import (
    alternatives,
    copies,
    declared_range,
    discretisations,
    glm,
    instances,
    on_chips,
    side_by_side,
    trains,
)
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.statistics import REPLICATES, groups, pairs_needed, total_variation
from salhw.conformance.verdict import by_test
from salhw.description.connectivity import Connector, Dense
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Rectangular
from salhw.description.network import Network
from salhw.description.parts import Population, Projection
from salhw.description.probes import Spikes

TAU = 10  # steps: refractory period and PSP
WEIGHTS = np.array([[0.0, 1.2, -0.8], [0.9, 0.0, 0.5], [-1.0, 0.3, 0.0]])
BIAS = np.array([-0.4, 0.3, 0.0])


@check("state-distribution", group="dynamics")
def state_distribution(lab: Lab) -> Evidence:
    """Three GLM neurons with excitatory and inhibitory, asymmetric weights spend the shares of time in their eight
    states (active for tau_ref after a spike) that the exact discrete chain gives them. Where chips differ, the mean
    over chips is held to it.

    Passes a target beyond the declared total variation distance (state_total_variation) with at most 1e-4; fails a
    right one with less than 1e-6.
    """
    margin, discretisation = lab.accuracy("state_total_variation"), discretisations(lab)[0]
    most, chips = on_chips(lab, 256)
    net = alternatives(lab, {name: trios(lab, *form) for name, form in forms(lab, most).items()})
    name, chosen = next(iter(net.items()))
    size = chosen.populations[0].size // 3
    batch = max(chips, instances(size))
    need = pairs_needed(margin, 8) * 1.5 * TAU  # a state is forgotten in less than a refractory period
    steps = max(20 * TAU, ceil(need / (size * batch))) * lab.scale
    with lab.open_many(lab.compile(chosen), batch) as session:
        session.run(20 * TAU * lab.dt)
        recording = session.run(steps * lab.dt)
    each = trains(lab, recording, "trio")
    counts = np.array([occupancy(each[3 * k : 3 * k + 3], steps) for k in range(len(each) // 3)])
    expected, _ = stationary(declared_weights(lab), BIAS, TAU, discretisation)
    sample = groups(counts, REPLICATES)
    result = total_variation(sample, expected, margin)
    share = sample / sample.sum() * len(sample)
    figure = Figure(
        "state (z0 + 2 z1 + 4 z2)",
        "share of time",
        [*range(8)],
        {"exact": [*expected], "measured": [*share.mean(axis=0)]},
        {"measured": [*(share.std(axis=0, ddof=1) / np.sqrt(len(share)))]},
    )
    hint = "weights, PSPs or refractory periods are wrong"
    return by_test(result, f"states of three neurons ({name} weights)", hint, unit="total variation", figure=figure)


def declared_weights(lab: Lab) -> FloatArray:
    """WEIGHTS, or what of them the target declares."""
    low, high = declared_range(lab.target.projections, "weights", -1.0, 1.2)
    return np.asarray(np.clip(WEIGHTS, low, high), dtype=np.float64)


def forms(lab: Lab, most: int) -> dict[str, tuple[int, Connector]]:
    """How many trios in one population, and their synapses: many, or few where every pair of neurons takes one."""
    n = copies(lab, 3, synapses=6, most=3 * most)
    weights = declared_weights(lab)
    few = max(1, min(copies(lab, 3, most=3 * min(most, 32)), isqrt(lab.target.resources.get("synapses", 10**9)) // 3))
    return {"sparse": (n, side_by_side(weights, n)), "dense": (few, Dense(values=np.kron(np.eye(few), weights)))}


def trios(lab: Lab, size: int, weights: Connector) -> Network:
    """``size`` copies of the three neurons."""
    return Network(
        name="trios",
        dt=lab.dt,
        populations=[Population(name="trio", size=3 * size, neuron=glm(lab, np.tile(BIAS, size), TAU))],
        projections=[
            Projection(name="w", pre="trio", post="trio", weights=weights, kernel=Rectangular(tau_syn=TAU * lab.dt))
        ],
        probes=[Spikes("trio")],
    )


def occupancy(each: list[IntArray], steps: int) -> FloatArray:
    """For how many steps three neurons took each state; the beginning, where an earlier spike may still last, is left
    out."""
    code = np.zeros(steps + TAU, dtype=int)
    for k, train in enumerate(each):
        edge = np.zeros(steps + TAU + 1, dtype=int)
        np.add.at(edge, train, 1)
        np.add.at(edge, train + TAU, -1)
        code += (np.cumsum(edge)[:-1] > 0) * 2**k
    return np.bincount(code[TAU:steps], minlength=8).astype(float)
