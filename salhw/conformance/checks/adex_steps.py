"""AdEx neurons"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from salhw.conformance.circuits import trains
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.replay import adaptive
from salhw.conformance.replay.departing import departures
from salhw.conformance.replay.tolerance import Tolerance
from salhw.conformance.replay.trial import Part, Schedule, Trial, perform
from salhw.conformance.statistics import Equivalence
from salhw.conformance.verdict import by_test
from salhw.description.network import Network
from salhw.description.neurons import AdEx
from salhw.description.parts import Population
from salhw.description.probes import Membrane, Probe, Spikes
from salhw.substrate.target import Target

TAU_M, TAU_REF, TAU_W, STEPS = 20, 3, 80, 160  # steps
LONGER = 8
"""How many times as long a run is whose intervals are looked at."""
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
    differs by from the steps that covers all spikes and membranes, to a quarter of what is declared. Of a target
    without membrane probes the mean intervals must be within the declared relative error (rate_alone, or rate).
    """
    lab = lab.without("mismatch", "trial")
    if "Membrane" not in lab.target.probes:
        return _intervals(lab)
    lab.accuracy("membrane")
    made = neurons(lab.dt)
    net = _network(lab.dt, [*(Spikes(name) for name in made), *(Membrane(name) for name in made)])
    trial = perform(lab.compile(net), Schedule((Part((), STEPS),), (0,), lab.seed))
    declared, unit = lab.target.accuracy.get("adex", 0.0), "of a step's error"
    if departed := _departs(trial, lab.target, declared):
        hint = "wrong tau_m, tau_w, tau_ref, a, b, upstroke or reset"
        return Evidence(False, f"steps of AdEx neurons: {departed[0]}; {hint}", None, declared, unit)
    shares = [declared * k / SHARES for k in range(SHARES if declared else 0)]
    enough = next((share for share in shares if not _departs(trial, lab.target, share)), declared)
    reason = f"steps of AdEx neurons: within {enough:.3g} of what solving their equations makes a difference of"
    return Evidence(True, reason, enough, declared, unit)


def _network(dt: float, probes: Sequence[Probe]) -> Network:
    populations = [Population(name=name, size=1, neuron=neuron) for name, neuron in neurons(dt).items()]
    return Network(name="adex", dt=dt, populations=populations, probes=probes)


def _intervals(lab: Lab) -> Evidence:
    """The mean intervals of the two that spike, over a longer run."""
    margin, steps = lab.finer_accuracy("rate_alone", "rate"), LONGER * STEPS
    with lab.open(_network(lab.dt, [Spikes(name) for name in neurons(lab.dt)])) as session:
        recording = session.run(steps * lab.dt)
    expected, measured = [], []
    for name, neuron in neurons(lab.dt).items():
        train = trains(lab, recording, name)[0]
        if name == "silent":
            if len(train):
                return Evidence(False, "an AdEx neuron below its threshold spikes; wrong a, or v_thresh", None, margin)
            continue
        expected.append(float(np.diff(_spikes(neuron, lab.dt, steps)).mean()))
        measured.append(float(np.diff(train).mean()) if len(train) > 1 else 0.0)
    off = np.abs(np.divide(measured, expected) - 1.0)
    worst = int(off.argmax())
    result = Equivalence(float(off[worst]), 0.0, margin, 0.0 if off[worst] <= margin else 1.0, worst)
    said = f"mean interval of {[*neurons(lab.dt)][1 + worst]} AdEx neurons"
    return by_test(result, said, "a wrong tau_m, tau_w, tau_ref, a, b, upstroke or reset", unit="relative")


def _spikes(neuron: AdEx, dt: float, steps: int) -> list[int]:
    """The steps at which a neuron spikes that has no input."""
    zero = np.zeros((2, 1, 1))
    given, v, w = adaptive.Input(np.full((2, 1, 1), neuron.bias), zero, zero), zero + neuron.v_rest, zero
    found: list[int] = []
    for step in range(steps):
        if found and step - found[-1] < TAU_REF:
            v, w = adaptive.held(neuron, v, w, dt)
            continue
        v, w, _ = adaptive.stepped(neuron, given, v, w, dt)
        if v[0, 0, 0] >= neuron.v_peak:
            found, v, w = [*found, step], zero + neuron.v_reset, w + neuron.b
    return found


def _departs(trial: Trial, target: Target, share: float) -> list[str]:
    """In what a trial departs where this share is declared."""
    tolerance = replace(Tolerance.of(target), target=target.replace(accuracy={**target.accuracy, "adex": share}))
    return [str(each) for each in departures(trial, tolerance)[0]]
