"""Fuzzed descriptions: ``python tests/faults/fuzz_descriptions.py 20000 SEED`` prints what became of them.

Each is a valid network with some of its parts replaced by what does not belong there, or a random tree of JSON, as
bytes of a file. It is loaded, checked for every target, compiled for those that take it, and run for a step on the
reference if it is small. Whatever it is, the answer is a network or one SalhwError: never another exception, never a
warning of numpy's, never more than 5 s (of processor time) or 1 GB.
"""

from __future__ import annotations

import copy
import json
import random
import re
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import salhw
from salhw import SalhwError
from salhw.description.fields import Model
from salhw.description.markers import marks

SECONDS, BYTES, LONGEST = 5.0, 1 << 30, 6000  # of one description; characters of its message
LASTS = 100_000  # steps that a simulator may have to keep in memory
PAIR: dict[str, Any] = {
    "name": "pair", "dt": 0.4,
    "populations": [{"name": "n", "size": 2, "neuron": {"kind": "GLM", "bias": [-0.5, -0.2], "tau_ref": 10.0}}],
    "projections": [{
        "name": "p", "pre": "n", "post": "n", "weights": {"kind": "Dense", "values": [[0.0, 1.5], [0.5, 0.0]]},
        "kernel": {"kind": "Rectangular", "tau_syn": 10.0},
        "plasticity": [{
            "kind": "PairSTDP", "causal": {"kind": "Exponential", "amplitude": -1.0, "tau": 10.0},
            "anticausal": {"kind": "Exponential", "amplitude": 1.0, "tau": 10.0}, "learning_rate": 0.03,
            "update": "spike", "bounds": [-3.0, 3.0],
        }],
    }],
    "probes": [{"kind": "Spikes", "population": "n"}, {"kind": "Weights", "projection": "p", "every": 4.0}],
}  # fmt: skip
MIXED = {
    "name": "mixed", "dt": 0.5,
    "populations": [
        {"name": "s", "size": 2, "neuron": {"kind": "Source"}},
        {"name": "g", "size": 3, "neuron": {"kind": "GLM", "bias": 0.1, "tau_ref": 5.0, "discretisation": "exact"}},
        {"name": "l", "size": 2, "neuron": {"kind": "LIF", "bias": 0.7, "tau_m": 10.0, "tau_ref": 1.0, "v_rest": 0.0,
                                             "v_reset": -0.1, "v_thresh": 1.0}},
    ],
    "projections": [
        {"name": "sl", "pre": "s", "post": "l", "delay": 1.5,
         "weights": {"kind": "Sparse", "post": [1, 0], "pre": [0, 1], "weight": [0.3, -0.1]},
         "kernel": {"kind": "Exponential", "tau_syn": 3.0, "area": 2.0, "superposition": "sum"},
         "plasticity": [{"kind": "PairSTDP", "causal": {"kind": "Triangular", "amplitude": 1.0, "tau": 12.0},
                         "anticausal": {"kind": "Exponential", "amplitude": [0.1, 0.2], "tau": 10.0},
                         "pairing": "all", "learning_rate": [0.1, 0.2], "update": "every 20 ms",
                         "execution": "host"}]},
        {"name": "sg", "pre": "s", "post": "g", "weights": {"kind": "AllToAll", "weight": 0.2},
         "kernel": {"kind": "Alpha", "tau_syn": 4.0, "superposition": "last"}},
        {"name": "gg", "pre": "g", "post": "g", "weights": {"kind": "AllToAll", "weight": -0.2}},
    ],
    "stimuli": [
        {"kind": "Poisson", "population": "s", "rate": [20.0, 30.0], "start": 1.0, "stop": 50.0},
        {"kind": "SpikeTimes", "population": "g", "times": [[1.0, 2.5], [], [7.0]]},
        {"kind": "Clamp", "population": "g", "state": [1, 0], "neurons": [0, 2], "start": 10.0, "stop": 20.0},
        {"kind": "Current", "population": "l", "amplitude": 0.4, "start": 5.0},
    ],
    "probes": [{"kind": "Spikes", "population": "g"}, {"kind": "Membrane", "population": "l", "every": 2.0},
               {"kind": "Weights", "projection": "sl", "every": 10.0}, {"kind": "StateOccupancy", "population": "g"}],
}  # fmt: skip
SIMPLE = {
    "name": "simple", "dt": 1.0,
    "populations": [{"name": "s", "size": 2, "neuron": {"kind": "Source"}},
                    {"name": "n", "size": 2, "neuron": {"kind": "GLM", "tau_ref": 10.0, "bias": -1.0}}],
    "projections": [{"name": "p", "pre": "s", "post": "n", "weights": {"kind": "OneToOne", "weight": [0.5, 1.0]},
                     "kernel": {"kind": "Exponential", "tau_syn": 10.0}, "delay": 0.0}],
    "stimuli": [{"kind": "Poisson", "population": "s", "rate": 20.0}],
    "probes": [{"kind": "Spikes", "population": "n"}],
}  # fmt: skip
WINDOW = {"kind": "Exponential", "amplitude": 0.5, "tau": 12.0}
NEWER = {
    "name": "newer", "dt": 0.5,
    "populations": [
        {"name": "s", "size": 3, "neuron": {"kind": "Source"}, "positions": [[0.0], [0.5], [1.0]]},
        {"name": "a", "size": 2, "positions": [[0.2], [0.8]],
         "neuron": {"kind": "AdEx", "bias": [0.5, 1.5], "tau_ref": 2.0, "b": 0.2, "delta_v": 0.05}},
        {"name": "i", "size": 2, "neuron": {"kind": "Izhikevich", "bias": 10.0, "d": [8.0, 2.0]}},
        {"name": "l", "size": 2, "positions": [[0], [1]],
         "neuron": {"kind": "LIF", "delta_v": 0.1, "tau_m": [10.0, 20.0]}},
    ],
    "projections": [
        {"name": "sa", "pre": "s", "post": "a", "e_rev": 3.0, "kernel": {"kind": "Exponential", "tau_syn": 5.0},
         "weights": {"kind": "FixedProbability", "p": 0.7, "seed": 3,
                     "weight": {"kind": "Normal", "mean": 0.5, "std": 0.1, "low": 0.0}},
         "delay": {"kind": "Uniform", "low": 0.0, "high": 4.0},
         "short_term": {"kind": "TsodyksMarkram", "U": 0.5, "tau_rec": 100.0, "tau_facil": 20.0}},
        {"name": "si", "pre": "s", "post": "i", "kernel": {"kind": "Rectangular", "tau_syn": 1.0},
         "weights": {"kind": "FixedIndegree", "n": 3, "weight": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "multapses": True},
         "plasticity": [{"kind": "TripletSTDP", "causal": WINDOW, "anticausal": WINDOW, "tau_pre": 30.0,
                         "tau_post": 40.0, "learning_rate": 0.01, "update": "every 10 ms"},
                        {"kind": "PerSpike", "pre": 0.1, "post": -0.2, "learning_rate": 0.01, "bounds": [-9.0, 9.0]}]},
        {"name": "aa", "pre": "a", "post": "a", "weights": {
            "kind": "Sparse", "post": [0, 0, 1], "pre": [0, 1, 1], "weight": [0.1, 0.2, 0.3], "autapses": True}},
        {"name": "al", "pre": "a", "post": "l", "weights": {
            "kind": "DistanceDependent", "p": 0.9, "length": 0.5,
            "weight": {"kind": "LogNormal", "median": -0.5, "sigma": 0.3, "high": 0.0}}},
    ],
    "stimuli": [
        {"kind": "Poisson", "population": "s", "rate": [[10.0, 20.0, 30.0], [0.0, 0.0, 90.0]], "every": 5.0},
        {"kind": "NoisyCurrent", "population": "a", "sd": [0.1, 0.2], "every": 1.0, "start": 1.0},
        {"kind": "Current", "population": "i", "amplitude": [1.0, 0.0, 2.0], "every": 2.0, "stop": 20.0},
    ],
    "probes": [{"kind": "Spikes", "population": "a", "neurons": [1]}, {"kind": "Rates", "population": "s", "every": 5},
               {"kind": "Membrane", "population": "i", "every": 2.0}],
}  # fmt: skip
READS = {
    "name": "reads", "dt": 1.0,
    "populations": [{"name": "a", "size": 3, "neuron": {"kind": "GLM", "inputs": {"basal": 0.8}}},
                    {"name": "b", "size": 2, "neuron": {"kind": "GLM", "inputs": {"apical": 0.3, "basal": -1.0}}}],
    "projections": [
        {"name": "up", "pre": "a", "post": "b", "into": "basal", "weights": {"kind": "AllToAll", "weight": 0.3},
         "plasticity": [{"kind": "PredictiveRule", "teacher": "u", "prediction": "said", "learning_rate": 0.02,
                         "update": "every 20 ms", "execution": "host"}]},
        {"name": "down", "pre": "b", "post": "a", "into": "basal", "weights": {"kind": "AllToAll", "weight": 0.3}},
        {"name": "beside", "pre": "a", "post": "b", "weights": {"kind": "AllToAll", "weight": 0.1},
         "plasticity": [{"kind": "ModulatedSTDP", "causal": WINDOW, "anticausal": WINDOW, "modulator": "reward",
                         "baseline": 0.02, "learning_rate": 0.1, "update": "every 20 ms", "execution": "host"}]},
    ],
    "traces": [{"name": "u", "population": "b", "of": "membrane", "window": {"kind": "Boxcar", "duration": 20.0}},
               {"name": "said", "population": "b", "of": "inputs.basal", "window": {"kind": "Exponential", "tau": 9.0}},
               {"name": "reward", "population": "a", "of": "spikes", "window": {"kind": "Exponential", "tau": 9.0}}],
    "stimuli": [{"kind": "Teacher", "population": "b", "trace": "u", "target": [0.5, 1.0], "gain": 0.2, "every": 20.0}],
    "ties": [{"projection": "down", "to": "up", "scale": 0.5, "transpose": True, "every": 20.0}],
    "probes": [{"kind": "Traces", "trace": "said", "every": 2.0},
               {"kind": "Weights", "projection": "up", "every": 20.0, "synapses": [0, 3]}],
}  # fmt: skip
TREES: list[dict[str, Any]] = [PAIR, MIXED, SIMPLE, NEWER, READS]
NUMBERS = [
    0, -0.0, 1, -1, 2, 0.1, 0.5, 3.7, 10.0, 100.0, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 1e100, 1e300, 1.7e308, 5e-324,
    1e-320, 1e-300, 1e-100, 1e-9, 1e-6, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63, 2**64, 10**18, 10**20,
    10**400, -(10**400), float("nan"), float("inf"), float("-inf"), -1e300, -1e6, -50.0,
]  # fmt: skip
ENDS = [
    1e-9, 1e-6, 1e-3, 0.004, 0.01, 0.02, 0.04, 0.079, 0.1, 0.3, 0.5, 2.0, 2.2, 2.52, 3.96875, 5.0, 10.0, 30.0, 60.0,
    62.0, 64.0, 100.0, 200.0, 500.0, 620.0, 1e3, 1e4, 1e5, 1e6, 1e9, 1e12,
]  # fmt: skip
TEXTS = [
    "", "x", "n", "GLM", "Rectangular", "Dense", "spike", "every 0 ms", "every 1e-300 ms", "every 1e300 ms",
    "every 0.4 ms", "run end", "last", "all", "host", "exact", "nan", "1", "0x10", "a" * 300, "a" * 100_000, "\ud800",
    "a\x00b", "\x1b[31m", "é", "../../etc", "a.b[0]", " ", "\n", "kind", "NaN", "Networks", "plasticity",
]  # fmt: skip


def value(random: random.Random, depth: int = 0) -> Any:
    """Anything that JSON holds, and what it should not."""
    pick = random.random()
    if pick < 0.5 or depth > 3:
        return random.choice(NUMBERS) if random.random() < 0.7 else random.choice(TEXTS)
    if pick < 0.62:
        return random.choice([None, True, False, [], {}, [[]], [None], {"kind": "GLM"}, [[1.0], [1.0, 2.0]]])
    if pick < 0.66:
        return [random.choice(NUMBERS)] * random.choice([1, 2, 3, 1000, 100_000])
    if pick < 0.68:
        return nested(random.choice([10, 100, 900, 5000]), random.random() < 0.5)
    if pick < 0.84:
        return [value(random, depth + 1) for _ in range(random.randrange(5))]
    names = ["kind", "name", "size", "neuron", "values", "weight", "$array", "sha256", "tau", "", "é", "1"]
    return {random.choice(names): value(random, depth + 1) for _ in range(random.randrange(5))}


def nested(depth: int, tables: bool) -> str:
    """Stands for lists in lists, or tables in tables, which Python's own writer of JSON cannot write."""
    return f"<nested {depth} {'table' if tables else 'list'}>"


def unfolded(match: re.Match[str]) -> str:
    """What ``nested`` stands for."""
    begin, end = ('{"neuron":', "}") if match[2] == "table" else ("[", "]")
    return begin * int(match[1]) + "1.0" + end * int(match[1])


def places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every part of a tree below its root."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path for key, part in entries for path in [(*at, key), *places(part, (*at, key))]]


def changed(random: random.Random, tree: Any) -> Any:
    """A description with one part replaced, left out, doubled, renamed or exchanged with another."""
    tree = copy.deepcopy(tree)
    *way, last = random.choice(places(tree))
    parent = tree
    for key in way:
        parent = parent[key]
    what = random.random()
    if what < 0.3:
        parent[last] = random.choice(NUMBERS)
    elif what < 0.4 and isinstance(parent[last], float):
        parent[last] = parent[last] * random.choice([1e-12, 1e-6, 0.5, 2, 3, 10, 1e3, 1e6, 1e9, -1])
    elif what < 0.6:
        parent[last] = value(random)
    elif what < 0.68:
        del parent[last]
    elif what < 0.76 and isinstance(parent, list):
        parent.extend([copy.deepcopy(parent[last])] * random.choice([1, 1, 2, 50]))
    elif what < 0.86 and isinstance(parent, dict):
        name = random.choice([str(last) + "s", random.choice(TEXTS), str(last).upper()])
        parent[name] = parent.pop(last) if random.random() < 0.5 else value(random)
    elif what < 0.93:
        part: Any = tree
        for key in random.choice(places(tree)):
            part = part[key]
        parent[last] = copy.deepcopy(part)
    else:
        parent[last] = random.choice(TEXTS)
    return tree


def rescaled(random: random.Random, tree: Any) -> Any:
    """A description with one of its numbers larger, smaller, at the end of some target's range, or just beyond."""
    tree = copy.deepcopy(tree)
    leaves = [way for way in places(tree) if isinstance(_part(tree, way), float | int) and way[-1] != "size"]
    *way, last = random.choice(leaves)
    parent = _part(tree, tuple(way))
    factor = random.choice([1e-12, 1e-6, 1e-3, 0.1, 0.5, 2, 3, 10, 100, 1e3, 1e4, 1e6, 1e9, -1, -100])
    near = parent[last] * factor if abs(parent[last]) < 1e300 else 1.0
    parent[last] = random.choice([near, random.choice(ENDS), random.choice(ENDS), random.choice(NUMBERS)])
    return tree


def _part(tree: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        tree = tree[key]
    return tree


def document(random: random.Random) -> bytes:
    """The bytes of one file."""
    net = copy.deepcopy(random.choice(TREES))
    if random.random() < 0.5:
        for _ in range(random.choice([1, 1, 2, 3, 5])):
            net = rescaled(random, net)
    else:
        for _ in range(random.choice([1, 1, 1, 2, 2, 3, 5])):
            net = changed(random, net) if isinstance(net, dict) and net else value(random)
    if random.random() < 0.08:
        net = value(random)
    whole: Any = {"format": "salhw.network", "version": 1, "network": net}
    if random.random() < 0.05:
        whole = changed(random, whole)
    text = re.sub('"<nested ([0-9]+) ([a-z]+)>"', unfolded, json.dumps(whole))
    if random.random() < 0.03:
        text = text.replace('"dt":', '"dt": 0.25, "dt":').replace(
            "1.0", random.choice(["1e999", "01", "+1", "1_0", ".5"])
        )
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.03:
        at = random.randrange(len(data))
        data = data[:at] + bytes([random.randrange(256)]) + data[at + random.randrange(3) :]
    return data


@dataclass
class Result:
    """What became of the descriptions: a count per outcome, the slowest in s, the growth of memory in bytes, and what
    should not be: (number, what)."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    grown: int = 0
    wrong: list[tuple[int, str]] = field(default_factory=list)


def run(count: int, seed: int, first: int = 0, targets: tuple[str, ...] = ()) -> Result:
    """Fuzz ``count`` descriptions, numbered from ``first``; number k is the same in every run with this seed."""
    result = Result()
    known = [t for t in salhw.targets().values() if not targets or t.name in targets]
    warnings.simplefilter("error", RuntimeWarning)
    warm_up(known)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.json"
        for k in range(first, first + count):
            path.write_bytes(document(random.Random(f"{seed}/{k}")))
            before, began = _peak(), time.process_time()  # not of the clock on the wall: other work may be going on
            outcome = "?"
            try:
                outcome = through(path, known)
            except SalhwError as error:
                outcome = f"refused: {error.diagnostics[0].code}" if error.diagnostics else "refused"
                result.wrong += [(k, what) for what in unclear(error)]
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(last.filename).name}:{last.lineno}"
                result.wrong.append((k, f"{type(error).__name__} at {where}: {str(error)[:150]!r}"))
                outcome = "wrong"
            took, grown = time.process_time() - began, _peak() - before
            if took > SECONDS or grown > BYTES:
                result.wrong.append((k, f"{took:.1f} s, {grown / 1e6:.0f} MB; {outcome}"))
            result.outcomes[outcome] += 1
            result.slowest, result.grown = max(result.slowest, took), max(result.grown, grown)
    return result


def warm_up(known: list[salhw.Target]) -> None:
    """Imports and compilers are nobody's fault."""
    for tree in TREES:
        net = salhw.Network.model_validate(copy.deepcopy(tree))
        for target in known:
            salhw.problems(net, target)
        salhw.run(net, duration=net.dt)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def through(path: Path, known: list[salhw.Target]) -> str:
    """Load, check, compile, run a step."""
    net = salhw.load(path)
    taken = {target.name: salhw.compile(net, target) for target in known if not salhw.problems(net, target)}
    for executable in taken.values():
        str(executable.report)
    if "reference" not in taken:
        return "loaded"
    executable = taken["reference"]
    used = executable.report.used
    if used["neurons"] > 200 or used["synapses"] > 2000 or longest(net) > LASTS:
        return "compiled"
    with executable.open() as session:
        session.run(net.dt)
    return "ran"


def longest(net: salhw.Network) -> float:
    """The steps that the slowest thing lasts: what a simulator has to keep of the past."""
    items = [*net.populations, *net.projections, *net.stimuli, *net.probes, *net.traces, *net.ties]
    return max(_times(items), default=0.0) / net.dt


def _times(items: Any) -> Iterator[float]:
    """All numbers in ms of some parts and of the parts within them."""
    for item in items:
        for name, mark in marks(type(item)):
            if mark.unit == "ms" and isinstance(value := getattr(item, name), float | np.ndarray):
                yield float(np.max(value, initial=0.0))
        inner = [getattr(item, name) for name in type(item).model_fields]
        yield from _times(part for part in inner if isinstance(part, Model))
        yield from _times(rule for part in inner if isinstance(part, tuple) for rule in part if isinstance(rule, Model))


def unclear(error: SalhwError) -> list[str]:
    """What is wrong with a message: nothing to hold on to, too long, or not to be printed."""
    text = str(error)
    try:
        text.encode()
    except UnicodeEncodeError:
        return ["cannot be printed"]
    found = [] if error.diagnostics else ["no diagnostic"]
    found += ["no code or path"] * any(not d.code or not d.path for d in error.diagnostics)
    found += [f"{len(text)} characters"] * (len(text) > LONGEST)
    users = [d for d in error.diagnostics if not d.code.startswith("SAL2")]  # those tell what was counted
    return found + [f"echoes {len(d.asked)} characters" for d in users if len(d.asked) > 80][:1]


def main() -> None:
    """Print the figures; exit status 1 if anything was wrong."""
    given = [int(text) for text in sys.argv[1:4]]
    count, seed, first = given + [1000, 0, 0][len(given) :]
    began = time.perf_counter()
    result = run(count, seed, first)
    for outcome, times in result.outcomes.most_common():
        print(f"{times:7d}  {outcome}")
    for k, what in result.wrong:
        print(f"WRONG {k}: {what}")
    took = time.perf_counter() - began
    print(
        f"{count} descriptions of seed {seed} in {took:.0f} s: {len(result.wrong)} wrong; "
        f"slowest {result.slowest:.2f} s, most memory {result.grown / 1e6:.0f} MB"
    )
    sys.exit(bool(result.wrong))


if __name__ == "__main__":
    main()
