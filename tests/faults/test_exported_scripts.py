"""Exported scripts of NEST and Lava run, and do what the session does for the same seed: random networks over what the
targets declare, and what a script cannot do is refused.

The right value is the session's own: the same spikes, step by step and neuron by neuron. (Programs for BrainScaleS-2
are executed against a stand-in in tests/analog/test_export_runs.py.) Run by hand with more networks:
``python tests/faults/test_exported_scripts.py TARGET COUNT``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_network

import salhw
from salhw import GLM, SAL, Network, Population, Projection, Rectangular, UnsupportedNetworkError
from salhw.session.executable import Executable

STEPS = 40
ALL = """
import runpy, sys
sys.modules["salhw"] = sys.modules["salhw_nest"] = None
for script in sys.argv[1:]:
    runpy.run_path(script, run_name="__main__")
"""


def exported(name: str, count: int, folder: Path) -> dict[Path, Executable]:
    """The first ``count`` networks that the target takes, as scripts in folders of their own."""
    target, found = salhw.target(name), {}
    seed = 0
    while len(found) < count:
        seed += 1
        net = random_network(target, np.random.default_rng([5, seed]))
        if any(max(q.delay, q.kernel.tau_syn) > 1000 * net.dt for q in net.projections):
            continue  # NEST takes half a minute to build them
        try:
            executable = salhw.compile(net, target)
            place = folder / str(seed)
            place.mkdir()
            plugin: Any = executable.plugin
            plugin.export(executable, place, duration=STEPS * net.dt, seed=seed)
        except UnsupportedNetworkError:
            continue
        found[place] = executable
    return found


def spikes(place: Path, net: Network) -> list[tuple[str, int, int]]:
    """(population, step, neuron) of all spikes in the result of a script."""
    if (file := place / "result.npz").exists():  # NEST
        result = np.load(file)
        return sorted(
            (p.name, int(step), int(neuron))
            for p in net.populations
            for step, neuron in zip(result[f"{p.name}.step"], result[f"{p.name}.neuron"], strict=True)
        )
    result, first, found = np.load(place / "spikes.npz"), 0, []
    for p in net.populations:
        for step, neuron in zip(result["step"], result["neuron"], strict=True):
            if first <= neuron < first + p.size:
                found.append((p.name, int(step), int(neuron) - first))
        first += p.size
    return sorted(found)


def check(name: str, count: int, folder: Path) -> None:
    scripts = exported(name, count, folder)
    files = [str(place / "run.py") for place in scripts]
    if name == "nest":
        commands = [[sys.executable, "-c", ALL, *files]]
    else:
        from salhw_lava import environment

        commands = [[str(environment.interpreter), "-I", file] for file in files]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 20 * count)
        assert done.returncode == 0, done.stderr[-2000:]
    total = 0
    for place, executable in scripts.items():
        net, seed = executable.source, int(place.name)
        with executable.open(seed=seed) as session:
            counts = session.run(STEPS * net.dt).counts
        ran = spikes(place, net)
        for p in net.populations:
            mine = np.bincount([k for at, _, k in ran if at == p.name], minlength=p.size)
            assert counts[p.name][0].tolist() == mine.tolist(), (place.name, p.name)
        total += len(ran)
    assert total > 20 * count / 4  # or the test shows little


@pytest.mark.parametrize(("name", "count"), [("nest", 5), ("loihi2", 1)])
def test_a_script_does_what_the_session_does(name: str, count: int, tmp_path: Path) -> None:
    """Counts of spikes of every neuron; tests/nest and tests/lava hold their times."""
    check(name, count, tmp_path)


@pytest.mark.parametrize("name", ["nest", "loihi2"])
def test_what_the_host_learns_is_not_exported(name: str, tmp_path: Path) -> None:
    """A script runs the simulator alone: a rule that the host works out would stand still in it, in silence."""
    net = Network(
        name="hosted", dt=1.0, populations=[Population(name="n", size=2, neuron=GLM(tau_ref=10.0))],
        projections=[Projection(name="p", pre="n", post="n", weights=[[0, 1], [1, 0]], kernel=Rectangular(tau_syn=10.0),
                                plasticity=SAL(0.01, update="every 10 ms", execution="host"))],
    )  # fmt: skip
    executable = salhw.compile(net, name)
    plugin: Any = executable.plugin
    with pytest.raises(UnsupportedNetworkError, match=r"SAL101 projections\.p\.plasticity = a rule that the host"):
        plugin.export(executable, tmp_path, duration=100.0, seed=0)
    assert not list(tmp_path.iterdir())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        check(sys.argv[1], int(sys.argv[2]), Path(scratch))
