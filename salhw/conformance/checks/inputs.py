"""Named inputs: what their gains do"""

from __future__ import annotations

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.neurons import Source
from salhw.description.parts import Population, Projection
from salhw.description.probes import Membrane

GAINS = {"near": 0.5, "far": -2.0}
WRITTEN = {"near": (1.5, 0.25), "far": (0.75, 1.25)}  # for two instances
APART, RUN = 30, 90  # steps between the spikes of two sources, and of a run


def network(lab: Lab) -> Network:
    """A silent neuron with two named inputs and one without a name; a source for each, which spike in turn.

    Raises:
        Undeclared: the target's GLM neurons have no named inputs.
    """
    declared = lab.target.neurons.get("GLM", {})
    if "inputs" not in declared:
        raise rigs.missing("neurons.GLM.inputs", "named inputs", [*declared])
    into = (*GAINS, None)
    projections = [
        Projection(
            name=f"from_{k}", pre=f"x{k}", post="y", weights=rigs.connected(lab, np.full((1, 1), 1.0)),
            kernel=rigs.kernel(lab), into=name,
        )
        for k, name in enumerate(into)
    ]  # fmt: skip
    return Network(
        name="inputs",
        dt=lab.dt,
        populations=[
            *(Population(name=p.pre, size=1, neuron=Source()) for p in projections),
            Population(name="y", size=1, neuron=rigs.neuron(lab, ("GLM",), bias=rigs.LOW, inputs=GAINS)),
        ],
        projections=projections,
        stimuli=[
            rigs.forced(p.pre, [np.arange(10 + k * APART, 2 * RUN, len(into) * APART)], lab.dt)
            for k, p in enumerate(projections)
        ],
        probes=[Membrane("y")],
    )


def _without_gains(net: Network) -> FloatArray:
    """What the spikes of each source add up to at each step of two runs, (projection, step)."""
    total = np.zeros((len(net.projections), 2 * RUN))
    for k, p in enumerate(net.projections):
        psp = p.kernel.sample(net.dt, 2 * RUN) * float(np.max(p.weights.stored))
        for spike in range(10 + k * APART, 2 * RUN, len(net.projections) * APART):
            total[k, spike + 1 :] += psp[: 2 * RUN - spike - 1]
    return total


@check("input-gains", group="dynamics")
def input_gains(lab: Lab) -> Evidence:
    """A spike through a named input moves the membrane by its weight times the input's gain, as described or as written
    by the session, in each instance by its own; through no named input by its weight.

    Exact: no sample may be further from that than declared (membrane).
    """
    net, margin = network(lab), lab.accuracy("membrane")
    cell = net.population("y").neuron
    gains = np.array([[cell.input_gains.get(p.into or "", 1.0)] * 2 for p in net.projections])
    parts, worst = _without_gains(net), []
    with lab.open(net, instances=2) as session:
        for run in range(2):
            for k, name in enumerate(WRITTEN if run else ()):
                gains[k] = rigs.within(lab.target.neurons["GLM"]["inputs"], np.array(WRITTEN[name]))
                session.set(f"populations.y.inputs.{name}", gains[k])
            membrane = session.run(RUN * lab.dt).membrane_traces["y"].values[:, :, 0]
            inputs = np.einsum("pi,pt->it", gains, parts[:, run * RUN : (run + 1) * RUN])
            worst.append(float(np.abs(membrane - session.get("populations.y.bias") - inputs).max()))
    where = "as described" if worst[0] >= worst[1] else "as written"
    reason = f"largest distance of a membrane from weight times gain times PSP, with gains {where}"
    return Evidence(max(worst) <= margin, reason, max(worst), margin)
