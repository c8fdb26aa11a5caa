"""Traces: what running averages are of, and how far back they look"""

from __future__ import annotations

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.neurons import Source
from salhw.description.parts import Population, Projection
from salhw.description.probes import Traces
from salhw.description.traces import Average, Trace

RUN = 60  # steps
SENT, OWN = (5, 9, 30, 34, 70, 71, 90), (12, 33, 80)  # steps of the source's spikes, and of the neuron's
NEAR = {"near": 0.5}


def network(lab: Lab, averages: dict[str, Average]) -> Network:
    """A source and two silent neurons, some of which are forced to spike, with a trace of everything for each average;
    through a named input, if the target has any."""
    inputs = NEAR if "inputs" in lab.target.neurons.get("GLM", {}) else {}
    into = next(iter(inputs), None)
    of = ["membrane", "inputs", "spikes", *(f"inputs.{name}" for name in inputs)]
    traces = [
        Trace(name=f"{name}_{quantity.replace('.', '_')}", population="y", of=quantity, window=average)
        for name, average in averages.items()
        for quantity in of
    ]
    return Network(
        name="traces",
        dt=lab.dt,
        populations=[
            Population(name="x", size=1, neuron=Source()),
            Population(name="y", size=2, neuron=rigs.neuron(lab, ("GLM",), bias=rigs.LOW, inputs=inputs)),
        ],
        projections=[
            Projection(
                name="p", pre="x", post="y", weights=rigs.connected(lab, np.array([[1.0], [0.5]])),
                kernel=rigs.kernel(lab), into=into,
            )
        ],
        stimuli=[rigs.forced("x", [SENT], lab.dt), rigs.forced("y", [OWN, ()], lab.dt)],
        probes=[Traces(trace.name) for trace in traces],
        traces=traces,
    )  # fmt: skip


def quantities(net: Network, steps: int, bias: FloatArray) -> dict[str, FloatArray]:
    """What the traces are of at each step, (step, neuron), by the definitions of docs/semantics.md."""
    (p,) = net.projections
    psp, sent = p.kernel.sample(net.dt, steps), np.zeros(steps)
    for spike in SENT:
        sent[spike + 1 :] += psp[: max(0, steps - spike - 1)]
    through = sent[:, None] * np.asarray(p.weights.stored)[:, 0]
    gain = net.population("y").neuron.input_gains.get(p.into or "", 1.0)
    spikes = np.zeros((steps, 2))
    spikes[list(OWN), 0] = 1.0 / net.dt
    named = {} if p.into is None else {f"inputs.{p.into}": through}
    return {"membrane": bias + gain * through, "inputs": gain * through, "spikes": spikes, **named}


@check("trace-values", group="dynamics")
def trace_values(lab: Lab) -> Evidence:
    """Traces of membrane, inputs and spikes are the averages of what a neuron did, over each kind of window that the
    target declares, from the first step on and through two runs.

    Exact: no sample may be further from that than declared (membrane).
    """
    if not lab.target.averages:
        raise rigs.missing("averages", "any", ())
    margin = lab.accuracy("membrane")
    averages = {
        kind: rigs.fitted(Average.members[kind], capability, lab.dt, {"duration": 20 * lab.dt, "tau": 15 * lab.dt})
        for kind, capability in lab.target.averages.items()
        if kind in Average.members
    }
    net = network(lab, averages)
    with lab.open(net, instances=2) as session:
        bias = session.get("populations.y.bias")[0]
        parts = [session.run(RUN * lab.dt).samples for _ in range(2)]
    expected = quantities(net, 2 * RUN, bias)
    worst, where = 0.0, "any"
    for trace in net.traces:
        values = np.concatenate([part[trace.name].values for part in parts], axis=1)
        off = float(np.abs(values - trace.window.course(expected[trace.of], lab.dt)).max())
        if not off <= worst:
            worst, where = off, f"{trace.window.kind} of {trace.of}"
    return Evidence(worst <= margin, f"largest distance of a trace from the average that it is; {where}", worst, margin)
