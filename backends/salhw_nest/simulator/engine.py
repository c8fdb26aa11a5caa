"""One network in NEST: build it from a plan's data, run it, read and write what it holds."""

from __future__ import annotations

from . import lean  # noqa: F401 - before NEST

# isort: split
import time
from functools import cache
from typing import Any

import nest
import numpy as np
import pyNN.nest as sim

from . import build

BLOCK, WRITTEN = 100, 10_000  # connections that are read or written at a time
ENDS = ("source", "target")
# What the public `get` calls, without the kernel's status that it asks for each time; a later NEST may rename it.
_private: Any = getattr(getattr(nest.ll_api, "nestkernel", None), "llapi_get_connection_status", None)
_network: dict[str, Any] = {}


def open_network(plan: dict[str, Any], seed: int, threads: int) -> None:
    """Build a network in a NEST that holds nothing else, and run it to the end of its lead-in."""
    _network.clear()
    tick = plan["tick"]
    sim.setup(
        timestep=tick,
        min_delay=build.upwards(plan["min_delay"] * tick),
        max_delay=build.upwards(plan["max_delay"] * tick),
        spike_precision="on_grid",
        rng_seed=seed,
        threads=threads,
        verbosity="error",
    )
    nest.spike_buffer_shrink_limit = 0.0  # NEST logs each change of a buffer, and copies the log whenever it is asked
    cells = {c["name"]: _population(c, tick) for c in plan["cells"]}
    projections = {s["name"]: _projection(s, cells, tick) for s in plan["synapses"]}
    shortest = plan["min_delay"] * tick
    recorders = {name: build.record_spikes(cells[name], shortest) for name in plan["recorded"]}
    meters = {m["name"]: _meter(m, cells[m["cells"]], plan) for m in plan["meters"]}
    nest.Simulate(plan["lead_in"] * tick)
    for c in plan["cells"]:
        if c["active"]:
            build.assign(cells[c["name"]], **c["active"])
    _network.update(
        plan=plan,
        cells=cells,
        projections=projections,
        recorders=recorders,
        meters=meters,
        handles={},
        orders={},
        now=0,
    )
    for s in plan["synapses"]:
        if _several(s):
            _order(s["name"])  # as long as weights are those of the plan


def _population(cells: dict[str, Any], tick: float) -> Any:
    parameters = dict(cells["parameters"])
    if "spike_ticks" in parameters:
        parameters["spike_times"] = [np.round(t * tick, 6) for t in parameters.pop("spike_ticks")]
    return build.population(cells["name"], cells["model"], cells["size"], **parameters)


def _projection(s: dict[str, Any], cells: dict[str, Any], tick: float) -> Any:
    ends = cells[s["source"]], cells[s["target"]], s["pre"], s["post"], s["weight"], s["delay"] * tick
    if s["tau_minus"] is None:
        return build.connect(*ends, s["model"], **s["parameters"])
    return build.connect_plastic(*ends, model=s["model"], tau_minus=s["tau_minus"], **s["parameters"])


def _meter(m: dict[str, Any], cells: Any, plan: dict[str, Any]) -> Any:
    """A multimeter at the ticks at which every so many steps are decided, or some ticks before."""
    tick, period = plan["tick"], m["every"] * plan["per_step"]
    first = (plan["lead_in"] + plan["per_step"] - m["early"]) % period
    times = {"interval": period * tick, "offset": first * tick, "time_in_steps": True}
    meter = nest.Create("multimeter", params={"record_from": m["quantities"], **times})
    nest.Connect(meter, cells.node_collection, syn_spec={"delay": plan["min_delay"] * tick})
    return meter


def run(steps: int, settings: dict[str, dict[str, Any]], raised: dict[str, Any], potential: float) -> dict[str, Any]:
    """Assign ``settings`` (cells -> parameters), raise some cells (indices that ascend) to a potential, run, and return
    what was recorded: per population ``stamp`` (ticks) and ``cell``; per meter ``stamp``, ``cell``, what it samples,
    and ``now``: what its cells have at the end, which NEST has not given to the meter yet; and the
    ``seconds`` that NEST took."""
    plan, cells = _network["plan"], _network["cells"]
    for name, parameters in settings.items():
        build.assign(cells[name], **parameters)
    for name, index in raised.items():
        if len(index):
            build.write(cells[name].node_collection[index.tolist()], [{"V_m": potential}])
    began = time.perf_counter()
    nest.Simulate(steps * plan["per_step"] * plan["tick"])
    recorded: dict[str, Any] = {"spikes": {}, "meters": {}, "seconds": time.perf_counter() - began}
    _network["now"] += steps
    last, state = _network["now"] - 1, cache(read_cells)  # which takes longer than to run a step
    for name, recorder in _network["recorders"].items():
        recorded["spikes"][name] = _events(recorder, cells[name])
    for m in plan["meters"]:
        sampled = _events(_network["meters"][m["name"]], cells[m["cells"]], m["quantities"])
        asked = () if m["early"] or last % m["every"] else m["last"]
        now = {name: state(m["cells"], name) for name in asked}
        recorded["meters"][m["name"]] = sampled | {"now": now}
    return recorded


def run_forced(
    stretches: list[tuple[int, int, dict[str, Any]]], latest: dict[str, Any], dead: dict[str, int], potential: float
) -> dict[str, Any]:
    """Run one stretch after the other: so many steps, until whose beginning so many ticks have passed, before which
    some cells are raised to a potential, except those whose ``latest`` spike is not ``dead`` ticks ago. Returns the
    spikes, as ``run`` does, the latest ones now, and the ``seconds`` that NEST took."""
    latest = {name: np.array(stamps) for name, stamps in latest.items()}
    parts = []
    for steps, passed, raised in stretches:
        ready = {name: index[latest[name][index] + dead[name] <= passed + 1] for name, index in raised.items()}
        parts.append(run(steps, {}, ready, potential))
        for name, spikes in parts[-1]["spikes"].items():
            np.maximum.at(latest[name], spikes["cell"], spikes["stamp"])
    joined = {
        name: {key: np.concatenate([part["spikes"][name][key] for part in parts]) for key in ("stamp", "cell")}
        for name in latest
    }
    return {"spikes": joined, "latest": latest, "seconds": sum(part["seconds"] for part in parts)}


def _events(recorder: Any, cells: Any, quantities: Any = ()) -> dict[str, Any]:
    events = recorder.events
    build.write(recorder, [{"n_events": 0}])
    times = {
        "stamp": np.asarray(events["times"], dtype=np.int64),
        "cell": np.asarray(events["senders"], dtype=np.int64) - int(cells.all_cells[0]),
    }
    return times | {name: np.asarray(events[name]) for name in quantities}


def _connections(name: str) -> Any:
    """The connections of a projection, None if it has none. Taken after the lead-in, because NEST moves connections
    when it first simulates."""
    projection = _network["projections"][name]
    if projection is not None and name not in _network["handles"]:
        model, label = projection.nest_synapse_model, projection.nest_synapse_label
        _network["handles"][name] = nest.GetConnections(synapse_model=model, synapse_label=label)
    return _network["handles"].get(name)


def _statuses(connections: Any, begin: int, end: int) -> Any:
    """All that NEST says of some connections, a dictionary for each."""
    if _private is None:
        return [connection.get() for connection in connections[begin:end]]
    return _private(connections._datum[begin:end])


def _columns(connections: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """Parameters of connections in NEST's order, an array for each key.

    NEST makes a dictionary of all parameters of a connection, whatever is asked for: with more than some hundred at a
    time they do not stay in the processor's cache, and take twice as long.
    """
    columns = {key: np.empty(len(connections)) for key in keys}
    for begin in range(0, len(connections), BLOCK):
        statuses = _statuses(connections, begin, begin + BLOCK)
        for key, column in columns.items():
            column[begin : begin + BLOCK] = [status[key] for status in statuses]
    return columns


def _several(planned: dict[str, Any]) -> bool:
    """Whether a pair has more than one of these synapses."""
    pairs = np.stack([planned["post"], planned["pre"]])
    return bool(np.unique(pairs, axis=1).shape[1] < pairs.shape[1])


def _order(name: str, known: dict[str, Any] | None = None) -> Any:
    """The order that sorts NEST's connections of a projection as the plan does; from their ends, where these are
    ``known``, and of several of a pair from their delays and weights: which of two that are alike is which does not
    matter."""
    if name not in _network["orders"]:
        (planned,) = (s for s in _network["plan"]["synapses"] if s["name"] == name)
        keys = {"source": planned["pre"], "target": planned["post"]}
        if _several(planned):
            keys |= {key: np.broadcast_to(planned[key], planned["pre"].shape) for key in ("delay", "weight")}
        columns = known if known and known.keys() >= keys.keys() else _columns(_connections(name), tuple(keys))
        place = np.lexsort([columns[key] for key in reversed(tuple(keys))])
        order = np.empty(len(place), dtype=np.int64)
        order[np.lexsort([keys[key] for key in reversed(tuple(keys))])] = place
        _network["orders"][name] = order
    return _network["orders"][name]


def _weights(name: str, chosen: Any) -> Any:
    connections, known = _connections(name), name in _network["orders"]
    if connections is None:
        return np.zeros(0)
    if chosen is not None and known and _private:
        some = [connections._datum[k] for k in _order(name)[chosen].tolist()]
        return _columns(nest.SynapseCollection(some), ("weight",))["weight"]
    columns = _columns(connections, ("weight",) if known else ("weight", *ENDS))
    weights = columns["weight"][_order(name, columns)]
    return weights if chosen is None else weights[chosen]


def read_synapses(chosen: dict[str, Any]) -> dict[str, Any]:
    """The weights of projections, in the plan's order and NEST's units: of all synapses (None), or of those at the
    places ``chosen``."""
    return {name: _weights(name, places) for name, places in chosen.items()}


def write_synapses(values: dict[str, dict[str, Any]]) -> None:
    """Set parameters of projections' synapses (weight, lambda, alpha), arrays in the plan's order."""
    for name, parameters in values.items():
        connections = _connections(name)
        if connections is None:
            continue
        changes: list[dict[str, float]] = [{} for _ in range(len(connections))]
        place = np.argsort(_order(name))  # of NEST's connections in the plan
        for key, array in parameters.items():
            for change, value in zip(changes, array[place].tolist(), strict=True):
                change[key] = value
        for begin in range(0, len(changes), WRITTEN):
            connections[begin : begin + WRITTEN].set(changes[begin : begin + WRITTEN])


def read_cells(name: str, parameter: str) -> Any:
    """A parameter or state of every cell."""
    return np.atleast_1d(_network["cells"][name].node_collection.get(parameter))


def write_cells(values: dict[str, dict[str, Any]]) -> None:
    """Set parameters or states of cells."""
    for name, parameters in values.items():
        build.assign(_network["cells"][name], **parameters)


def close_network() -> None:
    """Forget the network and its memory."""
    _network.clear()
    nest.ResetKernel()
