"""What NEST makes of a network: what it refuses, what it approximates and by how much, and what becomes what."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np

from salhw.description.grid import in_steps
from salhw.description.kernels import Exponential, Rectangular
from salhw.description.network import Network, takes_step
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.parts import Population, Projection, rule_name
from salhw.description.plasticity import PairSTDP
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.description.stimuli import SpikeTimes
from salhw.description.windows import Window
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.lowering import Lowering
from salhw.session.paths import described_at
from salhw.substrate.capabilities import Range
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_nest.circuit import noisy
from salhw_nest.inputs import extent
from salhw_nest.neurons import FASTEST, MODELS, escape_error, latency, noise_error
from salhw_nest.pairing import MODELS as MODELS_OF
from salhw_nest.pairing import TICKS, Need, cancels, halved, needs, parts, ticks_per_step
from salhw_nest.pending_pairs import FORGOTTEN

TIC = 0.001  # ms: NEST's unit of time
WIDE = 500.0  # bounds that no weight of a description reaches
LONGEST = 2**18  # ticks: the longest delay, for which every neuron keeps room in memory
WAITED = 3e8  # ticks of the lead-in times those of the longest delay, which NEST shifts at each: some seconds
ROOM = 8 * 2**30  # bytes of this room, for all neurons together


def lower(net: Network, target: Target) -> Lowering:
    """The network as it is; what does not go together is refused, what differs is named."""
    net, delayed = _delayed(net, target)
    refused = [
        *_mixtures(net, target),
        *_rules(net, target),
        *_forced(net),
        *_membranes(net),
    ]
    if not refused:
        refused = [*_grid(net, target)]
    if not refused:
        refused = [*_length(net, target)]
    if refused:
        return Lowering(net, tuple(refused))
    different = [*delayed, *_discretisations(net, target), *_learning(net, target), *_losses(net)]
    return Lowering(net, tuple(different), tuple(_notes(net, target)))


def _together(path: str, asked: str, supported: str, fix: str) -> Diagnostic:
    return Diagnostic("SAL107", path, asked, supported, fix)


def _kernel(p: Projection) -> str:
    k = p.kernel
    return (
        f"Rectangular(tau_syn={k.tau_syn!r})" if isinstance(k, Rectangular) else f"Exponential(tau_syn={k.tau_syn!r})"
    )


def _mixtures(net: Network, target: Target) -> Iterator[Diagnostic]:
    """A NEST neuron has one PSP: rectangular, or exponential with one time constant."""
    for population in net.populations:
        onto = [p for p in net.projections if p.post == population.name]
        shapes = [("rectangular", 0.0) if isinstance(p.kernel, Rectangular) else ("exponential", p.kernel.tau_syn)
                  for p in onto]  # fmt: skip
        if isinstance(population.neuron, Source) or not onto:
            continue
        model, chosen = onto[0], shapes[0]
        if isinstance(population.neuron, LIF) and any(parts(net, target, p, 1) for p in onto):  # see _rules
            model, chosen = next(((p, s) for p, s in zip(onto, shapes, strict=True) if s[1]), (model, chosen))
        for p, shape in zip(onto, shapes, strict=True):
            if shape != chosen:
                asked = ", ".join(f"{kind} {number(tau)} ms" if tau else kind for kind, tau in sorted({*shapes}))
                supported = "rectangular PSPs only, or exponential ones of one time constant, on one population"
                yield _together(f"projections.{p.name}.kernel", asked, supported, f"kernel = {_kernel(model)}")


def _membranes(net: Network) -> Iterator[Diagnostic]:
    """NEST gives a current to a LIF neuron at the beginning of a step, and the neuron has to remember it to its end."""
    for p in net.projections:
        neuron = net.population(p.post).neuron
        if isinstance(neuron, LIF) and isinstance(p.kernel, Exponential) and net.dt / neuron.tau_m > FASTEST:
            least = net.dt / FASTEST
            asked, path = f"{number(neuron.tau_m)} ms", f"populations.{p.post}.tau_m"
            yield _together(
                path, asked, f">= dt / {number(FASTEST)} under exponential PSPs", f"tau_m >= {least:.6g} ms"
            )


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
            fix = f"kernel = Exponential(tau_syn={p.kernel.tau_syn!r}), or GLM neurons"
            yield _together(f"projections.{p.name}.kernel", "Rectangular", supported, fix)
    for population in net.populations:
        rules = [(p, k, rule) for p in net.projections if p.post == population.name
                 for k, rule in enumerate(p.plasticity) if on_chip(rule, target)]  # fmt: skip
        for p, k, rule in rules:
            first = rules[0][2].anticausal.tau
            if rule.anticausal.tau != first:
                path = f"projections.{p.name}.{rule_name(p, k)}.anticausal.tau"
                supported = f"one time constant of anti-causal windows onto {population.name}, {number(first)} ms"
                yield _together(path, f"{number(rule.anticausal.tau)} ms", supported, f"tau = {first!r} ms")
    for p in net.projections:
        on = [k for k, rule in enumerate(p.plasticity) if on_chip(rule, target)]
        for k, rule in enumerate(p.plasticity) if len(p.plasticity) > 1 and on else ():
            path = f"projections.{p.name}.{rule_name(p, k)}"
            if len(on) == len(p.plasticity) and rule.bounds:
                supported = "bounds on a projection with one rule"
                yield _together(f"{path}.bounds", "of one of several rules", supported, "bounds = None, or one rule")
            elif len(on) < len(p.plasticity) and k in on:
                supported = "rules that are all NEST's or all the host's"
                fix = 'leave it out, or another update and execution="host" for all'
                yield _together(path, "some of either", supported, fix)


def _forced(net: Network) -> Iterator[Diagnostic]:
    for k, s in enumerate(net.stimuli):
        if not isinstance(s, SpikeTimes) or not isinstance(neuron := net.population(s.population).neuron, GLM | LIF):
            continue
        for i, train in enumerate(s.times):
            for n in np.flatnonzero(np.diff(train) < neuron.tau_ref - 1e-9 * net.dt)[:1] + 1:
                asked = f"times[{i}][{n}] is {number(train[n] - train[n - 1])} ms after the one before"
                supported = f"forced spikes at least tau_ref = {number(neuron.tau_ref)} ms apart"
                fix = "leave it out, or drive a Source population"
                yield _together(f"stimuli[{k}]", asked, supported, fix)


def _grid(net: Network, target: Target) -> Iterator[Diagnostic]:
    """The ticks that a step is divided into: whole multiples of NEST's unit of time, and LIF neurons take one only."""
    per_step = ticks_per_step(net, target)
    assert per_step is not None  # TICKS has enough for every rule
    leaky = next((p.name for p in net.populations if isinstance(p.neuron, LIF)), "")
    possible = [k for k in TICKS if _on_tics(net.dt / k) and (k == 1 or not leaky)]
    if per_step in possible:
        return
    if not leaky and (dt := _other_step(net, target, per_step)):
        supported = (
            f"whole multiples of {number(TIC * per_step)} ms for this network, whose steps have {per_step} ticks"
        )
        yield _together("dt", f"{number(net.dt)} ms", supported, f"dt = {number(dt)} ms")
    elif not possible:
        dt = _other_step(net, target, 1)
        fix = f"dt = {number(dt)} ms" if dt else "another dt, and times that it divides"
        yield _together("dt", f"{number(net.dt)} ms", f"whole multiples of {number(TIC)} ms", fix)
    else:
        why = f"beside the LIF neurons of {leaky}" if leaky else f"with dt = {number(net.dt)} ms"
        yield from (_undivided(net, why, *need) for need in needs(net, target, possible[-1]))


def _on_tics(tick: float) -> bool:
    return abs(tick / TIC - round(tick / TIC)) < 1e-6 and round(tick / TIC) > 0


def _other_step(net: Network, target: Target, per_step: int) -> float | None:
    """The shortest whole multiple of the network's step that NEST can divide and that all times are multiples of."""
    allowed = target.network.get("dt")
    for k in range(1, 33):
        dt = float(number(net.dt * k))
        within = isinstance(allowed, Range) and allowed.min <= dt <= allowed.max
        if within and _on_tics(dt / per_step) and takes_step(net, dt):
            return dt
    return None


def _undivided(net: Network, why: str, need: Need, owner: Population | Projection) -> Diagnostic:
    """What has to change where steps cannot be divided into enough ticks."""
    if isinstance(owner, Population):
        least = f"{number(2.0 * net.dt)} ms"
        path = f"populations.{owner.name}.tau_ref"
        return _together(path, f"{number(net.dt)} ms", f">= 2 dt = {least} {why}", f"tau_ref >= {least}")
    path = f"projections.{owner.name}"
    if need == "halves":
        supported = f"rules with bounds, or over all pairs with equal and opposite branches, {why}"
        k = next(k for k, rule in enumerate(owner.plasticity) if halved(net, owner, rule))
        at, several = f"{path}.{rule_name(owner, k)}", len(owner.plasticity) > 1
        fix = "leave it out" if several else f"bounds = [{-WIDE}, {WIDE}]"
        return _together(at if several else f"{at}.bounds", "no bounds", supported, fix)
    if need == "delay":
        steps = in_steps(owner.delay, net.dt) or 0
        steps += 1 if steps < 2 else -1
        supported = f"another parity of delays of plastic projections {why}"
        fix = f"delay = {number(steps * net.dt)} ms"
        return _together(f"{path}.delay", f"{number(owner.delay)} ms", supported, fix)
    steps = in_steps(owner.kernel.tau_syn, net.dt) or 0
    steps += 1 if steps < 2 else -1
    supported = f"an even number of steps for rectangular PSPs of plastic projections {why}"
    fix = f"tau_syn = {number(steps * net.dt)} ms"
    return _together(f"{path}.kernel.tau_syn", f"{number(owner.kernel.tau_syn)} ms", supported, fix)


def _reach(net: Network, p: Projection) -> tuple[int, int]:
    """Steps until a PSP begins, and for which a rectangular one lasts."""
    length = in_steps(p.kernel.tau_syn, net.dt) or 0 if isinstance(p.kernel, Rectangular) else 0
    return latency(net.population(p.post), net.dt, p.delay), length


def _length(net: Network, target: Target) -> Iterator[Diagnostic]:
    """Every neuron of NEST keeps room for the longest delay, to which the length of a rectangular PSP adds; and a
    nearest-neighbour synapse has to forget the spike that NEST gives it at time 0."""
    per_step = ticks_per_step(net, target) or 1
    longest = max((per_step * sum(_reach(net, p)) for p in net.projections), default=1)
    tau = float(f"{0.99 * WAITED / (FORGOTTEN * (longest + 1000)) * net.dt / per_step:.3g}")
    for p in net.projections:
        for k, rule in enumerate(p.plasticity):
            if rule.pairing != "all" and on_chip(rule, target) and rule.causal.tau > tau:
                path, limit = f"projections.{p.name}.{rule_name(p, k)}.causal.tau", f"{number(tau)} ms"
                supported = (
                    f"nearest pairs of up to {limit} here, of which NEST has to wait {number(FORGOTTEN)} at first"
                )
                yield _together(path, f"{number(rule.causal.tau)} ms", supported, f"tau <= {limit}")
        shift = max((abs(x.axonal - x.dendritic) for x in parts(net, target, p, per_step)), default=0)
        least = float(f"{1.01 * shift * net.dt / per_step / FASTEST:.3g}")
        for k, rule in enumerate(p.plasticity):
            for branch in BRANCHES:
                window = getattr(rule, branch)
                if window.tau < least and on_chip(rule, target):
                    path, limit = f"projections.{p.name}.{rule_name(p, k)}.{branch}.tau", f"{number(least)} ms"
                    yield _together(path, f"{number(window.tau)} ms", f">= {limit} at this step", f"tau >= {limit}")
    size = sum(p.size for p in net.populations)
    most = min(LONGEST, int(ROOM / (16.0 * 4.0 * size))) // per_step  # two numbers a tick; relays are as many again
    for p in net.projections:
        path, fixed = f"projections.{p.name}", latency(net.population(p.post), net.dt, 0.0)
        reach, length = _reach(net, p)
        delay = reach - fixed
        supported = (
            f"a delay and a rectangular PSP of {number(most * net.dt)} ms together, of which NEST keeps all steps"
        )
        if delay > most // 2:
            limit = f"delay <= {number(most // 2 * net.dt)} ms"
            yield _together(f"{path}.delay", f"{number(p.delay)} ms", supported, limit)
        elif delay + fixed + length > most:
            limit = f"tau_syn <= {number((most - delay - fixed) * net.dt)} ms"
            yield _together(f"{path}.kernel.tau_syn", f"{number(p.kernel.tau_syn)} ms", supported, limit)


def _different(code: str, path: str, asked: str, size: str, fix: str) -> Diagnostic:
    return Diagnostic(code, path, asked, size, fix, severity="approximation")


def _discretisations(net: Network, target: Target) -> Iterator[Diagnostic]:
    for p in net.populations:
        if not isinstance(p.neuron, GLM) or p.neuron.discretisation != "logistic":
            continue
        path = f"populations.{p.name}.discretisation"
        if target.option("logistic") == "refuse":
            yield Diagnostic("SAL103", path, "logistic", "supported exact", 'discretisation="exact"')
            continue
        if noisy(net, target, p):
            size = (
                "NEST's hazard with noise on the potential, which makes it logistic; at any input the probability to "
                f"spike is off by up to {noise_error():.2g} of itself, up to one of .98 that not to spike, too"
            )
            yield _different("SAL321", path, "logistic", size, 'discretisation="exact"')
            continue
        bias = described_at(net, f"populations.{p.name}.bias")
        sizes = []
        for overlapping in (False, True):
            inputs = extent(net, p, overlapping)
            error = escape_error(p.neuron, bias, inputs, net.dt)
            sizes.append(f"{number(inputs.min())}..{number(inputs.max())} off by up to {error:.2g} of itself")
        size = (
            f"NEST's hazard, equal at the bias; the probability to spike is over inputs of {sizes[0]}, and where PSPs "
            f"overlap as much as they can, over {sizes[1]}"
        )
        yield _different("SAL321", path, "logistic", size, 'discretisation="exact", or logistic="noise"')


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
            step = max(_largest(rule, rule.causal), _largest(rule, rule.anticausal))
            if not isinstance(net.population(p.post).neuron, Source):
                size = f"PSPs keep the weight that they begin with; it changes by up to {step:.2g} per pair"
                yield _different("SAL313", path, "present weights scale PSPs", size, "a lower learning rate")
            if rule.bounds:
                size = f"at a bound, where spikes coincide, NEST clips after each branch: up to {step:.2g} per pair"
                if np.any(np.asarray(rule.causal.amplitude) * np.asarray(rule.anticausal.amplitude) > 0.0):
                    size += "; anti-causal pairs make a PSP larger than the bound by as much, which is never read"
                yield _different("SAL327", f"{path}.bounds", "clipped once a step", size, "a lower learning rate")
            most = _largest(rule, rule.causal)
            if not cancels(rule) and not halved(net, p, rule):
                size = f"such a pair is left out, and those around it are NEST's choice: {most:.2g} at most each"
                yield _different("SAL323", path, "simultaneous spikes", size, "no bounds, or GLM neurons")
            elif rule.pairing == "nearest_restricted":
                size = f"a pair between two coincidences counts a half instead of a quarter: {most / 4:.2g} at most"
                yield _different("SAL323", path, "simultaneous spikes", size, "a smaller dt, or nearest_symmetric")


def _largest(rule: PairSTDP, window: Window) -> float:
    """The largest change of a weight by a pair."""
    return float(np.abs(np.asarray(rule.learning_rate) * np.asarray(window.amplitude)).max(initial=0.0))


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


def _notes(net: Network, target: Target) -> Iterator[str]:
    per_step = ticks_per_step(net, target) or 1
    for population in net.populations:
        yield f"{population.name}: {population.size} {MODELS[population.neuron.kind]}"
    for p in net.projections:
        yield f"{p.name}: {_synapses(net, target, p, per_step)}"
        if isinstance(net.population(p.post).neuron, LIF):
            yield f"{p.name}: PSPs under way keep the weight that they began with when a session writes another"
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
