"""What NEST makes of a network: what it refuses, what it approximates and by how much, and what becomes what."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np

from salhw.arguments import MAX_THREADS, number_in
from salhw.compile.check import on_chip
from salhw.compile.lower import Lowering
from salhw.connectivity import shape_of, synapses
from salhw.consistency import rule_name
from salhw.diagnostics import Diagnostic
from salhw.fields import FloatArray, in_steps
from salhw.kernels import Rectangular
from salhw.network import Network, Population, Projection
from salhw.neurons import GLM, LIF
from salhw.paths import Address, described
from salhw.plasticity import PairSTDP
from salhw.probes import Membrane
from salhw.refusal import number
from salhw.stimuli import SpikeTimes
from salhw.target import Target
from salhw_pynn.neurons import MODELS, escape_error
from salhw_pynn.pairing import MODELS as MODELS_OF
from salhw_pynn.pairing import cancels, halved, parts, ticks_per_step

TIC = 0.001  # ms: NEST's unit of time


def lower(net: Network, target: Target) -> Lowering:
    """The network as it is; what does not go together is refused, what differs is named."""
    net, delayed = _delayed(net, target)
    refused = [*_options(target), *_mixtures(net), *_rules(net, target), *_forced(net)]
    if not refused:
        refused = [*_grid(net, target)]
    if refused:
        return Lowering(net, tuple(refused))
    different = [*delayed, *_discretisations(net, target), *_learning(net, target), *_losses(net), *_membranes(net)]
    return Lowering(net, tuple(different), tuple(_notes(net, target)))


def _together(path: str, asked: str, supported: str, fix: str) -> Diagnostic:
    return Diagnostic("SAL107", path, asked, supported, fix)


def _options(target: Target) -> Iterator[Diagnostic]:
    how = target.options.get("logistic", "")
    if how not in ("approximate", "refuse"):
        yield Diagnostic("SAL103", "target.options.logistic", how, "supported approximate, refuse", "choose one")
    for name, what in (("threads", f"a whole number 1..{MAX_THREADS}"), ("time_limit", "seconds")):
        value = target.options.get(name, "")
        found = number_in(value, whole=name == "threads")
        if not 0 < found <= (MAX_THREADS if name == "threads" else np.inf):
            yield Diagnostic("SAL103", f"target.options.{name}", value, f"supported {what}", "choose one")


def _mixtures(net: Network) -> Iterator[Diagnostic]:
    """A NEST neuron has one PSP: rectangular, or exponential with one time constant."""
    for population in net.populations:
        onto = [p for p in net.projections if p.post == population.name]
        shapes = {("rectangular", 0.0) if isinstance(p.kernel, Rectangular) else ("exponential", p.kernel.tau_syn)
                  for p in onto}  # fmt: skip
        if len(shapes) > 1 and isinstance(population.neuron, GLM | LIF):
            asked = ", ".join(f"{kind} {number(tau)} ms" if tau else kind for kind, tau in sorted(shapes))
            supported = "rectangular PSPs only, or exponential ones of one time constant, on one population"
            yield _together(f"projections.{onto[-1].name}.kernel", asked, supported, "give all of them one kernel")


def _delayed(net: Network, target: Target) -> tuple[Network, list[Diagnostic]]:
    """NEST's LIF neurons let a current act one step after it arrived, and split delays of plastic synapses evenly."""
    projections, findings = [], []
    for p in net.projections:
        steps = in_steps(p.delay, net.dt) or 0
        least = 2 * ceil(max(steps, 1) / 2) if parts(net, target, p, 1) else max(steps, 1)
        if isinstance(net.population(p.post).neuron, LIF) and steps < least:
            fix, size = f"delay = {number(least * net.dt)} ms", f"{number(least * net.dt)} ms onto LIF neurons"
            findings.append(_different("SAL326", f"projections.{p.name}.delay", f"{number(p.delay)} ms", size, fix))
            p = p.replace(delay=least * net.dt)
        projections.append(p)
    return (net.replace(projections=projections) if findings else net), findings


def _rules(net: Network, target: Target) -> Iterator[Diagnostic]:
    for p in net.projections:
        learns = isinstance(net.population(p.post).neuron, LIF) and parts(net, target, p, 1)
        if learns and isinstance(p.kernel, Rectangular):
            supported = "exponential PSPs for plastic synapses onto LIF neurons"
            yield _together(f"projections.{p.name}.kernel", "Rectangular", supported, "Exponential, or GLM neurons")
    for population in net.populations:
        taus = {rule.anticausal.tau for p in net.projections if p.post == population.name for rule in p.plasticity
                if on_chip(rule, target)}  # fmt: skip
        if len(taus) > 1:
            asked = ", ".join(f"{number(tau)} ms" for tau in sorted(taus))
            path = f"populations.{population.name}"
            supported = "one time constant of anti-causal windows onto one population"
            yield _together(path, asked, supported, 'give all rules one, or execution="host"')
    for p in net.projections:
        on = [rule for rule in p.plasticity if on_chip(rule, target)]
        if len(p.plasticity) > 1 and any(rule.bounds for rule in on):
            path, supported = f"projections.{p.name}.plasticity", "bounds on a projection with one rule"
            yield _together(path, "bounds on one of several rules", supported, "leave them out, or one rule")
        elif len(on) < len(p.plasticity) and on:
            path, supported = f"projections.{p.name}.plasticity", "rules that are all NEST's or all the host's"
            yield _together(path, "some of either", supported, 'execution="host" and another update or pairing for all')


def _forced(net: Network) -> Iterator[Diagnostic]:
    for k, s in enumerate(net.stimuli):
        if not isinstance(s, SpikeTimes) or not isinstance(neuron := net.population(s.population).neuron, GLM | LIF):
            continue
        for i, train in enumerate(s.times):
            for n in np.flatnonzero(np.diff(train) < neuron.tau_ref - 1e-9 * net.dt)[:1] + 1:
                asked = f"{number(train[n] - train[n - 1])} ms after the one before"
                supported = f"forced spikes at least tau_ref = {number(neuron.tau_ref)} ms apart"
                yield _together(f"stimuli[{k}].times[{i}][{n}]", asked, supported, "drive a Source population")


def _grid(net: Network, target: Target) -> Iterator[Diagnostic]:
    per_step = ticks_per_step(net, target)
    if per_step is None:
        yield _together("projections", "these delays", "delays that NEST can pair spikes with", "longer delays")
        return
    if per_step > 1:
        for p in net.populations:
            if isinstance(p.neuron, LIF):
                asked, path = f"LIF neurons with a step of {per_step} ticks", f"populations.{p.name}.neuron"
                supported = "GLM neurons beside rules and delays that need ticks within a step"
                yield _together(path, asked, supported, "a delay of an odd number of steps for plastic projections")
    tick = net.dt / per_step / TIC
    if abs(tick - round(tick)) > 1e-6:
        supported = f"whole multiples of {number(TIC * per_step)} ms for this network"
        yield _together("dt", f"{number(net.dt)} ms", supported, "choose another dt")


def _different(code: str, path: str, asked: str, size: str, fix: str) -> Diagnostic:
    return Diagnostic(code, path, asked, size, fix, severity="approximation")


def _inputs(net: Network, population: Population) -> FloatArray:
    """Least and greatest potential that one PSP of each synapse makes, and zero, (neuron, 3)."""
    low, high = np.zeros(population.size), np.zeros(population.size)
    for p in net.projections:
        if p.post == population.name:
            post, _, position = synapses(p.weights, *net.ends(p.name))
            shape = shape_of(p.weights, *net.ends(p.name)[:2])
            w = described(net, Address("", p.name, "weights", shape)).ravel()[position] * p.kernel.height
            np.add.at(low, post, np.minimum(w, 0.0))
            np.add.at(high, post, np.maximum(w, 0.0))
    return np.stack([low, np.zeros_like(low), high], axis=1)


def _discretisations(net: Network, target: Target) -> Iterator[Diagnostic]:
    for p in net.populations:
        if not isinstance(p.neuron, GLM) or p.neuron.discretisation != "logistic":
            continue
        path = f"populations.{p.name}.discretisation"
        if target.options["logistic"] == "refuse":
            yield Diagnostic("SAL103", path, "logistic", "supported exact", 'discretisation="exact"')
            continue
        bias = described(net, Address("", p.name, "bias", (p.size,)))
        inputs = _inputs(net, p)
        error = escape_error(p.neuron, bias, inputs, net.dt)
        size = (
            f"NEST's hazard, equal at the bias; over inputs of {number(inputs.min())}..{number(inputs.max())} the "
            f"probability to spike is off by up to {error:.2g} of itself"
        )
        yield _different("SAL321", path, "logistic", size, 'discretisation="exact", or a smaller dt')


def _learning(net: Network, target: Target) -> Iterator[Diagnostic]:
    for p in net.projections:
        for k, rule in enumerate(p.plasticity):
            path = f"projections.{p.name}.{rule_name(p, k)}"
            if not on_chip(rule, target):
                size = f"the host forms the pairs and writes the weights ({_schedule(net, rule)})"
                yield _different(
                    "SAL322", f"{path}.execution", "host", size, "a rule that NEST has, where speed counts"
                )
                continue
            if isinstance(net.population(p.post).neuron, GLM):
                step = max(float(np.abs(np.asarray(rule.learning_rate) * np.asarray(w.amplitude)).max())
                           for w in (rule.causal, rule.anticausal))  # fmt: skip
                size = f"PSPs keep the weight that they begin with; it changes by up to {step:.2g} per pair"
                yield _different("SAL313", path, "present weights scale PSPs", size, "a lower learning rate")
            most = float(np.abs(np.asarray(rule.learning_rate) * np.asarray(rule.causal.amplitude)).max())
            if not cancels(rule) and not halved(net, p, rule):
                size = f"such a pair is left out, and those around it are NEST's choice: {most:.2g} at most each"
                yield _different("SAL323", path, "simultaneous spikes", size, "no bounds, or GLM neurons")
            elif rule.pairing == "nearest_restricted":
                size = f"a pair between two coincidences counts a half instead of a quarter: {most / 4:.2g} at most"
                yield _different("SAL323", path, "simultaneous spikes", size, "a smaller dt, or nearest_symmetric")


def _schedule(net: Network, rule: PairSTDP) -> str:
    steps = in_steps(rule.period or 0.0, net.dt)
    return "at every step: slow" if rule.update == "spike" else f"every {steps} steps" if steps else "after each run"


def _losses(net: Network) -> Iterator[Diagnostic]:
    """Forced spikes of neurons that also spike by themselves."""
    for k, s in enumerate(net.stimuli):
        neuron = net.population(s.population).neuron
        if not isinstance(s, SpikeTimes) or not isinstance(neuron, GLM | LIF):
            continue
        size = "one that falls into a refractory period is lost"
        if isinstance(neuron, GLM):
            rate = 1.0 / (neuron.tau_ref * (1.0 + np.exp(-np.asarray(neuron.bias))))
            size += f": at the bias alone about {float(np.max(rate) * neuron.tau_ref):.2g} of them"
        yield _different(
            "SAL324", f"stimuli[{k}].times", "forced whatever the state", size, "drive a Source population"
        )


def _membranes(net: Network) -> Iterator[Diagnostic]:
    for k, probe in enumerate(net.probes):
        if isinstance(probe, Membrane) and isinstance(net.population(probe.population).neuron, LIF):
            size = "v_reset instead of the potential that crossed the threshold, at the steps of spikes"
            yield _different("SAL325", f"probes[{k}]", "the potential that decides", size, "leave these steps out")


def _notes(net: Network, target: Target) -> Iterator[str]:
    per_step = ticks_per_step(net, target) or 1
    for population in net.populations:
        yield f"{population.name}: {population.size} {MODELS[population.neuron.kind]}"
    for p in net.projections:
        yield f"{p.name}: {_synapses(net, target, p, per_step)}"
    if per_step > 1:
        yield f"NEST's resolution is dt / {per_step} = {number(net.dt / per_step)} ms, to split delays evenly"
        yield "a clock (a parrot neuron) lets neurons spike at whole steps only"


def _synapses(net: Network, target: Target, p: Projection, per_step: int) -> str:
    """One projection's NEST connections, in words."""
    learning = parts(net, target, p, per_step)
    rectangular, tick = isinstance(p.kernel, Rectangular), net.dt / per_step
    ends = ", each twice: one begins the PSP, one ends it tau_syn later through a relay" if rectangular else ""
    if not learning:
        return f"static_synapse{ends}"
    relays = "; ".join(
        f"presynaptic spikes {number(part.axonal * tick)} ms late through a relay, dendritic delay "
        f"{number(part.dendritic * tick)} ms" for part in learning
    )  # fmt: skip
    models = " and ".join(dict.fromkeys(MODELS_OF[p.plasticity[part.rule].pairing] for part in learning))
    half = " (two that learn half each, for simultaneous spikes)" if any(part.share < 1 for part in learning) else ""
    return f"{models}{half} beside a static one for weights of either sign{ends}; {relays}"
