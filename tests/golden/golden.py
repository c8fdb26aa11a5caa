"""What every target makes of many networks, as digests: a change of structure leaves them as they are, bit for bit.

``python tests/golden/golden.py write FILE`` before the change, ``... check FILE`` after it. Both run the networks of
``cases`` (learning, writes between runs, two instances) and the quick conformance profile of every target, and take
some minutes. Digests hold on one machine with one set of package versions; they are no test of being right.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from fault_targets import FORMS, form
from random_networks import random_network

import salhw
from salhw import Network, Target
from salhw.conformance import run as conformance
from salhw.registry import builders

PER_TARGET = 12
IGNORED = ("seconds", "versions", "wall_time_s")


def cases() -> Iterator[tuple[str, Network, Target]]:
    """Networks by name with the target that they run on: installed ones where they can be held, and random ones."""
    for name in FORMS:
        target = form(name)
        for network, build in builders().items():
            if not salhw.problems(net := build(), target):
                yield f"{name}: {network}", net, target
        found, seed = 0, 1000
        while found < PER_TARGET:
            net = random_network(target, np.random.default_rng(seed))
            if net.projections and not salhw.problems(net, target):
                found += 1
                yield f"{name}: random {seed}", net, target
            seed += 1


def digest(*arrays: Any) -> str:
    """The first digits of a hash over arrays: their bytes, shapes and kinds."""
    sink = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        sink.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return sink.hexdigest()[:16]


def digests(net: Network, target: Target) -> dict[str, str]:
    """Of a session that runs, writes and runs again."""
    with salhw.compile(net, target).open(instances=[0, 5], seed=11) as session:
        parts = [session.run(k * net.dt) for k in (50, 1)]
        for p in net.projections:
            path = f"projections.{p.name}.weights"
            session.set(path, session.get(path))
        parts.append(session.run(120 * net.dt))
        weights = [session.get(f"projections.{p.name}.weights") for p in net.projections]
    kinds = {
        "counts": [part.counts[name] for part in parts for name in part.counts],
        "spikes": [x for part in parts for s in part.spikes.values() for x in (s.instance, s.neuron, s.time)],
        "membranes": [x for part in parts for t in part.membrane_traces.values() for x in (t.time, t.values)],
        "samples": [x for part in parts for t in part.weight_traces.values() for x in (t.time, t.values)],
        "states": [part.occupancy_counts[name] for part in parts for name in part.occupancy_counts],
        "weights": weights,
    }
    return {kind: digest(*arrays) for kind, arrays in kinds.items() if arrays}


def figures(report: Any) -> Any:
    """A report without what differs from run to run."""
    if isinstance(report, dict):
        return {key: figures(value) for key, value in report.items() if key not in IGNORED}
    return [figures(item) for item in report] if isinstance(report, list) else report


def measured() -> dict[str, Any]:
    """Everything, by name."""
    found: dict[str, Any] = {name: digests(net, target) for name, net, target in cases()}
    for name in FORMS:
        for check in conformance(form(name).backend, form(name)).as_json()["checks"]:
            found[f"{name}: {check['name']}"] = figures(check)
    return found


if __name__ == "__main__":
    command, file = sys.argv[1], Path(sys.argv[2])
    now = measured()
    if command == "write":
        file.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{len(now)} entries written")
        sys.exit()
    before = json.loads(file.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(now))
    moved = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    print(*moved, f"{len(moved)} of {len(before)} entries moved", sep="\n")
    sys.exit(bool(moved))
