"""The passes in their order: check, list what is drawn, lower, quantise, place."""

from __future__ import annotations

from dataclasses import replace

from salhw.compiler.described import as_described
from salhw.compiler.findings import before_lowering, errors, unsupported
from salhw.compiler.host_loop import looped
from salhw.compiler.place import place
from salhw.compiler.quantise import quantise
from salhw.compiler.reference_phase import phase_notes, referenced
from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.description.summary import in_words
from salhw.description.ties import transported
from salhw.diagnostics import Approximations
from salhw.session.backend import Backend
from salhw.session.executable import Executable, Report
from salhw.session.folding import (
    by_host,
    folded_network,
    own_part,
    reference_phase,
    unreferenced,
    with_room,
    with_scales,
)
from salhw.substrate.target import Target


def lowered(net: Network, target: Target, plugin: Backend) -> Executable:
    """A network, as it is described, lowered to a target by its backend.

    Raises:
        UnsupportedNetworkError: with every reason, and the targets that would take the network.
    """
    findings, memory = before_lowering(net, target, plugin)
    if findings:
        raise unsupported(net, target, findings)
    by = {p.name: in_words(p.weights) for p in net.projections if p.weights.drawn}
    net = net.explicit
    sizes = {name: count(net.projection(name).weights, *net.ends(name)) for name in by}
    drawn = [f"{name}: {sizes[name]:,} synapses drawn by {connector}" for name, connector in by.items()]
    own, asked = own_part(net, target), target
    target = with_scales(net, with_room(net, target))
    lowering = plugin.lower(own, target)
    if wrong := errors(lowering.findings):
        raise unsupported(net, target, as_described(net, own, wrong))
    target = lowering.target or target
    quantised, rounded = quantise(lowering.network, target)
    if wrong := errors(rounded):
        raise unsupported(net, target, as_described(net, own, wrong))
    placement, _ = place(quantised, target)
    transport = transported(net.ties, {p.name: count(p.weights, *net.ends(p.name)) for p in net.projections})
    report = Report(
        network=net.name,
        target=target.name,
        approximations=Approximations(lambda: as_described(net, own, [*lowering.findings, *rounded])),
        notes=(*drawn, *lowering.notes, *filter(None, [transport])),
        used=placement.used,
        available=target.resources,
        memory=memory,
        rounding=lowering.rounding,
    )
    kept = reference_phase(quantised) is not None
    if kept:
        report = replace(report, notes=(*report.notes, *phase_notes(own, quantised, target, "the target")))
    executable = Executable(quantised, own if kept else unreferenced(own), target, placement, report, plugin)
    if reference_phase(net) is not None and not kept:
        executable = referenced(folded_network(net, asked), executable)
    return looped(net, asked, executable) if by_host(net, asked) else executable
