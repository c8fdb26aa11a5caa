"""One network in NEST: build it from a plan's data, run it, read and write what it holds."""

from __future__ import annotations

from typing import Any

import nest
import numpy as np
import pyNN.nest as sim

from . import build

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
        plan=plan, cells=cells, projections=projections, recorders=recorders, meters=meters, handles={}, now=0
    )


def _population(cells: dict[str, Any], tick: float) -> Any:
    parameters = dict(cells["parameters"])
    if "spike_ticks" in parameters:
        parameters["spike_times"] = [np.round(t * tick, 6) for t in parameters.pop("spike_ticks")]
    return build.population(cells["name"], cells["model"], cells["size"], **parameters)


def _projection(s: dict[str, Any], cells: dict[str, Any], tick: float) -> Any:
    ends = cells[s["source"]], cells[s["target"]], s["pre"], s["post"], s["weight"], s["delay"] * tick
    if not s["stdp"]:
        return build.connect(*ends)
    return build.connect_plastic(*ends, model=s["model"], tau_minus=s["tau_minus"], **s["stdp"])


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
    and ``now``: the potential that its cells have at the end, which NEST has not given to the meter yet."""
    plan, cells = _network["plan"], _network["cells"]
    for name, parameters in settings.items():
        build.assign(cells[name], **parameters)
    for name, index in raised.items():
        if len(index):
            cells[name].node_collection[index.tolist()].set({"V_m": potential})
    nest.Simulate(steps * plan["per_step"] * plan["tick"])
    _network["now"] += steps
    recorded: dict[str, Any] = {"spikes": {}, "membranes": {}}
    for name, recorder in _network["recorders"].items():
        recorded["spikes"][name] = _events(recorder, cells[name])
    for m in plan["meters"]:
        sampled = _events(_network["meters"][m["name"]], cells[m["cells"]], m["quantities"])
        recorded["membranes"][m["name"]] = sampled | {"now": read_cells(m["cells"], "V_m")}
    return recorded


def _events(recorder: Any, cells: Any, quantities: Any = ()) -> dict[str, Any]:
    events = recorder.events
    recorder.n_events = 0
    times = {
        "stamp": np.asarray(events["times"], dtype=np.int64),
        "cell": np.asarray(events["senders"], dtype=np.int64) - int(cells.all_cells[0]),
    }
    return times | {name: np.asarray(events[name]) for name in quantities}


def _handle(name: str) -> tuple[Any, Any]:
    """The connections of a projection, and the order that sorts them as the plan does. Taken after the lead-in,
    because NEST moves connections when it first simulates."""
    if _network["projections"][name] is None:
        return None, np.zeros(0, dtype=np.int64)
    if name not in _network["handles"]:
        projection = _network["projections"][name]
        connections = nest.GetConnections(
            synapse_model=projection.nest_synapse_model, synapse_label=projection.nest_synapse_label
        )
        ends = connections.get(["source", "target"])
        place = np.lexsort((np.atleast_1d(ends["source"]), np.atleast_1d(ends["target"])))
        (planned,) = (s for s in _network["plan"]["synapses"] if s["name"] == name)
        order = np.empty(len(place), dtype=np.int64)
        order[np.lexsort((planned["pre"], planned["post"]))] = place
        _network["handles"][name] = connections, order
    return tuple(_network["handles"][name])


def read_synapses(names: list[str]) -> dict[str, Any]:
    """The weights of projections, in the plan's order and NEST's units."""
    read = {}
    for name in names:
        connections, order = _handle(name)
        read[name] = np.atleast_1d(connections.get("weight"))[order] if len(order) else np.zeros(0)
    return read


def write_synapses(values: dict[str, dict[str, Any]]) -> None:
    """Set parameters of projections' synapses (weight, lambda, alpha), arrays in the plan's order."""
    for name, parameters in values.items():
        connections, order = _handle(name)
        columns = {}
        for key, array in parameters.items():
            column = np.empty(len(order))
            column[order] = array
            columns[key] = column.tolist()
        if len(order):
            connections.set(columns)


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
