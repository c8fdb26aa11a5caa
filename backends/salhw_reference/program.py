"""A network as arrays: what the algorithms read. Neurons of all populations are numbered through, synapses of all
projections too, sorted by projection, postsynaptic and presynaptic neuron.

A *head* reads the list of past spikes a fixed lag after each of them: a refractory period ends (FREES), a PSP arrives
(ARRIVES) or ends (ENDS), a spike leaves a triangular window (EXPIRES). Because a head's lag is the same for all spikes,
the list is in the order of its events, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, log2
from typing import Any

import numpy as np

from salhw.description.connectivity import count, synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PlasticityRule
from salhw.description.probes import Membrane, Spikes, StateOccupancy
from salhw.description.stimuli import SpikeTimes
from salhw.description.windows import Window
from salhw_reference import layout as at
from salhw_reference.kinds import (
    ALL,
    BY_COUNT,
    BY_TABLE,
    EXACT,
    LOGISTIC,
    NEURONS,
    PSPS,
    RECTANGULAR,
    RULES,
    WINDOWS,
    length,
    period,
    reach,
    steps,
)

FREES, ARRIVES, ENDS, EXPIRES = 0, 1, 2, 3  # what a head does
ON_SPIKE, PERIODIC, RUN_END = 0, 1, 2  # updates
LONGEST_TABLE = 1_000_000  # steps of a window beyond which it is worked out instead of looked up
TABULATED = 8  # neurons up to which hazards are tabulated: 2**8 * 8 numbers stay in the fastest cache


def neuron_ranges(net: Network) -> dict[str, tuple[int, int]]:
    """First neuron and one past the last, per population."""
    ends = np.cumsum([p.size for p in net.populations])
    return {p.name: (int(end) - p.size, int(end)) for p, end in zip(net.populations, ends, strict=True)}


def synapse_ranges(net: Network) -> dict[str, tuple[int, int]]:
    """First synapse and one past the last, per projection."""
    first, ranges = 0, {}
    for p in net.projections:
        ranges[p.name] = (first, first + count(p.weights, *net.ends(p.name)))
        first = ranges[p.name][1]
    return ranges


def _synapses(net: Network, name: str) -> tuple[IntArray, IntArray, IntArray]:
    return synapses(net.projection(name).weights, *net.ends(name))


def _neurons(net: Network) -> dict[int, Any]:
    kind, ref, leak = [], [], []
    for population in net.populations:
        made = NEURONS[population.neuron](population.neuron, net.dt)
        kind += [made.code] * population.size
        ref += [period(population.neuron, net.dt)] * population.size
        leak += [made.leak] * population.size
    return {at.KIND: np.array(kind), at.REF: np.array(ref), at.LEAK: np.array(leak)}


def _projections(net: Network) -> dict[int, Any]:
    n, ranges = sum(p.size for p in net.populations), neuron_ranges(net)
    count = len(net.projections)
    shape, kernel, renew = np.zeros((count, 5)), np.zeros(count), np.zeros(count)
    post, pre, out_post, out_syn = [], [], [], []
    in_ptr, out_ptr = np.zeros((count, n + 1), np.int64), np.zeros((count, n + 1), np.int64)
    first = 0
    for k, p in enumerate(net.projections):
        ratio = net.dt / p.kernel.tau_syn
        bounds = [rule.bounds for rule in p.plasticity if rule.bounds is not None]
        lowest = max((low for low, _ in bounds), default=-np.inf)
        highest = min((high for _, high in bounds), default=np.inf)
        shape[k] = np.exp(-ratio), ratio, p.kernel.height, lowest, highest
        kernel[k] = PSPS[p.kernel].code
        renew[k] = p.kernel.superposition == "last"
        i, j, _ = _synapses(net, p.name)
        i, j = i + ranges[p.post][0], j + ranges[p.pre][0]
        order = np.lexsort((i, j))
        post.append(i)
        pre.append(j)
        out_post.append(i[order])
        out_syn.append(first + order)
        every = np.arange(n + 1)
        in_ptr[k] = first + np.searchsorted(i, every)
        out_ptr[k] = first + np.searchsorted(j[order], every)
        first += len(i)

    def joined(parts: list[IntArray]) -> IntArray:
        return np.concatenate([np.zeros(0, np.int64), *parts])

    return {
        at.KERNEL: kernel,
        at.RENEW: renew,
        at.SHAPE: shape,
        at.POST: joined(post),
        at.PRE: joined(pre),
        at.IN: in_ptr,
        at.OUT: out_ptr,
        at.OUT_POST: joined(out_post),
        at.OUT_SYN: joined(out_syn),
    }


def rules_of(net: Network) -> list[tuple[int, int, PlasticityRule]]:
    """(projection number, rule number, rule) in the order in which the program holds them."""
    return [(k, r, rule) for k, p in enumerate(net.projections) for r, rule in enumerate(p.plasticity)]


def _smallest_interval(net: Network, population: str) -> float:
    """The shortest time between two spikes of one neuron, in steps."""
    forced = any(s.population == population for s in only(net.stimuli, SpikeTimes))
    return 1 if forced else period(net.population(population).neuron, net.dt)


def _symmetric(net: Network, name: str) -> bool:
    """Whether every synapse of a projection has a reciprocal one."""
    post, pre, _ = _synapses(net, name)
    order = np.lexsort((post, pre))
    return net.projection(name).pre == net.projection(name).post and np.array_equal(post[order], pre)


def branches(net: Network, p: Projection, rule: PlasticityRule) -> Iterator[tuple[str, Window, str, int]]:
    """Name, window, population of the earlier spikes, and how it sums over these, of each branch of a rule."""
    made = RULES[rule](rule)
    for (name, window), partner in zip(made.windows, (p.pre, p.post), strict=True):
        sums = WINDOWS[window].sums
        alone = sums == BY_COUNT and reach(window, net.dt) <= _smallest_interval(net, partner)
        yield name, window, partner, BY_TABLE if alone or made.pairing != ALL else sums


def _rules(net: Network) -> dict[int, Any]:
    ranges = synapse_ranges(net)
    rule, window = [], []
    table: list[FloatArray] = [np.zeros(1)]
    used, accumulator = 1, 0
    for k, _, r in rules_of(net):
        p = net.projections[k]
        low, high = ranges[p.name]
        update = {"spike": ON_SPIKE, "run end": RUN_END}.get(r.update, PERIODIC)
        every = steps(r.period, net.dt) if r.period is not None else 0
        row = [k, RULES[r](r).pairing, update, every, low, accumulator]
        accumulator += high - low
        windows = []
        for _, w, _, mode in branches(net, p, r):
            windows.append(w)
            last = reach(w, net.dt)
            if last > LONGEST_TABLE:
                row += [mode, WINDOWS[w].formula, last]
                continue
            shape = w.shape(np.arange(last + 1, dtype=np.float64) * net.dt)
            shape[-1] = 0.0
            row += [mode, used, last]
            table.append(shape)
            used += last + 1
        mirrored = len({(w.kind, w.tau) for w in windows}) == 1 and _symmetric(net, p.name)
        rule.append([*row, mirrored])
        window.append([w.tau / net.dt for w in windows])
    return {
        at.RULE: np.array(rule, np.int64).reshape(-1, at.RULE_WIDTH),
        at.WINDOW_LENGTH: np.array(window).reshape(-1, 2),
        at.TABLE: np.concatenate(table),
    }


def horizons(net: Network) -> Iterator[tuple[int, str]]:
    """For how many steps a spike has something to do, and the path of the time that says so: refractory periods, delays
    with the PSPs that end after them, triangular windows over all pairs."""
    for population in net.populations:
        if population.neuron.refractory_period is not None:
            yield period(population.neuron, net.dt), f"populations.{population.name}.tau_ref"
    for p in net.projections:
        delay = 1 + steps(p.delay, net.dt)
        lasts = length(p.kernel, net.dt) or 0
        yield delay + lasts, f"projections.{p.name}.{'delay' if delay > lasts else 'kernel.tau_syn'}"
    for k, number, rule in rules_of(net):
        p = net.projections[k]
        for name, w, _, mode in branches(net, p, rule):
            if mode == BY_COUNT:
                yield reach(w, net.dt), f"projections.{p.name}.{rule_name(p, number)}.{name}.tau"


def ring(net: Network, longest: int) -> int:
    """How many past spikes are kept at most, as many as ``longest`` steps can have; a power of two."""
    forced = any(len(train) for s in only(net.stimuli, SpikeTimes) for train in s.times)
    spacing = 1 if forced else min(period(p.neuron, net.dt) for p in net.populations)
    return 1 << ceil(log2(sum(p.size for p in net.populations) * (longest // spacing + 3)))


def _heads(net: Network) -> IntArray:
    ranges, heads = neuron_ranges(net), []
    for population in net.populations:
        if population.neuron.refractory_period is not None:
            heads.append((period(population.neuron, net.dt), FREES, 0, *ranges[population.name]))
    for k, p in enumerate(net.projections):
        delay = 1 + steps(p.delay, net.dt)
        heads.append((delay, ARRIVES, k, *ranges[p.pre]))
        if (lasts := length(p.kernel, net.dt)) is not None:
            heads.append((delay + lasts, ENDS, k, *ranges[p.pre]))
    for r, (k, _, rule) in enumerate(rules_of(net)):
        for side, (_, w, partner, mode) in enumerate(branches(net, net.projections[k], rule)):
            if mode == BY_COUNT:
                heads.append((reach(w, net.dt), EXPIRES, 2 * r + side, *ranges[partner]))
    return np.array(heads, np.int64).reshape(-1, 5)


def _forced(net: Network) -> IntArray:
    ranges = neuron_ranges(net)
    spikes = {
        (steps(float(time), net.dt), ranges[s.population][0] + neuron)
        for s in only(net.stimuli, SpikeTimes)
        for neuron, train in enumerate(s.times)
        for time in train
    }
    return np.array(sorted(spikes), np.int64).reshape(-1, 2)


def _probes(net: Network) -> dict[int, Any]:
    ranges = neuron_ranges(net)
    record = np.zeros(sum(p.size for p in net.populations), np.int64)
    occupancy, membrane = [], []
    counters = columns = 0
    for spikes in only(net.probes, Spikes):
        record[slice(*ranges[spikes.population])] = 1
    for state in only(net.probes, StateOccupancy):
        low, high = ranges[state.population]
        occupancy.append((low, high, counters))
        counters += 2 ** (high - low)
    for probe in only(net.probes, Membrane):
        low, high = ranges[probe.population]
        membrane.append((low, high, 1 if probe.every is None else steps(probe.every, net.dt), columns))
        columns += high - low
    return {
        at.RECORD: record,
        at.OCCUPANCY: np.array(occupancy, np.int64).reshape(-1, 3),
        at.MEMBRANE: np.array(membrane, np.int64).reshape(-1, 4),
    }


@dataclass(frozen=True)
class ReferenceProgram:
    """``q`` and ``f`` of layout.py, where everything is, and the arrays themselves by name."""

    q: IntArray
    f: FloatArray
    layout: at.Layout
    arrays: dict[int, Any]
    tabulate: bool

    @cached_property
    def recorded(self) -> int:
        """Neurons whose spikes are kept."""
        return int(self.arrays[at.RECORD].sum())

    @property
    def states(self) -> int:
        """Counters of all occupancy probes together."""
        return sum(2 ** int(high - low) for low, high, _ in self.arrays[at.OCCUPANCY])


def build(net: Network, *, event_driven: bool) -> ReferenceProgram:
    """Lower a checked network."""
    arrays = _neurons(net) | _projections(net) | _rules(net) | _probes(net)
    arrays[at.HEAD] = _heads(net)
    arrays[at.FORCED] = _forced(net)
    layout = at.Layout()
    floats = (at.LEAK, at.SHAPE, at.TABLE, at.WINDOW_LENGTH)
    f = layout.pack({name: arrays[name] for name in floats}, np.float64)
    ints = {name: array for name, array in arrays.items() if name not in floats}
    q = layout.pack(ints, np.int64, before=at.NAMES)
    tabulate = event_driven and _fits_table(net, arrays)
    rules, heads = arrays[at.RULE], arrays[at.HEAD]
    n = len(arrays[at.KIND])
    longest = max((last for last, _ in horizons(net)), default=1)
    q[at.N], q[at.P], q[at.R], q[at.H] = n, len(arrays[at.KERNEL]), len(rules), len(heads)
    q[at.RING] = ring(net, longest) - 1
    q[at.FORCED_COUNT], q[at.O], q[at.M] = len(arrays[at.FORCED]), len(arrays[at.OCCUPANCY]), len(arrays[at.MEMBRANE])
    q[at.FADING] = np.any(arrays[at.KERNEL] != RECTANGULAR)
    q[at.A] = sum(arrays[at.IN][p, -1] - arrays[at.IN][p, 0] for p in rules[:, 0])
    for name, offset in layout.offsets.items():
        q[name] = offset
    return ReferenceProgram(q, f, layout, arrays, tabulate)


def _fits_table(net: Network, arrays: dict[int, Any]) -> bool:
    """Whether every hazard is a function of who has a PSP under way: few GLM neurons, one projection whose PSPs never
    overlap, and weights that change between stretches only."""
    lasts = length(net.projections[0].kernel, net.dt) if len(net.projections) == 1 else None
    return (
        lasts is not None
        and lasts <= arrays[at.REF].min()
        and len(arrays[at.KIND]) <= TABULATED
        and bool(np.isin(arrays[at.KIND], (LOGISTIC, EXACT)).all())
        and not only(net.stimuli, SpikeTimes)
        and not np.any(arrays[at.RULE][:, 2] == ON_SPIKE)
    )
