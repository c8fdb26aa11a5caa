"""A lowered network and its instances as plain data for the worker.

All instances lie side by side in one Lava network, because Lava pays for a step and a process, not for a neuron:
neuron k of instance i is neuron ``i * size + k``. Times are in steps, potentials and weights in the chip's units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw.description.connectivity import synapses, values
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Kernel, Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF
from salhw.description.parts import Projection
from salhw.description.probes import Membrane
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw.diagnostics.arguments import folded
from salhw.session.executable import Executable
from salhw_lava.arithmetic import ENTRIES, PER_ONE, Arithmetic, arithmetic, decay, table
from salhw_lava.lower import epoch
from salhw_lava.rules import lowered_rule, wanted_changes
from salhw_lava.words import Leak, Potential, Words, words

MEMORY = 32_000_000  # bytes of spikes and potentials that a run records before it reports
LONGEST = 5000  # steps
SAME_STEP = 1e-3  # steps: the time constant of a trace that is gone in the next step


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
    """Where the parts of a network lie within an instance."""

    size: int
    first: dict[str, int]
    inputs: tuple[tuple[str, Kernel], ...]
    input_first: tuple[int, ...]
    input_count: int
    wiring: dict[str, LavaWiring]
    static: int

    def neurons(self, net: Network, population: str) -> slice:
        """The neurons of a population."""
        return slice(self.first[population], self.first[population] + net.population(population).size)


def layout(net: Network) -> LavaLayout:
    """Populations one after the other; an input per postsynaptic neuron and kind of PSP."""
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
        place = None if p.plasticity else static
        static += 0 if p.plasticity else len(post)
        wiring[p.name] = LavaWiring(p.name, first[p.post] + post, first[p.pre] + pre, position, row, place)
    return LavaLayout(at, first, kinds, begins, sum(sizes), wiring, static)


def program(executable: Executable, ids: Sequence[int], seed: int) -> dict[str, Any]:
    """Everything that the worker needs. See the processes for what each entry means."""
    net, target = executable.network, executable.target
    how, plan, copies = arithmetic(target), layout(net), len(ids)
    held = words(executable.source, how)
    inputs = max(1, copies * plan.input_count)
    common = {"ids": [int(k) for k in ids], "seed": folded(seed, 64), "neurons": copies * plan.size, "inputs": inputs}
    watched = _watched(net, plan)
    row_bytes = copies * (plan.size + 8 * len(watched))
    static = [w for w in plan.wiring.values() if w.first is not None]
    delay = [np.full(len(w.post), round(net.projection(w.name).delay / net.dt)) for w in static]
    shift = np.arange(copies)[:, None]
    return {
        "model": how.model,
        "execution": target.option("execution"),
        "steps": int(np.clip(MEMORY // row_bytes, 1, LONGEST)),
        "watched": copies * len(watched),
        "neurons": _neurons(net, plan, how, held, copies) | common | _records(net, plan, copies, None),
        "leaky": [
            _leaky(leak, round(p.neuron.tau_ref / net.dt), how) | _records(net, plan, copies, p.name)
            for p in net.populations
            if isinstance(p.neuron, LIF) and isinstance(leak := held[p.name], Leak)
        ],
        "static": common
        | {
            "row": _spread([w.row for w in static], plan.input_count, shift),
            "pre": _spread([w.pre for w in static], plan.size, shift),
            "delay": _spread(delay, 0, shift),
            "weights": np.concatenate(
                [np.tile(_joined([_weights(net, w, how) for w in static]), copies), np.zeros(0)]
            ).astype(_kind(how)),
        },
        "plastic": [
            common | _plastic(net, p, plan, how, copies, epoch(target)) | {"number": k}
            for k, p in enumerate(net.projections)
            if p.plasticity
        ],
    }


def _kind(how: Arithmetic) -> Any:
    return np.int32 if how.fixed else np.float64


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0)


def _spread(parts: list[IntArray], width: int, shift: IntArray) -> IntArray:
    """Indices of one instance repeated for all, ``width`` apart."""
    one = _joined(parts).astype(np.int64)
    return np.asarray(one + shift * width, dtype=np.int64).reshape(-1)


def _weights(net: Network, wiring: LavaWiring, how: Arithmetic) -> FloatArray:
    p = net.projection(wiring.name)
    flat = values(p.weights, *net.ends(p.name)).reshape(-1)[wiring.position]
    return how.held(flat, 2)


def _watched(net: Network, plan: LavaLayout) -> IntArray:
    """The neurons of an instance whose potential is recorded, in the order of its columns."""
    names = [probe.population for probe in net.probes if isinstance(probe, Membrane)]
    each = [np.arange(plan.size)[plan.neurons(net, name)] for name in names]
    return np.asarray(_joined(each), dtype=np.int64)


def _records(net: Network, plan: LavaLayout, copies: int, population: str | None) -> dict[str, IntArray]:
    """Which neurons and which columns of potentials a Process writes: those of a LIF population, or all others."""
    mine = np.zeros(plan.size, np.bool_)
    for p in net.populations:
        mine[plan.neurons(net, p.name)] = p.name == population if population else not isinstance(p.neuron, LIF)
    watched, shift = _watched(net, plan), np.arange(copies)[:, None]
    columns = np.flatnonzero(mine[watched])
    return {
        "own": _spread([np.flatnonzero(mine)], plan.size, shift),
        "watched": _spread([watched[columns]], plan.size, shift),
        "columns": _spread([columns], len(watched), shift),
    }


def _leaky(leak: Leak, refractory: int, how: Arithmetic) -> dict[str, Any]:
    """A LIF population's parameters for Lava."""
    kind = int if how.fixed else float
    values = {"du": leak.du, "dv": leak.dv, "vth": leak.vth, "v": leak.start}
    shifts = {"leak_bits": leak.leak_bits, "vth_shift": leak.vth_shift, "current_bits": leak.current_bits}
    return {name: kind(value) for name, value in values.items()} | shifts | {"refractory": refractory - 1}


def _neurons(net: Network, plan: LavaLayout, how: Arithmetic, held: Words, copies: int) -> dict[str, Any]:
    n, dt = plan.size, net.dt
    bias, refractory, odds, logistic = np.zeros(n), np.zeros(n, np.int64), np.zeros(n), np.ones(n, np.bool_)
    tables, starts, rows = [np.zeros(ENTRIES, np.int64)], np.zeros(n, np.int64), np.zeros(n, np.int64)
    bits = np.full(n, round(np.log2(PER_ONE)))
    for p in net.populations:
        here = plan.neurons(net, p.name)
        if isinstance(p.neuron, GLM) and isinstance(potential := held[p.name], Potential):
            bias[here] = how.biases(np.asarray(p.neuron.bias, dtype=np.float64))
            refractory[here] = round(p.neuron.tau_ref / dt)
            odds[here], logistic[here] = dt / p.neuron.tau_ref, p.neuron.discretisation == "logistic"
            starts[here], entries = table(p.neuron, dt)
            rows[here] = len(tables)
            tables.append(entries)
            bits[here] = potential.bits
        elif isinstance(p.neuron, LIF) and isinstance(leak := held[p.name], Leak):
            bias[here] = leak.current(np.asarray(p.neuron.bias))
    post = [plan.first[name] + np.arange(net.population(name).size) for name, _ in plan.inputs]
    shift = np.arange(copies)[:, None]
    found = {
        "bias": np.tile(bias, copies).astype(np.int32 if how.fixed else np.float64),
        "refractory": np.tile(refractory, copies),
        "odds": np.tile(odds, copies),
        "logistic": np.tile(logistic, copies),
        "table": np.stack(tables),
        "table_start": np.tile(starts, copies),
        "table_row": np.tile(rows, copies),
        "bits": np.tile(bits, copies),
        "bias_shift": np.tile(np.maximum(0, bits - round(np.log2(how.per_bias))), copies),
        "psp_bits": np.tile(bits - (how.bits if how.fixed else 0), copies),
        "input_post": _spread(post, n, shift) if post else np.zeros(1, np.int64),
    }
    psps = _psps(net, plan, how)
    psps = {name: np.tile(values, copies) if post else values[:1] for name, values in psps.items()}
    return found | psps | _stimuli(net, plan, copies)


def _psps(net: Network, plan: LavaLayout, how: Arithmetic) -> dict[str, Any]:
    """Per input: steps of a rectangular PSP, or 0; and what an exponential one keeps, or in fixed point loses, in a
    step. Where there are no inputs, those of one that nothing arrives at."""
    columns = []
    for name, kernel in plan.inputs or (("", Rectangular(tau_syn=net.dt)),):
        tau = kernel.tau_syn / net.dt
        rectangular = isinstance(kernel, Rectangular)
        mantissa, shift = (0, 0) if rectangular else decay(tau)
        keep = 1.0 if rectangular else float(np.exp(-1.0 / tau))
        one = (round(tau) if rectangular else 0, mantissa if how.fixed else keep, shift)
        columns.append(np.tile(np.array(one)[:, None], net.population(name).size if name else 1))
    length, lost, shifts = np.concatenate(columns, axis=1)
    kind = np.int64 if how.fixed else np.float64
    return {
        "input_length": length.astype(np.int64),
        "input_decay": lost.astype(kind),
        "input_shift": shifts.astype(np.int64),
    }


def _stimuli(net: Network, plan: LavaLayout, copies: int) -> dict[str, Any]:
    steps, neurons, poisson = [], [], []
    for s in net.stimuli:
        here = plan.neurons(net, s.population)
        if isinstance(s, SpikeTimes):
            for k, times in zip(range(here.start, here.stop), s.times, strict=True):
                steps.append(np.rint(times / net.dt).astype(np.int64))
                neurons.append(np.full(len(times), k))
        elif isinstance(s, Poisson):
            # A step belongs to the stimulus if its middle lies within.
            first = int(np.ceil(s.start / net.dt - 0.5))
            last = int(np.ceil(s.stop / net.dt - 0.5)) if s.stop is not None else 2**62
            chance = np.zeros(plan.size)
            chance[here] = -np.expm1(-np.asarray(s.rate) * net.dt / 1000.0)
            poisson.append((first, last, np.tile(chance, copies)))
    step = np.tile(_joined(steps).astype(np.int64), copies)
    neuron = _spread(neurons, plan.size, np.arange(copies)[:, None])
    order = np.argsort(step, kind="stable")
    return {"forced_step": step[order], "forced_neuron": neuron[order], "poisson": poisson}


def _plastic(net: Network, p: Projection, plan: LavaLayout, how: Arithmetic, copies: int, steps: int) -> dict[str, Any]:
    wiring, shift = plan.wiring[p.name], np.arange(copies)[:, None]
    rule, code = lowered_rule(net, p, how, steps)
    pre_neurons, pre = np.unique(_spread([wiring.pre], plan.size, shift), return_inverse=True)
    post_neurons, post = np.unique(_spread([wiring.post], plan.size, shift), return_inverse=True)
    return {
        "name": p.name,
        "pre_neurons": pre_neurons,
        "post_neurons": post_neurons,
        "pre": pre.astype(np.int64),
        "post": post.astype(np.int64),
        "row": _spread([wiring.row], plan.input_count, shift),
        "weights": np.tile(_weights(net, wiring, how), copies).astype(_kind(how)),
        "learns": any(wanted_changes(rule).values()),
        "rule": code.as_data()
        | {
            "x1_tau": rule.causal.tau / net.dt,
            "y1_tau": rule.anticausal.tau / net.dt,
            "x2_tau": 0.0 if how.fixed else SAME_STEP,
            "t_epoch": steps,
            "rng_seed": 1,
        },
    }
