"""Named inputs, traces, predictive rules, teachers and ties, added to random networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from salhw import (
    GLM,
    Boxcar,
    DescriptionError,
    ExponentialTrace,
    Network,
    Population,
    PredictiveRule,
    Projection,
    Source,
    Teacher,
    Tie,
    Trace,
    Traces,
)

GAINS = {"basal": 1.0, "apical": -0.25}


def with_dendrites(net: Network, rng: np.random.Generator) -> Network:
    """The network with as much of it as comes up by chance."""

    def chance(p: float) -> bool:
        return bool(rng.random() < p)

    def steps(low: int, high: int) -> float:
        return float(f"{int(rng.integers(low, high)) * net.dt:.12g}")

    def trace(k: int, p: Population) -> Trace:
        of = ["spikes"] if isinstance(p.neuron, Source) else ["membrane", "inputs", "inputs.basal", "spikes"]
        window = Boxcar(steps(1, 30)) if chance(0.5) else ExponentialTrace(float(rng.uniform(0.5, 20.0)))
        return Trace(name=f"t{k}", population=p.name, of=str(rng.choice(of)), window=window)

    def learning(q: Projection) -> Projection:
        q = q.replace(into=rng.choice([*GAINS, None]) if q.post in able else None)
        known = [t.name for t in traces if t.population == q.post]
        if not known or not isinstance(cells[q.post].neuron, GLM) or chance(0.3):
            return q
        rule = PredictiveRule(
            teacher=str(rng.choice(known)), prediction=str(rng.choice(known)), learning_rate=rng.uniform(-0.2, 0.2),
            link=str(rng.choice(["logistic", "exponential"])), bounds=(-9.0, 9.0) if chance(0.5) else None,
            update=str(rng.choice(["spike", "run end", f"every {steps(1, 6)!r} ms"])),
        )  # fmt: skip
        return q.replace(plasticity=[*q.plasticity, rule])

    populations = [
        p if isinstance(p.neuron, Source) else p.replace(neuron=p.neuron.replace(inputs=GAINS)) for p in net.populations
    ]
    cells = {p.name: p for p in populations}
    able = {p.name for p in populations if not isinstance(p.neuron, Source)}
    traces = [trace(k, p) for k, p in enumerate([*populations, *populations]) if chance(0.7)]
    teachers = [
        Teacher(t.population, t.name, target=rng.normal(size=cells[t.population].size), gain=0.5)
        for t in traces
        if t.quantity != "spikes" and chance(0.5)
    ]
    parts: dict[str, Any] = {
        "populations": populations,
        "traces": traces,
        "stimuli": [*net.stimuli, *teachers],
        "probes": [*net.probes, *(Traces(t.name, every=steps(1, 4)) for t in traces if chance(0.5))],
    }
    try:
        described = net.replace(projections=[learning(q) for q in net.projections], **parts)
    except DescriptionError:  # weights outside of the bounds
        described = net.replace(**parts)
    copies = [q.replace(name=f"{q.name}c", plasticity=()) for q in described.projections[:1] if chance(0.6)]
    ties = [Tie(q.name, q.name[:-1], scale=rng.normal(), every=steps(1, 6) if chance(0.5) else None) for q in copies]
    return described.replace(projections=[*described.projections, *copies], ties=ties)
