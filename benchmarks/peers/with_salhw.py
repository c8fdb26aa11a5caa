"""salhw: the reference, as a user runs it through a session; with learning by three rules; and on NEST, below 3,000
neurons, where what the session costs beside NEST shows against NEST by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import DELAY, LEAD, RATE, TAU, Case, synapses
from clock import processor_time
from protocol import Measured, Run, root_mean_square

PYTHON = ""
RULES: dict[str, dict[str, Any]] = {
    "salhw": {"pairing": "all", "update": "every 100 ms"},
    "salhw, on the spike": {"pairing": "all", "update": "spike"},
    "salhw, nearest pairs": {"pairing": "nearest_restricted", "update": "spike"},
}
WEIGHTS = "projections.p.weights"
ON_NEST = "salhw on NEST"


def columns(case: Case) -> list[str]:
    """See protocol."""
    on_nest = [ON_NEST] if case.neurons == 1000 else []
    return [*(RULES if case.learning else ["salhw"]), *on_nest]


def prepare(case: Case, column: str) -> Run:
    """See protocol."""
    import salhw

    net = network(case, RULES.get(column, RULES["salhw, on the spike"]))
    target = "nest" if column == ON_NEST else "reference"
    session = salhw.compile(net, target).open(instances=case.instances, seed=1)
    session.run(LEAD)
    pid = session.engine.process.lease.worker.pid if column == ON_NEST else None

    def run() -> Measured:
        before = session.get(WEIGHTS, form="synapses")
        began = processor_time(pid)
        recording = session.run(case.steps * case.dt)
        seconds = processor_time(pid) - began
        learned = None
        if case.learning and column != "salhw, nearest pairs":
            learned = root_mean_square(session.get(WEIGHTS, form="synapses") - before)
        return Measured(seconds, np.asarray(recording.counts["n"]).ravel(), learned)

    return run


def network(case: Case, rule: dict[str, Any]) -> Any:
    """The description of one instance."""
    from salhw import GLM, SAL, Network, Population, Projection, Rectangular, Sparse

    s = synapses(case)
    neuron = GLM(bias=case.bias, tau_ref=TAU, discretisation="exact")
    projection = Projection(
        name="p", pre="n", post="n", weights=Sparse(post=s.post, pre=s.pre, weight=s.weight),
        kernel=Rectangular(tau_syn=TAU), delay=DELAY * case.dt,
        plasticity=SAL(learning_rate=RATE, tau=TAU, **rule) if case.learning else None,
    )  # fmt: skip
    return Network(
        name="peers", dt=case.dt, populations=[Population(name="n", size=case.size, neuron=neuron)],
        projections=[projection],
    )  # fmt: skip
