"""Hold a description against a target's capabilities. Driven by the data of both: there is no list of features here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice
from math import ceil

import numpy as np

from salhw.compiler.host_loop import host_findings
from salhw.compiler.periods import of_windows
from salhw.compiler.reference_phase import reference_findings
from salhw.description.connectivity import Connector
from salhw.description.kinds import Kind
from salhw.description.network import Network, takes_step
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PlasticityRule
from salhw.description.ties import Tie
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.folding import scaled_target
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import (
    any_time,
    field_findings,
    kind_findings,
    names_in,
    nearest_step,
    rule_findings,
    unsupported,
    value_findings,
)
from salhw.substrate.target import Target

SIMPLER = {
    ("autapses", False): "leave them out",
    ("multapses", False): "add their weights up",
    ("multapses", True): "give each synapse of a pair a projection of its own",
}
"""What makes a list of synapses one that every target takes, by whether they learn."""


def check(net: Network, target: Target) -> list[Diagnostic]:
    """Everything in ``net`` that ``target`` does not have, as diagnostics; paths as in ``consistency``. The first thing
    that a fix says is accepted when followed; options of the target that mend it, too, are named last."""
    findings = _check(net, target)
    others: dict[tuple[str, str], str] = {}
    for name, option in target.options.items() if findings else ():
        for choice in (choice for choice in option.declares if choice != str(option.value)):
            left = {(f.code, f.path) for f in _check(net, target.with_options(**{name: choice}))}
            fix = f'target.with_options({name}="{choice}")'
            others |= {place: fix for f in findings if (place := (f.code, f.path)) not in left}
    return [
        replace(f, fix=f"{f.fix}, or {others[f.code, f.path]}") if (f.code, f.path) in others else f for f in findings
    ]


def _check(net: Network, target: Target) -> list[Diagnostic]:
    """See ``check``; of the target as its options are."""
    connectors = {p.name: p.weights for p in net.projections}
    net = net.explicit
    here = scaled_target(net, target)
    return [
        *_network(net, target),
        # first, as they name variables that other neurons and projections than these may not have
        *_items(net, "probes", net.probes, target.probes),
        *_populations(net, target),
        *(
            finding
            for projection in net.projections
            for finding in _projection(net, projection, connectors[projection.name], here.scaled_for(projection.name))
        ),
        *_items(net, "stimuli", net.stimuli, target.stimuli),
        *(
            finding
            for trace in net.traces
            for finding in kind_findings(f"traces.{trace.name}.window", trace.window, target.averages, net.dt)
        ),
        *(finding for k, tie in enumerate(net.ties) for finding in _tie(f"ties[{k}]", tie, target, net.dt)),
        *host_findings(net, target),
        *reference_findings(net, target),
    ]


def _items(
    net: Network, group: str, items: Sequence[Kind], capabilities: Mapping[str, Capability]
) -> Iterator[Diagnostic]:
    for k, item in enumerate(items):
        findings = kind_findings(f"{group}[{k}]", item, capabilities, net.dt, "leave it out, or choose one of these")
        yield from of_windows(net, item, capabilities.get(item.kind, {}), findings)


def _network(net: Network, target: Target) -> Iterator[Diagnostic]:
    for finding in field_findings("", net, target.network, net.dt):
        steps = target.network.get("dt")
        if finding.path == "dt" and isinstance(steps, Range):
            finding = replace(finding, fix=_other_step(net, steps) or f"{finding.fix}, and times that it divides")
        yield finding


def _other_step(net: Network, steps: Range) -> str:
    """The step in the range, nearest to the network's, that all its times are whole multiples of, as far as it is
    written (a third of a step is not); none if there is none."""
    if net.dt > steps.max:
        candidates = (net.dt / k for k in count(ceil(net.dt / steps.max - 1e-9)))
    else:
        candidates = (k * net.dt for k in count(ceil(steps.min / net.dt - 1e-9)))
    for candidate in islice(candidates, 64):
        dt = float(number(candidate))
        if not steps.min <= dt <= steps.max:
            return ""
        if takes_step(net, dt):
            return f"dt = {number(dt)} ms"
    return ""


def _populations(net: Network, target: Target) -> Iterator[Diagnostic]:
    for population in net.populations:
        path, neuron = f"populations.{population.name}", population.neuron
        if neuron.kind not in target.neurons:
            yield unsupported(f"{path}.neuron", neuron.kind, tuple(target.neurons))
            continue
        capability = target.neurons[neuron.kind]
        for finding in field_findings(path, neuron, capability, net.dt):
            field = finding.path.rpartition(".")[2]
            entry = capability.get(field)
            first = neuron.moved_before(field, entry.min, entry.max) if isinstance(entry, Range) else ""
            yield replace(finding, fix=f"{first}, then {finding.fix}") if first else finding


def _simpler(net: Network, projection: Projection, connector: Connector, more: str) -> str:
    """What makes synapses ones that every target takes: no ``more`` of them, if the connector can do without."""
    without = connector.replace(**{more: False}) if connector.drawn else connector
    dispensable = connector.drawn and not any(without.contradictions("", *net.ends(projection.name)))
    if dispensable or (more == "autapses" and not projection.recurrent):
        return f"{more} = false"
    listed = "list them (net.explicit), and " if connector.drawn else ""
    return listed + SIMPLER[more, bool(projection.plasticity)]


def _projection(net: Network, projection: Projection, connector: Connector, target: Target) -> Iterator[Diagnostic]:
    """See ``check``; ``connector`` is the one that is described, whose synapses the projection has."""
    path = f"projections.{projection.name}"
    yield from field_findings(path, projection, target.projections, net.dt)
    allowed = target.projections.get("connectivity", ())
    if isinstance(allowed, tuple) and connector.kind not in allowed:
        listed = projection.weights.kind
        instead = f"compile net.explicit, which has them as {listed}, or c" if listed in allowed else "c"
        yield unsupported(f"{path}.weights", connector.kind, allowed, f"{instead}hoose one of these")
    for more in projection.weights.beyond:
        if more not in names_in(target.projections, "synapses"):
            simpler = _simpler(net, projection, connector, more)
            yield unsupported(f"{path}.weights.{more}", "true", ("false",), simpler)
    stored, synapse = projection.weights.stored, None
    if isinstance(stored, np.ndarray) and projection.weights.is_hollow(projection.recurrent):
        # The zeros on the diagonal of a recurrent matrix are no synapses; a target without zero may still take it.
        synapse = ~np.eye(len(stored), dtype=np.bool_)
    yield from value_findings(f"{path}.weights", stored, target.projections.get("weights"), arrays=True, where=synapse)
    yield from kind_findings(
        f"{path}.kernel", projection.kernel, target.kernels, net.dt, _other_kernel(projection, target, net.dt)
    )
    if projection.short_term is not None:
        at, otherwise = f"{path}.short_term", "leave it out, or choose one of these"
        yield from kind_findings(at, projection.short_term, target.short_term, net.dt, otherwise)
    for k, rule in enumerate(projection.plasticity):
        at = f"{path}.{rule_name(projection, k)}"
        findings = [*_rule(net, at, rule, target.plasticity, target.windows)]
        if findings and target.host:
            beyond = [*_rule(net, at, rule, target.host, target.host)]
            if rule.execution == "host":
                findings = beyond
            elif rule.kind in target.host and rule.kind not in target.plasticity:
                findings = [unsupported(f"{at}.execution", "chip", ("host",), 'execution = "host"'), *beyond]
            elif not beyond:
                findings = [replace(f, fix=f'{f.fix}, or execution="host"') for f in findings]
        yield from findings


def _rule(
    net: Network, at: str, rule: PlasticityRule, rules: Mapping[str, Capability], windows: Mapping[str, Capability]
) -> Iterator[Diagnostic]:
    yield from of_windows(net, rule, rules.get(rule.kind, {}), rule_findings(at, rule, rules, windows, net.dt))


def _tie(path: str, tie: Tie, target: Target, dt: float) -> Iterator[Diagnostic]:
    if target.ties is None:
        yield unsupported(path, "copies of weights", (), "leave it out, and write the weights between runs")
    else:
        yield from field_findings(path, tie, target.ties, dt)


def _other_kernel(projection: Projection, target: Target, dt: float) -> str:
    """A kernel that the target has, with the time constant of the projection's."""
    kind = next((kind for kind in ("Exponential", *target.kernels) if kind in target.kernels), "")
    tau = projection.kernel.tau_syn
    if kind == "Rectangular":
        tau = float(nearest_step(tau, any_time(dt), dt))
    return f"kernel = {kind}(tau_syn={number(tau)}), or another of these" if kind else "choose another target"
