"""tau_ref"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import copies, declared_range, glm, trains
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.description.network import Network
from salhw.description.parts import Population
from salhw.description.probes import Spikes

WANTED = (10, 4, 20)  # steps


@check("smallest-interval", group="dynamics")
def smallest_interval(lab: Lab) -> Evidence:
    """Two spikes of a GLM neuron are never closer than tau_ref, and some are exactly that far apart. Strongly driven
    neurons, refractory periods of 10, 4 and 20 steps where the target declares them.

    Exact. At the drive used more than one interval in three is the smallest one; 400 or more are observed, so a right
    target fails with less than 1e-70.
    """
    capability = lab.target.neurons.get("GLM", {})
    low, high = declared_range(capability, "tau_ref", 0.0, np.inf)
    chosen = [k for k in WANTED if low <= k * lab.dt <= high] or [WANTED[0]]
    bias, size = declared_range(capability, "bias", -np.inf, 5.0)[1], copies(lab, len(chosen), most=96)
    net = Network(
        name="driven",
        dt=lab.dt,
        populations=[Population(name=f"tau_{k}", size=size, neuron=glm(lab, bias, k)) for k in chosen],
        probes=[Spikes(f"tau_{k}") for k in chosen],
    )
    with lab.open(net) as session:
        recording = session.run(max(20, 400 // size) * 2 * max(chosen) * lab.scale * lab.dt)
    intervals = {k: [int(i) for t in trains(lab, recording, f"tau_{k}") for i in np.diff(t)] for k in chosen}
    smallest = {k: min(gaps, default=0) for k, gaps in intervals.items()}
    worst = max(chosen, key=lambda k: abs(smallest[k] - k))
    off = smallest[worst] - worst
    said = ", ".join(f"{smallest[k]} (tau_ref = {k})" for k in chosen)
    bins = list(range(max(chosen) + 11))
    expected = [float(b in chosen) for b in bins]
    measured = [sum(float(np.mean(np.array(intervals[k]) == b)) if intervals[k] else 0.0 for k in chosen) for b in bins]
    return Evidence(
        off == 0,
        f"smallest inter-spike intervals in steps: {said}" + ("" if off == 0 else "; the refractory period is wrong"),
        float(off),
        0.0,
        "steps",
        figure=Figure("interval (steps)", "share", bins, {"tau_ref": expected, "measured": measured}),
    )
