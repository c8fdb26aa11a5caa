"""Networks with a reference phase on a target: what stands against it, the executable, and its report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from salhw.compiler.quantise import weight_levels
from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.executable import Executable
from salhw.session.folding import RULES, reference_phase
from salhw.session.reference_phase import ReferenceBackend, phase_times, referenced_rules
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target


def reference_findings(net: Network, target: Target) -> Iterator[Diagnostic]:
    """What a target cannot do beside a reference phase."""
    rules = referenced_rules(net)
    if not rules:
        return
    p, k = rules[0]
    path = f"projections.{p.name}.{rule_name(p, k)}.reference"
    if net.traces and not target.host_loop:
        supported = "networks without traces, which would see the phase"
        yield Diagnostic(
            "SAL107", path, f"a phase beside {len(net.traces)} traces", supported, "leave the reference out"
        )
    limits = target.projections.get("weights")
    if isinstance(limits, Range) and not limits.min <= 0.0 <= limits.max:
        supported = f"weights of {limits}, none of them silent"
        yield Diagnostic("SAL107", path, "all weights at 0", supported, "leave the reference out")
    for q in net.projections:
        for j, rule in enumerate(q.plasticity):
            if rule.update == "run end" and rule not in RULES:
                at, fix = f"projections.{q.name}.{rule_name(q, j)}.update", 'update = "every 200 ms"'
                yield Diagnostic("SAL107", at, "run end", "periods: beside a reference phase a run is in pieces", fix)


def referenced(net: Network, inner: Executable) -> Executable:
    """The executable of a network with a reference phase, where ``inner`` is that of the network without."""
    target = inner.target
    steps = {p.name: 0.0 if target.weight_bits is None else weight_levels(target.scaled_for(p.name))[0]
             for p in net.projections}  # fmt: skip
    notes = phase_notes(net, inner.network, target, "the host")
    report = replace(inner.report, notes=(*inner.report.notes, *notes))
    lowered = inner.network.replace(probes=net.probes)
    return Executable(lowered, net, target, inner.placement, report, ReferenceBackend(inner, steps))


def phase_notes(net: Network, lowered: Network, target: Target, by: str) -> Iterator[str]:
    """Which weights are silent, for how long, and what is subtracted when, by whom; ``lowered`` is what the target made
    of the network."""
    phase = reference_phase(net)
    assert phase is not None
    dt, speed = net.dt, target.speed_up
    times = phase_times(phase, lowered)
    length, every = times.length * dt, times.every * dt
    silent = sum(count(p.weights, *net.ends(p.name)) for p in net.projections)
    on_chip = f" ({number(length / speed)} ms on the chip)" if speed else ""
    again = f", and every {number(every)} ms" if every else ""
    lengthened = "" if length == phase.duration else f", {number(phase.duration)} ms to whole periods"
    yield (
        f"reference phase: before the first run{again}, all {silent} weights are silent for {number(length)} ms"
        f"{on_chip}{lengthened}; no run counts them"
    )
    for p, k in referenced_rules(net):
        period = lowered.projection(p.name).plasticity[k].period or 0.0
        yield f"{p.name}: what it changed then is subtracted by {by}, every {number(period)} ms"
