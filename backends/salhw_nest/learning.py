"""How a PairSTDP learns in NEST: what is refused, and what NEST does otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.description.plasticity import PairSTDP
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.description.windows import Window
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.host_plasticity import schedule
from salhw.substrate.target import Target
from salhw_nest.findings import different, not_learned, together
from salhw_nest.kernels import psp
from salhw_nest.neurons import nest_neuron
from salhw_nest.neurons.leaky import FASTEST
from salhw_nest.pairing import cancels, halved, learned, parts
from salhw_nest.pending_pairs import FORGOTTEN

WAITED = 3e8  # ticks of the lead-in times those of the longest delay, which NEST shifts at each: some seconds


def learning_refused(net: Network, target: Target) -> Iterator[Diagnostic]:
    """Rules that do not go together with several synapses of a pair, with their kernel, with short-term plasticity, or
    with other rules."""
    for p in net.projections:
        if "multapses" in p.weights.beyond:
            yield from not_learned(p, target, net.dt, "several synapses of a pair that the host learns")
        if p.short_term is not None:
            yield from not_learned(p, target, net.dt, "synapses of short-term plasticity that the host learns")
        fits = nest_neuron(net, target, p.post).learns_rectangular or psp(p.kernel).decay
        if not fits and parts(net, target, p, 1):
            supported = "exponential PSPs for plastic synapses onto LIF neurons"
            fix = f"kernel = Exponential(tau_syn={p.kernel.tau_syn!r}), or GLM neurons"
            yield together(f"projections.{p.name}.kernel", p.kernel.kind, supported, fix)
    for population in net.populations:
        rules = [(p, *one) for p in net.projections if p.post == population.name for one in learned(p, target)]
        for p, k, rule in rules:
            first = rules[0][2].anticausal.tau
            if rule.anticausal.tau != first:
                path = f"projections.{p.name}.{rule_name(p, k)}.anticausal.tau"
                supported = f"one time constant of anti-causal windows onto {population.name}, {number(first)} ms"
                yield together(path, f"{number(rule.anticausal.tau)} ms", supported, f"tau = {first!r} ms")
    for p in net.projections:
        own = [k for k, _ in learned(p, target)]
        for k, bounds in enumerate([each.bounds for each in p.plasticity] if own and len(p.plasticity) > 1 else ()):
            path = f"projections.{p.name}.{rule_name(p, k)}"
            if len(own) == len(p.plasticity) and bounds:
                supported = "bounds on a projection with one rule"
                yield together(f"{path}.bounds", "of one of several rules", supported, "bounds = None, or one rule")
        if len(own) < len(p.plasticity):
            yield from not_learned(p, target, net.dt, "rules of one projection that are all NEST's or all the host's")


def too_long(net: Network, target: Target, per_step: int, longest: int) -> Iterator[Diagnostic]:
    """Time constants that take too many ticks, or too few, where the longest delay has ``longest`` ticks: a
    nearest-neighbour synapse has to forget the spike that NEST gives it at time 0."""
    tau = float(f"{0.99 * WAITED / (FORGOTTEN * (longest + 1000)) * net.dt / per_step:.3g}")
    for p in net.projections:
        rules = learned(p, target)
        for k, rule in rules:
            if rule.pairing != "all" and rule.causal.tau > tau:
                path, limit = f"projections.{p.name}.{rule_name(p, k)}.causal.tau", f"{number(tau)} ms"
                supported = (
                    f"nearest pairs of up to {limit} here, of which NEST has to wait {number(FORGOTTEN)} at first"
                )
                yield together(path, f"{number(rule.causal.tau)} ms", supported, f"tau <= {limit}")
        shift = max((abs(x.axonal - x.dendritic) for x in parts(net, target, p, per_step)), default=0)
        least = float(f"{1.01 * shift * net.dt / per_step / FASTEST:.3g}")
        for k, rule in rules:
            for branch, window in zip(BRANCHES, (rule.causal, rule.anticausal), strict=True):
                if window.tau < least:
                    path, limit = f"projections.{p.name}.{rule_name(p, k)}.{branch}.tau", f"{number(least)} ms"
                    yield together(path, f"{number(window.tau)} ms", f">= {limit} at this step", f"tau >= {limit}")


def approximated(net: Network, target: Target) -> Iterator[Diagnostic]:
    """What a rule does otherwise, with the largest change of a weight by it."""
    for p in net.projections:
        chip = dict(learned(p, target))
        for k, rule in enumerate(p.plasticity):
            path = f"projections.{p.name}.{rule_name(p, k)}"
            if k in chip:
                takes_psps = nest_neuron(net, target, p.post).takes_psps
                exact = cancels(chip[k]) or halved(net, target, p, chip[k])
                yield from _differences(path, chip[k], takes_psps, exact)
            else:
                size = f"the host works it out from spikes and writes the weights ({schedule(rule, net.dt)})"
                fix = "a rule that NEST has, where speed counts"
                yield different("SAL322", f"{path}.execution", "host", size, fix)


def _differences(path: str, rule: PairSTDP, takes_psps: bool, pairs_coincidences: bool) -> Iterator[Diagnostic]:
    causal, anticausal = _largest(rule, rule.causal), _largest(rule, rule.anticausal)
    step = max(causal, anticausal)
    if takes_psps:
        size = f"PSPs keep the weight that they begin with; it changes by up to {step:.2g} per pair"
        yield different("SAL313", path, "present weights scale PSPs", size, "a lower learning rate")
    if rule.bounds:
        size = f"at a bound, where spikes coincide, NEST clips after each branch: up to {step:.2g} per pair"
        yield different("SAL327", f"{path}.bounds", "clipped once a step", size, "a lower learning rate")
        if np.any(np.asarray(rule.causal.amplitude) * np.asarray(rule.anticausal.amplitude) > 0.0):
            size = (
                f"anti-causal pairs make a PSP larger than the bound by up to {step:.2g} per pair, which is never read"
            )
            yield different("SAL327", f"{path}.anticausal", "PSPs within the bounds", size, "a lower learning rate")
    if not pairs_coincidences:
        size = f"such a pair is left out, and those around it are NEST's choice: {causal:.2g} at most each"
        yield different("SAL323", path, "simultaneous spikes", size, "no bounds, or GLM neurons")
    elif rule.pairing == "nearest_restricted":
        size = f"a pair between two coincidences counts a half instead of a quarter: {causal / 4:.2g} at most"
        yield different("SAL323", path, "simultaneous spikes", size, "a smaller dt, or nearest_symmetric")


def _largest(rule: PairSTDP, window: Window) -> float:
    """The largest change of a weight by a pair."""
    return float(np.abs(np.asarray(rule.learning_rate) * np.asarray(window.amplitude)).max(initial=0.0))
