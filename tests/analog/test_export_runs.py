"""Every exported program is executed, against a stand-in that raises where the real interface does (real_interface.py).

What a program must have built follows from the description: of each projection the codes round(weight / code) with
their signs, excitatory synapses only positive and inhibitory ones only negative; for each GLM neuron one source of
either sign with 50 events per refractory period; the spikes and learned weights under the description's names.
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyNN.errors
import pytest
import real_interface as real
from analog_examples import CHIP

import salhw
from salhw import (
    GLM,
    LIF,
    SAL,
    Exponential,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    ReferencePhase,
    Source,
    SpikeTimes,
    UnsupportedNetworkError,
)
from salhw.description.connectivity import AllToAll, OneToOne, Sparse, synapses
from salhw.session.executable import Executable
from salhw.session.paths import described_at
from salhw_brainscales2.circuit import circuit
from salhw_brainscales2.codes import code
from salhw_brainscales2.hardware import ppu_program
from salhw_brainscales2.hardware.rows import split
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.plasticity import nominal_program
from salhw_brainscales2.script import export, generator
from salhw_brainscales2.sources import entropy

sys.path.append(str(Path(__file__).parents[1] / "faults"))
from random_networks import random_network

PSP = Rectangular(tau_syn=10.0)
DURATION = 1200.0


def sal(rate: float = 0.004, period: float = 200.0) -> Any:
    return SAL(rate, update=f"every {period:g} ms")


def glm(name: str, bias: Any, size: int | None = None, **options: Any) -> Population:
    size = np.size(bias) if size is None else size
    return Population(name=name, size=size, neuron=GLM(bias=bias, tau_ref=10.0, **options))


def lif(name: str, size: int = 2, **options: Any) -> Population:
    values = {"bias": 0.3, "tau_m": 10.0, "tau_ref": 2.0, "v_rest": -65.0, "v_reset": -70.0, "v_thresh": -50.0}
    return Population(name=name, size=size, neuron=LIF(**values | options))


def projection(name: str, pre: str, post: str, weights: Any, rule: Any = None, psp: Any = PSP) -> Projection:
    return Projection(name=name, pre=pre, post=post, weights=weights, kernel=psp, plasticity=rule)


def net(populations: list[Population], projections: list[Projection] = [], stimuli: Any = ()) -> Network:  # noqa: B006
    return Network(name="n", dt=1.0, populations=populations, projections=projections, stimuli=stimuli)


def networks() -> dict[str, Network]:
    rng = np.random.default_rng(4)
    n, x = glm("n", [-1.0, 0.0, 2.2, 1.0]), Population(name="x", size=3, neuron=Source())
    mixed, none = rng.uniform(-2.5, 2.5, (4, 3)), Sparse(post=[], pre=[], weight=[])
    ring = Sparse(post=[1, 2, 3, 0, 0], pre=[0, 1, 2, 3, 2], weight=[0.8, -0.4, 1.0, 0.2, 0.0])
    square = rng.uniform(-1, 1, (4, 4)) * (1 - np.eye(4))
    return {
        "nothing": net([n]),
        "static": net([n], [projection("p", "n", "n", square)]),
        "one sign": net([n, x], [projection("p", "x", "n", -np.abs(mixed))]),
        "plastic": net([n], [projection("p", "n", "n", ring, sal())]),
        "dense plastic": net([n], [projection("p", "n", "n", square, sal())]),
        "two plastic": net(
            [n, x],
            [projection("p", "n", "n", ring, sal()), projection("q", "x", "n", AllToAll(weight=-0.4), sal(0.002, 300))],
            [Poisson("x", rate=[0.0, 50.0, 300.0])],
        ),
        "two plastic and a static one": net(
            [n, x, glm("m", 4 * [0.5])],
            [
                projection("q", "n", "m", OneToOne(weight=[0.5, -0.5, 0.0, 1.0]), sal()),
                projection("p", "n", "n", ring, sal()),
                projection("s", "x", "n", mixed),
            ],
        ),
        "populations": net(
            [n, x, glm("m", [0.0, 0.5], discretisation="exact"), lif("l")],
            [
                projection("a", "x", "n", mixed),
                projection("b", "n", "m", rng.uniform(-1, 1, (2, 4))),
                projection("c", "m", "l", np.eye(2), psp=Exponential(tau_syn=5.0)),
            ],
            [Poisson("x", rate=20.0), SpikeTimes("x", [[5.0, 900.0], [], [7.0]])],
        ),
        "lif": net([lif("l", bias=[0.0, 20.0])]),
        "lif below its reset": net([lif("l", bias=[0.0, 20.0], v_rest=-75.0)]),
        "silent sources": net([n, x], [projection("p", "x", "n", mixed)]),
        "given spikes": net([n, x], [projection("p", "x", "n", mixed)], [SpikeTimes("x", [[], [3.0, 4.0], [1199.0]])]),
        "empty": net([n, x], [projection("p", "n", "n", none, sal()), projection("q", "x", "n", none)]),
        "a single neuron": net([glm("n", 0.0, 1)], [projection("p", "n", "n", np.zeros((1, 1)), sal())]),
        "weights of zero": net([n], [projection("p", "n", "n", 0 * square), projection("q", "n", "n", ring, sal())]),
        "a run that is shorter than the period": net([n], [projection("p", "n", "n", ring, sal(period=2000.0))]),
        "weights of several rows": net(
            [n, x, glm("m", 4 * [0.5])],
            [
                projection("p", "n", "n", ring, sal(period=500.0).replace(bounds=(-4.0, 4.5))),
                projection("q", "n", "m", 5.0 * square, SAL(0.004, update="every 600 ms", bounds=(-10.0, 9.0))),
                projection("s", "x", "n", 8.0 * mixed),
            ],
        ),
        "all that the generators feed": net(
            [glm("n", 0.0, 32), lif("l", 32)], [projection("p", "n", "l", OneToOne(weight=-2.52))]
        ),
    }


def execute(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> real.Chip:
    """Run the program as a user does; what it has built."""
    for name, module in real.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "argv", [str(folder / "run.py"), *arguments])
    runpy.run_path(str(folder / "run.py"))
    assert real.Chip.now is None, "the program ends what it has set up"
    return real.Chip.last


def exported(described: Network, folder: Path, duration: float = DURATION) -> Executable:
    executable = salhw.compile(described, CHIP)
    export(executable, folder, duration=duration, seed=3)
    return executable


def wanted(executable: Executable, name: str) -> tuple[Any, Any, Any]:
    """(post, pre, codes) of a projection by its description."""
    described_net = executable.network
    q = described_net.projection(name)
    post, pre, position = synapses(q.weights, *described_net.ends(name))
    weights = described_at(described_net, f"projections.{name}.weights").ravel()[position]
    return post, pre, np.rint(weights / code(executable.target.scaled_for(name))).astype(int)


@pytest.mark.parametrize("name", networks())
def test_the_program_runs_and_builds_what_is_described(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable = exported(networks()[name], tmp_path)
    chip, described_net = execute(tmp_path, monkeypatch), executable.network
    check_projections(executable, chip)
    check_background(executable, chip)
    result = dict(np.load(tmp_path / "result.npz"))
    for p in described_net.populations:
        for k in range(p.size if not isinstance(p.neuron, Source) else 0):
            assert np.allclose(result.pop(f"{p.name}.{k}"), 1000 * real.spikes(k, DURATION / 1000))
    for q in described_net.projections:
        post, _, codes = wanted(executable, q.name)
        updates = int(DURATION // q.plasticity[0].period) if q.plasticity and len(post) else 0
        if updates:
            assert np.allclose(result.pop(f"{q.name}.updates"), q.plasticity[0].period * np.arange(1, updates + 1))
            shares = split(codes, executable.placement.synapses_per_weight.get(q.name, 1))
            more = np.sign(codes) * np.count_nonzero(shares, axis=0)  # as the stand-in learns, synapse by synapse
            grown = codes + more * np.arange(1, updates + 1)[:, None]
            assert np.allclose(result.pop(f"{q.name}.weights"), 0.04 * grown)
    assert not result


def check_projections(executable: Executable, chip: real.Chip) -> None:
    """Codes and signs of all synapses between two populations together, and a number of its own for each rule."""
    described_net = executable.network
    made: dict[tuple[str, str], dict[tuple[int, int], int]] = {}
    for p in chip.projections:
        assert all(abs(c.weight) <= 63 for c in p.connections)
        if p.pre.label in {q.name for q in described_net.populations}:
            found = made.setdefault((p.pre.label, p.post.label), {})
            for c in p.connections:
                assert (c.weight >= 0) if p.receptor_type == "excitatory" else (c.weight <= 0)
                at = c.presynaptic_index, c.postsynaptic_index
                found[at] = found.get(at, 0) + c.weight
    for ends, found in made.items():
        total: dict[tuple[int, int], int] = {}
        for q in described_net.projections:
            if (q.pre, q.post) == ends:
                for post, pre, w in zip(*wanted(executable, q.name), strict=True):
                    total[pre, post] = total.get((pre, post), 0) + w
        assert found | {at: 0 for at in total if at not in found} == total
    assert len(chip.rules) == len({rule.same_id for rule in chip.rules})


def check_background(executable: Executable, chip: real.Chip) -> None:
    """Each GLM neuron has one source of either sign of its own, of the sampling rate to half a per cent."""
    seeds = []
    for population in chip.populations:
        if isinstance(population.celltype, real.SpikeSourcePoissonOnChip):
            seeds.append(int(population._parameters["seed"][0]))
            assert real.SpikeSourcePoissonOnChip.rate(population) == pytest.approx(5e6, rel=0.005)
    assert len(set(seeds)) == len(seeds)
    heard: dict[tuple[str, int, str], int] = {}
    for p in chip.projections:
        if isinstance(p.pre.celltype, real.SpikeSourcePoissonOnChip):
            whole = getattr(p.post, "grandparent", p.post)
            for c in p.connections:
                neuron = int(p.post.index_in_grandparent([c.postsynaptic_index])[0])
                heard[whole.label, neuron, p.receptor_type] = heard.get((whole.label, neuron, p.receptor_type), 0) + 1
                assert (c.weight > 0) == (p.receptor_type == "excitatory")
                assert abs(c.weight) == max(1, round(_event(executable, whole.label, c.weight > 0)))
    glms = [p for p in executable.network.populations if isinstance(p.neuron, GLM)]
    assert heard == {(p.name, k, r): 1 for p in glms for k in range(p.size) for r in ("excitatory", "inhibitory")}


def _event(executable: Executable, population: str, excitatory: bool) -> float:
    """A background event in weight codes, as the emulator's circuit has them, on average over the neurons, whose codes
    act as their biases ask for; .219 / (1.4 * .04) without synapses."""
    net = executable.network
    whole = net.population(population)
    bias = np.broadcast_to(np.asarray(whole.neuron.bias, dtype=float), whole.size)
    inverse = float(np.mean(1.0 / cells(net)[whole.name].sensitivity(bias, net.dt)))
    chips = [c.replace(variability={}) for c in executable.target.sample_chips(1)]
    made = circuit(net, executable.target, executable.placement, chips)
    for q in net.projections:
        if q.post == population and len(made.wiring[q.name].post):
            step = code(executable.target.scaled_for(q.name))
            return (
                inverse
                * made.cells[population].event
                / (step * made.wiring[q.name].current[0 if excitatory else 1, 0, 0])
            )
    return inverse * 0.219 / (1.4 * 0.04)


def test_random_networks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all that the target declares: what an export does not refuse runs and builds what is described, also while
    it measures baselines. Forced spikes and synapses onto sources, which are refused, are left out."""
    ran = 0
    for seed in range(40):
        drawn = random_network(CHIP, np.random.default_rng([5, seed]))
        sources = {p.name for p in drawn.populations if isinstance(p.neuron, Source)}
        drawn = drawn.replace(
            stimuli=[s for s in drawn.stimuli if s.population in sources],
            projections=[q for q in drawn.projections if q.post not in sources],
            probes=[],
        )
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            executable = exported(drawn, folder, duration=137 * drawn.dt)
        except UnsupportedNetworkError:
            continue
        for arguments in ((), ("baselines",), ()):
            chip = execute(folder, monkeypatch, *arguments)
        check_projections(executable, chip)
        check_background(executable, chip)
        ran += 1
    assert ran > 15  # or the test shows little


def test_baselines_are_measured_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording synapse yields the read minus 128, so the baseline is 128 (value + 128) in 1/128 LSB. Nothing may
    spike meanwhile: no background, no weights, resting potentials below the thresholds."""
    executable = exported(networks()["two plastic"], tmp_path)
    chip = execute(tmp_path, monkeypatch, "baselines")
    assert {c.weight for p in chip.projections for c in p.connections} == {0}
    for population in chip.populations:
        given = population._parameters
        if isinstance(population.celltype, real.CalibHXNeuronCuba):
            assert (given["v_rest"] < given["v_thresh"]).all()
        else:
            assert all(not len(train.value) for train in given["spike_times"])
    measured = np.load(tmp_path / "baselines.npz")
    chip = execute(tmp_path, monkeypatch)
    for name, rule in zip("pq", chip.rules, strict=True):
        post, pre, _ = wanted(executable, name)
        reads = [[real.read(j, i, branch) for j, i in zip(pre, post, strict=True)] for branch in ("causal", "acausal")]
        assert measured[f"{name}.baseline"].tolist() == (128 * np.array(reads)).tolist()
        program = nominal_program(executable.network, executable.target, executable.placement, name, entropy(3, [0]))
        assert rule.generate_kernel() == ppu_program.cpp_source(replace(program, baseline=128 * np.array([reads])))


@pytest.mark.parametrize(("every", "phases"), [(None, 1), (600.0, 3)])
def test_a_reference_phase_is_run_and_left_out_of_the_results(
    every: float | None, phases: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1400 ms of a run with phases of 400 ms: the rule counts the spikes of its population, its first update is at the
    start; what is left are the spikes of the run, at times of the run, and its updates."""
    rule = sal().replace(reference=ReferencePhase(400.0, every=every))
    n = glm("n", [-1.0, 0.0, 2.2, 1.0])
    executable = exported(net([n], [projection("p", "n", "n", networks()["plastic"].projections[0].weights, rule)]),
                          tmp_path, duration=1400.0)  # fmt: skip
    chip = execute(tmp_path, monkeypatch)
    (learning,) = chip.rules
    assert [p.label for p in learning.populations] == ["n"]
    assert learning.timer.start == 0.0
    assert chip.duration == pytest.approx(1.4 + 0.4 * phases + 0.2)
    assert learning.timer.num_periods == 1 + 7 + 2 * phases
    result, ends = np.load(tmp_path / "result.npz"), [0.0, 0.6, 1.2, 1.4] if every else [0.0, 1.4]
    for k in range(4):
        fired, expected = real.spikes(k, chip.duration), []
        for i, (begin, end) in enumerate(pairwise(ends)):
            shift = 0.4 * (i + 1)
            expected.append(fired[(fired > begin + shift) & (fired <= end + shift)] - shift)
        assert np.allclose(result[f"n.{k}"], 1000 * np.concatenate(expected))
    assert np.allclose(result["p.updates"], 200 * np.arange(1, 8))
    codes = wanted(executable, "p")[2]
    call = np.array([3, 4, 5, 8, 9, 10, 13]) if every else np.arange(3, 10)  # the calls of the program that learn
    assert np.allclose(result["p.weights"], 0.04 * (codes + np.sign(codes) * (call[:, None] + 1)))


def test_given_spikes_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source spikes at the end of its step: 1 ms after its time here, a thousandth of it on the chip."""
    exported(networks()["given spikes"], tmp_path)
    (x,) = (p for p in execute(tmp_path, monkeypatch).populations if p.label == "x")
    trains = [train.value for train in x._parameters["spike_times"]]
    assert [len(train) for train in trains] == [0, 2, 1]
    assert np.allclose(np.concatenate(trains), [0.004, 0.005, 1.2])


def test_what_no_program_can_do_is_refused(tmp_path: Path) -> None:
    """Instead of a program that aborts, or runs and does something else: each with a code and a fix."""
    n, x, rng = glm("n", [0.0, 0.0]), Population(name="x", size=2, neuron=Source()), np.random.default_rng(0)
    half = Exponential(tau_syn=5.0)
    for described_net, finding in (
        (net([glm("n", 0.0, 33)]), r"SAL201 populations\.n\.size: 33 neurons.*32 available"),
        (net([n, glm("m", 0.0), glm("k", 0.0)]), r"SAL201 populations\.k\.size"),
        (net([n, x], [projection("p", "n", "x", rng.normal(size=(2, 2)))]), r"SAL101 projections\.p"),
        (net([n, x], [projection("p", "n", "n", [[0, 1], [1, 0]]), projection("q", "x", "n", np.eye(2), psp=half)]),
         r"SAL107 projections\.q\.kernel"),
        (net([lif("l", bias=[-20.0, 20.0])]), r"SAL104 populations\.l\.bias"),
        (net([glm("n", 0.0, 9)], [projection("p", "n", "n", AllToAll(weight=0.1), sal(period=600.0))]),
         r"SAL203 projections\.p\.plasticity: 10816 bytes of data, 10240 available"),
    ):  # fmt: skip
        with pytest.raises(UnsupportedNetworkError, match=finding):
            exported(described_net, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_generator_is_given_a_power_of_two_of_sources() -> None:
    """As many as fit 125 million events per second; its 8 bits make the rate to half a step of 125 MHz / 256."""
    for tau_ref in (0.5, 2.0, 10.0, 40.0, 300.0):
        at_once, given, made = generator(tau_ref, 1000.0)
        wanted_rate = 50e6 / tau_ref
        assert at_once in 2 ** np.arange(9)
        assert at_once * wanted_rate <= 125e6
        assert at_once == 256 or 2 * at_once * wanted_rate > 125e6
        assert abs(made - wanted_rate) * at_once <= 0.5 * 125e6 / 256 * (1 + 1e-9)
        source = SimpleNamespace(size=at_once, _parameters={"rate": [given]})
        assert real.SpikeSourcePoissonOnChip.rate(source) == pytest.approx(made)  # type: ignore[arg-type]


MISTAKES: dict[str, tuple[str, type[Exception]]] = {
    "a positive inhibitory weight": ("link('inhibitory', 1)", pyNN.errors.ConnectionError),
    "a negative excitatory weight": ("link('excitatory', -1)", pyNN.errors.ConnectionError),
    "signs that are set later": ("link('inhibitory', 0).set(weight=np.ones((2, 2)))", pyNN.errors.ConnectionError),
    "a list with weights": (
        "pynn.Projection(n, n, pynn.FromListConnector([(0, 1, 1), (1, 0, 2)], column_names=['weight']),"
        " synapse_type=pynn.synapses.StaticSynapse(), receptor_type='excitatory')", IndexError,
    ),
    "a delay": ("link('excitatory', 1, delay=1.0)", ValueError),
    "an unknown receptor": ("link('nmda', 1)", pyNN.errors.ConnectionError),
    "an unknown keyword": ("pynn.Timer(start=1, period=1)", KeyError),
    "an unknown option": ("pynn.setup(threads=1)", KeyError),
    "an unknown word": ("pynn.cells.CalibHXNeuronCuba(v_leak=3)", Exception),
    "an unknown name": ("pynn.NativeRNG", AttributeError),
    "an argument too many": ("pynn.end(1)", TypeError),
    "a potential out of range": ("pynn.Population(1, pynn.cells.CalibHXNeuronCuba(v_rest=200.0)); pynn.run(1)",
                                 ValueError),
    "ten sources": ("noise(10); pynn.run(1)", ValueError),
    "too high a rate": ("noise(32); pynn.run(1)", RuntimeError),
    "five generators": ("[noise(16) for _ in range(5)]; pynn.run(1)", RuntimeError),
    "one number for two rules": ("[learn(text, 0) for text in 'ab']; pynn.run(9)", RuntimeError),
    "no update": ("learn('a', 0, 9); pynn.run(9)", ZeroDivisionError),
    "a second run": ("pynn.run(9); pynn.run(9)", RuntimeError),
}  # fmt: skip
HEAD = """
import numpy as np
import pynn_brainscales.brainscales2 as pynn
pynn.setup()
n = pynn.Population(2, pynn.cells.CalibHXNeuronCuba())
class Rule(pynn.PlasticityRule):
    def generate_kernel(self):
        return self.text
def link(receptor, weight, kind=None, **options):
    synapse = kind or pynn.synapses.StaticSynapse(weight=weight, **options)
    there = np.array([[False, True], [True, False]])
    return pynn.Projection(n, n, pynn.ArrayConnector(there), synapse_type=synapse, receptor_type=receptor)
def learn(text, number, start=1):
    rule = Rule(timer=pynn.Timer(start=start, period=1, num_periods=5), same_id=number)
    rule.text = text
    link("excitatory", 0, pynn.synapses.PlasticSynapse(weight=0, plasticity_rule=rule))
def noise(size):
    return pynn.Population(size, pynn.cells.SpikeSourcePoissonOnChip(rate=5e6, seed=1))
"""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_stand_in_raises_where_the_real_interface_does(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not before: what comes before the mistake passes."""
    text, error = MISTAKES[mistake]
    (tmp_path / "run.py").write_text(f"{HEAD}\nlearn('a', 1)\n{text}\n")
    with pytest.raises(error):
        execute(tmp_path, monkeypatch)
    (tmp_path / "run.py").write_text(
        f"{HEAD}\nlearn('a', 1)\nlearn('b', 2)\nlink('inhibitory', -1)\npynn.run(9)\npynn.end()\n"
    )
    execute(tmp_path, monkeypatch)


def test_every_signature_names_its_source() -> None:
    for entry in real.TABLE.values():
        assert entry["repo"].startswith("electronicvisions/")
        assert len(entry["commit"]) == 40
        assert entry["file"]
        assert entry["line"] > 0


def test_the_fixes_of_refused_biases_are_accepted(tmp_path: Path) -> None:
    """The range that is named is exported at both of its ends, whatever the neuron's potentials."""
    rng, refused = np.random.default_rng(8), 0
    for k in range(20):
        rest, gap = rng.uniform(-80.0, 100.0) / 70.0, rng.uniform(0.5, 20.0)
        options = {"v_reset": -gap, "v_thresh": 0.0, "v_rest": gap * (rest - 1.0), "tau_m": 10.0}
        try:
            exported(net([lif("l", bias=rng.uniform(-20.0, 20.0, 2), **options)]), tmp_path)
        except UnsupportedNetworkError as error:
            (finding,) = error.diagnostics
            low, high = (float(x) for x in finding.fix.removeprefix("biases of ").split(".."))
            (tmp_path / f"{k}").mkdir()
            ends = np.clip([low, high], -20.0, 20.0)
            exported(net([lif("l", bias=ends, **options)]), tmp_path / f"{k}")
            refused += 1
    assert refused > 5
