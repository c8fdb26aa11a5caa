"""Random networks, replayed: what their recorded spikes imply of everything else."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from salhw.conformance.lab import Lab, Subject, Undeclared
from salhw.conformance.model import Evidence, Unmeasured, check
from salhw.conformance.replay.chance import LEVEL
from salhw.conformance.replay.departing import DECIDERS
from salhw.conformance.replay.surveying import Survey, survey
from salhw.conformance.verdict import by_count
from salhw.diagnostics import Diagnostic


@lru_cache(maxsize=1)
def _surveyed(subject: Subject) -> Survey:
    return survey(subject.lab)


def surveyed(lab: Lab) -> Survey:
    """The random networks of a lab, which all checks here look at; they run once.

    Raises:
        Undeclared: the target does not record spikes.
    """
    needs(lab, "Spikes")
    return _surveyed(Subject(lab))


def needs(lab: Lab, *names: str) -> None:
    """See that the target declares these accuracies and probes.

    Raises:
        Undeclared: one of them is missing.
    """
    for name in names:
        if name in lab.target.probes:
            continue
        if name[0].isupper():
            raise Undeclared([Diagnostic("SAL101", "probes", name, "not declared by the target", "declare it")])
        lab.accuracy(name)


def evidence(lab: Lab, what: str, hint: str, *kinds: str, of: str = "") -> Evidence:
    """Whether none of the networks departs in one of these kinds of things, or else the first that does.

    Raises:
        Unmeasured: no network had the probe, or whatever else, ``of`` which these things are.
    """
    found = surveyed(lab)
    if of and of not in found.coverage.exercised:
        reason = f"no random network that the target took without approximations had {of}"
        raise Unmeasured(Evidence(False, reason, 1.0, 0.0, "unmeasured"))
    of_kinds = [*kinds, *(f"{kind} {flaw}" for kind in kinds for flaw in ("times", "shape"))]
    departed = found.departed(of_kinds)
    stopped = [case for case in found.cases if case.flaw]
    count, wrong = len(found.cases), {seed for seed, _ in departed} | {case.seed for case in stopped}
    details: dict[str, Any] = {}
    if departed:
        seed, departure = departed[0]
        hint = f"first in network {seed}: {departure}; {hint}"
        details = {"network": seed, "kind": departure.kind}
    elif stopped:
        hint = f"network {stopped[0].seed} stopped: {stopped[0].flaw}"
        details = {"network": stopped[0].seed, "kind": stopped[0].flaw.partition(":")[0], **stopped[0].trace}
    found_wrong = by_count(len(wrong), count, f"{what} of random networks", hint, unit="networks")
    return replace(found_wrong, details=details or None)


@check("replay-decisions", group="replay")
def replay_decisions(lab: Lab) -> Evidence:
    """In random networks, forced spikes happen; clamped neurons spike as soon as they are not refractory, or never;
    refractory neurons and sources without a stimulus are silent; LIF neurons spike where the membrane that follows from
    all recorded spikes reaches the threshold.

    Exact; LIF neurons where the target declares ``membrane``.
    """
    kinds = [kind for kind in DECIDERS.values() if kind != "threshold" or "membrane" in lab.target.accuracy]
    return evidence(lab, "decisions", "neurons decide otherwise than their past and their stimuli say", *kinds)


@check("replay-counts", group="replay")
def replay_counts(lab: Lab) -> Evidence:
    """In random networks, spike counts and the occupancy of states are those of the recorded spikes. Exact."""
    return evidence(lab, "counts and states", "counters miss spikes or steps", "counts", "occupancy")


@check("replay-held", group="replay")
def replay_held(lab: Lab) -> Evidence:
    """In random networks and unequal runs, a session holds what was described, written and learned, in every instance:
    after each write, after each run, copies of weights included. To rounding, to ``held`` and half a step of the
    weights where these are rounded, and to ``window`` what was learned."""
    return evidence(lab, "held values", "what is read is not what was written and learned", "held")


@check("replay-membranes", group="replay")
def replay_membranes(lab: Lab) -> Evidence:
    """In random networks, every sample of a membrane is what biases, currents, teachers, gains, the present weights and
    all PSPs under way add up to, LIF membranes integrated from it: to ``membrane``, of the sum of all PSPs' peaks."""
    needs(lab, "Membrane", "membrane")
    return evidence(lab, "membranes", "inputs do not add up as described", "membrane", of="probes.Membrane")


@check("replay-variables", group="replay")
def replay_variables(lab: Lab) -> Evidence:
    """In random networks, every sample of what neurons remember beside their membranes (thresholds that adapt, w, u),
    of what synapses add up to and of conductances is what follows from the recorded spikes: to ``membrane``, of the sum
    of all PSPs' peaks."""
    needs(lab, "Variable", "membrane")
    return evidence(lab, "variables", "what is shown is not what decides", "variable", of="probes.Variable")


@check("replay-synapse-variables", group="replay")
def replay_synapse_variables(lab: Lab) -> Evidence:
    """In random networks, every sample of what synapses remember (u, x of short-term plasticity) is what the recorded
    spikes imply: to ``membrane``, or else to rounding."""
    needs(lab, "SynapseVariable")
    hint = "synapses do not remember the spikes that they have sent"
    return evidence(lab, "variables of synapses", hint, "synapse variable", of="probes.SynapseVariable")


@check("replay-traces", group="replay")
def replay_traces(lab: Lab) -> Evidence:
    """In random networks, every sample of a trace is the average of what the recorded spikes imply: to ``membrane``,
    of spikes to rounding."""
    needs(lab, "Traces", "membrane")
    return evidence(lab, "traces", "averages are of something else", "trace", of="probes.Traces")


@check("replay-weights", group="replay")
def replay_weights(lab: Lab) -> Evidence:
    """In random networks, every sample of weights is what all rules of a projection, several and parallel ones, make of
    the recorded spikes, with the learning rates, amplitudes and weights as they were written in between: to ``window``
    of all that a weight has moved."""
    needs(lab, "Weights", "window")
    return evidence(lab, "weights", "learning departs from the spikes that it has seen", "weights", of="probes.Weights")


@check("replay-spikes", group="replay")
def replay_spikes(lab: Lab) -> Evidence:
    """In random networks, neurons spike as often as the probabilities say that follow from all recorded spikes (rate of
    each neuron, slope of each hazard over the input of each projection, after steps with a spike), and independently of
    each other and of other instances: a likelihood ratio of mean 1 for each, of probabilities within ``rate``, and
    ``psp_shape`` or ``membrane`` of each PSP.

    Exact for any number of spikes; all tests together raise a false alarm with less than 1e-3 (Markov's inequality,
    Holm 1979).
    """
    needs(lab, "rate", "psp_shape")
    found = surveyed(lab)
    tested = [t for case in found.cases for t in case.tested]
    hint, kinds = f"hazards are not as described (level {LEVEL:g})", ("rate", "slope", "succession", "independence")
    result = evidence(lab, "spikes", hint, *kinds, of="neurons.GLM")
    worst = max((t.evidence for t in tested), default=0.0)
    reason = f"{result.reason}; {len(tested)} tests of likelihoods, the largest ratio e^{worst:.1f}"
    return replace(result, reason=reason)


@check("replay-coverage", group="replay")
def replay_coverage(lab: Lab) -> Evidence:
    """The random networks have exercised every kind, field, array and choice that the target declares."""
    found = surveyed(lab).coverage
    exercised, possible = len(found.declared) - len(found.unmeasured), len(found.kinds) * (len(found.kinds) - 1) // 2
    said = f"{exercised} of {len(found.declared)} declared things, {len(found.pairs)} of {possible} pairs of kinds"
    details = {
        "unmeasured": list(found.unmeasured), "kinds": list(found.kinds),
        "pairs": [list(p) for p in sorted(found.pairs)],
    }  # fmt: skip
    if found.unmeasured:
        reason = f"{said}; never: {', '.join(found.unmeasured)}"
        gaps = float(len(found.unmeasured))
        raise Unmeasured(Evidence(False, reason, gaps, 0.0, "unmeasured", details=details))
    return Evidence(True, said, 0.0, 0.0, "unmeasured", details=details)
