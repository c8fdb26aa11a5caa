"""Whether the plasticity processor keeps a network's reference phase, or leaves it to the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.session.folding import reference_phase, unreferenced
from salhw.session.placement import Placement
from salhw.substrate.target import Target
from salhw_brainscales2.hardware.ppu_program import PROCESSOR_MEMORY, memory
from salhw_brainscales2.hardware.processor import COLUMNS
from salhw_brainscales2.hardware.program import PlasticityProgram
from salhw_brainscales2.hardware.reference import BYTES, COUNTER_MAX, MOST_PRODUCTS, busy
from salhw_brainscales2.hardware.rows import shortest_period
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.placement import Rows


def obstacles(
    net: Network, target: Target, placement: Placement, placed: Rows, programs: Mapping[str, PlasticityProgram]
) -> Iterator[str]:
    """Why the processor does not keep the reference phase of a network, in words; nothing if it does.

    Args:
        programs: by projection, what the processor learns.
    """
    circuits = cells(net)
    if target.weight_bits is None:
        yield "the ideal target has no fixed point"
    elif len(net.projections) > 1 or any(len(p.plasticity) > 1 for p in net.projections):
        yield "it silences the synapses of one rule of its own, and there are others"
    elif not programs:
        yield "the rule is the host's"
    elif any(end not in circuits for p in net.projections for end in (p.pre, p.post)):
        yield "the spikes of sources are not counted on the chip"
    elif any(placement.neurons(net, end).max() >= COLUMNS for p in net.projections for end in (p.pre, p.post)):
        yield f"it counts the spikes of the {COLUMNS} neurons of its own hemisphere"
    else:
        for name, program in programs.items():
            yield from _numbers(net, placed, net.projection(name), program)


def _numbers(net: Network, placed: Rows, p: Projection, program: PlasticityProgram) -> Iterator[str]:
    """What does not fit its counters, memory and time."""
    assert program.phase is not None
    circuits, period = cells(net), program.period
    most = [ceil(period / max(circuits[end].tau_ref - net.dt, net.dt)) for end in (p.pre, p.post)]
    if max(most) > COUNTER_MAX:
        yield f"in {period:g} ms a neuron may spike more often than its counter's {COUNTER_MAX}"
    elif most[0] * most[1] * program.phase.updates >= MOST_PRODUCTS:
        yield f"{program.phase.updates} updates of a phase are more than 32 bits can divide"
    if (needed := memory(program)) >= PROCESSOR_MEMORY:
        yield f"{needed} bytes of data, {PROCESSOR_MEMORY} available beside the stack"
    if period < (least := _busy(net, placed, p, program)):
        yield f"an update every {period:g} ms, where its rows, counters and synapses need {least:.3g} ms"


def _busy(net: Network, placed: Rows, p: Projection, program: PlasticityProgram) -> float:
    """ms that an update takes."""
    neurons = sum(net.population(end).size for end in {p.pre, p.post})
    return shortest_period(max(placed.learning)) + busy(neurons, len(program.row))


def with_phase(
    net: Network, target: Target, placement: Placement, placed: Rows, programs: Mapping[str, PlasticityProgram]
) -> tuple[Network, list[str]]:
    """A lowered network as the processor runs it, without its reference phase where that is the host's; and what there
    is to say of it."""
    if reference_phase(net) is None:
        return net, []
    if reason := next(obstacles(net, target, placement, placed, programs), None):
        return unreferenced(net), [f"the plasticity processor leaves the reference phase to the host: {reason}"]
    ((name, program),) = programs.items()
    own, whole = BYTES * len(program.row), memory(program)
    share = _busy(net, placed, net.projection(name), program) / program.period
    return net, [
        f"{name}: the plasticity processor keeps the reference phase: {own} of the {whole} bytes of its data, "
        f"{PROCESSOR_MEMORY} available; with the spikes to count it is busy for {share:.0%} of the time"
    ]
