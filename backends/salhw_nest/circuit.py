"""A description as a plan for NEST: the cells, relays and synapses that its parts become."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import exp

import numpy as np

from salhw.description.connectivity import shape_of, synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.neurons import Neuron
from salhw.description.parts import Projection
from salhw.description.probes import Probe
from salhw.session.paths import described_at
from salhw.substrate.target import Target
from salhw_nest.encoding import Encoding, encoding
from salhw_nest.kernels import psp, unlearning
from salhw_nest.neurons import NestNeuron, nest_neuron
from salhw_nest.neurons.glm import noise_of
from salhw_nest.pairing import Part, parts, ticks_per_step
from salhw_nest.pending_pairs import FORGOTTEN
from salhw_nest.plan import Cells, Grid, Meter, Plan, Steps, Synapses, Values, tiled
from salhw_nest.probes import metered
from salhw_nest.stimuli import nest_stimuli


@dataclass(frozen=True)
class Plastic:
    """One of the plastic synapses of a projection: the names of what begins its PSPs, and of what ends rectangular
    ones."""

    part: Part
    encoding: Encoding
    begin: str
    end: str = ""


@dataclass(frozen=True)
class NestWiring:
    """A projection in NEST: where its weights are held.

    Args:
        post, pre, position: as ``connectivity.synapses`` gives them, of one instance.
        scale: NEST's weight per unit weight.
        begin, end: the synapses that do not learn, which hold the whole weight, or what is missing to it beside plastic
            ones; see Plastic.
        again: more static synapses like ``begin``: a step later each, where an event acts for one (NestNeuron.repeats),
            and onto its shadow.
        length: ticks from the event that begins a rectangular PSP to the one that ends it.
        reach: ticks from a spike to its PSP, one number or one per synapse.
    """

    projection: Projection
    post: IntArray
    pre: IntArray
    position: IntArray
    scale: float
    length: int
    reach: Steps
    begin: str
    end: str
    again: tuple[str, ...]
    plastic: tuple[Plastic, ...]


@dataclass(frozen=True)
class NestCircuit:
    """The plan of ``instances`` disjoint copies of a network, and how its projections are found in it."""

    plan: Plan
    wiring: dict[str, NestWiring]
    instances: int


@dataclass
class _Draft:
    """What a plan is built from, in the order of building."""

    net: Network
    target: Target
    instances: int
    per_step: int
    cells: dict[str, Cells] = field(default_factory=dict)
    synapses: list[Synapses] = field(default_factory=list)

    @property
    def tick(self) -> float:
        return self.net.dt / self.per_step

    def everywhere(self, index: IntArray, size: int) -> IntArray:
        """Neurons of one instance -> of all of them."""
        return np.asarray((np.arange(self.instances)[:, None] * size + index).ravel())

    def neurons(self) -> dict[str, NestNeuron[Neuron]]:
        """What becomes of each population."""
        return {p.name: nest_neuron(self.net, self.target, p.name) for p in self.net.populations}

    def relay(self, name: str, ticks: int) -> str:
        """Parrot neurons that repeat a population's spikes ``ticks`` later."""
        relay = f"{name}_after_{ticks}"
        if relay not in self.cells:
            size = self.cells[name].size
            each = np.arange(size)
            self.cells[relay] = Cells(relay, "parrot_neuron", size, {})
            self.synapses.append(Synapses(f"{relay}.input", name, relay, each, each, np.ones(size), ticks))
        return relay


def circuit(net: Network, target: Target, instances: int) -> NestCircuit:
    """The plan of a network that passed ``lower``."""
    per_step = ticks_per_step(net, target)
    assert per_step is not None  # lower() refuses the network otherwise
    draft = _Draft(net, target, instances, per_step)
    for name, neuron in draft.neurons().items():
        draft.cells[name] = neuron.cells(per_step, instances)
        if shadow := neuron.shadow(instances):
            draft.cells[shadow.name] = shadow
    wiring = {p.name: _wiring(draft, p) for p in net.projections}
    meters = _meters(draft)  # they do not see the last exchange interval
    steps = [per_step] if per_step > 1 or meters else []
    least = min([s.shortest for s in draft.synapses if len(s.pre)] + steps, default=per_step)
    clock_start = _clock_start(least, per_step) if per_step > 1 else 1
    lead_in = per_step * -(-(least + clock_start + 1 + _phantom(draft)) // per_step)
    grid = Grid(draft.tick, per_step, lead_in, least)
    _stimuli(draft, grid)
    _noise(draft, least)
    if per_step > 1:
        _clock(draft, least, clock_start)
    plan = Plan(
        **vars(grid),
        max_delay=max((s.longest for s in draft.synapses), default=least),
        cells=tuple(draft.cells.values()),
        synapses=tuple(draft.synapses),
        recorded=tuple(p.name for p in net.populations),
        meters=meters,
    )
    return NestCircuit(plan, wiring, instances)


def _phantom(draft: _Draft) -> int:
    """Ticks until it is forgotten that NEST's nearest-neighbour synapses take time 0 for a presynaptic spike."""
    taus = [
        part.taus[0]
        for p in draft.net.projections
        for part in parts(draft.net, draft.target, p, draft.per_step)
        if part.rule.pairing != "all"
    ]
    return int(FORGOTTEN * max(taus, default=0.0) / draft.tick)


def _wiring(draft: _Draft, p: Projection) -> NestWiring:
    net = draft.net
    n_post, n_pre, recurrent = net.ends(p.name)
    post, pre, position = synapses(p.weights, n_post, n_pre, recurrent)
    everywhere = draft.everywhere(pre, n_pre), draft.everywhere(post, n_post)
    neuron = nest_neuron(net, draft.target, p.post)
    late = p.delay_steps(net.dt)
    delay: Steps = late.ravel()[position] if late.ndim else int(late)
    scale, reach = neuron.scale_of(p), draft.per_step * (delay + neuron.latency)
    length = draft.per_step * neuron.length(p.kernel)
    weights = described_at(net, f"projections.{p.name}.weights").ravel()[position]
    places = shape_of(p.weights, n_post, n_pre)

    def tiled_here(values: FloatArray | float) -> FloatArray:
        return tiled(values, len(post), draft.instances)

    def per_synapse(values: FloatArray | float) -> FloatArray:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), places).ravel()[position]

    def connect(
        name: str, source: str, weight: FloatArray, delay: Steps, model: str = "static_synapse",
        parameters: Values | None = None, tau_minus: float | None = None, target: str = p.post,
    ) -> str:  # fmt: skip
        ends = name, source, target, *everywhere
        delay = np.tile(delay, draft.instances) if isinstance(delay, np.ndarray) else delay
        draft.synapses.append(Synapses(*ends, tiled_here(weight), delay, model, parameters or {}, tau_minus))
        return name

    plastic: list[Plastic] = []
    learning = parts(net, draft.target, p, draft.per_step)
    for k, part in enumerate(learning):
        first, second = (per_synapse(a) for a in part.amplitudes(draft.tick, places))
        rate = per_synapse(part.rule.learning_rate)
        held, (tau_plus, tau_minus) = encoding(part.rule, (first, second), rate), part.taus
        value = scale * held.values(weights / len(learning))
        stdp = {name: tiled_here(v) for name, v in held.parameters(rate, (first, second)).items()}
        names = []
        for event, later, sign in (("on", 0, 1.0), ("off", length // 2, -1.0))[: 2 if length else 1]:
            signed = stdp | {"Wmax": sign * tiled_here(scale * held.reach), "tau_plus": tau_plus}
            source, delay = draft.relay(p.pre, part.axonal + later), part.dendritic + later
            name = f"{p.name}.plastic{k}.{event}"
            names.append(connect(name, source, sign * value, delay, part.model, signed, tau_minus))
        plastic.append(Plastic(part, held, *names))
    rest = weights if not plastic else np.sum([part.encoding.offset for part in plastic], axis=0)
    begin, end = connect(f"{p.name}.on", p.pre, scale * rest, reach, *unlearning(p)), ""
    if length:
        source, delay = (draft.relay(p.pre, length), reach) if neuron.relays_ends else (p.pre, reach + length)
        end = connect(f"{p.name}.off", source, -scale * rest, delay, *unlearning(p))
    each, shadow = range(psp(p.kernel).steps(net.dt) if neuron.repeats else 1), neuron.shadow(draft.instances)
    more = [(p.post, k) for k in each[1:]] + [(shadow.name, k) for k in each if shadow]
    again = [
        connect(f"{p.name}.{name}{k}", p.pre, scale * rest, reach + draft.per_step * k, *unlearning(p), target=name)
        for name, k in more
    ]
    return NestWiring(p, post, pre, position, scale, length, reach, begin, end, tuple(again), tuple(plastic))


def _meters(draft: _Draft) -> tuple[Meter, ...]:
    """What is sampled for Membrane and Variable probes, called by the probe and what the neurons call it."""
    neurons = draft.neurons()
    return tuple(
        replace(meter, name=meter_name(probe, meter))
        for probe, every in metered(draft.net)
        for meter in neurons[probe.population].seen(probe).meters(every)
    )


def meter_name(probe: Probe, meter: Meter) -> str:
    """What the plan calls a meter of a probe."""
    return f"{probe.label}/{meter.name}"


def drive_name(population: str, number: int) -> str:
    """The generators of a stimulus."""
    return f"{population}_drive{number}"


def _stimuli(draft: _Draft, grid: Grid) -> None:
    """Generators for sources, forced spikes; clamps and currents are set while running."""
    neurons = draft.neurons()
    for k, stimulus in enumerate(nest_stimuli(draft.net)):
        if not stimulus.generator:
            continue
        neuron, population = neurons[stimulus.population], stimulus.population
        name, size = drive_name(population, k), neuron.population.size
        parameters = stimulus.parameters(grid, neuron.own_delay, size, draft.instances)
        each = np.arange(size * draft.instances)
        draft.cells[name] = Cells(name, stimulus.generator, each.size, parameters)
        for n, (weight, delay) in enumerate(neuron.forcing(grid.tick, grid.min_delay)):
            weights = np.full(each.size, weight)
            draft.synapses.append(Synapses(f"{name}.pulse{n}", name, population, each, each, weights, delay))


def _noise(draft: _Draft, least: int) -> None:
    """Random steps of the potential of logistic neurons, taken away again a tick later; where the membrane is sampled,
    cells that have them and nothing else, to subtract."""
    seen = {m.cells for m in _meters(draft)}
    for population, neuron in draft.neurons().items():
        if not neuron.noise:
            continue
        cells, targets = draft.cells[population], [population]
        size, each = cells.size, np.arange(cells.size)
        if (bare := noise_of(population)) in seen:
            draft.cells[bare] = Cells(bare, cells.model, size, cells.parameters)
            targets.append(bare)
        decay = exp(-draft.tick / neuron.psp_constant)
        for k, (step, rate) in enumerate(neuron.noise.items()):
            source, relay = f"{bare}{k}", f"{bare}{k}_relay"
            draft.cells[source] = Cells(source, "poisson_generator", 1, {"rate": 1000.0 * rate / draft.tick})
            draft.cells[relay] = Cells(relay, "parrot_neuron", size, {})
            draft.synapses.append(Synapses(f"{relay}.input", source, relay, 0 * each, each, np.ones(size), least))
            for name in targets:
                for weight, delay in ((-step, least), (step * decay, least + 1)):
                    weights = np.full(size, float(weight))
                    draft.synapses.append(Synapses(f"{relay}.{name}{delay}", relay, name, each, each, weights, delay))


def _clock_start(least: int, per_step: int) -> int:
    """The first tick of the clock's parrot: its pulses, ``least`` later, fall on the first tick after a step's."""
    start = least + 1
    while (start + least) % per_step != 1:
        start += 1
    return start


def _clock(draft: _Draft, least: int, start: int) -> None:
    """A parrot that repeats itself once per step, and keeps neurons from spiking at the ticks between."""
    one = np.zeros(1, dtype=np.int64)
    draft.cells["clock"] = Cells("clock", "parrot_neuron", 1, {})
    draft.cells["clock_kick"] = Cells("clock_kick", "spike_generator", 1, {"spike_ticks": [np.array([start - least])]})
    draft.synapses.append(Synapses("clock_kick.pulse", "clock_kick", "clock", one, one, np.ones(1), least))
    draft.synapses.append(Synapses("clock.round", "clock", "clock", one, one, np.ones(1), draft.per_step))
    for population, neuron in draft.neurons().items():
        every = np.arange(draft.cells[population].size)
        for n, (weight, delay) in enumerate(neuron.hushing(draft.tick, draft.per_step, least)):
            weights = np.full(every.size, weight)
            name = f"clock.{population}{n}"
            draft.synapses.append(Synapses(name, "clock", population, 0 * every, every, weights, delay))
