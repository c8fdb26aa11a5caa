"""A lowered network and its instances as plain data for the worker.

All instances lie side by side in one Lava network, because Lava pays for a step and a process, not for a neuron:
neuron k of instance i is neuron ``i * size + k``. Times are in steps, potentials and weights in the chip's units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from salhw.description.connectivity import synapses, values
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Kernel, Rectangular
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.stimuli import SpikeTimes
from salhw.diagnostics.arguments import folded
from salhw.session.executable import Executable
from salhw.session.paths import described_at
from salhw.session.strengths import Strengths
from salhw_lava.arithmetic import LARGEST_WEIGHT, Arithmetic, arithmetic
from salhw_lava.glm import ENTRIES
from salhw_lava.hosted import hosted
from salhw_lava.kinds import PROBES
from salhw_lava.neurons import Parameters
from salhw_lava.psps import psp
from salhw_lava.rules import engine_parameters, epoch, epoch_of, lowered_rule, wanted_changes
from salhw_lava.stimuli import host_spikes
from salhw_lava.words import words

MEMORY = 32_000_000  # bytes of spikes and potentials that a run records before it reports
LONGEST = 5000  # steps


@dataclass(frozen=True)
class LavaWiring:
    """The synapses of one projection within an instance, in the order of ``connectivity.synapses``. ``first`` is where
    they begin among the static ones of an instance; plastic ones have an array of their own."""

    name: str
    post: IntArray
    pre: IntArray
    position: IntArray
    row: IntArray
    first: int | None


@dataclass(frozen=True)
class LavaLayout:
    """Where the parts of a network lie within an instance. Synapses of ``hosted`` projections, by whose rules the host
    learns, are static ones on the chip."""

    size: int
    first: dict[str, int]
    inputs: tuple[tuple[str, Kernel], ...]
    input_first: tuple[int, ...]
    input_count: int
    wiring: dict[str, LavaWiring]
    static: int
    hosted: frozenset[str]

    def neurons(self, net: Network, population: str) -> slice:
        """The neurons of a population."""
        return slice(self.first[population], self.first[population] + net.population(population).size)


def layout(executable: Executable) -> LavaLayout:
    """Populations one after the other; an input per postsynaptic neuron and kind of PSP."""
    net, by_host = executable.network, hosted(executable.source, executable.target)
    first, at = {}, 0
    for population in net.populations:
        first[population.name], at = at, at + population.size
    kinds = tuple(dict.fromkeys((p.post, p.kernel) for p in net.projections))
    sizes = [net.population(post).size for post, _ in kinds]
    begins = tuple(int(k) for k in np.cumsum([0, *sizes])[:-1])
    wiring, static = {}, 0
    for p in net.projections:
        post, pre, position = synapses(p.weights, *net.ends(p.name))
        row = begins[kinds.index((p.post, p.kernel))] + post
        place = None if p.plasticity and p.name not in by_host else static
        static += len(post) if place is not None else 0
        wiring[p.name] = LavaWiring(p.name, first[p.post] + post, first[p.pre] + pre, position, row, place)
    return LavaLayout(at, first, kinds, begins, sum(sizes), wiring, static, by_host)


def program(executable: Executable, ids: Sequence[int], seed: int) -> dict[str, Any]:
    """Everything that the worker needs. See the processes for what each entry means."""
    net, target = executable.network, executable.target
    units, plan, copies = arithmetic(target), layout(executable), len(ids)
    fitted = words(executable.source, units)
    parameters = {p.name: Parameters() for p in net.populations}
    for name, held in fitted.items():
        parameters[name] = held.parameters(described_at(net, f"populations.{name}.bias"))
    apart = {name: one.process for name, one in parameters.items() if one.process}
    inputs = max(1, copies * plan.input_count)
    common = {"ids": [int(k) for k in ids], "seed": folded(seed, 64), "neurons": copies * plan.size, "inputs": inputs}
    watched = _watched(net, plan)
    row_bytes = copies * (plan.size + 8 * len(watched))
    static = [w for w in plan.wiring.values() if w.first is not None]
    delay = [net.synapses(w.name).delay_steps(net.dt) for w in static]
    shift = np.arange(copies)[:, None]
    return {
        "model": units.model,
        "execution": target.option("execution"),
        "steps": int(np.clip(MEMORY // row_bytes, 1, LONGEST)),
        "watched": copies * len(watched),
        "neurons": _neurons(net, plan, units, parameters, copies)
        | common
        | _records(net, plan, copies, [name for name in plan.first if name not in apart]),
        "leaky": [process | _records(net, plan, copies, [name]) for name, process in apart.items()],
        "static": common
        | {
            "row": _spread([w.row for w in static], plan.input_count, shift),
            "pre": _spread([w.pre for w in static], plan.size, shift),
            "delay": _spread(delay, 0, shift),
            "factor": _spread([np.full(len(w.post), units.factor(w.name)) for w in static], 0, shift),
            "weights": np.concatenate(
                [np.tile(_joined([_weights(net, w, units) for w in static]), copies), np.zeros(0)]
            ).astype(_number(units)),
        },
        "plastic": [
            common | _plastic(net, p, plan, units, copies, epoch(target)) | {"number": k}
            for k, p in enumerate(net.projections)
            if plan.wiring[p.name].first is None
        ],
    }


def _number(units: Arithmetic) -> Any:
    return np.int32 if units.fixed else np.float64


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0)


def _spread(parts: list[IntArray], width: int, shift: IntArray) -> IntArray:
    """Indices of one instance repeated for all, ``width`` apart."""
    one = _joined(parts).astype(np.int64)
    return np.asarray(one + shift * width, dtype=np.int64).reshape(-1)


def _weights(net: Network, wiring: LavaWiring, units: Arithmetic) -> FloatArray:
    p = net.projection(wiring.name)
    flat = values(p.weights, *net.ends(p.name)).reshape(-1)[wiring.position]
    return units.of(wiring.name).held(flat, 2)


def _watched(net: Network, plan: LavaLayout) -> IntArray:
    """The neurons of an instance whose potential is recorded, in the order of its columns."""
    each = [np.arange(plan.size)[plan.neurons(net, probe.about)] for probe in net.probes if PROBES[probe]]
    return np.asarray(_joined(each), dtype=np.int64)


def _records(net: Network, plan: LavaLayout, copies: int, populations: list[str]) -> dict[str, IntArray]:
    """Which neurons and which columns of potentials a Process writes, whose populations these are."""
    mine = np.zeros(plan.size, np.bool_)
    for name in populations:
        mine[plan.neurons(net, name)] = True
    watched, shift = _watched(net, plan), np.arange(copies)[:, None]
    columns = np.flatnonzero(mine[watched])
    return {
        "own": _spread([np.flatnonzero(mine)], plan.size, shift),
        "watched": _spread([watched[columns]], plan.size, shift),
        "columns": _spread([columns], len(watched), shift),
    }


def _neurons(
    net: Network, plan: LavaLayout, units: Arithmetic, parameters: dict[str, Parameters], copies: int
) -> dict[str, Any]:
    n = plan.size
    tables, rows = [np.zeros(ENTRIES, np.int64)], np.zeros(n, np.int64)
    bias, odds, logistic = np.zeros(n), np.zeros(n), np.zeros(n, np.bool_)
    refractory, starts, bits = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for name, one in parameters.items():
        here = plan.neurons(net, name)
        bias[here], odds[here], logistic[here] = one.bias, one.odds, one.logistic
        refractory[here], starts[here], bits[here] = one.refractory, one.table_start, one.bits
        if one.table is not None:
            rows[here] = len(tables)
            tables.append(one.table)
    post = [plan.first[name] + np.arange(net.population(name).size) for name, _ in plan.inputs]
    shift = np.arange(copies)[:, None]
    neurons = {
        "bias": np.tile(bias, copies).astype(_number(units)),
        "refractory": np.tile(refractory, copies),
        "odds": np.tile(odds, copies),
        "logistic": np.tile(logistic, copies),
        "table": np.stack(tables),
        "table_start": np.tile(starts, copies),
        "table_row": np.tile(rows, copies),
        "bits": np.tile(bits, copies),
        "bias_shift": np.tile(np.maximum(0, bits - round(np.log2(units.per_bias))), copies),
        "psp_bits": np.tile(bits - (units.bits + units.arriving if units.fixed else 0), copies),
        "input_post": _spread(post, n, shift) if post else np.zeros(1, np.int64),
    }
    psps = _psps(net, plan, units)
    psps = {name: np.tile(values, copies) if post else values[:1] for name, values in psps.items()}
    return neurons | psps | _stimuli(net, plan, copies)


def _psps(net: Network, plan: LavaLayout, units: Arithmetic) -> dict[str, Any]:
    """Per input: steps of a rectangular PSP, or 0; and what an exponential one keeps, or in fixed point loses, in a
    step. Where there are no inputs, those of one that nothing arrives at."""
    columns = []
    for name, kernel in plan.inputs or (("", Rectangular(tau_syn=net.dt)),):
        one = psp(kernel, net.dt).parameters(units.fixed)
        columns.append(np.tile(np.array(one)[:, None], net.population(name).size if name else 1))
    length, lost, shifts = np.concatenate(columns, axis=1)
    return {
        "input_length": length.astype(np.int64),
        "input_decay": lost.astype(np.int64 if units.fixed else np.float64),
        "input_shift": shifts.astype(np.int64),
    }


def rates_name(number: int, point: int) -> str:
    """Under which name a program has the probabilities of one point of a stimulus."""
    return f"stimuli[{number}].{point}"


def chances_of(rates: FloatArray, plan: LavaLayout, here: slice, dt: float) -> list[FloatArray]:
    """For each point of ``rates`` (instance, point, neuron) of the neurons ``here``: with what probability all neurons
    of a program spike in a step."""
    chances = np.zeros((rates.shape[1], len(rates), plan.size))
    chances[:, :, here] = -np.expm1(-rates.swapaxes(0, 1) * dt / 1000.0)
    return [each.reshape(-1) for each in chances]


def forced_spikes(net: Network, plan: LavaLayout, copies: int, strengths: Strengths) -> tuple[IntArray, IntArray]:
    """The spikes that the host sends at set times: their steps, which ascend, and the neurons of a program."""
    steps, neurons = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, stimulus in enumerate(net.stimuli):
        if isinstance(stimulus, SpikeTimes):
            trains = strengths.trains(number)
            trains = np.broadcast_to(trains, (copies, *trains.shape[1:]))
            instance, neuron, spike = np.nonzero(~np.isnan(trains))
            steps.append(np.rint(trains[instance, neuron, spike] / net.dt).astype(np.int64))
            neurons.append(instance * plan.size + plan.neurons(net, stimulus.population).start + neuron)
    step, which = np.concatenate(steps), np.concatenate(neurons)
    order = np.argsort(step, kind="stable")
    return step[order], which[order]


def _stimuli(net: Network, plan: LavaLayout, copies: int) -> dict[str, Any]:
    poisson: list[tuple[str, int, int, FloatArray]] = []
    for number, spikes in enumerate(host_spikes(net)):
        here = plan.neurons(net, spikes.population)
        if spikes.rates is not None:
            rates = np.broadcast_to(spikes.rates[None], (copies, len(spikes.rates), here.stop - here.start))
            chances = chances_of(rates, plan, here, net.dt)
            names = (rates_name(number, point) for point in range(len(chances)))
            poisson += zip(names, *zip(*pairwise(spikes.begins), strict=True), chances, strict=True)
    step, neuron = forced_spikes(net, plan, copies, Strengths(net))
    return {"forced_step": step, "forced_neuron": neuron, "poisson": poisson}


def _plastic(
    net: Network, p: Projection, plan: LavaLayout, units: Arithmetic, copies: int, steps: int
) -> dict[str, Any]:
    wiring, shift = plan.wiring[p.name], np.arange(copies)[:, None]
    rule, code = lowered_rule(net, p, units, steps)
    ends = None if rule.bounds is None else [float(end) for end in rule.bounds]
    if units.fixed:
        limit = LARGEST_WEIGHT / units.unit
        ends = [round(end * units.unit) for end in rule.bounds or (-limit, limit)]
    pre_neurons, pre = np.unique(_spread([wiring.pre], plan.size, shift), return_inverse=True)
    post_neurons, post = np.unique(_spread([wiring.post], plan.size, shift), return_inverse=True)
    return {
        "name": p.name,
        "pre_neurons": pre_neurons,
        "post_neurons": post_neurons,
        "pre": pre.astype(np.int64),
        "post": post.astype(np.int64),
        "row": _spread([wiring.row], plan.input_count, shift),
        "weights": np.tile(_weights(net, wiring, units), copies).astype(_number(units)),
        "factor": units.factor(p.name),
        "ends": ends,
        "learns": any(wanted_changes(rule).values()),
        "rule": engine_parameters(rule, code, net.dt, units, epoch_of(net, p, steps)),
    }
