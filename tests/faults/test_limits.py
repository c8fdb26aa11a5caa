"""What does not fit is refused with its numbers before anything is made of it; what outgrows the machine while it runs
keeps what it has."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest
from fault_targets import form, on

import salhw
from salhw import (
    GLM,
    AllToAll,
    Exponential,
    Network,
    Population,
    Projection,
    Rectangular,
    Spikes,
    UnsupportedNetworkError,
    Weights,
    machine,
)
from salhw.machine import Memory, amount, available
from salhw.session import memory as module
from salhw.session.memory import Room, exact, expected_spikes

GB = 1_000_000_000


def network(size: int = 2, **changes: Any) -> Network:
    p = Projection(name="p", pre="a", post="a", weights=AllToAll(weight=0.5), kernel=Exponential(tau_syn=10.0))
    neurons = Population(name="a", size=size, neuron=GLM(bias=-1.0, tau_ref=10.0))
    return Network(name="n", dt=1.0, populations=[neurons], projections=[p], **changes)


def refused(code: str, action: Any) -> salhw.Diagnostic:
    """The finding of an action that must be refused at once."""
    start = time.process_time()
    with pytest.raises(salhw.SessionError) as caught:
        action()
    assert time.process_time() - start < 1.0
    (finding,) = caught.value.diagnostics
    assert finding.code == code
    return finding


def the_number_in(fix: str) -> float:
    found = re.search(r"[0-9][0-9,.e+]*", fix)
    assert found
    return float(found[0].replace(",", ""))


@on()
def test_instances_and_chips_beyond_the_memory(target: salhw.Target) -> None:
    """10^9 instances and 10^12 chips of anything take terabytes, so that no machine has the memory; listing their ids
    alone would fill it. Both numbers are told, and the number of the fix fits."""
    executable = salhw.compile(network(), target)
    need = executable.report.memory
    finding = refused("SAL221", lambda: executable.open(instances=10**9))
    assert finding.path == "instances"
    assert amount(need.of(10**9)) in finding.asked
    assert "available" in finding.supported
    fit = int(the_number_in(finding.fix))
    assert 0.5 * available() < need.of(fit) < available() or fit == 1
    assert refused("SAL221", lambda: executable.open(instances=range(10**9))).path == "instances"
    assert refused("SAL221", lambda: target.sample_chips(10**12)).path == "chips"
    assert [chip.id for chip in target.sample_chips(2, 7, first=10**12)] == [10**12, 10**12 + 1]
    assert target.sample_chips(1, 7, first=3) == target.sample_chips(4, 7)[3:]
    assert f"{need}" in str(executable.report)


def test_a_network_beyond_the_memory() -> None:
    """30,000 neurons all to all have 9e8 synapses, whose two indices alone are 14 GB; the reference takes 130 GB."""
    net = network(30_000)
    with pytest.raises(UnsupportedNetworkError, match="SAL221") as caught:
        salhw.compile(net, "reference")
    (finding,) = caught.value.diagnostics
    assert finding.path == "projections.p"
    assert finding.asked.startswith("899,970,000 synapses")


@on("reference", "nest", "brainscales2", "loihi2")
def test_a_network_beyond_a_small_machine(target: salhw.Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with half of what the report says nothing opens, and what passes before is what is refused there:
    nothing of the backend has run by then."""
    need = salhw.compile(network(), target).report.memory
    monkeypatch.setattr(machine, "available", lambda: need.of(1) // 2)
    monkeypatch.setattr("salhw.session.memory.RESERVE", 0)  # of a network as small as this one nobody asks
    with pytest.raises(UnsupportedNetworkError, match="SAL221") as caught:
        salhw.compile(network(), target)
    assert amount(need.of(1)) in str(caught.value)
    assert amount(need.of(1) // 2) in str(caught.value)


@on()
def test_samples_of_weights_beyond_the_memory(target: salhw.Target) -> None:
    """Four weights at each of 10^11 steps are 3.2 TB, whatever else a sample takes. The time of the fix would fit."""
    net = network(probes=[Weights("p", every=1.0)])
    executable = salhw.compile(net, target)
    with executable.open(seed=1) as session:
        finding = refused("SAL411", lambda: session.run(1e11))
        assert session.time == 0.0
        assert finding.path == "duration"
        assert "TB of samples" in finding.supported
        Room(net, executable.report.memory, 1, 0, int(the_number_in(finding.fix)))
        assert session.run(5.0).weight_traces["p"].values.shape[:2] == (1, 6)


def test_what_a_recording_takes() -> None:
    """A neuron that waits exp(1) tau_ref after its refractory period spikes every (1 + e) 10 ms; a thousand steps keep
    101 samples of four weights every 10 steps, 64 bytes and what a sample costs each."""
    net = network(probes=[Weights("p", every=10.0), Spikes("a")])
    assert expected_spikes(net, False, 0, 1000) == pytest.approx(2 * 1000 / (10 * (1 + np.e)))
    assert exact(net, Memory(0, 0), 1, 0, 1000) == 32 + 101 * (module.SAMPLE + 64)
    assert expected_spikes(network(), False, 0, 1000) == 0.0  # no probe asks for them


@on()
def test_a_recording_that_outgrows_the_machine(target: salhw.Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory runs out under way: the run ends where it is, the error has what was recorded, and the session goes on
    from there. On the reference it is bit for bit what a run of that length records."""
    import salhw_brainscales2.engine
    import salhw_nest.engine
    import salhw_reference.pace

    monkeypatch.setattr(module, "GLANCE", 0.0)
    monkeypatch.setattr(salhw_reference.pace, "STRETCH", 100)
    monkeypatch.setattr(salhw_reference.pace, "LONGEST", 0.0)
    monkeypatch.setattr(salhw_nest.engine, "STRETCH", 1000)
    monkeypatch.setattr(salhw_brainscales2.engine, "AHEAD", 100)
    net = network(probes=[Spikes("a"), Weights("p", every=50.0)])
    executable = salhw.compile(net, target)
    with executable.open(instances=2, seed=1) as session:
        if target.backend == "lava":
            session.engine.most = 100  # type: ignore[attr-defined]
        session.run(10.0)
        with monkeypatch.context() as patched:
            looks = iter([100 * GB] * 3)  # before the run, and twice under way
            patched.setattr(machine, "available", lambda: next(looks, 0))
            with pytest.raises(salhw.SessionError, match="SAL411") as caught:
                session.run(100_000.0)
        kept = caught.value.recording
        assert kept is not None
        assert kept.start == 10.0
        assert 0.0 < kept.duration < 100_000.0
        assert session.time == 10.0 + kept.duration
        assert kept.spikes["a"].stop == session.time
        assert kept.counts["a"].sum() == len(kept.spikes["a"]) > 0
        assert kept.weight_traces["p"].time[-1] <= session.time
        after = session.run(10.0)
        assert after.start == 10.0 + kept.duration
    if target.name == "reference":
        with executable.open(instances=2, seed=1) as again:
            again.run(10.0)
            whole = again.run(kept.duration)
        assert np.array_equal(whole.spikes["a"].time, kept.spikes["a"].time)
        assert np.array_equal(whole.weight_traces["p"].values, kept.weight_traces["p"].values)


def test_the_command_keeps_what_was_recorded(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    import salhw_reference.pace
    from salhw.cli import app

    monkeypatch.setattr(module, "GLANCE", 0.0)
    monkeypatch.setattr(salhw_reference.pace, "STRETCH", 100)
    looks = iter([100 * GB] * 6)
    monkeypatch.setattr(machine, "available", lambda: next(looks, 0))
    file, out = network(probes=[Spikes("a")]).save(tmp_path / "n.json"), tmp_path / "r.h5"
    done = CliRunner().invoke(app, ["run", str(file), "--duration", "100000", "--out", str(out)])
    assert done.exit_code == 1
    assert "SAL411" in done.output
    assert str(out.name) in done.output.replace("\n", "")
    assert 0.0 < salhw.Recording.load(out).duration < 100_000.0


def test_this_machine_has_memory() -> None:
    assert 0 < available() < 1000 * 1000 * GB
    assert [amount(n) for n in (12, 3210, 1_500_000, 3.2e10, 5e15)] == [
        "12 bytes",
        "3.21 kB",
        "1.5 MB",
        "32 GB",
        "5,000 TB",
    ]


@pytest.mark.parametrize("name", ["reference", "nest", "loihi2"])
def test_reports_say_more_for_more(name: str) -> None:
    """More neurons, synapses and rules never take less."""
    small, large = (salhw.compile(network(n), form(name)).report.memory for n in (2, 200))
    assert large.each > small.each
    assert large.once >= small.once


def test_long_delays_of_the_reference_count_as_memory() -> None:
    """Spikes are kept for as long as they have something to do: a million steps of two neurons that may spike at each
    are 2^21 entries of 16 bytes per instance, and while a session is opened twice more."""
    net = Network(
        "late", 0.001, [Population("a", 2, GLM(tau_ref=0.001))],
        [Projection("aa", "a", "a", AllToAll(0.1), kernel=Rectangular(0.001), delay=1000.0)],
    )  # fmt: skip
    executable = salhw.compile(net, "reference")
    entries = 16 * 2**21
    assert 5 * entries <= executable.report.memory.of(3) <= 5.1 * entries
    with executable.open(instances=3) as session:
        assert session.engine.state.past.nbytes == 3 * entries  # type: ignore[attr-defined]
    (finding,) = salhw.problems(net.replace(projections=[net.projections[0].replace(delay=1e6)]), "reference")
    assert (finding.code, finding.path) == ("SAL221", "projections.aa.delay")
    most = float(finding.fix.split()[2])
    assert not salhw.problems(net.replace(projections=[net.projections[0].replace(delay=most)]), "reference")


@on()
@pytest.mark.parametrize("dt", [1e-300, 1e-6, 1.0])
def test_a_window_of_any_length_is_taken_or_refused(target: salhw.Target, dt: float) -> None:
    """A time constant of 1e308 ms is no whole number of any step, and no range has it: one error, no overflow."""
    rule = salhw.SAL(0.01, tau=1e308)
    net = Network(
        "long", dt, [Population("a", 2, GLM(tau_ref=dt))],
        [Projection("aa", "a", "a", AllToAll(0.1), kernel=Rectangular(dt), plasticity=rule)],
    )  # fmt: skip
    assert salhw.problems(net, target)
