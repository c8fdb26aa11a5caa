"""Networks of which a target's host works out a part: what stands against that, and the executable of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from salhw.compiler.quantise import quantise
from salhw.description.connectivity import count
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.probes import Variable
from salhw.description.ties import Tie
from salhw.diagnostics import Approximations, Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.executable import Executable
from salhw.session.folding import HOST, STIMULI, by_host, folded_network, gain_of, predicted, scaled_target, unfolded
from salhw.session.host_traces import DRIVES, POTENTIALS
from salhw.session.loop import LoopedBackend
from salhw.substrate.capabilities import Range
from salhw.substrate.support import any_time, nearest_step
from salhw.substrate.target import Target


def host_findings(net: Network, target: Target) -> list[Diagnostic]:
    """What a target's host cannot do between two pieces of a run, beside what the target declares."""
    if not by_host(net, target):
        return []
    return [*_rules(net), *_ties(net, target), *_traces(net), *_variables(net)]


def _rules(net: Network) -> Iterator[Diagnostic]:
    """Who works out the rules of a projection, and what a piece would end."""
    for p in net.projections:
        hosted = predicted(p)
        for k, rule in enumerate(p.plasticity):
            path = f"projections.{p.name}.{rule_name(p, k)}"
            if hosted and k not in hosted:
                supported, fix = "rules of a projection that all read traces, or none", "leave it out"
                yield Diagnostic("SAL107", path, f"{rule.kind} beside rules that read traces", supported, fix)
            elif k not in hosted and rule.update == "run end":
                supported = "periods: the host divides runs into pieces"
                yield Diagnostic("SAL107", f"{path}.update", "run end", supported, 'update = "every 200 ms"')


def _ties(net: Network, target: Target) -> Iterator[Diagnostic]:
    """What the target learns at any time can be copied now and then."""
    declared = (target.ties or {}).get("every")
    within = declared if isinstance(declared, Range) else any_time(net.dt)
    for k, tie in enumerate(net.ties):
        if tie.every is None and _learns_on_target(net.projection(tie.to)):
            wished = max((trace.window.length for trace in net.traces), default=200.0)
            supported = f"every {number(within.min)}..{number(within.max)} ms, as {tie.to} learns on the target"
            fix = f"every = {nearest_step(wished, within, net.dt)} ms"
            yield Diagnostic("SAL107", f"ties[{k}].every", "at once", supported, fix)


def _learns_on_target(p: Projection) -> bool:
    return len(p.plasticity) > len(predicted(p))


def _traces(net: Network) -> Iterator[Diagnostic]:
    """The host knows spikes and weights, and what follows from them."""
    for trace in net.traces:
        population = net.population(trace.population)
        if trace.quantity == "membrane":
            for finding in POTENTIALS.refused(f"traces.{trace.name}.of", population.neuron):
                asked = f"membrane of {finding.asked} neurons"
                supported = f"{finding.supported}, as {HOST} works it out"
                yield replace(finding, asked=asked, supported=supported, fix='of = "inputs"')
            for k, stimulus in enumerate(net.stimuli):
                if stimulus.population == trace.population:
                    for finding in DRIVES.refused(f"stimuli[{k}]", stimulus):
                        supported = f"{finding.supported} beside the trace {trace.name} of the membrane"
                        yield replace(finding, supported=supported, fix="leave it out, or let the trace be of inputs")
        for p in net.projections if trace.quantity != "spikes" else ():
            if p.post == trace.population and p.kernel.superposition != "sum":
                path, asked = f"projections.{p.name}.kernel.superposition", p.kernel.superposition
                yield Diagnostic("SAL107", path, asked, "sum, beside traces of these inputs", 'superposition = "sum"')


def _variables(net: Network) -> Iterator[Diagnostic]:
    """The target holds weights with the gains of named inputs in them."""
    for k, probe in enumerate(net.probes):
        if isinstance(probe, Variable) and probe.of.startswith("inputs."):
            fix = f'leave it out, or choose of = "inputs", or Traces of a Trace({probe.population!r}, of={probe.of!r})'
            yield Diagnostic("SAL107", f"probes[{k}]", f"of = {probe.of}", "inputs, with their gains", fix)


# the executable -----------------------------------------------------------------------------------------------------


def looped(net: Network, target: Target, inner: Executable) -> Executable:
    """The executable of a whole network, where ``inner`` is that of the target's own part.

    Its report is the inner one's, with what is rounded in the network's own terms.
    """
    lowered = unfolded(net, folded_network(net, target), inner.network)
    _, rounded = quantise(net, scaled_target(net, inner.target))

    def approximations() -> Iterator[Diagnostic]:
        yield from (f for f in inner.report.approximations if f.code != "SAL301")
        yield from (f for f in rounded if f.severity == "approximation")
        yield from _approximated(net)

    notes = (*inner.report.notes, *_notes(net))
    report = replace(inner.report, approximations=Approximations(approximations), notes=notes)
    return Executable(lowered, net, inner.target, inner.placement, report, LoopedBackend(inner))


def _approximated(net: Network) -> Iterator[Diagnostic]:
    """What differs from the description, with its size."""
    for p in net.projections:
        for k, rule in predicted(p).items():
            size = f"the host works it out from spikes and writes the weights {_when(rule.period, net.dt)}; exact"
            fix = "a target that has the rule, where speed counts"
            path = f"projections.{p.name}.{rule_name(p, k)}.execution"
            yield Diagnostic("SAL322", path, "host", size, fix, severity="approximation")
    traced = {trace.population for trace in net.traces if trace.quantity != "spikes"}
    for p in net.projections:
        if p.post in traced and _learns_on_target(p):
            size = "the mean of the weights at both ends of a piece, off by at most half of what it changes them"
            path = f"projections.{p.name}.weights"
            yield Diagnostic("SAL328", path, "in traces, as they are at each step", size, severity="approximation")


def _when(period: float | None, dt: float) -> str:
    return f"every {in_steps(period, dt)} steps" if period is not None else "after each run"


def _notes(net: Network) -> Iterator[str]:
    for p in net.projections:
        if (gain := gain_of(net, p)) != 1.0:
            yield f"{p.name}: held on the target times {number(gain)}, the gain of {p.into}; exact but for its steps"
    for k, stimulus in enumerate(net.stimuli):
        if stimulus in STIMULI:
            yield f"stimuli[{k}]: {HOST} adds it to the bias of {stimulus.population}, within the target's range"
    copies = sum(count(net.projection(tie.projection).weights, *net.ends(tie.projection)) for tie in net.ties)
    if copies:
        yield f"ties: {HOST} copies {copies} weights, {_together(net.ties)}"


def _together(ties: tuple[Tie, ...]) -> str:
    periods = sorted({tie.every for tie in ties if tie.every is not None})
    return f"every {', '.join(map(number, periods))} ms" if periods else "whenever it changes their originals"
