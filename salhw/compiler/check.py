"""Hold a description against a target's capabilities. Driven by the data of both: there is no list of features here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from math import ceil

import numpy as np

from salhw.description.connectivity import Dense
from salhw.description.consistency import rule_name
from salhw.description.network import Network, Projection, takes_step
from salhw.description.neurons import LIF
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import (
    STRUCTURE,
    field_findings,
    kind_findings,
    nearest_step,
    rule_findings,
    unsupported,
    value_findings,
)
from salhw.substrate.target import Target


def check(net: Network, target: Target) -> list[Diagnostic]:
    """Everything in ``net`` that ``target`` does not have, as diagnostics; paths as in ``consistency``. The first thing
    that a fix says is accepted when followed."""
    parts = {"stimuli": (net.stimuli, target.stimuli), "probes": (net.probes, target.probes)}
    return [
        *_network(net, target),
        *_populations(net, target),
        *(finding for projection in net.projections for finding in _projection(net, projection, target)),
        *(
            finding
            for group, (items, capabilities) in parts.items()
            for k, item in enumerate(items)
            for finding in kind_findings(
                f"{group}[{k}]", item, capabilities, net.dt, "leave it out, or choose one of these"
            )
        ),
    ]


def _network(net: Network, target: Target) -> Iterator[Diagnostic]:
    for finding in field_findings("", net, target.network, {"populations", "projections", "stimuli", "probes"}, net.dt):
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
        if neuron.kind in target.neurons:
            capability = target.neurons[neuron.kind]
            for finding in field_findings(path, neuron, capability, STRUCTURE, net.dt):
                yield _below_threshold(finding, neuron, capability) if isinstance(neuron, LIF) else finding
        else:
            yield unsupported(f"{path}.neuron", neuron.kind, tuple(target.neurons))


def _below_threshold(finding: Diagnostic, neuron: LIF, capability: Capability) -> Diagnostic:
    """A fix that moves one of reset and threshold over the other moves that one first."""
    field, entry = finding.path.rpartition(".")[2], capability.get(finding.path.rpartition(".")[2])
    if field not in ("v_reset", "v_thresh") or not isinstance(entry, Range):
        return finding
    gap = min(neuron.v_thresh - neuron.v_reset, (entry.max - entry.min) / 2)
    if field == "v_reset" and neuron.v_thresh <= entry.min:
        return replace(finding, fix=f"v_thresh >= {number(entry.min + gap)}, then {finding.fix}")
    if field == "v_thresh" and neuron.v_reset >= entry.max:
        return replace(finding, fix=f"v_reset <= {number(entry.max - gap)}, then {finding.fix}")
    return finding


def _projection(net: Network, projection: Projection, target: Target) -> Iterator[Diagnostic]:
    path = f"projections.{projection.name}"
    skipped = {"pre", "post", "weights", "kernel", "plasticity"}
    yield from field_findings(path, projection, target.projections, skipped, net.dt)
    allowed = target.projections.get("connectivity", ())
    if isinstance(allowed, tuple) and projection.weights.kind not in allowed:
        yield unsupported(f"{path}.weights", projection.weights.kind, allowed)
    capability = target.projections.get("weights")
    if isinstance(projection.weights, Dense):
        # The zeros on the diagonal of a recurrent matrix are no synapses; a target without zero may still take it.
        matrix = projection.weights.values
        synapse = ~np.eye(len(matrix), dtype=np.bool_) if projection.pre == projection.post else None
        yield from value_findings(f"{path}.weights", matrix, capability, arrays=True, where=synapse)
    else:
        yield from value_findings(f"{path}.weights", projection.weights.weight, capability, arrays=True)
    yield from kind_findings(
        f"{path}.kernel", projection.kernel, target.kernels, net.dt, _other_kernel(projection, target, net.dt)
    )
    for k, rule in enumerate(projection.plasticity):
        at = f"{path}.{rule_name(projection, k)}"
        findings = [*rule_findings(at, rule, target.plasticity, target.windows, net.dt)]
        if findings and target.host:
            beyond = [*rule_findings(at, rule, target.host, target.host, net.dt)]
            if rule.execution == "host":
                findings = beyond
            elif not beyond:
                findings = [replace(f, fix=f'{f.fix}, or execution="host"') for f in findings]
        yield from findings


def _other_kernel(projection: Projection, target: Target, dt: float) -> str:
    """A kernel that the target has, with the time constant of the projection's."""
    kind = next((kind for kind in ("Exponential", *target.kernels) if kind in target.kernels), "")
    tau = projection.kernel.tau_syn
    if kind == "Rectangular":
        tau = float(nearest_step(tau, Range(min=dt, max=float("1e9")), dt))
    return f"kernel = {kind}(tau_syn={number(tau)}), or another of these" if kind else "choose another target"
