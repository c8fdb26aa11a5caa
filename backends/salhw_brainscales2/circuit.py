"""A description on emulated chips as a plan for NEST: a cell per neuron, a synapse per crossing, private background.

A signed weight lies on an excitatory and an inhibitory synapse of the chip, of which one is zero, or on several such
pairs; in NEST it is one connection, whose sign chooses the input. Spikes of sources are known beforehand: they are
generators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.session.paths import described_at
from salhw.session.placement import Placement
from salhw.substrate.chip import Chip, vary
from salhw.substrate.target import Target
from salhw_brainscales2.cell import Cell, Membranes
from salhw_brainscales2.codes import code
from salhw_brainscales2.hardware.rows import row_locations, split
from salhw_brainscales2.membrane import kernels_onto, membranes
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.placement import rows
from salhw_brainscales2.short_term import driver
from salhw_nest.lowering import TIC
from salhw_nest.plan import Cells, Plan, Synapses

TICK = 0.2
"""NEST's resolution at most, in the shortest of the times that matter: of membranes, synapses, refractoriness."""
SETTLING = 10.0
"""Synaptic time constants before step 0, in which the background settles and nothing spikes."""


@dataclass(frozen=True)
class ChipWiring:
    """A projection on B chips: S synapses with ``post``, ``pre``, ``position`` of ``connectivity.synapses``.

    ``currents``: of one spike per unit weight of each of the R rows that make a weight together, in units of the
    postsynaptic membrane, through the excitatory [0] and the inhibitory input, (R, 2, B, S): the chip's gains and
    synapses are in it, the neurons' ``sensitivity`` is not. ``step``: the weight of a code, 0 where there are none.
    """

    post: IntArray
    pre: IntArray
    position: IntArray
    currents: FloatArray
    step: float

    @property
    def current(self) -> FloatArray:
        """Of one spike per unit weight that its rows share equally, (2, B, S)."""
        return np.asarray(self.currents.mean(axis=0))

    def shares(self, nominal: FloatArray) -> FloatArray:
        """What each row holds of (..., S) weights, (R, ..., S)."""
        rows = len(self.currents)
        shares = np.broadcast_to(nominal / rows, (rows, *nominal.shape))
        if self.step == 0.0 or rows == 1:
            return shares
        codes = np.rint(nominal / self.step)
        return np.asarray(shares + self.step * (split(codes, rows) - codes / rows))

    def weights(self, nominal: FloatArray, sensitivity: FloatArray) -> FloatArray:
        """NEST's weights (all synapses of all chips) for (B, S) weights of the description onto neurons of this
        ``sensitivity``, (B, n)."""
        return np.asarray(self.summed(nominal, self.currents) * sensitivity[:, self.post]).ravel()

    def summed(self, nominal: FloatArray, factors: FloatArray) -> FloatArray:
        """What the rows make together of weights (..., B, S), each by its ``factors``, shaped as ``currents``."""
        held = [share * np.where(share >= 0, *each) for share, each in zip(self.shares(nominal), factors, strict=True)]
        return np.asarray(sum(held[1:], held[0]))


@dataclass(frozen=True)
class ChipCircuit:
    """The plan of B chips, and what stands for what in it. A step has ``per_step`` ticks; what happens at step t on the
    grid (spikes of sources, forced ones) happens at its last one, and what neurons do at any of them is said of t."""

    plan: Plan
    per_step: int
    cells: dict[str, Membranes]
    wiring: dict[str, ChipWiring]

    def tick_of(self, step: npt.ArrayLike) -> IntArray:
        """NEST's tick of a step's end."""
        return np.asarray(self.plan.lead_in + self.per_step * (np.asarray(step, dtype=np.int64) + 1))

    def step_of(self, tick: IntArray) -> IntArray:
        """The step that a tick belongs to."""
        return np.asarray((tick - self.plan.lead_in - 1) // self.per_step)


def relayed(net: Network) -> set[str]:
    """Sources whose spikes parrots repeat, a tick after their generators, which take static synapses only."""
    behind = {p.pre for p in net.projections if p.short_term is not None}
    return {name for name in behind if name not in cells(net)}


def generator(net: Network, name: str) -> tuple[str, int]:
    """The cells that make the spikes of a population of sources, and how many ticks earlier they do."""
    return (f"{name}_generator", 1) if name in relayed(net) else (name, 0)


def ticks_per_step(net: Network, dt: float | None = None) -> int | None:
    """The fewest ticks per step that are short enough and that NEST's clock can count; None if there are none. ``dt``:
    another one than the network's."""
    step, circuits = dt or net.dt, cells(net)
    short = [time for name, cell in circuits.items() for time in cell.short_times(kernels_onto(net, name))]
    least = max([2 if relayed(net) else 1, *(ceil(step / (TICK * time) - 1e-9) for time in short)])
    candidates: list[int] = [*range(least, 4 * least + 4)]
    if any(cell.half_step for cell in circuits.values()):  # half a step is whole ticks more only if they are odd
        candidates.sort(key=lambda k: k if k % 2 else k + 2.5)
    for per_step in candidates:
        tics = step / per_step / TIC
        if abs(tics - round(tics)) < 1e-6:
            return per_step
    return None


def circuit(net: Network, target: Target, placement: Placement, chips: Sequence[Chip]) -> ChipCircuit:
    """The plan of a network that passed ``lower``, on chips of the ``target`` that it chose, with nominal weights of
    zero."""
    per_step = ticks_per_step(net)
    assert per_step is not None  # lower() refuses the network otherwise
    tick, count, kinds = net.dt / per_step, len(chips), cells(net)
    planned: list[Cells] = []
    connections: list[Synapses] = []
    circuits: dict[str, Membranes] = {}
    for population in net.populations:
        name, size = population.name, population.size * count
        if name not in kinds:
            made_by, _ = generator(net, name)
            planned.append(Cells(made_by, "spike_generator", size, {}))
            if made_by != name:
                each = np.arange(size)
                planned.append(Cells(name, "parrot_neuron", size, {}))
                connections.append(Synapses(made_by, made_by, name, each, each, np.ones(size), 1))
            continue
        refractory = kinds[name].refractory(net.dt, tick)
        made = membranes(kinds[name], kernels_onto(net, name), chips, placement.neurons(net, name), refractory)
        circuits[name] = made
        planned.append(_neurons(net, name, kinds[name], made, tick))
        for part, sign in enumerate((1.0, -1.0) if made.rate else ()):
            source, each = f"{name}_background{part}", np.arange(size)
            planned.append(Cells(source, "poisson_generator", 1, {"rate": 1000.0 * made.rate}))
            event = sign * made.event * made.gain[part].ravel()
            connections.append(Synapses(source, source, name, np.zeros_like(each), each, event, 1))
    wiring, drivers = {}, rows(net, target, placement).driver
    for p in net.projections:
        wiring[p.name] = w = _wiring(net, target, placement, chips, p.name, circuits)
        pre, post = (
            (np.arange(count)[:, None] * net.population(name).size + index).ravel()
            for name, index in ((p.pre, w.pre), (p.post, w.post))
        )
        if p.post in circuits:
            model: tuple[str, dict[str, FloatArray]] = "static_synapse", {}
            if p.short_term is not None:
                depression = driver(p.short_term)
                model = depression.model, depression.parameters(chips, drivers[p.name])
            connections.append(Synapses(p.name, p.pre, p.post, pre, post, np.zeros(len(pre)), 1, *model))
    longest = max((made.tau_syn.max() for made in circuits.values()), default=net.dt)
    plan = Plan(
        tick=tick,
        per_step=1,  # NEST counts ticks here: forced spikes fall between the steps
        lead_in=per_step * int(np.ceil(SETTLING * longest / net.dt) + 2),
        min_delay=1,
        max_delay=1,
        cells=tuple(planned),
        synapses=tuple(connections),
        recorded=tuple(circuits),
    )
    return ChipCircuit(plan, per_step, circuits, wiring)


def _neurons(net: Network, name: str, cell: Cell, made: Membranes, tick: float) -> Cells:
    bias, potential = cell.start(made, described_at(net, f"populations.{name}.bias"))
    drive = cell.scale * cell.drive(made, np.broadcast_to(bias, made.tau_m.shape), net.dt)
    fixed = cell.parameters(made, potential, tick * round(made.refractory / tick) - tick) | {"I_e": drive}
    return Cells(name, cell.model, made.tau_m.size, {field: v.ravel() for field, v in fixed.items()})


def _wiring(
    net: Network, target: Target, placement: Placement, chips: Sequence[Chip], name: str, circuits: dict[str, Membranes]
) -> ChipWiring:
    p, count = net.projection(name), placement.synapses_per_weight.get(name, 1)
    place = row_locations(placement.synapses(net, name), count)
    post, pre, position = synapses(p.weights, *net.ends(name))
    step = 0.0 if target.weight_bits is None else code(target.scaled_for(name))
    shape = (count, len(chips), len(post))
    if p.post not in circuits:  # a source: no membrane
        return ChipWiring(post, pre, position, np.zeros((count, 2, *shape[1:])), step)
    varied = np.array([vary(chips, "weight", 1.0, row) for row in place]).reshape(shape)
    each = np.array(cells(net)[p.post].strength(p.kernel))[:, None, None]
    currents = [each * np.maximum(row, 0.0) * circuits[p.post].gain[:, :, post] for row in varied]
    return ChipWiring(post, pre, position, np.array(currents), step)
