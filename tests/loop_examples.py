"""A target in a loop with its host, made of the reference; and the paper's microcircuit in chunks, 1-1-1."""

from __future__ import annotations

from typing import Any

import salhw
from salhw import (
    GLM,
    SAL,
    Boxcar,
    Network,
    Population,
    PredictiveRule,
    Projection,
    Rectangular,
    Target,
    Teacher,
    Tie,
    Trace,
)
from salhw.description.plasticity import PlasticityRule


def looped_reference(**changes: object) -> Target:
    """The reference as a target that has none of what reads traces: its host works it out."""
    full = salhw.target("reference").with_options(algorithm="time-driven")  # one random sample for both
    plasticity = dict(full.plasticity)
    hosted = {
        name: plasticity.pop(name) | {"update": ("every", "run end")} for name in ("PredictiveRule", "ModulatedSTDP")
    }
    teacher = full.stimuli["Teacher"] | {"required": ("every",)}
    return full.replace(
        host_loop=True, plasticity=plasticity, host=hosted | dict(full.windows),
        stimuli=full.stimuli | {"Teacher": teacher}, **changes,
    )  # fmt: skip


def watched(referenced: Any) -> list[salhw.Recording]:
    """What the target's own session runs from now on beneath a session with a reference phase, the phase included."""
    inner, pieces = referenced.engine._session, list[salhw.Recording]()
    run = inner.run

    def kept(duration: float) -> salhw.Recording:
        pieces.append(run(duration))
        return pieces[-1]

    inner.run = kept
    return pieces


def microcircuit(
    *, apical: float = 0.2, every: float | None = 200.0, update: str = "every 200 ms", execution: str = "host",
    bounds: tuple[float, float] | None = None,
) -> Network:  # fmt: skip
    """Input P0, hidden P1 with its interneuron I1, output P2 (paper section 2.4.2): W10 and W21 learn to predict, B by
    SAL, the lateral weights and the interneuron's input are copies."""

    def population(name: str, **inputs: float) -> Population:
        return Population(name, 1, GLM(bias=-1.0, tau_ref=10.0, inputs=inputs))

    def predicts(learning_rate: float, who: str) -> PredictiveRule:
        ends = f"u_{who}", f"basal_{who}"
        return PredictiveRule(*ends, learning_rate=learning_rate, update=update, execution=execution, bounds=bounds)  # type: ignore[arg-type]

    def projection(
        name: str, pre: str, post: str, weight: float, into: str | None, *rules: PlasticityRule
    ) -> Projection:
        return Projection(name, pre, post, [[weight]], Rectangular(10.0), plasticity=rules, into=into)

    return Network(
        name="microcircuit",
        dt=1.0,
        populations=[
            population("P0"), population("P1", basal=1.0, apical=apical, lateral=apical), population("I1"),
            population("P2", basal=1.0),
        ],
        projections=[
            projection("W10", "P0", "P1", 0.5, "basal", predicts(0.2, "P1")),
            projection("W21", "P1", "P2", 1.0, "basal", predicts(0.03, "P2")),
            projection("inter", "P1", "I1", 1.0, None),
            projection("B", "P2", "P1", -1.0, "apical", SAL(learning_rate=0.0, tau=10.0)),
            projection("lateral", "I1", "P1", 1.0, "lateral"),
        ],
        stimuli=[Teacher("P2", "basal_P2", target=0.5, gain=0.6, every=every)],
        traces=[
            Trace(f"{name}_{who}", who, of, Boxcar(200.0))
            for who in ("P1", "P2")
            for name, of in (("u", "membrane"), ("basal", "inputs.basal"))
        ],
        ties=[Tie("inter", "W21", 1.0, every=every), Tie("lateral", "B", -1.0, every=every)],
    )  # fmt: skip


def aligns(session: salhw.Session, learning_rate: float, duration: float) -> None:
    """SAL's phase in the dark: the apical gain is 1, lateral weights and the forward rules are off, the input is
    silent."""
    for name in ("W10", "W21"):
        session.set(f"projections.{name}.plasticity.learning_rate", 0.0)
    session.set("stimuli[0].gain", 0.0)
    session.set("populations.P0.bias", -5.0)
    session.set("populations.P1.inputs.lateral", 0.0)
    session.set("populations.P1.inputs.apical", 1.0)
    session.set("projections.B.plasticity.learning_rate", learning_rate)
    session.run(duration)
