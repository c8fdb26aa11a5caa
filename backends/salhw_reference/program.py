"""A network as arrays: what the algorithms read. Neurons of all populations are numbered through, synapses of all
projections too, sorted by projection, postsynaptic and presynaptic neuron.

A *head* reads the list of past spikes a fixed lag after each of them: a refractory period ends (FREES), a PSP arrives
(ARRIVES) or ends (ENDS), a spike leaves a triangular window (EXPIRES), or has used resources of synapses that a probe
looks at (USES). Because a head's lag is the same for all spikes, the list is in the order of its events, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from salhw.description.connectivity import count, synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.probes import (
    Membrane,
    Spikes,
    StateOccupancy,
    SynapseVariable,
    Traces,
)
from salhw.description.stimuli import SpikeTimes, Teacher
from salhw.description.ties import originals
from salhw.session.strengths import Strengths
from salhw_reference.arrays import (
    AVERAGE,
    AVERAGED,
    HEAD,
    LAG,
    MEMBRANE,
    NEVER,
    OCCUPANCY,
    PSP,
    RECOVERY,
    RULE,
    SAMPLES,
    SPIKE,
    TEACHER,
    TIE,
    WINDOW,
    Indices,
    NetworkArrays,
    Records,
    records,
)
from salhw_reference.delays import Split, delay_range
from salhw_reference.kinds import (
    ALL,
    AVERAGES,
    BY_COUNT,
    BY_TABLE,
    INTEGRATE,
    MEAN,
    NEURONS,
    OF_SYNAPSES,
    POTENTIAL,
    PSPS,
    QUANTITIES,
    RECTANGULAR,
    RULES,
    SHORT_TERM,
    SUM,
    TRIPLETS,
    VARIABLES,
    WINDOWS,
    length,
    period,
    periods,
    reach,
    steps,
)
from salhw_reference.looking import Sampled, looked_at, sampled
from salhw_reference.past import branches, horizons, lasting, longest_kept, ring, rules_of, stretches

FREES, ARRIVES, ENDS, EXPIRES, USES = 0, 1, 2, 3, 4  # what a head does
ON_SPIKE, PERIODIC, RUN_END = 0, 1, 2  # updates
LONGEST_TABLE = 1_000_000  # steps of a window beyond which it is worked out instead of looked up
BLOCK, LEAST = 256, 2**14  # steps of a block of pair sums, and synapses below which none is made: see pair_blocks.py


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


def _neurons(net: Network) -> dict[str, Any]:
    made = [(NEURONS[p.neuron](p.neuron, net.dt), p.size) for p in net.populations]
    adapts, nothing = any(neuron.recovery for neuron, _ in made), (0.0,) * len(RECOVERY.names or ())

    def each(values: Any, size: int) -> list[tuple[float, ...]]:
        return list(zip(*(np.broadcast_to(value, size).tolist() for value in values), strict=True))

    recovery = [row for neuron, size in made if adapts for row in each(neuron.recovery or nothing, size)]
    begins = [np.stack([np.broadcast_to(value, size) for value in neuron.begins]) for neuron, size in made]
    return {
        "kind": np.concatenate([np.full(size, neuron.code, np.int64) for neuron, size in made]),
        "refractory": np.concatenate([np.broadcast_to(periods(p.neuron, net.dt), p.size) for p in net.populations]),
        "membrane": records([row for neuron, size in made for row in each(neuron.membrane, size)], MEMBRANE),
        "recovery": records(recovery, RECOVERY),
        "begins": np.concatenate(begins, axis=1, dtype=np.float64),
    }


def named_inputs(net: Network) -> dict[tuple[str, str | None], int]:
    """The number of each named input, by population and name; -1 for what has no name."""
    named = [(p.name, name) for p in net.populations for name in p.neuron.input_gains]
    return {**{(p.name, None): -1 for p in net.populations}, **{where: k for k, where in enumerate(named)}}


def _psp(net: Network, p: Projection, named: int) -> tuple[Any, ...]:
    ratio, ranges = net.dt / p.kernel.tau_syn, neuron_ranges(net)
    renews = p.kernel.superposition == "last"
    bounds = narrowest_bounds(p.plasticity)
    conducts, reversal = p.e_rev is not None, p.e_rev or 0.0
    short_term = (0.0, 0.0, 0.0) if p.short_term is None else SHORT_TERM[p.short_term](p.short_term, net.dt)
    about = PSPS[p.kernel].code, renews, named, np.exp(-ratio), ratio, p.kernel.height, *bounds, conducts, reversal
    fastest, slowest = delay_range(p, net.dt)
    return *about, *ranges[p.pre], *ranges[p.post], slowest - fastest, lasting(net, p), *short_term


def _projections(net: Network) -> dict[str, Any]:
    n, ranges, named = sum(p.size for p in net.populations), neuron_ranges(net), named_inputs(net)
    nothing = np.zeros(0, np.uint32)
    post, pre, row, ring_place = [nothing], [nothing], [nothing], [nothing]
    psp = records([_psp(net, p, named[p.post, p.into]) for p in net.projections], PSP)
    into, out = np.zeros((2, len(net.projections), n + 1), np.int64)
    first = 0
    for k, p in enumerate(net.projections):
        i, j, _ = _synapses(net, p.name)
        i, j = i + ranges[p.post][0], j + ranges[p.pre][0]
        order, place = np.lexsort((i, j)), np.empty(len(i), np.int64)
        place[order] = first + np.arange(len(i))
        post.append(i[order].astype(np.uint32))
        pre.append(j.astype(np.uint32))
        row.append(place.astype(np.uint32))
        if np.any(psp["spread"]):
            later = net.synapses(p.name).delay_steps(net.dt) - delay_range(p, net.dt)[0]
            ring_place.append((later * net.population(p.post).size + i - ranges[p.post][0])[order].astype(np.uint32))
        every = np.arange(n + 1)
        into[k] = first + np.searchsorted(i, every)
        out[k] = first + np.searchsorted(j[order], every)
        first += len(i)
    return {
        "psp": psp,
        "post": np.concatenate(post),
        "pre": np.concatenate(pre),
        "into": into,
        "out": out,
        "row": np.concatenate(row),
        "place": np.concatenate(ring_place),
    }


def _symmetric(net: Network, name: str) -> bool:
    """Whether every synapse of a projection has a reciprocal one."""
    post, pre, _ = _synapses(net, name)
    order = np.lexsort((post, pre))
    return net.projection(name).pre == net.projection(name).post and np.array_equal(post[order], pre)


def _rules(net: Network) -> dict[str, Any]:
    ranges = synapse_ranges(net)
    rules: list[tuple[Any, ...]] = []
    windows: list[tuple[Any, ...]] = []
    traces = {trace.name: k for k, trace in enumerate(net.traces)}
    table: list[FloatArray] = [np.ones(1)]  # of rules without windows: each spike counts 1, however long ago the other
    used, accumulator = 1, 0
    tables: dict[Any, int] = {}  # where that of a window begins, which is there once: the fastest cache is small
    for k, _, r in rules_of(net):
        p = net.projections[k]
        low, high = ranges[p.name]
        made = RULES[r](r)
        update = {"spike": ON_SPIKE, "run end": RUN_END}.get(r.update, PERIODIC)
        every = steps(r.period, net.dt) if r.period is not None else 0
        shapes = []
        for _, w, _, mode in branches(net, p, r):
            last, first = reach(w, net.dt), WINDOWS[w].formula
            if last <= LONGEST_TABLE and (w.kind, w.tau) not in tables:
                shape = w.shape(np.arange(last + 1, dtype=np.float64) * net.dt)
                shape[-1] = 0.0
                table.append(shape)
                tables[w.kind, w.tau], used = used, used + last + 1
            first = tables.get((w.kind, w.tau), first)
            shapes.append((w.kind, w.tau))
            windows.append((mode, first, last, w.tau / net.dt))
        windows += [(BY_TABLE, 0, 0, 1.0)] * (2 - len(shapes))  # of rules without
        mirrored = len(set(shapes)) == 1 and made.form != TRIPLETS and _symmetric(net, p.name)
        teacher, prediction = [*(traces[name] for name in made.traces), -1, -1][:2]
        about = (made.form, k, made.pairing, update, every, low, accumulator, mirrored)
        fading, most = (net.dt / tau for tau in made.taus), stretches(net, p, r)
        stretch = -(-every // most) if most else 0
        parts = -(-every // stretch) if most else 0
        rules.append((*about, teacher, prediction, made.link, net.dt, made.baseline, *fading, stretch, parts))
        accumulator += high - low
    return {
        "rule": records(rules, RULE),
        "window": records(windows, WINDOW, (-1, 2)),
        "table": np.concatenate(table),
    }


def _heads(parts: Split) -> dict[str, Records]:
    net = parts.network
    ranges, heads = neuron_ranges(net), []
    for population in net.populations:
        if population.neuron.refractory_period is not None:
            for lag in np.unique(periods(population.neuron, net.dt)).tolist():
                heads.append((lag, FREES, lag, *ranges[population.name]))
    for k, p in enumerate(net.projections):
        delay = 1 + delay_range(p, net.dt)[0]
        heads.append((delay, ARRIVES, k, *ranges[p.pre]))
        if (lasts := length(p.kernel, net.dt)) is not None:
            heads.append((delay + lasts, ENDS, k, *ranges[p.pre]))
    probed = only(parts.described.probes, SynapseVariable)
    for k in dict.fromkeys(_first_part(parts, probe.projection) for probe in probed):
        heads.append((1, USES, k, *ranges[net.projections[k].pre]))
    for r, (k, _, rule) in enumerate(rules_of(net)):
        for side, (_, w, partner, mode) in enumerate(branches(net, net.projections[k], rule)):
            if mode == BY_COUNT:
                heads.append((reach(w, net.dt), EXPIRES, 2 * r + side, *ranges[partner]))
    by_lag = sorted(heads)
    lags, first = np.unique([lag for lag, *_ in by_lag], return_index=True)
    return {
        "head": records(heads, HEAD),
        "by_lag": records(by_lag, HEAD),
        "lag": records([*zip(lags, first, np.append(first, len(by_lag))[1:], strict=True)], LAG),
    }


def _first_part(parts: Split, projection: str) -> int:
    """The number of a projection, or of the first of its parts, all of which have the same spikes."""
    return parts.parts[projection][0][0]


def forced_spikes(net: Network, strengths: Strengths) -> Records:
    """The spikes that stimuli force, (instance, spike); of one instance where all have the same."""
    ranges = neuron_ranges(net)
    each = [
        (ranges[s.population][0], strengths.trains(k)) for k, s in enumerate(net.stimuli) if isinstance(s, SpikeTimes)
    ]
    rows = []
    for b in range(max((len(trains) for _, trains in each), default=1)):
        spikes = np.zeros((0, 2), np.int64)
        for first, trains in each:
            times = trains[min(b, len(trains) - 1)]
            neuron, place = np.nonzero(~np.isnan(times))
            step = np.rint(times[neuron, place] / net.dt).astype(np.int64)
            spikes = np.concatenate([spikes, np.stack([step, first + neuron], axis=1)])
        rows.append(np.unique(spikes, axis=0))
    table = np.full((len(rows), max(map(len, rows)), 2), NEVER)
    for row, spikes in zip(table, rows, strict=True):
        row[: len(spikes)] = spikes
    return records([*map(tuple, table.reshape(-1, 2).tolist())], SPIKE, table.shape[:2])


def trace_columns(net: Network) -> dict[str, int]:
    """The first column of each trace in ``total``."""
    sizes = [net.population(trace.population).size for trace in net.traces]
    return {trace.name: sum(sizes[:k]) for k, trace in enumerate(net.traces)}


def _traces(net: Network) -> dict[str, Records]:
    ranges, named, columns = neuron_ranges(net), named_inputs(net), trace_columns(net)
    into = [named[p.post, p.into] for p in net.projections]
    rows, averaged, ring = [], list[tuple[Any, ...]](), 0
    for trace in net.traces:
        window = AVERAGES[trace.window](trace.window, net.dt)
        first, end = ranges[trace.population]
        number, of = named[trace.population, trace.input], QUANTITIES[trace.quantity]
        through = into.index(number) if number >= 0 and number in into else -1
        rows.append((of, first, end, columns[trace.name], through))
        for n in range(first, end):
            averaged.append((of, n, number, 1.0 / net.dt, window.code, ring, ring + window.length, window.share))
            ring += window.length
    return {"average": records(rows, AVERAGE), "averaged": records(averaged, AVERAGED)}


def history(arrays: NetworkArrays) -> int:
    """Values inside the boxcars of all traces together."""
    return int(np.sum(arrays.averaged["end"] - arrays.averaged["first"]))


def _teachers(net: Network) -> Records:
    ranges, names, rows = neuron_ranges(net), [trace.name for trace in net.traces], list[tuple[int, ...]]()
    taught = set[int]()
    for number, teacher in enumerate(only(net.stimuli, Teacher)):
        period = steps(teacher.every, net.dt) if teacher.every else 1
        neurons = range(*ranges[teacher.population])
        rows += [(number, names.index(teacher.trace), n, period, n in taught) for n in neurons]
        taught.update(neurons)
    return records(rows, TEACHER)


def rows_of(parts: Split, row: Indices, name: str) -> Indices:
    """Where in the rows each synapse of a described projection lies."""
    low, high = synapse_ranges(parts.described)[name]
    in_parts, rows = parts.in_parts(name), row[low:high]
    if in_parts is None:
        return rows
    placed = np.empty_like(rows)
    placed[in_parts] = rows
    return placed


def _ties(parts: Split, row: Indices) -> dict[str, Any]:
    net = parts.described
    ranges, records_, original = synapse_ranges(net), [], np.zeros(len(row) if net.ties else 0, np.uint32)
    for tie in net.ties:
        low, high = ranges[tie.projection]
        period = 0 if tie.every is None else steps(tie.every, net.dt)
        records_.append((low, high, period, tie.scale))
        ends = _synapses(net, tie.projection), _synapses(net, tie.to)
        of = rows_of(parts, row, tie.to)[originals(*ends, tie.transpose)]
        in_parts = parts.in_parts(tie.projection)
        original[low:high] = of if in_parts is None else of[in_parts]
    return {"tie": records(records_, TIE), "original": original}


def _probes(parts: Split) -> dict[str, Any]:
    net = parts.described
    ranges, sums = neuron_ranges(net), list[list[bool]]()
    recorded = np.zeros(sum(p.size for p in net.populations), np.int64)
    occupancy, samples = [], []
    counters = columns = 0
    for spikes in only(net.probes, Spikes):
        recorded[ranges[spikes.population][0] + looked_at(net, spikes, spikes.population)] = 1
    for state in only(net.probes, StateOccupancy):
        low, high = ranges[state.population]
        occupancy.append((low, high, counters))
        counters += 2 ** (high - low)
    for probe, population in sampled(net):
        neurons, (of, traced, gained, summed) = looked_at(net, probe, population), _seen(parts, probe)
        breaks = np.flatnonzero(np.diff(neurons) > 1) + 1
        for part in np.split(neurons + ranges[population][0], breaks) if len(neurons) else ():  # neighbours together
            every = steps(probe.every or net.dt, net.dt)
            samples.append((part[0], part[-1] + 1, every, columns, of, traced, gained))
            sums.append(summed)
            columns += len(part)
    return {
        "recorded": recorded,
        "occupancy": records(occupancy, OCCUPANCY),
        "samples": records(samples, SAMPLES),
        "summed": np.array(sums, np.int64).reshape(len(samples), len(parts.network.projections)),
    }


def _seen(parts: Split, probe: Sampled) -> tuple[int, int, int, list[bool]]:
    """What a probe samples, as SAMPLES and ``summed`` have it: of what, the number of the trace or projection, whether
    gains count, and what projections give."""
    net, nothing = parts.network, [False] * len(parts.network.projections)
    if isinstance(probe, Membrane):
        return POTENTIAL, -1, 0, nothing
    if isinstance(probe, Traces):
        return MEAN, [trace.name for trace in net.traces].index(probe.trace), 0, nothing
    if isinstance(probe, SynapseVariable):
        return OF_SYNAPSES[probe.of], _first_part(parts, probe.projection), 0, nothing
    quantity, _, name = probe.of.partition(".")
    if VARIABLES[quantity] != SUM:
        return VARIABLES[quantity], -1, 0, nothing
    conducts = quantity == "conductance"
    onto = [p.post == probe.population and (p.e_rev is not None) == conducts for p in net.projections]
    if name:
        mine = (
            [k for k, _ in parts.parts[name]]
            if conducts
            else [k for k, p in enumerate(net.projections) if p.into == name]
        )
        onto = [here and k in mine for k, here in enumerate(onto)]
    return SUM, -1, int(probe.of == "inputs"), onto


def build(parts: Split) -> NetworkArrays:
    """Lower a checked network, split by delays."""
    net = parts.network
    longest = max((last for last, _ in horizons(net)), default=1)
    neurons, projections = _neurons(net), _projections(net)
    conducting, probes = np.any(projections["psp"]["conducts"] == 1), _probes(parts)
    apart = conducting or np.any(
        probes["samples"]["of"] == SUM
    )  # what each projection gives is kept, not the sum alone
    return NetworkArrays(
        **neurons,
        **projections,
        **_rules(net),
        **probes,
        **_heads(parts),
        **_traces(net),
        teacher=_teachers(net),
        **_ties(parts, projections["row"]),
        ring=np.array([ring(net, max(longest, longest_kept(net))) - 1]),
        fading=np.array([apart or np.any(projections["psp"]["kernel"] != RECTANGULAR)], np.int64),
        conducting=np.array([conducting], np.int64),
        integrating=np.array([np.any(neurons["kind"] >= INTEGRATE)], np.int64),
    )


def states(arrays: NetworkArrays) -> int:
    """Counters of all occupancy probes together."""
    return int(np.sum(2 ** (arrays.occupancy["end"] - arrays.occupancy["first"])))


def sums(arrays: NetworkArrays) -> int:
    """Accumulators of all rules together."""
    into = arrays.into[arrays.rule["projection"]]
    return int(np.sum(into[:, -1] - into[:, 0]))


def block_bytes(net: Network) -> int:
    """At most so many bytes an instance takes for pair sums in blocks: traces of both ends of large projections, and a
    chain of spikes."""
    traces = 0
    for k, _, rule in rules_of(net):
        post, pre, same = net.ends(net.projections[k].name)
        many = count(net.projections[k].weights, post, pre, same)
        if many >= LEAST and 2 * many >= post * pre and rule.update != "spike" and RULES[rule](rule).pairing == ALL:
            traces += 8 * BLOCK * (post + pre)
    links = sum(p.size * (2 + BLOCK // period(p.neuron, net.dt)) for p in net.populations)
    return traces + 16 * links if traces else 0
