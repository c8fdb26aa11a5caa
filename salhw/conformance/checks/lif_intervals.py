"""LIF neurons"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import trains
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.statistics import Equivalence
from salhw.conformance.verdict import by_test
from salhw.description.network import Network
from salhw.description.neurons import LIF
from salhw.description.parts import Population
from salhw.description.probes import Spikes

DRIVE = (1.1, 1.5, 2.2, 4.0)  # thresholds
TAU_M, TAU_REF = 20, 5  # steps


@check("lif-intervals", group="dynamics")
def lif_intervals(lab: Lab) -> Evidence:
    """A LIF neuron of constant drive b (threshold 1, rest and reset 0) fires every tau_ref - 1 + n steps, n being the
    first number of steps with b (1 - exp(-n dt / tau_m)) >= 1: the membrane is integrated exactly and held at reset for
    tau_ref.

    Nothing is random, as the target's variability is off; the mean interval must be within the declared relative error
    (rate_alone, or rate).
    """
    lab = lab.without("mismatch", "trial")
    margin, drive = lab.finer_accuracy("rate_alone", "rate"), np.array(DRIVE)
    net = Network(
        name="lif",
        dt=lab.dt,
        populations=[
            Population(name=f"n{k}", size=1, neuron=LIF(bias=b, tau_m=TAU_M * lab.dt, tau_ref=TAU_REF * lab.dt))
            for k, b in enumerate(DRIVE)
        ],
        probes=[Spikes(f"n{k}") for k in range(len(DRIVE))],
    )
    with lab.open(net) as session:
        recording = session.run(600 * lab.dt)
    expected = TAU_REF - 1 + np.ceil(-TAU_M * np.log1p(-1.0 / drive) - 1e-9)
    gaps = [np.diff(trains(lab, recording, f"n{k}")[0]) for k in range(len(DRIVE))]
    measured = np.array([g.mean() if len(g) else 0.0 for g in gaps])
    off = np.abs(measured / expected - 1.0)
    worst = int(off.argmax())
    result = Equivalence(float(off[worst]), 0.0, margin, 0.0 if off[worst] <= margin else 1.0, worst)
    figure = Figure("drive", "interval (steps)", DRIVE, {"theory": [*expected], "measured": [*measured]})
    return by_test(
        result, f"interval at drive {DRIVE[worst]:g}", "a wrong tau_m, threshold, reset or tau_ref", unit="relative",
        figure=figure,
    )  # fmt: skip
