"""unconnected neurons"""

from __future__ import annotations

from math import ceil

import numpy as np

from salhw.conformance.circuits import glm, trains
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.statistics import REPLICATES, equivalent, observations
from salhw.conformance.verdict import by_test
from salhw.description.network import Network
from salhw.description.parts import Population
from salhw.description.probes import Spikes

SIZE, LAGS = 12, range(-3, 4)  # neurons; steps


@check("unconnected-neurons-independent", group="dynamics")
def unconnected_neurons_independent(lab: Lab) -> Evidence:
    """Neurons without synapses between them spike independently: the correlation coefficient of their spikes per step
    is 0 for every pair among 12 neurons and every lag from -3 to 3 steps.

    Passes a target beyond the declared coefficient (correlation) with at most 1e-4; fails a right one with less than
    1e-6.
    """
    margin = lab.accuracy("correlation")
    steps = ceil(observations(margin, 1.1) * lab.scale / REPLICATES) * REPLICATES
    net = Network(
        name="unconnected",
        dt=lab.dt,
        populations=[Population(name="n", size=SIZE, neuron=glm(lab, 1.0))],
        probes=[Spikes("n")],
    )
    with lab.open(net) as session:
        recording = session.run(steps * lab.dt)
    z = np.zeros((SIZE, steps))
    for row, train in zip(z, trains(lab, recording, "n"), strict=True):
        row[train] = 1.0
    z -= z.mean(axis=1, keepdims=True)
    z /= np.maximum(z.std(axis=1, keepdims=True), 1e-9)
    first, second = np.triu_indices(SIZE, 1)
    sample = np.empty((REPLICATES, len(LAGS), len(first)))
    for at, lag in enumerate(LAGS):
        a, b = (x.reshape(SIZE, REPLICATES, -1) for x in (z, np.roll(z, -lag, axis=1)))
        sample[:, at] = (np.einsum("irt,jrt->rij", a, b, optimize=True) / a.shape[2])[:, first, second]
    result = equivalent(sample, np.zeros(sample[0].size), margin)
    lag, pair = divmod(result.worst, len(first))
    by_lag = np.abs(sample.mean(axis=0)).max(axis=1)
    figure = Figure(
        "lag (steps)", "largest |correlation|", [*LAGS], {"theory": [0.0] * len(LAGS), "measured": [*by_lag]}
    )
    what = f"correlation of neurons {first[pair]} and {second[pair]} at lag {LAGS[lag]}"
    return by_test(result, what, "neurons share random numbers, or are connected", figure=figure)
