"""The target nest: what becomes of a description, and what a user sees of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nest_networks import crowd, pair
from typer.testing import CliRunner

import salhw
import salhw_nest
from salhw import GLM, LIF, Alpha, Exponential, Network, Population, Projection, Rectangular, Source
from salhw.cli import app

WEIGHTS = "projections.p.weights"


def mixed() -> Network:
    """Sources, GLM and LIF neurons, delays, currents and clamps, learning: nearly everything that the target has."""
    return Network(
        name="mixed",
        dt=1.0,
        populations=[
            Population(name="x", size=3, neuron=Source()),
            Population(name="g", size=2, neuron=GLM(bias=[0.2, -0.5], tau_ref=8.0, discretisation="exact")),
            Population(name="l", size=2, neuron=LIF(bias=1.2, tau_m=20.0, tau_ref=3.0)),
        ],
        projections=[
            Projection(
                name="p", pre="g", post="g", weights=[[0.0, 0.4], [-0.3, 0.0]], delay=1.0,
                kernel=Rectangular(tau_syn=8.0), plasticity=salhw.SAL(0.01, pairing="all"),
            ),
            Projection(
                name="q", pre="x", post="l", weights=np.full((2, 3), 0.2), delay=2.0, kernel=Exponential(tau_syn=5.0)
            ),
        ],
        stimuli=[
            salhw.Poisson("x", rate=30.0, start=10.0, stop=400.0), salhw.SpikeTimes("x", [[3.0, 50.0], [], [7.0]]),
            salhw.Current("g", amplitude=0.7, start=100.0, stop=200.0),
            salhw.Clamp("g", [1], neurons=[0], start=250.0, stop=300.0),
        ],
        probes=[
            *map(salhw.Spikes, "xgl"), salhw.StateOccupancy("g"), salhw.Membrane("g", every=5.0),
            salhw.Weights("p", every=100.0),
        ],
    )  # fmt: skip


def test_an_exported_script_runs_without_salhw_and_does_the_same(tmp_path: Path) -> None:
    described = mixed()
    file = described.save(tmp_path / "mixed.json")
    out = tmp_path / "exported"
    arguments = ["export", str(file), "--target", "nest", "--out", str(out), "--duration", "500", "--seed", "4"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["network.npz", "run.py"]
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "not empty" in again.output
    script = out / "run.py"
    assert "import salhw" not in script.read_text()
    blocked = "import sys, runpy; sys.modules['salhw'] = None; sys.modules['salhw_nest'] = None; "
    run = subprocess.run(
        [sys.executable, "-c", f"{blocked}runpy.run_path({str(script)!r})"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    ran = np.load(out / "result.npz")
    with salhw.compile(described, "nest").open(seed=4) as session:
        recording = session.run(500.0)
    for name in ("x", "g", "l"):
        train = recording.spikes[name]
        mine = sorted(zip(np.rint(train.time).astype(int), train.neuron, strict=True))
        assert len(mine) > 5
        assert mine == sorted(zip(ran[f"{name}.step"], ran[f"{name}.neuron"], strict=True))


def test_stimuli_probes_and_occupancy_agree_with_each_other() -> None:
    """Everything that a run returns is one story: forced spikes are there, clamps hold, potentials are those of the
    spikes (to rounding), occupancies count refractory periods."""
    with salhw.compile(mixed(), "nest").open(instances=2, seed=1) as session:
        recording = session.run(500.0)
    for k in range(2):
        assert {3.0, 50.0} <= {*recording.spikes["x"].times(0, k)}
        clamped = recording.spikes["g"].times(0, k)
        clamped = clamped[(clamped >= 250.0) & (clamped < 300.0)]
        assert (np.diff(clamped) == 8.0).all()
        assert len(clamped) >= 6
    late = recording.spikes["x"].time
    assert late.max() < 400.0
    assert recording.occupancy_counts["g"].sum(axis=1).tolist() == [500, 500]
    trace, weights = recording.membrane_traces["g"], recording.weight_traces["p"]
    assert trace.time.tolist() == [*np.arange(0.0, 500.0, 5.0)]
    assert weights.time.tolist() == [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]
    current = np.where((trace.time >= 100.0) & (trace.time < 200.0), 0.7, 0.0)
    for k in range(2):
        for neuron, bias in ((0, 0.2), (1, -0.5)):
            other = recording.spikes["g"].times(1 - neuron, k)
            active = np.array([np.any((t - other >= 2.0) & (t - other < 10.0)) for t in trace.time])
            quiet = trace.values[k, ~active, neuron]
            np.testing.assert_allclose(quiet, bias + current[~active], atol=1e-9)
            assert (np.abs(trace.values[k, active, neuron] - bias - current[active]) > 0.05).all()


@pytest.mark.parametrize("start", [0, 10])
def test_a_poisson_stimulus_acts_from_its_start_until_before_its_stop(start: int) -> None:
    """400 neurons with a probability of a half at each of ten steps."""
    stimulus = salhw.Poisson("x", 1000.0 * np.log(2.0) / 0.5, start=0.5 * start, stop=0.5 * (start + 10))
    net = Network(
        name="n", dt=0.5, populations=[Population(name="x", size=400, neuron=Source())],
        stimuli=[stimulus], probes=[salhw.Spikes("x")],
    )  # fmt: skip
    with salhw.compile(net, "nest").open(seed=1) as session:
        spikes = session.run(20.0).spikes["x"]
    steps = np.bincount(np.rint(spikes.time / 0.5).astype(int), minlength=40)
    assert np.flatnonzero(steps).tolist() == [*range(start, start + 10)]
    assert np.abs(steps[start : start + 10] - 200).max() < 60  # six standard deviations


@pytest.mark.parametrize("split", [False, True])
def test_rates_and_currents_change_at_their_steps(split: bool) -> None:
    """With certain spikes, or none; also where NEST splits each step into ticks for plastic synapses."""
    net = Network(
        name="n", dt=0.4,
        populations=[
            Population(name="x", size=3, neuron=Source()),
            Population(name="g", size=2, neuron=GLM(bias=-9.0, tau_ref=4.0, discretisation="exact")),
        ],
        projections=[Projection(
            name="xg", pre="x", post="g", weights=salhw.AllToAll(weight=0.0), kernel=Exponential(tau_syn=4.0),
            plasticity=[salhw.SAL(learning_rate=0.0, tau=8.0)],
        )] * split,
        stimuli=[
            salhw.Poisson("x", [[1e6, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1e6, 0.0]], every=1.2, start=0.8, stop=6.0),
            salhw.Current("g", [1.0, 2.0], every=1.2, start=0.8, stop=6.0),
        ],
        probes=[salhw.Spikes("x"), salhw.Membrane("g")],
    )  # fmt: skip
    with salhw.compile(net, "nest").open(seed=1) as session:
        recording = session.run(2.8)
        np.testing.assert_allclose(
            recording.membrane_traces["g"].values[0, :, 0] + 9.0, [0, 0, 1, 1, 1, 2, 2], atol=1e-6
        )
        session.set("stimuli[1].amplitude", [[0.0], [-5.0]])
        later = session.run(6.0)
    added = later.membrane_traces["g"].values[0, :, 0] + 9.0
    np.testing.assert_allclose(added, [-5] * 8 + [0] * 7, rtol=0, atol=1e-6)
    found = [
        np.rint(np.concatenate([r.spikes["x"].times(k, 0) for r in (recording, later)]) / 0.4).astype(int).tolist()
        for k in range(3)
    ]
    assert found == [[2, 3, 4], [*range(8, 15)], []]


def test_a_session_writes_no_current_that_forced_spikes_would_not_overcome() -> None:
    """They are built to overcome what is described; the fix names what to describe."""
    net = Network(
        name="n",
        dt=1.0,
        populations=[Population(name="l", size=1, neuron=salhw.LIF())],
        stimuli=[salhw.SpikeTimes("l", [[3.0]]), salhw.Current("l", -2.0), salhw.NoisyCurrent("l", 0.5)],
    )
    with salhw.compile(net, "nest").open(seed=1) as session:
        for path, fits, beyond in (("stimuli[1].amplitude", 2.0, -2.1), ("stimuli[2].sd", 0.5, 0.6)):
            session.set(path, fits)
            with pytest.raises(salhw.SessionError) as refused:
                session.set(path, beyond)
            (finding,) = refused.value.diagnostics
            assert (finding.code, finding.path) == ("SAL403", path)
            assert finding.fix.startswith(f"describe the {path.split('.')[1]} that is to come")
            assert session.get(path).item() == fits


def test_runs_join_and_weights_carry_over() -> None:
    executable = salhw.compile(pair((1.0, 0.2)), "nest")
    with executable.open(instances=3, seed=9) as session:
        whole, learned = session.run(900.0), session.get(WEIGHTS)
    with executable.open(instances=3, seed=9) as session:
        parts = [session.run(duration) for duration in (1.0, 398.0, 501.0)]
        np.testing.assert_array_equal(session.get(WEIGHTS), learned)
    np.testing.assert_array_equal(sum(part.counts["n"] for part in parts), whole.counts["n"])


def test_sessions_do_not_share_a_kernel_nor_touch_the_users() -> None:
    """NEST has one kernel per process: every open session has a process of its own, which imports nothing that takes as
    long as NEST itself, and ours never imports NEST."""
    code = """
import sys, salhw
from salhw import *
net = Network(name="n", dt=1.0, populations=[Population(name="a", size=3, neuron=GLM(discretisation="exact"))])
executable = salhw.compile(net, "nest")
with executable.open(seed=1) as one, executable.open(seed=1) as two:
    first = one.run(500.0).counts["a"]
    two.run(100.0)
    pids = {one.engine.process.lease.worker.pid, two.engine.process.lease.worker.pid}
    print((first == two.run(400.0).counts["a"]).all(), one.time, two.time, len(pids) == 2)
with executable.open(seed=1) as again:
    print(again.engine.process.lease.worker.pid in pids, "nest" in sys.modules, "pyNN" in sys.modules)
    heavy = "[name for name in ('pandas', 'matplotlib', 'scipy') if name in __import__('sys').modules]"
    print(again.engine.process.lease.call("builtins:eval", heavy, limit=60.0))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[0].endswith("500.0 500.0 True")
    assert result.stdout.split("\n")[1:3] == ["True False False", "[]"]
    assert result.stderr == ""


def test_the_terminal_hears_nothing_of_nest(tmp_path: Path) -> None:
    file = pair((1.0, 0.5)).save(tmp_path / "pair.json")
    command = [sys.executable, "-c", "from salhw.cli import main; main()", "run", str(file)]
    command += ["--target", "nest", "--duration", "100"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    assert "N E S T" not in result.stdout
    assert "rate of n (Hz)" in result.stdout


def test_an_error_of_nest_reaches_the_user() -> None:
    with salhw.compile(pair((1.0, 0.5)), "nest").open() as session:
        with pytest.raises(salhw.BackendError, match="UnaccessedDictionaryEntry"):
            session.engine.call("write_cells", {"n": {"no_such_parameter": 1.0}})
        session.run(10.0)  # the call is lost, the session is not


def test_without_nest_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salhw_nest, "PACKAGES", {"PyNN": "pyNN", "nest-simulator": "no_such_module"})
    executable = salhw.compile(pair((1.0, 0.5)), "nest")
    with pytest.raises(salhw.BackendError, match=r'nest-simulator(.|\n)*pip install "salhw\[nest\]"') as error:
        executable.open()
    assert [finding.code for finding in error.value.diagnostics] == ["SAL603"]


def test_logistic_neurons_get_noise_or_are_matched_at_the_bias_or_refused() -> None:
    net = crowd(None, Rectangular(tau_syn=5.0), 0.0)
    net = net.replace(populations=[net.populations[0].replace(neuron=GLM(bias=0.3, tau_ref=5.0))])
    sizes = {}
    for how in ("noise", "approximate"):
        target = salhw.target("nest").with_options(logistic=how)
        (finding,) = salhw.compile(net, target).report.approximations
        assert finding.code == "SAL321"
        sizes[how] = float(finding.supported.split("off by up to ")[1].split()[0])
    assert sizes["noise"] < 0.0035
    assert 0.02 < sizes["approximate"] < 0.3
    with pytest.raises(salhw.UnsupportedNetworkError, match="SAL103"):
        salhw.compile(net, salhw.target("nest").with_options(logistic="refuse"))


def test_the_report_says_what_a_projection_becomes() -> None:
    notes = "\n".join(salhw.compile(pair((1.0, 0.5), delay=1.0), "nest").report.notes)
    assert "n: 2 pp_psc_delta" in notes
    assert "p: stdp_synapse beside a static one" in notes
    assert "presynaptic spikes 1 ms late through a relay, dendritic delay 1 ms" in notes
    assert "clock" not in notes
    assert "dt / 2" in "\n".join(salhw.compile(pair((1.0, 0.5)), "nest").report.notes)


def two(kernel_one: object, kernel_two: object, neuron: object, **options: object) -> Network:
    projections = [
        Projection(name=name, pre="x", post="a", weights=[[1.0]], kernel=kernel, **options)
        for name, kernel in (("p", kernel_one), ("q", kernel_two))
    ]
    populations = [Population(name="x", size=1, neuron=Source()), Population(name="a", size=1, neuron=neuron)]
    return Network(name="two", dt=1.0, populations=populations, projections=projections)


def reversals(*potentials: float | None) -> Network:
    net = two(Exponential(tau_syn=5.0), Exponential(tau_syn=5.0), LIF(), delay=1.0)
    named = [net.projections[0].replace(name=f"p{k}", e_rev=e_rev) for k, e_rev in enumerate(potentials)]
    return net.replace(projections=named)


def bounded(pairing: str) -> salhw.PairSTDP:
    return salhw.SAL(0.1, pairing=pairing, bounds=(0.0, 2.0))


@pytest.mark.parametrize(
    ("net", "code", "words"),
    [
        (two(Rectangular(), Exponential(), GLM()), "SAL107", "rectangular PSPs only, or exponential ones of one"),
        (two(Exponential(tau_syn=5.0), Exponential(tau_syn=6.0), LIF(), delay=1.0), "SAL107", "5 ms, exponential 6 ms"),
        (two(Alpha(), Alpha(), GLM()), "SAL101", "supported Rectangular, Exponential"),
        (two(Rectangular(), Rectangular(), LIF(), plasticity=bounded("all")), "SAL107", "exponential PSPs for plastic"),
        (two(Rectangular(), Rectangular(), GLM(), plasticity=[bounded("all")] * 2), "SAL107", "bounds on a projection"),
        (pair((1.0, 0.5)).replace(dt=0.0125), "SAL107", "whole multiples of 0.002 ms"),
        (reversals(3.0, -1.0, 2.0, None), "SAL107", "p2.e_rev = 2: two reversal potentials onto a, 3, -1"),
        (mixed().replace(stimuli=[salhw.SpikeTimes("g", [[3.0, 5.0], []])]), "SAL107", "tau_ref = 8 ms apart"),
    ],
    ids=[
        "kernels",
        "time-constants",
        "alpha",
        "plastic-onto-lif",
        "two-bounded-rules",
        "tics",
        "reversals",
        "forced-too-close",
    ],
)
def test_what_does_not_go_together_is_refused(net: Network, code: str, words: str) -> None:
    with pytest.raises(salhw.UnsupportedNetworkError, match=words) as error:
        salhw.compile(net, "nest")
    assert code in {finding.code for finding in error.value.diagnostics}


def test_lif_delays_are_lengthened_by_name_and_then_exact() -> None:
    """NEST's LIF neurons let currents act a step late: with a delay that allows for it the spikes are the
    reference's."""
    net = two(Exponential(tau_syn=5.0), Exponential(tau_syn=5.0), LIF(tau_m=20.0, tau_ref=3.0))
    times = np.flatnonzero(np.random.default_rng(0).random(400) < 0.3).astype(float)
    net = net.replace(stimuli=[salhw.SpikeTimes("x", [times])], probes=[salhw.Spikes("a")])
    assert {f.code for f in salhw.compile(net, "nest").report.approximations} == {"SAL326"}
    net = net.replace(projections=[p.replace(delay=1.0) for p in net.projections])
    assert salhw.compile(net, "nest").report.approximations == ()
    found = [salhw.run(net, target=name, duration=400.0).spikes["a"].times(0) for name in ("nest", "reference")]
    assert len(found[0]) > 10
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(("anticausal", "per_step"), [(1.0, 2), (0.0, 4)])
def test_ticks_within_a_step_change_no_rate(anticausal: float, per_step: int) -> None:
    """Where NEST runs at a part of the step, sources and neurons still decide once per step: 200 of each for 2 s, the
    probability per step against its definition, |z| < 5 (false alarm below 1e-6)."""
    rule = salhw.PairSTDP(
        salhw.ExponentialWindow(amplitude=-1.0, tau=10.0),
        salhw.ExponentialWindow(amplitude=anticausal, tau=10.0),
        pairing="all",
        learning_rate=0.0,
    )
    net = Network(
        name="ticks",
        dt=1.0,
        populations=[
            Population(name="x", size=200, neuron=Source()),
            Population(name="a", size=200, neuron=GLM(bias=1.0, tau_ref=4.0, discretisation="exact")),
        ],
        projections=[
            Projection(name="p", pre="x", post="a", weights=salhw.OneToOne(weight=0.0), plasticity=rule)
        ],
        stimuli=[salhw.Poisson("x", rate=100.0)],
        probes=[salhw.Spikes("x"), salhw.Spikes("a")],
    )  # fmt: skip
    executable = salhw.compile(net, "nest")
    assert f"dt / {per_step}" in str(executable.report)
    with executable.open(seed=6) as session:
        recording = session.run(2000.0)
    p = 1.0 - np.exp(-0.1)
    z = (recording.counts["x"].sum() - 4e5 * p) / np.sqrt(4e5 * p * (1.0 - p))
    assert abs(z) < 5.0
    q = 1.0 - np.exp(-np.e / 4.0)  # per step that is not refractory
    mean, sd = 3.0 + 1.0 / q, np.sqrt(1.0 - q) / q  # of an interval
    count = recording.counts["a"].sum()
    assert abs(count - 4e5 / mean) < 5.0 * np.sqrt(4e5 * sd**2 / mean**3) + 200
    for name in "xa":
        np.testing.assert_array_equal(recording.spikes[name].time % 1.0, 0.0)
