"""logistic or exact"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import copies, discretisations, glm, shortest_refractory
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.verdict import by_count
from salhw.description.network import Network
from salhw.description.parts import Population
from salhw.theory import rate_of_constant_input


@check("discretisation", group="dynamics")
def discretisation(lab: Lab) -> Evidence:
    """A step of dt turns the hazard h into the probability h dt / (1 + h dt) (logistic) or 1 - exp(-h dt) (exact), as
    the description asks. They are told apart where a step is long, at h dt = 1 (.5 against .632), by which of the two
    rates is nearer.

    A target is taken for the other one with less than 1e-10: the rates lie 20 standard errors apart.
    """
    tau_ref, size = shortest_refractory(lab), copies(lab, 1, most=256)
    bias = float(np.log(tau_ref))
    rate = {kind: float(rate_of_constant_input(bias, tau_ref, kind)) for kind in ("logistic", "exact")}
    far = abs(rate["logistic"] - rate["exact"])
    steps = int(np.ceil(20.0**2 * max(rate.values()) / far**2 / size)) * lab.scale + 10
    wrong, said = 0, []
    for kind in discretisations(lab):
        net = Network(
            name="coarse",
            dt=lab.dt,
            populations=[Population(name="n", size=size, neuron=glm(lab, bias, tau_ref, kind))],
        )
        with lab.open(net) as session:
            session.run(10 * tau_ref * lab.dt)
            measured = float(session.run(steps * lab.dt).counts["n"].mean()) / steps
        nearest = min(rate, key=lambda name: abs(rate[name] - measured))
        wrong += nearest != kind
        said.append(f"{kind} fires {measured:.4f} per step ({nearest}: {rate[nearest]:.4f})")
    return by_count(wrong, len(said), "; ".join(said), "one discretisation is taken for the other")
