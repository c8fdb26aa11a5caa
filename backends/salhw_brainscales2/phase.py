"""Whether the plasticity processor keeps a network's reference phase, or leaves it to the host."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity import PairSTDP
from salhw.session.folding import reference_phase, unreferenced
from salhw.session.placement import Placement
from salhw.substrate.target import Target
from salhw_brainscales2.hardware.ppu_program import PROCESSOR_MEMORY, memory
from salhw_brainscales2.hardware.processor import COLUMNS
from salhw_brainscales2.hardware.program import PlasticityProgram
from salhw_brainscales2.hardware.reference import BYTES, COUNTER_MAX, MOST_PRODUCTS, busy
from salhw_brainscales2.hardware.rows import shortest_period
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.placement import rows
from salhw_brainscales2.plasticity import nominal_program
from salhw_brainscales2.rules import plastic


def obstacles(net: Network, target: Target, placement: Placement) -> Iterator[str]:
    """Why the processor does not keep the reference phase of a network that it learns, in words; nothing if it does."""
    learning, circuits = plastic(net, target), cells(net)
    if target.weight_bits is None:
        yield "the ideal target has no fixed point"
    elif len(net.projections) > 1 or any(len(p.plasticity) > 1 for p in net.projections):
        yield "it silences the synapses of one rule of its own, and there are others"
    elif any(end not in circuits for p in net.projections for end in (p.pre, p.post)):
        yield "the spikes of sources are not counted on the chip"
    elif any(placement.neurons(net, end).max() >= COLUMNS for p in net.projections for end in (p.pre, p.post)):
        yield f"it counts the spikes of the {COLUMNS} neurons of its own hemisphere"
    else:
        for name, rule in learning.items():
            yield from _numbers(net, target, placement, name, rule)


def _numbers(net: Network, target: Target, placement: Placement, name: str, rule: PairSTDP) -> Iterator[str]:
    """What does not fit its counters, memory and time."""
    program = nominal_program(net, target, placement, name, [0])
    assert program.phase is not None
    p, circuits = net.projection(name), cells(net)
    period = rule.period or 0.0
    most = [ceil(period / max(circuits[end].tau_ref - net.dt, net.dt)) for end in (p.pre, p.post)]
    if max(most) > COUNTER_MAX:
        yield f"in {period:g} ms a neuron may spike more often than its counter's {COUNTER_MAX}"
    elif most[0] * most[1] * program.phase.updates >= MOST_PRODUCTS:
        yield f"{program.phase.updates} updates of a phase are more than 32 bits can divide"
    if (needed := memory(program)) >= PROCESSOR_MEMORY:
        yield f"{needed} bytes of data, {PROCESSOR_MEMORY} available beside the stack"
    if period < (least := _busy(net, target, placement, p, program)):
        yield f"an update every {period:g} ms, where its rows, counters and synapses need {least:.3g} ms"


def _busy(net: Network, target: Target, placement: Placement, p: Projection, program: PlasticityProgram) -> float:
    """ms that an update takes."""
    neurons = sum(net.population(end).size for end in {p.pre, p.post})
    return shortest_period(max(rows(net, target, placement).learning)) + busy(neurons, len(program.row))


def with_phase(net: Network, target: Target, placement: Placement) -> tuple[Network, list[str]]:
    """A lowered network as the processor runs it, without its reference phase where that is the host's; and what there
    is to say of it."""
    if reference_phase(net) is None:
        return net, []
    if reasons := [*obstacles(net, target, placement)]:
        return unreferenced(net), [f"the plasticity processor leaves the reference phase to the host: {reasons[0]}"]
    ((name, rule),) = plastic(net, target).items()
    program = nominal_program(net, target, placement, name, [0])
    own, whole = BYTES * len(program.row), memory(program)
    share = _busy(net, target, placement, net.projection(name), program) / (rule.period or 1.0)
    return net, [
        f"{name}: the plasticity processor keeps the reference phase: {own} of the {whole} bytes of its data, "
        f"{PROCESSOR_MEMORY} available; with the spikes to count it is busy for {share:.0%} of the time"
    ]
