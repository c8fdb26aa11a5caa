"""The part of a network that a target runs by itself, where its host works out the rest: gains are folded into weights,
what reads traces and copies weights is taken away; and what the target makes of it, told in the network's own terms.

What the engine holds of a projection into a named input is ``gain * W``. So that the *described* W obeys its rules,
learning rates and bounds are multiplied by the gain, too. All functions are pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from salhw.description.connectivity import synapses, values
from salhw.description.fields import FloatArray
from salhw.description.kinds import ByKind
from salhw.description.markers import marks
from salhw.description.network import Network
from salhw.description.neurons import Neuron
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import ModulatedSTDP, PlasticityRule, PredictiveRule, ReferencePhase
from salhw.description.plasticity.rule import narrowest_bounds, reference_of, without_reference
from salhw.description.probes import Probe, Rates, Spikes, Traces, Weights
from salhw.description.stimuli import Teacher
from salhw.description.ties import Tie, originals
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target

HOST = "the host"
RULES: ByKind[None] = ByKind(HOST, {PredictiveRule: None, ModulatedSTDP: None})
"""Rules that read traces, which the host works out."""
STIMULI: ByKind[None] = ByKind(HOST, {Teacher: None})
"""Stimuli that read traces, which the host gives as biases."""
SAMPLED: ByKind[None] = ByKind(HOST, {Weights: None, Rates: None, Traces: None})
"""Probes that look between two runs on the target; all others are the target's."""


def by_host(net: Network, target: Target) -> bool:
    """Whether a target's host works out a part of a network: named inputs, and what reads traces or copies weights."""
    return target.host_loop and next(hosted(net), None) is not None


def hosted(net: Network) -> Iterator[tuple[str, str]]:
    """What a target's host would work out of a network: paths, and what stands there."""
    for population in net.populations:
        if population.neuron.input_gains:
            yield f"populations.{population.name}.inputs", "named inputs"
    for p in net.projections:
        for k, rule in predicted(p).items():
            yield f"projections.{p.name}.{rule_name(p, k)}", rule.kind
    yield from ((f"stimuli[{k}]", s.kind) for k, s in enumerate(net.stimuli) if s in STIMULI)
    yield from ((f"traces.{trace.name}", "a trace") for trace in net.traces)
    yield from ((f"ties[{k}]", f"copies of {tie.to}") for k, tie in enumerate(net.ties))


def gain_of(net: Network, p: Projection) -> float:
    """The described gain of the input that a projection goes into."""
    return 1.0 if p.into is None else net.population(p.post).neuron.input_gains[p.into]


def predicted(p: Projection) -> dict[int, PlasticityRule]:
    """The rules of a projection that its target's host works out from traces, by number."""
    return {k: rule for k, rule in enumerate(p.plasticity) if rule in RULES}


def own_part(net: Network, target: Target) -> Network:
    """What the target itself is to run: the folded network, without reference phases unless it may keep them."""
    net = folded_network(net, target)
    return net if target.reference_phase else unreferenced(net)


def unreferenced(net: Network) -> Network:
    """The network without reference phases, and without weights probes beside them: a session samples weights when what
    was measured in the phase has been subtracted."""
    if reference_phase(net) is None:
        return net
    projections = [p.replace(plasticity=[without_reference(rule) for rule in p.plasticity]) for p in net.projections]
    return net.replace(projections=projections, probes=[p for p in net.probes if not isinstance(p, Weights)])


def reference_phase(net: Network) -> ReferencePhase | None:
    """The reference phase of a network, which all of its rules that have one share."""
    phases = (reference_of(rule) for p in net.projections for rule in p.plasticity)
    return next((phase for phase in phases if phase is not None), None)


def folded_network(net: Network, target: Target) -> Network:
    """The network without inputs, traces, teachers, ties and what reads them, with gains folded into weights; the
    network itself where its target's host works out nothing of these."""
    if not by_host(net, target):
        return net
    populations = [p.replace(neuron=_without_inputs(p.neuron)) for p in net.populations]
    ties = {tie.projection: tie for tie in net.ties}
    return net.replace(
        populations=populations, projections=[_folded(net, p, ties.get(p.name)) for p in net.projections],
        stimuli=[s for s in net.stimuli if s not in STIMULI], probes=_own_probes(net), traces=[], ties=[],
    )  # fmt: skip


def _without_inputs(neuron: Neuron) -> Neuron:
    return neuron.replace(**{name: {} for name, mark in marks(type(neuron)) if mark.per == "input"})


def _own_probes(net: Network) -> list[Probe]:
    """The target's own probes, with the spikes of all populations that the host looks at."""
    own = [probe for probe in net.probes if probe not in SAMPLED]
    traced = {trace.population for trace in net.traces}
    seen = traced | {p.pre for p in net.projections if p.post in traced or predicted(p)}
    seen |= {p.post for p in net.projections if predicted(p)}
    others = [probe for probe in own if not (isinstance(probe, Spikes) and probe.population in seen)]
    return [*others, *(Spikes(p.name) for p in net.populations if p.name in seen)]


def _folded(net: Network, p: Projection, tie: Tie | None) -> Projection:
    gain, weights = gain_of(net, p), p.weights
    if tie is not None:
        copies = copied(net, tie, values(net.projection(tie.to).weights, *net.ends(tie.to)))
        first = synapses(weights, *net.ends(p.name))[2][:1]  # of one number for all; a session writes those that differ
        weights = weights.with_weights(copies if np.ndim(weights.stored) else float(copies.ravel()[first].sum()))
    if gain != 1.0:
        weights = weights.with_weights(gain * weights.stored)
    rules = [scaled_rule(rule, gain) for rule in p.plasticity if rule not in RULES]
    return p.replace(weights=weights, into=None, plasticity=rules)


def copied(net: Network, tie: Tie, weights: FloatArray) -> FloatArray:
    """What a tie makes of the weights of its original, shaped as those are read: copies, shaped as they are read."""
    p, ends = net.projection(tie.projection), net.ends(tie.projection)
    own, of = (synapses(net.projection(name).weights, *net.ends(name)) for name in (tie.projection, tie.to))
    full = np.zeros(p.weights.shape(*ends[:2])).ravel()
    full[own[2]] = tie.scale * np.ravel(weights)[of[2]][originals(own, of, tie.transpose)]
    return full.reshape(p.weights.shape(*ends[:2]))


def scaled_rule(rule: PlasticityRule, gain: float) -> Any:
    """The rule under which ``gain * W`` learns what W does under ``rule``."""
    if gain == 1.0:
        return rule
    bounds = rule.bounds
    if bounds is not None and gain != 0.0:
        low, high = sorted(gain * end for end in bounds)
        bounds = low, high
    return rule.replace(learning_rate=gain * np.asarray(rule.learning_rate)[()], bounds=bounds)


def scaled_target(net: Network, target: Target) -> Target:
    """The target in the network's own terms: what it declares of weights, bounds and learning rates, and its steps
    between weights, divided by the gains of the inputs that projections go into."""
    if not by_host(net, target):
        return target
    gains = {p.name: abs(gain_of(net, p)) for p in net.projections}
    scales = {
        name: target.weight_scales.get(name, 1.0) / gain for name, gain in gains.items() if gain not in (0.0, 1.0)
    }
    return target.replace(weight_scales=target.weight_scales | scales) if scales else target


def with_room(net: Network, target: Target) -> Target:
    """The target with as many synapses per weight as the bounds of rules need that the host works out: lowering sees
    the weights alone."""
    needed = {}
    limits = target.projections.get("weights")
    for p in net.projections:
        bounds = [abs(gain_of(net, p) * end) for rule in predicted(p).values() for end in rule.bounds or ()]
        if bounds and target.max_synapses_per_weight > 1 and limits is not None and not isinstance(limits, tuple):
            one = min(-limits.min, limits.max) / target.max_synapses_per_weight
            most = int(np.ceil(max(bounds) / one - 1e-9))
            needed[p.name] = max(1, min(target.max_synapses_per_weight, most))
    return target.replace(synapses_per_weight=target.synapses_per_weight | needed) if needed else target


def with_scales(net: Network, target: Target) -> Target:
    """The target with a scale of weights for each projection behind a gain below 1, where it declares
    ``projections.scale`` and does not itself learn the weights: the power of two that the gain needs, so that weights
    reach as far as without the gain; and twice as far as they are described."""
    declared, limits = target.projections.get("scale"), target.projections.get("weights")
    if not (isinstance(declared, Range) and isinstance(limits, Range) and target.weight_bits and by_host(net, target)):
        return target
    own, scales = own_part(net, target), {}
    for p in net.projections:
        largest = float(np.abs(own.projection(p.name).weights.stored).max(initial=0.0))
        gain, learns = abs(gain_of(net, p)), len(p.plasticity) > len(predicted(p))
        needed = max(gain, 2.0 * largest / limits.max, declared.min)
        if gain > 0.0 and needed < declared.max and not learns:
            scales[p.name] = 2.0 ** np.ceil(np.log2(needed))
    return target.replace(weight_scales=target.weight_scales | scales)


def unfolded(net: Network, own: Network, lowered: Network) -> Network:
    """The described network as the target runs it, where it has made ``lowered`` of its ``own`` part."""
    return net.replace(
        populations=[
            p if one == two else two.replace(neuron=_with_inputs(two.neuron, p.neuron))
            for p, one, two in zip(net.populations, own.populations, lowered.populations, strict=True)
        ],
        projections=[
            p if one == two else _unfolded(net, p, one, two)
            for p, one, two in zip(net.projections, own.projections, lowered.projections, strict=True)
        ],
    )


def _with_inputs(neuron: Neuron, described: Neuron) -> Neuron:
    return neuron.replace(**{n: getattr(described, n) for n, mark in marks(type(described)) if mark.per == "input"})


def _unfolded(net: Network, p: Projection, own: Projection, lowered: Projection) -> Projection:
    gain = gain_of(net, p)
    same = {name: getattr(lowered, name) for name in ("kernel", "delay")}
    if own.weights != lowered.weights and gain != 0.0:
        exact = lowered.weights.with_weights(lowered.weights.stored / gain)
        # the target has rounded without regard to the bounds of rules that the host works out
        same["weights"] = exact.clipped(*narrowest_bounds(p.plasticity), p.recurrent)
    if own.plasticity != lowered.plasticity and gain != 0.0:
        rules = zip(p.plasticity, own.plasticity, lowered.plasticity, strict=True)
        same["plasticity"] = [  # bounds that are as they were are not rounded, so that what lies on them still does
            scaled_rule(three, 1.0 / gain).replace(**{"bounds": one.bounds} if two.bounds == three.bounds else {})
            for one, two, three in rules
        ]
    return p.replace(**same)
