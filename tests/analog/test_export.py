"""The export for the real chip: as text for its interfaces, and the C++ bit for bit as the emulator learns."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import real_interface
from analog_examples import CHIP, QUIET, RATE, pairs

import salhw
from salhw import GLM, SAL, Network, Poisson, Population, Projection, Source, SpikeTimes, UnsupportedNetworkError
from salhw.description.connectivity import AllToAll
from salhw_brainscales2.hardware import ppu_program, processor, program
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.plasticity import nominal_program
from salhw_brainscales2.script import export, potentials
from salhw_brainscales2.sources import entropy

sys.path.append(str(Path(__file__).parents[1] / "hardware"))
import compiled

START = np.array([0.8, 0.2, 1.0, -0.4])


def network() -> Network:
    net = pairs(START, bias=[-1.0, 0.0, 0.5, 1.0])
    return net.replace(
        populations=[*net.populations, Population(name="x", size=2, neuron=Source())],
        projections=[*net.projections, Projection(name="q", pre="x", post="n", weights=AllToAll(weight=-0.4))],
        stimuli=[Poisson("x", rate=50.0)],
    )


def test_script_arrays_and_readme(tmp_path: Path) -> None:
    executable = salhw.compile(network(), CHIP)
    files = export(executable, tmp_path, duration=1000.0, seed=3)
    assert sorted(f.name for f in files) == ["README.md", "network.npz", "plasticity_p.cpp", "run.py"]
    text = (tmp_path / "run.py").read_text()
    tree = ast.parse(text)
    used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "pynn"}
    assert used <= vars(real_interface.modules()["pynn_brainscales.brainscales2"]).keys()
    assert 'populations["n"], number=0, period=0.2, updates=5)' in text  # ms of hardware time
    assert "tau_m=1, tau_syn_E=5, tau_syn_I=5, tau_refrac=10" in text  # us
    assert "duration=1.0, last=0.2, speed_up=1000" in text
    arrays = dict(np.load(tmp_path / "network.npz"))
    read = set(re.findall(r'arrays\[f?"([^"]+)"\]', text))
    assert read <= {f"{{name}}.{key}" for key in ("{key}", "times", "ends", "code", "pre", "post")}
    assert arrays["p.code"].tolist() == [20, 5, 25, -10]
    assert arrays["q.code"].tolist() == [-10] * 8
    rest = arrays["n.v_rest"]
    assert (np.diff(rest) > 0).all()
    assert rest.min() >= 50
    assert rest.max() <= arrays["n.v_thresh"].max() + 25 <= 160
    with executable.open(seed=3) as session:
        counts = session.run(1000.0).counts["x"][0]
    assert [
        len(t) for t in np.split(arrays["x.times"], arrays["x.ends"])
    ] == counts.tolist()  # the session's own spikes
    assert 0.0 < arrays["x.times"].min() < arrays["x.times"].max() <= 1.0
    readme = (tmp_path / "README.md").read_text()
    assert "$" not in readme + text
    assert "| `n` |" in readme
    assert "2 LSB per pair at distance 0 and 10 us" in readme
    assert "`n`: 5.005 MHz of either sign, 5 wanted" in readme  # 164 / 256 of 125 MHz, for 16 sources
    assert "1e-05  # LSB per pair, s" in readme
    named = (  # what is known to differ on a chip, and what there is to do about it
        "python run.py baselines", "read - 128", "placed_connections", "Row pairs", "order of its handles",
        "neuronPermutation", "no network of more than 32 GLM neurons", "Filled mailbox ram region", "i_synin_gm_E",
        "correlation_target", "v_res_meas", "calibration_cache=[]", "Rounding", "Random numbers", "last update",
    )  # fmt: skip
    assert [words for words in named if words not in readme] == []


def test_the_exported_program_learns_as_the_emulator_does(tmp_path: Path) -> None:
    """Compiled with g++, on random reads: codes, hidden bits and generators."""
    executable = salhw.compile(network(), QUIET)
    export(executable, tmp_path, duration=1000.0, seed=3)
    made = nominal_program(executable.network, executable.target, executable.placement, "p", entropy(3, [0]))
    assert (tmp_path / "plasticity_p.cpp").read_text() == ppu_program.cpp_source(made)
    reads = np.random.default_rng(0).integers(150, 182, (40, 2, 4))
    code = np.rint(START / 0.04).astype(np.int64)
    states = [program.initial_state(made, code)]
    for read in reads:
        states.append(program.run(made, read[None], states[-1]))
    codes, residuals, generators = compiled.run_ppu_program(made, 0, code, reads, tmp_path / "build")
    assert np.array_equal(codes, [s.code[0] for s in states[1:]])
    assert np.array_equal(residuals, [s.residual[0] for s in states[1:]])
    assert np.array_equal(generators, states[-1].generators[0, 0])
    assert len(generators) == processor.COLUMNS
    assert np.ptp(codes, axis=0).min() > 0


def test_lif_potentials_keep_their_proportions() -> None:
    neuron = salhw.LIF(bias=0.3, v_rest=-65.0, v_reset=-70.0, v_thresh=-50.0)
    net = Network(name="lif", dt=1.0, populations=[Population(name="n", size=1, neuron=neuron)])
    found = potentials(net, "n", cells(net)["n"])
    assert found["v_thresh"][0] - found["v_reset"][0] == 70.0
    assert found["v_rest"][0] - found["v_reset"][0] == pytest.approx(5.3 * 3.5, abs=0.5)


def test_lif_potentials_lie_where_they_can_be_calibrated() -> None:
    """Rest, reset and threshold within 50..160 and 50..220 LSB, as far from each other as described: 3.5 LSB per unit
    of potential here. Biases of 0 and 20 reach from a rest 5 below the reset to one 15 above it."""
    neuron = salhw.LIF(bias=[0.0, 20.0], v_rest=-75.0, v_reset=-70.0, v_thresh=-50.0)
    net = Network(name="lif", dt=1.0, populations=[Population(name="n", size=2, neuron=neuron)])
    found = potentials(net, "n", cells(net)["n"])
    assert np.allclose(found["v_rest"] - found["v_reset"], [-17.5, 52.5], atol=0.5)
    assert np.allclose(found["v_thresh"] - found["v_reset"], 70.0)
    for name, (low, high) in {"v_rest": (50, 160), "v_reset": (50, 160), "v_thresh": (50, 220)}.items():
        assert low <= found[name].min() <= found[name].max() <= high, name


def test_what_a_real_chip_cannot_do_is_refused(tmp_path: Path) -> None:
    forced = salhw.compile(pairs(START).replace(stimuli=[SpikeTimes("n", [[5.0], [], [], []])]), CHIP)
    with pytest.raises(UnsupportedNetworkError, match=r"SAL101 stimuli\[0\]"):
        export(forced, tmp_path, duration=100.0, seed=0)
    wide = Network(
        name="wide", dt=1.0, populations=[Population(name="n", size=10, neuron=GLM())],
        projections=[Projection(name="p", pre="n", post="n", weights=AllToAll(weight=0.1),
                                plasticity=SAL(RATE, update="every 600 ms"))],
    )  # fmt: skip
    with pytest.raises(UnsupportedNetworkError, match=r"SAL203 projections\.p\.plasticity: 12240 bytes"):
        export(salhw.compile(wide, CHIP), tmp_path, duration=1200.0, seed=0)
    assert not list(tmp_path.iterdir())
