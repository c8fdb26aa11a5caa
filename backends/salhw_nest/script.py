"""A circuit as a plain PyNN script: it needs PyNN, NEST and numpy, and no salhw."""

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from salhw.description.parts import rule_name
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError
from salhw.session.executable import Executable
from salhw.session.paths import duration_steps
from salhw.session.strengths import Strengths
from salhw.substrate.support import on_chip
from salhw_nest.circuit import NestCircuit, circuit
from salhw_nest.drive import cuts, drive, driven
from salhw_nest.plan import Cells, Synapses
from salhw_nest.process import nest_seed

SCRIPT, ARRAYS, RESULT = "run.py", "network.npz", "result.npz"


def export(executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
    """Write the script and its arrays; what it runs is instance 0 of a session with this seed.

    Raises:
        UnsupportedNetworkError: rules that the host works out: a script runs NEST alone.
    """
    if hosted := _hosted(executable):
        headline = f"UnsupportedNetworkError: {executable.network.name!r} cannot be exported to NEST"
        raise UnsupportedNetworkError(headline, hosted)
    made = circuit(executable.network, executable.target, 1)
    arrays: dict[str, Any] = {}
    text = "\n".join(_lines(executable, made, arrays, duration_steps(executable.network, duration), seed))
    script, data = directory / SCRIPT, directory / ARRAYS
    np.savez(data, **arrays)
    script.write_text(text + "\n", encoding="utf-8")
    return [script, data]


def _hosted(executable: Executable) -> list[Diagnostic]:
    asked, supported = "a rule that the host works out", "supported rules that NEST works out, in a script"
    fix = 'a rule that NEST has, without execution="host"; or run it here'
    return [
        Diagnostic("SAL101", f"projections.{p.name}.{rule_name(p, k)}", asked, supported, fix)
        for p in executable.network.projections
        for k, rule in enumerate(p.plasticity)
        if not on_chip(rule, executable.target)
    ]


def _lines(executable: Executable, made: NestCircuit, arrays: dict[str, Any], steps: int, seed: int) -> list[str]:
    plan, net = made.plan, executable.network
    threads = int(executable.target.option("threads"))
    ms = plan.tick
    return [
        f'"""{net.name}, for NEST through PyNN. Written by salhw; runs without it.',
        "",
        *str(executable.report).splitlines(),
        "",
        f"One step of the description takes {plan.per_step} of NEST's: step t is NEST's tick",
        f"{plan.lead_in} + {plan.per_step} (t + 1). Weights of stdp_synapse lack the pairs since the last presynaptic",
        "spike: NEST adds them when the next one comes.",
        '"""',
        "",
        files("salhw_nest.simulator").joinpath("build.py").read_text().partition('"""\n')[2].strip(),
        "",
        "",
        f'arrays = np.load(__file__.replace("{SCRIPT}", "{ARRAYS}"))',
        f"sim.setup(timestep={ms!r}, min_delay=upwards({plan.min_delay * ms!r}),",
        f"          max_delay=upwards({plan.max_delay * ms!r}),",
        f'          spike_precision="on_grid", verbosity="error", threads={threads},',
        f"          rng_seed={nest_seed(seed, (0,))})",
        "",
        "cells = {}",
        *(line for cells in plan.cells for line in _population(cells, arrays, ms)),
        "",
        "synapses = {}",
        *(line for s in plan.synapses for line in _projection(s, arrays, ms)),
        "",
        f"recorders = {{name: record_spikes(cells[name], {plan.min_delay * ms!r}) for name in {[*plan.recorded]!r}}}",
        "",
        "# The lead-in, in which nothing spikes. The first run of PyNN takes a min_delay more than asked for.",
        f"sim.run({(plan.lead_in - plan.min_delay) * ms!r})",
        *(f'assign(cells["{c.name}"], {_keywords(c.name, c.active, arrays)})' for c in plan.cells if c.active),
        *_run(executable, made, arrays, steps, seed),
        "",
        "result = {}",
        "for name, recorder in recorders.items():",
        "    result[name + '.neuron'] = recorder.events['senders'] - int(cells[name].all_cells[0])",
        f"    result[name + '.step'] = (recorder.events['times'] - {plan.lead_in}) // {plan.per_step} - 1",
        f"    print(name, 'spiked', recorder.n_events, 'times in {steps * net.dt!r} ms')",
        "for name, projection in synapses.items():",
        "    connections = nest.GetConnections(synapse_label=projection.nest_synapse_label)",
        "    found = connections.get(['source', 'target', 'weight'])",
        "    result[name] = np.array([np.atleast_1d(found[key]) for key in ('source', 'target', 'weight')])",
        f'np.savez(__file__.replace("{SCRIPT}", "{RESULT}"), **result)',
    ]


def _run(executable: Executable, made: NestCircuit, arrays: dict[str, Any], steps: int, seed: int) -> list[str]:
    """The run, cut where clamps, currents and noise change."""
    net, plan = executable.network, made.plan
    strengths, draws = Strengths(net, seed, (0,)), [0]
    while draws[-1] < steps:
        draws.append(strengths.next_draw(draws[-1], steps))
    edges = sorted({0, *(c for c in (*cuts(net), *draws) if c < steps), steps})
    lines = []
    for start, stop in pairwise(edges):
        for name in driven(net):
            values = drive(net, executable.target, name, start, 1, plan.per_step, None, strengths)
            lines.append(f'assign(cells["{name}"], {_keywords(f"{name}.{start}", values, arrays)})')
        lines.append(f"sim.run({(stop - start) * net.dt!r})")
    return lines


def _population(cells: Cells, arrays: dict[str, Any], ms: float) -> list[str]:
    given = dict(cells.parameters)
    lines = []
    if "spike_ticks" in given:
        trains: Any = given.pop("spike_ticks")
        arrays[f"{cells.name}.spikes"] = np.concatenate([*trains, np.zeros(0, dtype=np.int64)])
        arrays[f"{cells.name}.ends"] = np.cumsum([len(train) for train in trains])
        lines = [
            f'times = np.split(arrays["{cells.name}.spikes"] * {ms!r}, arrays["{cells.name}.ends"][:-1])',
            f'assign(cells["{cells.name}"], spike_times=[np.round(t, 6) for t in times])',
        ]
    words = _keywords(cells.name, given, arrays)
    ends = f'"{cells.name}", "{cells.model}", {cells.size}'
    return [f'cells["{cells.name}"] = population({ends}{", " + words if words else ""})', *lines]


def _projection(s: Synapses, arrays: dict[str, Any], ms: float) -> list[str]:
    if not len(s.pre):
        return []
    ends = ", ".join(_value(f"{s.name}.{k}", v, arrays) for k, v in (("pre", s.pre), ("post", s.post)))
    weight = _value(f"{s.name}.weight", s.weight, arrays)
    delay = _value(f"{s.name}.delay", s.delay * ms, arrays)
    call = f'cells["{s.source}"], cells["{s.target}"], {ends}, {weight}, {delay}'
    if not s.parameters:
        return [f'synapses["{s.name}"] = connect({call})']
    if s.tau_minus is None:
        own = _keywords(s.name, s.parameters, arrays)
        return [f'synapses["{s.name}"] = connect({call}, model={s.model!r}, {own})']
    stdp = dict(s.parameters)
    taus = f"model={s.model!r}, tau_plus={stdp.pop('tau_plus')!r}, tau_minus={s.tau_minus!r}"
    rest = ", ".join(f'"{k}": {_value(f"{s.name}.{k}", v, arrays)}' for k, v in stdp.items())
    return [f'synapses["{s.name}"] = connect_plastic({call}, {taus}, **{{{rest}}})']


def _keywords(owner: str, values: Any, arrays: dict[str, Any]) -> str:
    return ", ".join(f"{k}={_value(f'{owner}.{k}', v, arrays)}" for k, v in values.items())


def _value(name: str, value: Any, arrays: dict[str, Any]) -> str:
    """A number as it is, an array by its name in the file."""
    if np.ndim(value) == 0:
        return repr(float(value)) if not isinstance(value, bool | str) else repr(value)
    arrays[name] = np.asarray(value)
    return f'arrays["{name}"]'
