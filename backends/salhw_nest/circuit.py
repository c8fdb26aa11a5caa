"""A description as a plan for NEST: the cells, relays and synapses that its parts become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp

import numpy as np

from salhw.description.connectivity import shape_of, synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kernels import Exponential, Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.parts import Population, Projection
from salhw.description.probes import Membrane
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw.session.paths import described_at
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_nest import neurons
from salhw_nest.encoding import Encoding, encoding
from salhw_nest.inputs import jump, strength_of
from salhw_nest.pairing import MODELS, Part, parts, ticks_per_step
from salhw_nest.pending_pairs import FORGOTTEN
from salhw_nest.plan import Cells, Meter, Plan, Synapses


@dataclass(frozen=True)
class Plastic:
    """One of the plastic synapses of a projection; ``on`` begins PSPs, ``off`` (rectangular ones only) ends them."""

    part: Part
    encoding: Encoding
    on: str
    off: str = ""


@dataclass(frozen=True)
class NestWiring:
    """A projection in NEST: where its weights are held.

    Args:
        post, pre, position: as ``connectivity.synapses`` gives them, of one instance.
        scale: NEST's weight per unit weight.
        on, off: the static synapses, which hold the whole weight, or what is missing to it beside plastic ones.
        length: ticks from an on event to the off event of a rectangular PSP.
        reach: ticks from a spike to its PSP.
    """

    projection: Projection
    post: IntArray
    pre: IntArray
    position: IntArray
    scale: float
    length: int
    reach: int
    on: str
    off: str
    plastic: tuple[Plastic, ...]


@dataclass(frozen=True)
class NestCircuit:
    """The plan of ``instances`` disjoint copies of a network, and how its projections are found in it."""

    plan: Plan
    wiring: dict[str, NestWiring]
    instances: int

    def tau_syn(self, population: str) -> float:
        """The time constant in ms of the synaptic currents of a LIF population."""
        (cells,) = (c for c in self.plan.cells if c.name == population)
        return float(cells.parameters["tau_syn_ex"])


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

    def noisy(self, population: Population) -> bool:
        return noisy(self.net, self.target, population)

    def tiled(self, values: FloatArray | float, size: int) -> FloatArray:
        """Values of one instance -> of all of them."""
        return np.tile(np.broadcast_to(np.asarray(values, dtype=np.float64), (size,)), self.instances)

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
    for population in net.populations:
        draft.cells[population.name] = _cells(draft, population)
    wiring = {p.name: _wiring(draft, p) for p in net.projections}
    meters = _meters(draft)  # they do not see the last exchange interval
    steps = [per_step] if per_step > 1 or meters else []
    least = min([s.delay for s in draft.synapses] + steps, default=per_step)
    clock_start = _clock_start(least, per_step) if per_step > 1 else 1
    lead_in = per_step * -(-(least + clock_start + 1 + _phantom(draft)) // per_step)
    _stimuli(draft, lead_in, least)
    _noise(draft, least)
    if per_step > 1:
        _clock(draft, least, clock_start)
    plan = Plan(
        tick=draft.tick,
        per_step=per_step,
        lead_in=lead_in,
        min_delay=least,
        max_delay=max((s.delay for s in draft.synapses), default=least),
        cells=tuple(draft.cells.values()),
        synapses=tuple(draft.synapses),
        recorded=tuple(p.name for p in net.populations),
        meters=meters,
    )
    return NestCircuit(plan, wiring, instances)


def _phantom(draft: _Draft) -> int:
    """Ticks until it is forgotten that NEST's nearest-neighbour synapses take time 0 for a presynaptic spike."""
    taus = [
        rule.causal.tau
        for p in draft.net.projections
        for rule in p.plasticity
        if rule.pairing != "all" and on_chip(rule, draft.target)
    ]
    return int(FORGOTTEN * max(taus, default=0.0) / draft.tick)


def noisy(net: Network, target: Target, population: Population) -> bool:
    """Whether the potential of a population gets the noise that makes its neurons logistic ones."""
    neuron = population.neuron
    return isinstance(neuron, GLM) and neuron.discretisation == "logistic" and target.option("logistic") == "noise"


def bias_parameters(
    net: Network, target: Target, population: Population, bias: FloatArray, per_step: int, state: IntArray | None = None
) -> dict[str, FloatArray]:
    """What NEST holds for biases (neuron, of all instances); ``state`` 1 and 0 where a clamp holds, else -1."""
    if isinstance(population.neuron, LIF):
        return {"I_e": bias}
    assert isinstance(population.neuron, GLM)
    escape = neurons.escape(population.neuron, bias, net.dt, per_step, noisy(net, target, population))
    return escape if state is None else neurons.clamped(state, escape, strength_of(net, target, population))


def _cells(draft: _Draft, population: Population) -> Cells:
    size, neuron = population.size * draft.instances, population.neuron
    model = neurons.MODELS[neuron.kind]
    if isinstance(neuron, Source):
        return Cells(population.name, model, size, neurons.source(draft.tick))
    taus = {
        p.kernel.tau_syn
        for p in draft.net.projections
        if p.post == population.name and isinstance(p.kernel, Exponential)
    }
    fixed = neurons.held(neuron, taus.pop() if taus else None) | neurons.refractory(neuron, draft.tick)
    bias = draft.tiled(described_at(draft.net, f"populations.{population.name}.bias"), population.size)
    active: dict[str, float | FloatArray] = {
        **bias_parameters(draft.net, draft.target, population, bias, draft.per_step)
    }
    if isinstance(neuron, LIF):  # one that rests above its threshold is silent in the lead-in, too
        active = active | {"V_th": fixed["V_th"]}
    silent = {"c_2": 0.0} if isinstance(neuron, GLM) else {"I_e": 0.0, "V_th": neurons.UNREACHED}
    return Cells(population.name, model, size, fixed | silent, active)


def _wiring(draft: _Draft, p: Projection) -> NestWiring:
    net, tick = draft.net, draft.tick
    n_post, n_pre, recurrent = net.ends(p.name)
    post, pre, position = synapses(p.weights, n_post, n_pre, recurrent)
    everywhere = draft.everywhere(pre, n_pre), draft.everywhere(post, n_post)
    scale = neurons.psp_scale(net.population(p.post).neuron, p.kernel, net.dt)
    reach = draft.per_step * neurons.latency(net.population(p.post), net.dt, p.delay)
    length = draft.per_step * (in_steps(p.kernel.tau_syn, net.dt) or 0) if isinstance(p.kernel, Rectangular) else 0
    weights = described_at(net, f"projections.{p.name}.weights").ravel()[position]
    learning = parts(net, draft.target, p, draft.per_step)

    def connect(name: str, source: str, weight: FloatArray, delay: int, **stdp: object) -> str:
        weight = draft.tiled(weight, len(post))
        draft.synapses.append(Synapses(name, source, p.post, *everywhere, weight, delay, **stdp))  # type: ignore[arg-type]
        return name

    def per_synapse(values: FloatArray | float) -> FloatArray:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), _shape(net, p)).ravel()[position]

    plastic = []
    for k, part in enumerate(learning):
        rule = p.plasticity[part.rule]
        shape = _shape(net, p)
        amplitudes = tuple(per_synapse(a) for a in part.amplitudes(rule, tick, shape))
        rate = per_synapse(rule.learning_rate)
        held = encoding(rule, (amplitudes[0], amplitudes[1]), rate)
        value = scale * held.values(weights / len(learning))
        stdp = {
            name: draft.tiled(v, len(post)) for name, v in held.parameters(rate, (amplitudes[0], amplitudes[1])).items()
        } | {"Wmax": draft.tiled(scale * held.reach, len(post)), "tau_plus": rule.causal.tau}
        names = [f"{p.name}.plastic{k}.on"]
        ends = [(part.axonal, part.dendritic)]
        if length:
            names.append(f"{p.name}.plastic{k}.off")
            ends.append((part.axonal + length // 2, part.dendritic + length // 2))
        for name, (axonal, dendritic), sign in zip(names, ends, (1.0, -1.0), strict=False):
            signed = stdp | {"Wmax": sign * np.asarray(stdp["Wmax"])}
            connect(name, draft.relay(p.pre, axonal), sign * value, dendritic, stdp=signed,
                    model=MODELS[rule.pairing], tau_minus=rule.anticausal.tau)  # fmt: skip
        plastic.append(Plastic(part, held, *names))
    rest = weights if not plastic else np.sum([part.encoding.offset for part in plastic], axis=0)
    on, off = connect(f"{p.name}.on", p.pre, scale * rest, reach), ""
    if length and isinstance(net.population(p.post).neuron, LIF):
        off = connect(f"{p.name}.off", p.pre, -scale * rest, reach + length)
    elif length:
        off = connect(f"{p.name}.off", draft.relay(p.pre, length), -scale * rest, reach)
    return NestWiring(p, post, pre, position, scale, length, reach, on, off, tuple(plastic))


def _shape(net: Network, p: Projection) -> tuple[int, ...]:
    return shape_of(p.weights, *net.ends(p.name)[:2])


def noise_of(population: str) -> str:
    """The name of what is the noise of a population, and nothing else."""
    return f"{population}_noise"


def before(population: str) -> str:
    """The name of the meter that shows LIF neurons a tick before they decide."""
    return f"{population}_before"


def _meters(draft: _Draft) -> tuple[Meter, ...]:
    """What is sampled for Membrane probes. NEST shows a LIF neuron after its reset: what crossed the threshold follows
    from the tick before."""
    found: list[Meter] = []
    for probe in draft.net.probes:
        if not isinstance(probe, Membrane):
            continue
        population = draft.net.population(probe.population)
        name, every = population.name, in_steps(probe.every or draft.net.dt, draft.net.dt) or 1
        found.append(Meter(name, name, every))
        if isinstance(population.neuron, LIF):
            found.append(Meter(before(name), name, every, ("V_m", "I_syn_ex", "I_syn_in"), early=1))
        elif draft.noisy(population):
            found.append(Meter(noise_of(name), noise_of(name), every))
    return tuple(found)


def _stimuli(draft: _Draft, lead_in: int, least: int) -> None:
    """Generators for sources, forced spikes; clamps and currents are set while running."""
    for k, stimulus in enumerate(draft.net.stimuli):
        if not isinstance(stimulus, Poisson | SpikeTimes):
            continue
        population = draft.net.population(stimulus.population)
        name, size = f"{population.name}_drive{k}", population.size * draft.instances

        def at(step: int) -> float:
            return (lead_in + draft.per_step * step) * draft.tick

        each = np.arange(size)
        if isinstance(stimulus, Poisson):
            rate = draft.tiled(stimulus.rate, population.size) * draft.per_step
            start = at(in_steps(stimulus.start, draft.net.dt) or 0) - least * draft.tick
            window = {"start": start}
            if stimulus.stop is not None:
                window["stop"] = at(in_steps(stimulus.stop, draft.net.dt) or 0) - least * draft.tick
            draft.cells[name] = Cells(name, "poisson_generator", size, {"rate": rate, **window})
            pulses = [(neurons.TRIGGER, least)]
        else:
            steps = [np.rint(t / draft.net.dt).astype(np.int64) for t in stimulus.times]
            ticks = [lead_in + draft.per_step * (s + 1) - least for s in steps]
            if isinstance(population.neuron, LIF):
                ticks = [t - 1 for t in ticks]
            draft.cells[name] = Cells(name, "spike_generator", size, {"spike_ticks": ticks * draft.instances})
            pulses = _pulses(draft, population, least)
        for n, (weight, delay) in enumerate(pulses):
            draft.synapses.append(
                Synapses(f"{name}.pulse{n}", name, population.name, each, each, np.full(size, weight), delay)
            )


def _noise(draft: _Draft, least: int) -> None:
    """Random steps of the potential of logistic neurons, taken away again a tick later; where the membrane is sampled,
    cells that have them and nothing else, to subtract."""
    sampled = {m.cells for m in _meters(draft)}
    for population in draft.net.populations:
        if not draft.noisy(population):
            continue
        size = population.size * draft.instances
        each = np.arange(size)
        cells = draft.cells[population.name]
        targets = [population.name]
        if (bare := noise_of(population.name)) in sampled:
            draft.cells[bare] = Cells(bare, cells.model, size, cells.parameters)
            targets.append(bare)
        decay = exp(-draft.tick / _psp_tau(draft, population))
        for k, (step, rate) in enumerate(neurons.NOISE.items()):
            source, relay = f"{bare}{k}", f"{bare}{k}_relay"
            draft.cells[source] = Cells(source, "poisson_generator", 1, {"rate": 1000.0 * rate / draft.tick})
            draft.cells[relay] = Cells(relay, "parrot_neuron", size, {})
            draft.synapses.append(Synapses(f"{relay}.input", source, relay, 0 * each, each, np.ones(size), least))
            for name in targets:
                for weight, delay in ((-step, least), (step * decay, least + 1)):
                    weights = np.full(size, float(weight))
                    draft.synapses.append(Synapses(f"{relay}.{name}{delay}", relay, name, each, each, weights, delay))


def _pulses(draft: _Draft, population: Population, least: int) -> list[tuple[float, int]]:
    """(weight, delay) of what forces a spike: up, and back again a tick later."""
    neuron = population.neuron
    if isinstance(neuron, Source):
        return [(neurons.TRIGGER, least)]
    decay = exp(-draft.tick / _psp_tau(draft, population))
    if isinstance(neuron, GLM):
        lift = strength_of(draft.net, draft.target, population)
    else:
        lift = jump(draft.net, population, draft.tick)
    return [(lift, least), (-lift * decay, least + 1)]


def _psp_tau(draft: _Draft, population: Population) -> float:
    fixed = draft.cells[population.name].parameters
    return float(np.asarray(fixed["tau_m" if isinstance(population.neuron, GLM) else "tau_syn_ex"]))


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
    between = range(draft.per_step - 1)
    for population in draft.net.populations:
        pulses: Sequence[tuple[float, int]] = [(-1e3 * neurons.TRIGGER, least + k) for k in between]
        if isinstance(population.neuron, GLM):
            decay = exp(-(draft.per_step - 1) * draft.tick / _psp_tau(draft, population))
            quiet = strength_of(draft.net, draft.target, population)
            pulses = [(-quiet, least), (quiet * decay, least + draft.per_step - 1)]
        size = population.size * draft.instances
        for n, (weight, delay) in enumerate(pulses):
            draft.synapses.append(
                Synapses(
                    f"clock.{population.name}{n}", "clock", population.name, np.zeros(size, dtype=np.int64),
                    np.arange(size), np.full(size, weight), delay,
                )
            )  # fmt: skip
