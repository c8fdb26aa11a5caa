"""AdEx neurons"""

from __future__ import annotations

from dataclasses import replace

from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.replay.departing import departures
from salhw.conformance.replay.tolerance import Tolerance
from salhw.conformance.replay.trial import Part, Schedule, Trial, perform
from salhw.description.network import Network
from salhw.description.neurons import AdEx
from salhw.description.parts import Population
from salhw.description.probes import Membrane, Spikes
from salhw.substrate.target import Target

TAU_M, TAU_REF, TAU_W, STEPS = 20, 3, 80, 160  # steps
SHARES = 4
"""In how many parts of what is declared the share is measured."""


def neurons(dt: float) -> dict[str, AdEx]:
    """One that stays below its threshold, one that adapts, and one that bursts, as its v_reset is high."""
    times = {"tau_m": TAU_M * dt, "tau_ref": TAU_REF * dt, "tau_w": TAU_W * dt}
    return {
        "silent": AdEx(bias=0.7, a=0.3, **times),
        "adapting": AdEx(bias=1.8, a=0.2, b=0.25, **times),
        "bursting": AdEx(bias=1.4, v_reset=0.7, a=0.0, b=0.4, **times),
    }


@check("adex-steps", group="dynamics")
def adex_steps(lab: Lab) -> Evidence:
    """AdEx neurons of constant drive spike when the steps of docs/semantics.md say, given their earlier spikes, and
    their membranes are those of these steps; to rounding, or where a target declares ``adex`` because it solves the
    equations instead, within bounds that are worked out from step to step.

    Nothing is random, as the target's variability is off. What is measured is the least share of what the solution
    differs by from the steps that covers all spikes and membranes, to a quarter of what is declared.
    """
    lab = lab.without("mismatch", "trial")
    lab.accuracy("membrane")
    made = neurons(lab.dt)
    net = Network(
        name="adex",
        dt=lab.dt,
        populations=[Population(name=name, size=1, neuron=neuron) for name, neuron in made.items()],
        probes=[*(Spikes(name) for name in made), *(Membrane(name) for name in made)],
    )
    trial = perform(lab.compile(net), Schedule((Part((), STEPS),), (0,), lab.seed))
    declared, unit = lab.target.accuracy.get("adex", 0.0), "of a step's error"
    if departed := _departs(trial, lab.target, declared):
        hint = "wrong tau_m, tau_w, tau_ref, a, b, upstroke or reset"
        return Evidence(False, f"steps of AdEx neurons: {departed[0]}; {hint}", None, declared, unit)
    shares = [declared * k / SHARES for k in range(SHARES if declared else 0)]
    enough = next((share for share in shares if not _departs(trial, lab.target, share)), declared)
    reason = f"steps of AdEx neurons: within {enough:.3g} of what solving their equations makes a difference of"
    return Evidence(True, reason, enough, declared, unit)


def _departs(trial: Trial, target: Target, share: float) -> list[str]:
    """In what a trial departs where this share is declared."""
    tolerance = replace(Tolerance.of(target), target=target.replace(accuracy={**target.accuracy, "adex": share}))
    return [str(each) for each in departures(trial, tolerance)[0]]
