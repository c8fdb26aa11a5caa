"""Lava's runtime, the same models in one process, and the exported script: the same numbers for the same seed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from lava_examples import MODELS, everything, in_process, pairs, unconnected

import salhw
from salhw import (
    LIF,
    Exponential,
    FileError,
    Membrane,
    Network,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
    Target,
)
from salhw.description.connectivity import synapses
from salhw_lava import backend, environment

models = pytest.mark.parametrize("target", MODELS.values(), ids=MODELS)


@models
@pytest.mark.parametrize(
    "build", [everything, unconnected, lambda: pairs(3)], ids=["everything", "unconnected", "pairs"]
)
def test_the_runtime_and_one_process_agree_bit_for_bit(target: Target, build) -> None:  # type: ignore[no-untyped-def]
    net, found = build(), []
    for chosen in (target, in_process(target)):
        with salhw.compile(net, chosen, plugin=backend).open(instances=[4, 1], seed=9) as session:
            runs = [session.run(130.0), session.run(70.0)]
            plastic = [session.get(f"projections.{p.name}.weights") for p in net.projections]
        found.append((runs, plastic))
    (one, held_one), (two, held_two) = found
    assert all(run.counts[p.name].sum() > 0 for run in one for p in net.populations)
    for a, b in zip(one, two, strict=True):
        for name in a.spikes:
            assert np.array_equal(a.spikes[name].time, b.spikes[name].time)
            assert np.array_equal(a.spikes[name].neuron, b.spikes[name].neuron)
        for name in a.membrane_traces:
            assert np.array_equal(a.membrane_traces[name].values, b.membrane_traces[name].values)
    for a, b in zip(held_one, held_two, strict=True):
        assert np.array_equal(a, b)
    for p, learned in zip(net.projections, held_one, strict=True):  # each instance by itself
        assert np.any(learned[0] != learned[1]) == bool(p.plasticity)


@models
def test_the_exported_script_runs_without_salhw(target: Target, tmp_path: Path) -> None:
    executable = salhw.compile(pairs(3), target, plugin=backend)
    written = backend.export(executable, tmp_path / "out", duration=300.0, seed=5)
    assert all(path.is_file() for path in written)
    code = "".join(path.read_text() for path in written if path.suffix == ".py")
    assert "import salhw\n" not in code
    assert "from salhw " not in code
    assert "from salhw." not in code
    done = subprocess.run(
        [str(environment.interpreter), "-I", str(tmp_path / "out" / "run.py")],
        capture_output=True, text=True, timeout=60, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = np.load(tmp_path / "out" / "spikes.npz")
    with executable.open(seed=5) as session:
        spikes = session.run(300.0).spikes["a"]
        weights = session.get("projections.p.weights")[0]
    order = np.lexsort((result["neuron"], result["step"]))
    assert len(spikes) > 50
    assert np.array_equal(result["step"][order], spikes.time)
    assert np.array_equal(result["neuron"][order], spikes.neuron)
    unit = 64.0 if target.weight_bits else 1.0
    net = executable.network
    order = synapses(net.projection("p").weights, *net.ends("p"))[2]
    assert np.array_equal(result["weights_p"] / unit, weights[order])


def test_export_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    executable = salhw.compile(pairs(1), MODELS["fixed"], plugin=backend)
    with pytest.raises(FileError):
        backend.export(executable, tmp_path / "file", duration=10.0, seed=0)


def lif(dt: float = 0.5) -> Network:
    """LIF neurons with forced sources, both PSPs, a delay, and a rest that is neither reset nor zero."""
    trains = [np.arange(10, 200, 15) * dt, np.array([20, 40]) * dt, np.array([80]) * dt]
    cell = LIF(bias=[-52.0, -50.0], tau_m=15.0, tau_ref=3.0, v_rest=-2.0, v_reset=-70.0, v_thresh=-54.0)
    return Network(
        name="lif", dt=dt,
        populations=[
            Population(name="x", size=3, neuron=Source()),
            Population(name="l", size=2, neuron=cell),
            Population(name="m", size=2, neuron=LIF(bias=[0.8, 1.3], tau_m=10.0, tau_ref=dt)),
        ],
        projections=[
            Projection(name="xl", pre="x", post="l", weights=np.full((2, 3), 3.5), kernel=Exponential(tau_syn=5.0)),
            Projection(
                name="lm", pre="l", post="m", weights=np.full((2, 2), 0.5), kernel=Rectangular(tau_syn=4.0),
                delay=[[2 * dt, 0.0], [dt, 5 * dt]],
            ),
        ],
        stimuli=[SpikeTimes("x", trains)],
        probes=[Spikes("l"), Spikes("m"), Membrane("l"), Membrane("m")],
    )  # fmt: skip


@models
def test_lavas_lif_is_the_described_one(target: Target) -> None:
    """In floating point exactly; in fixed point the spikes are as many, and within three steps of 300: rounding shifts
    an interval by a step now and then."""
    runs = []
    for executable in (salhw.compile(lif(), "reference"), salhw.compile(lif(), in_process(target), plugin=backend)):
        with executable.open(instances=2) as session:
            runs.append(session.run(150.0))
    expected, found = runs
    for name in ("l", "m"):
        assert np.array_equal(found.counts[name], expected.counts[name])
        assert expected.counts[name].max() > 5
        late = np.abs(found.spikes[name].time - expected.spikes[name].time).max()
        assert late <= (1.5 if target.weight_bits else 0.0)
        if target.weight_bits is None:
            off = found.membrane_traces[name].values - expected.membrane_traces[name].values
            assert np.abs(off).max() < 1e-10
