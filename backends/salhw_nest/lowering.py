"""What NEST makes of a network: what it refuses, what it approximates and by how much, and what becomes what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from salhw.description.network import Network, takes_step
from salhw.description.parts import Projection
from salhw.description.probes import Variable
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.lowering import Lowering
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target
from salhw_nest.findings import different, together
from salhw_nest.kernels import psp, unlearning
from salhw_nest.kinds import unknown
from salhw_nest.learning import approximated, learning_refused, too_long
from salhw_nest.neurons import nest_neuron
from salhw_nest.pairing import TICKS, learned, parts, ticks_per_step, undivided
from salhw_nest.stimuli import nest_stimuli

TIC = 0.001  # ms: NEST's unit of time
LONGEST = 2**18  # ticks: the longest delay, for which every neuron keeps room in memory
KEPT = 8 * 2**30  # bytes of these ticks, for all neurons together


def lower(net: Network, target: Target) -> Lowering:
    """The network as it is; what does not go together is refused, what differs is named."""
    if refused := unknown(net, target):
        return Lowering(net, tuple(refused))
    if several := [*_several_delays(net, target)]:
        return Lowering(net, tuple(several))
    net, delayed = _delayed(net, target)
    refused = [
        *_mixtures(net, target),
        *learning_refused(net, target),
        *(f for p in net.populations for f in nest_neuron(net, target, p.name).mixed()),
        *_forced(net),
        *(
            finding
            for k, probe in enumerate(net.probes)
            if isinstance(probe, Variable)
            for finding in nest_neuron(net, target, probe.population).unseen(f"probes[{k}]", probe)
        ),
        *(f for p in net.projections for f in nest_neuron(net, target, p.post).refused(p)),
    ]
    refused = refused or [*_grid(net, target)] or [*_length(net, target)]
    if refused:
        return Lowering(net, tuple(refused))
    findings = [
        *delayed,
        *(f for p in net.populations for f in nest_neuron(net, target, p.name).approximations()),
        *approximated(net, target),
        *_losses(net, target),
    ]
    return Lowering(net, tuple(findings), tuple(_notes(net, target)))


def _mixtures(net: Network, target: Target) -> Iterator[Diagnostic]:
    """A NEST neuron has one PSP: rectangular, or exponential with one time constant, of each reversal potential."""
    ports = dict.fromkeys((p.post, p.e_rev) for p in net.projections)
    for post, e_rev in ports:
        neuron = nest_neuron(net, target, post)
        onto = [(p, psp(p.kernel)) for p in net.projections if (p.post, p.e_rev) == (post, e_rev)]
        if not neuron.takes_psps or neuron.repeats or not onto:
            continue
        model = onto[0]
        if not neuron.learns_rectangular and any(parts(net, target, p, 1) for p, _ in onto):
            model = next((pair for pair in onto if pair[1].decay), model)
        kernel, chosen = model[0].kernel, (model[1].name, model[1].decay or 0.0)
        shapes = sorted({(shape.name, shape.decay or 0.0) for _, shape in onto})
        for p, shape in onto:
            if (shape.name, shape.decay or 0.0) != chosen:
                asked = ", ".join(f"{name} {number(tau)} ms" if tau else name for name, tau in shapes)
                supported = "rectangular PSPs only, or exponential ones of one time constant, on one population"
                fix = f"kernel = {kernel.kind}(tau_syn={kernel.tau_syn!r})"
                yield together(f"projections.{p.name}.kernel", asked, supported, fix)


def _several_delays(net: Network, target: Target) -> Iterator[Diagnostic]:
    """NEST splits the delay of a plastic synapse between its ends, in the same way for a whole projection."""
    for p in net.projections:
        if isinstance(p.delay, np.ndarray) and learned(p, target):
            asked, fix = f"{len(np.unique(p.delay))} different delays", "give one delay for all, or leave the rule out"
            yield together(f"projections.{p.name}.delay", asked, "one delay for all synapses that learn", fix)


def _delayed(net: Network, target: Target) -> tuple[Network, list[Diagnostic]]:
    """NEST's LIF neurons let a current act one step after it arrived, and split delays of plastic synapses evenly."""
    projections, findings = [], []
    for p in net.projections:
        neuron, steps = nest_neuron(net, target, p.post), p.delay_steps(net.dt)
        least = neuron.least_delay(steps, bool(parts(net, target, p, 1)))
        if np.any(short := steps < least):
            asked, delay = (f"{number(each[short].flat[0] * net.dt)} ms" for each in (steps, least))
            size, fix = f"{delay} onto {neuron.neuron.kind} neurons", f"delay = {delay}"
            findings.append(different("SAL326", f"projections.{p.name}.delay", asked, size, fix))
            p = p.replace(delay=least * net.dt)
        projections.append(p)
    return (net.replace(projections=projections) if findings else net), findings


def _forced(net: Network) -> Iterator[Diagnostic]:
    for k, s in enumerate(nest_stimuli(net)):
        apart = net.population(s.population).neuron.refractory_period or 0.0
        for i, train in enumerate(s.forced if apart else ()):
            for n in np.flatnonzero(np.diff(train) < apart - 1e-9 * net.dt)[:1] + 1:
                asked = f"times[{i}][{n}] is {number(train[n] - train[n - 1])} ms after the one before"
                supported = f"forced spikes at least tau_ref = {number(apart)} ms apart"
                fix = "leave it out, or drive a Source population"
                yield together(f"stimuli[{k}]", asked, supported, fix)


def _grid(net: Network, target: Target) -> Iterator[Diagnostic]:
    """The ticks that a step is divided into: whole multiples of NEST's unit of time, and some neurons take one only."""
    per_step = ticks_per_step(net, target)
    assert per_step is not None  # TICKS has enough for every rule
    whole = next((p.name for p in net.populations if not nest_neuron(net, target, p.name).divisible), "")
    possible = [k for k in TICKS if _on_tics(net.dt / k) and (k == 1 or not whole)]
    if per_step in possible:
        return
    if not whole and (dt := _other_step(net, target, per_step)):
        supported = (
            f"whole multiples of {number(TIC * per_step)} ms for this network, whose steps have {per_step} ticks"
        )
        yield together("dt", f"{number(net.dt)} ms", supported, f"dt = {number(dt)} ms")
    elif not possible:
        dt = _other_step(net, target, 1)
        fix = f"dt = {number(dt)} ms" if dt else "another dt, and times that it divides"
        yield together("dt", f"{number(net.dt)} ms", f"whole multiples of {number(TIC)} ms", fix)
    else:
        kind = net.population(whole).neuron.kind if whole else ""
        why = f"beside the {kind} neurons of {whole}" if whole else f"with dt = {number(net.dt)} ms"
        for finding in undivided(net, target, possible[-1]):
            yield replace(finding, supported=f"{finding.supported} {why}")


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


def _length(net: Network, target: Target) -> Iterator[Diagnostic]:
    """Every neuron of NEST keeps room for the longest delay, to which the length of a rectangular PSP adds."""
    per_step = ticks_per_step(net, target) or 1
    extents = {
        p.name: (
            p.longest_delay(net.dt) + neuron.latency,
            psp(p.kernel).steps(net.dt) if neuron.repeats else neuron.length(p.kernel),
        )
        for p in net.projections
        for neuron in [nest_neuron(net, target, p.post)]
    }
    longest = max((per_step * (reach + length) for reach, length in extents.values()), default=1)
    yield from too_long(net, target, per_step, longest)
    size = sum(p.size for p in net.populations)
    most = min(LONGEST, int(KEPT / (16.0 * 4.0 * size))) // per_step  # two numbers a tick; relays are as many again
    for p in net.projections:
        path, fixed = f"projections.{p.name}", nest_neuron(net, target, p.post).latency
        reach, length = extents[p.name]
        supported = (
            f"a delay and a rectangular PSP of {number(most * net.dt)} ms together, of which NEST keeps all steps"
        )
        if reach - fixed > most // 2:
            limit = f"delay <= {number(most // 2 * net.dt)} ms"
            yield together(f"{path}.delay", f"{number(p.longest_delay(net.dt) * net.dt)} ms", supported, limit)
        elif reach + length > most:
            limit = f"tau_syn <= {number((most - reach) * net.dt)} ms"
            yield together(f"{path}.kernel.tau_syn", f"{number(p.kernel.tau_syn)} ms", supported, limit)


def _losses(net: Network, target: Target) -> Iterator[Diagnostic]:
    """Forced spikes of neurons that also spike by themselves."""
    for k, s in enumerate(nest_stimuli(net)):
        if s.forced and (lost := nest_neuron(net, target, s.population).lost):
            asked, fix = "forced whatever the state", "drive a Source population"
            yield different("SAL324", f"stimuli[{k}].times", asked, lost, fix)


def _notes(net: Network, target: Target) -> Iterator[str]:
    per_step = ticks_per_step(net, target) or 1
    for population in net.populations:
        yield f"{population.name}: {population.size} {nest_neuron(net, target, population.name).model}"
    for p in net.projections:
        yield f"{p.name}: {_synapses(net, target, p, per_step)}"
        neuron = nest_neuron(net, target, p.post)
        if neuron.takes_psps and not neuron.follows_weights:
            yield f"{p.name}: PSPs under way keep the weight that they began with when a session writes another"
    if per_step > 1:
        yield f"NEST's resolution is dt / {per_step} = {number(net.dt / per_step)} ms, to split delays evenly"
        yield "a clock (a parrot neuron) lets neurons spike at whole steps only"


def _synapses(net: Network, target: Target, p: Projection, per_step: int) -> str:
    """One projection's NEST connections, in words."""
    learning, tick = parts(net, target, p, per_step), net.dt / per_step
    twice = ", each twice: one begins the PSP, one ends it tau_syn later through a relay"
    steps, neuron = psp(p.kernel).steps(net.dt), nest_neuron(net, target, p.post)
    repeated = f", {steps} of each synapse, one for each step of its PSP" if steps > 1 else ""
    ends = repeated if neuron.repeats else twice if neuron.length(p.kernel) else ""
    if not learning:
        return f"{unlearning(p)[0]}{ends}"
    relays = "; ".join(
        f"presynaptic spikes {number(part.axonal * tick)} ms late through a relay, dendritic delay "
        f"{number(part.dendritic * tick)} ms" for part in learning
    )  # fmt: skip
    models = " and ".join(dict.fromkeys(part.model for part in learning))
    half = " (two that learn half each, for simultaneous spikes)" if any(part.share < 1 for part in learning) else ""
    return f"{models}{half} beside a static one for weights of either sign{ends}; {relays}"
