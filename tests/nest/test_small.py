"""Small, empty, short and interrupted: what is at the edge of being nothing is still there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, Exponential, Network, Population, Projection, Rectangular, Source, Sparse
from salhw_nest.script import export

RULES = {
    "static": [],
    "chip": [SAL(0.1, pairing="all")],
    "bounded": [SAL(0.1, pairing="all", bounds=(-1.0, 1.0))],
    "nearest": [SAL(0.1)],
    "host": [SAL(0.1, update="every 4 ms", execution="host")],
    "two": [SAL(0.1, pairing="all"), SAL(0.2)],
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kernel", [Rectangular(tau_syn=4.0), Exponential(tau_syn=4.0)], ids=lambda k: k.kind)
def test_projections_without_synapses_can_be_read_written_and_sampled(rule: str, kernel: object) -> None:
    """No synapse at all, one neuron onto itself, and a population of one: arrays keep their shapes, with instances and
    delays, and the one synapse that there is learns."""
    none = Sparse(post=[], pre=[], weight=[])
    ends = {"empty": ("x", "y", none), "self": ("y", "y", [[0.0]]), "one": ("x", "y", [[0.5]])}
    net = Network(
        name="small",
        dt=1.0,
        populations=[Population("x", 1, Source()), Population("y", 1, GLM(bias=0.0, tau_ref=3.0))],
        projections=[
            Projection(name, pre, post, weights, kernel=kernel, delay=2.0, plasticity=RULES[rule])
            for name, (pre, post, weights) in ends.items()
        ],
        stimuli=[salhw.SpikeTimes("x", [[2.0, 9.0, 20.0]])],
        probes=[*(salhw.Weights(name, every=5.0) for name in ends), salhw.Membrane("y", every=50.0), salhw.Spikes("y")],
    )
    shapes = {"empty": (0,), "self": (1, 1), "one": (1, 1)}
    with salhw.compile(net, "nest").open(instances=3, seed=2) as session:
        for name, shape in shapes.items():
            path = f"projections.{name}.weights"
            assert session.get(path).shape == (3, *shape)
            session.set(path, session.get(path))
            for k in range(len(RULES[rule])):
                rate = f"projections.{name}.plasticity" + ("" if len(RULES[rule]) == 1 else f"[{k}]")
                session.set(f"{rate}.learning_rate", 0.15)
        first, second = session.run(1.0), session.run(59.0)
        assert first.membrane_traces["y"].values.shape == (3, 1, 1)
        assert second.membrane_traces["y"].time.tolist() == [50.0]
        for name, shape in shapes.items():
            assert second.weight_traces[name].values.shape == (3, 13, *shape)
        assert (session.get("projections.one.weights") != 0.5).any() == (rule != "static")


def test_a_run_that_is_interrupted_keeps_what_was_recorded() -> None:
    """``progress`` raises after the first weights sample: the error holds the recording of the steps that are over, and
    the session goes on after them. Together they are the recording of a session without interruption."""
    net = Network(
        name="interrupted",
        dt=1.0,
        populations=[Population("y", 2, GLM(bias=1.0, tau_ref=3.0))],
        projections=[Projection("p", "y", "y", salhw.AllToAll(0.5), plasticity=SAL(0.01))],
        probes=[salhw.Spikes("y"), salhw.Membrane("y"), salhw.Weights("p", every=20.0)],
    )
    with salhw.compile(net, "nest").open(seed=3) as session:
        whole = session.run(100.0)
    for error in (KeyboardInterrupt, ValueError("mine")):

        def stop(share: float, error: object = error) -> None:
            if share >= 0.4:
                raise error  # type: ignore[misc]

        with salhw.compile(net, "nest").open(seed=3) as session:
            with pytest.raises(BaseException) as caught:
                session.run(100.0, progress=stop)
            kept = caught.value.recording  # type: ignore[attr-defined]
            assert kept.duration == session.time == 40.0
            rest = session.run(60.0)
        for part in ("time", "neuron"):
            both = [getattr(r.spikes["y"], part) for r in (kept, rest)]
            np.testing.assert_array_equal(np.concatenate(both), getattr(whole.spikes["y"], part))
        both = [r.membrane_traces["y"].values for r in (kept, rest)]
        np.testing.assert_array_equal(np.concatenate(both, axis=1), whole.membrane_traces["y"].values)
        assert kept.weight_traces["p"].time.tolist() == [0.0, 20.0, 40.0]


def test_a_nest_that_dies_in_a_run_does_not_take_the_recording_along() -> None:
    net = Network("dies", 1.0, [Population("y", 2, GLM(bias=1.0))], probes=[salhw.Spikes("y"), salhw.Membrane("y")],
                  stimuli=[salhw.Current("y", 0.1, start=50.0)])  # fmt: skip
    with salhw.compile(net, "nest").open() as session:

        def kill(share: float) -> None:
            session.engine.process.lease.worker.close()  # type: ignore[attr-defined]

        with pytest.raises(salhw.BackendError, match="SAL604") as caught:
            session.run(100.0, progress=kill)
    kept = caught.value.recording  # type: ignore[attr-defined]
    assert kept.duration == 50.0
    assert np.isfinite(kept.membrane_traces["y"].values).all()


@pytest.mark.parametrize("dt", [0.02, 0.4, 2.5])
@pytest.mark.parametrize("pairing", ["nearest_symmetric", "nearest_restricted"])
def test_nearest_pairs_open_at_any_step(dt: float, pairing: str) -> None:
    """The delays of these networks do not span 1 ms, which is the one of NEST's own synapses; the exported script
    builds its synapses by the same functions."""
    net = Network(
        "nearest", dt, [Population("y", 2, GLM(tau_ref=10 * dt))],
        [Projection("p", "y", "y", salhw.AllToAll(0.5), kernel=Exponential(tau_syn=5 * dt),
                    plasticity=SAL(0.01, tau=5 * dt, pairing=pairing))],
    )  # fmt: skip
    with salhw.compile(net, "nest").open() as session:
        session.run(20 * dt)
        assert np.isfinite(session.get("projections.p.weights")).all()


def test_an_exported_script_holds_everything_it_needs(tmp_path: Path) -> None:
    """It is Python, and gives the model that NEST copies a delay of the network."""
    net = Network(
        "nearest", 0.4, [Population("y", 2, GLM(tau_ref=10.0))],
        [Projection("p", "y", "y", salhw.AllToAll(0.5), kernel=Exponential(tau_syn=10.0), plasticity=SAL(0.01))],
    )  # fmt: skip
    script, _ = export(salhw.compile(net, "nest"), tmp_path, duration=40.0, seed=1)
    text = script.read_text()
    compile(text, "run.py", "exec")
    assert "sim.get_min_delay()" in text


@pytest.mark.parametrize("beside", [True, False])
def test_the_shortest_refractory_period_is_refused_beside_lif_neurons_only(beside: bool) -> None:
    """NEST needs two ticks per step for it, and LIF neurons know one: the refusal names tau_ref, and a period of two
    steps is accepted."""
    populations = [Population("g", 2, GLM(bias=-1.0, tau_ref=1.0)), Population("l", 1, salhw.LIF())]
    net = Network("short", 1.0, populations[: 1 + beside])
    problems = salhw.problems(net, salhw.target("nest"))
    assert [(p.path, p.fix) for p in problems] == ([("populations.g.tau_ref", "tau_ref >= 2 ms")] if beside else [])


def test_a_step_that_cannot_be_divided_is_named_with_what_needs_it() -> None:
    """A rule with unequal branches takes four ticks per step; a quarter of 0.25 ms is no multiple of NEST's unit."""
    rule = salhw.PairSTDP(
        salhw.ExponentialWindow(amplitude=1.0, tau=5.0), salhw.ExponentialWindow(amplitude=-0.5, tau=5.0),
        pairing="all", learning_rate=0.01,
    )  # fmt: skip
    net = Network(
        "quarter", 0.25, [Population("g", 2, GLM(tau_ref=5.25))],
        [Projection("p", "g", "g", salhw.AllToAll(0.5), kernel=Exponential(tau_syn=5.0), plasticity=rule)],
    )  # fmt: skip
    (problem,) = salhw.problems(net, salhw.target("nest"))
    assert (problem.code, problem.path) == ("SAL107", "projections.p.plasticity.bounds")
    assert "with dt = 0.25 ms" in problem.supported
    (p,) = net.projections
    changed = net.replace(projections=[p.replace(plasticity=rule.replace(bounds=(-500.0, 500.0)))])
    assert salhw.problems(changed, salhw.target("nest")) == []


def test_neurons_that_rest_above_their_threshold_begin_with_the_first_step() -> None:
    """They spike at step 0 and every tau_ref after; what NEST does before step 0 has no spike, no PSP and no pair: the
    weights are the reference's at every step."""
    lif = salhw.LIF(bias=0.0, tau_m=20.0, tau_ref=3.0, v_rest=5.0, v_thresh=1.0, v_reset=0.0)
    rule = SAL(0.1, pairing="all")
    net = Network(
        "restless", 1.0, [Population("x", 2, Source()), Population("l", 2, lif)],
        [Projection("p", "x", "l", salhw.AllToAll(0.5), kernel=Exponential(tau_syn=4.0), delay=2.0, plasticity=rule)],
        stimuli=[salhw.SpikeTimes("x", [[2.0, 10.0], [5.0, 14.0]])], probes=[salhw.Spikes("l")],
    )  # fmt: skip
    with salhw.compile(net, "nest").open() as one, salhw.compile(net, "reference").open() as other:
        for _ in range(20):
            spikes = [session.run(1.0).spikes["l"] for session in (one, other)]
            np.testing.assert_array_equal(spikes[0].time, spikes[1].time)
            weights = [session.get("projections.p.weights") for session in (one, other)]
            np.testing.assert_allclose(*weights, atol=1e-9)


def test_a_network_whose_only_projection_has_no_synapse_opens() -> None:
    """Nothing in it has a delay but its generators: NEST exchanges spikes at every step."""
    nothing = Sparse(post=[], pre=[], weight=[])
    p = Projection("p", "y", "y", nothing, kernel=Exponential(tau_syn=4.0), delay=salhw.Uniform(1.0, 3.0))
    net = Network(
        name="nothing", dt=1.0, populations=[Population("x", 1, Source()), Population("y", 1, salhw.LIF(bias=0.5))],
        projections=[p], stimuli=[salhw.SpikeTimes("x", [[2.0, 9.0]])], probes=[salhw.Spikes("x")],
    )  # fmt: skip
    with salhw.compile(net, "nest").open(instances=2) as session:
        assert session.run(20.0).spikes["x"].time.tolist() == [2.0, 9.0] * 2
        assert session.get("projections.p.weights").shape == (2, 0)
