"""A target in a loop with its host does what the reference does by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from loop_examples import aligns, looped_reference, microcircuit

import salhw
from salhw import (
    GLM,
    SAL,
    AllToAll,
    Boxcar,
    Exponential,
    ExponentialTrace,
    Membrane,
    Network,
    Population,
    PredictiveRule,
    Projection,
    Rectangular,
    SessionError,
    Spikes,
    StateOccupancy,
    Teacher,
    Tie,
    Trace,
    Traces,
    UnsupportedNetworkError,
    Weights,
)
from salhw.compiler.described import as_described
from salhw.conformance import replay
from salhw.diagnostics import Diagnostic
from salhw.session.folding import own_part, unfolded
from salhw.session.predictions import LINKS
from salhw.substrate.capabilities import Range

DT = 0.5


def net(rule: PredictiveRule) -> Network:
    """Three neurons ``a`` that drive two ``b`` through a basal input and without one, and are driven back through an
    apical one by copies."""
    random = np.random.default_rng(5)
    return Network(
        name="predicts",
        dt=DT,
        populations=[
            Population("a", 3, GLM(bias=[-0.2, 0.4, 0.9], tau_ref=2.0, inputs={"apical": 0.3})),
            Population("b", 2, GLM(bias=[-0.5, 0.3], tau_ref=2.5, inputs={"basal": 0.8})),
        ],
        projections=[
            Projection(
                "up", "a", "b", random.uniform(-1, 1, (2, 3)), Rectangular(2.0), 1.0, rule, "basal"
            ),
            Projection("beside", "a", "b", random.uniform(-1, 1, (2, 3)), Exponential(1.5), [[0, 1, 2], [1, 0, 3]]),
            Projection("down", "b", "a", np.zeros((3, 2)), Rectangular(2.0), into="apical"),
        ],
        stimuli=[Teacher("b", "basal", target=[0.4, -0.7], gain=[0.6, 0.2], every=6.0)],
        traces=[
            Trace("u", "b", "membrane", Boxcar(20.0)),
            Trace("basal", "b", "inputs.basal", ExponentialTrace(12.0)),
            Trace("all", "b", "inputs", Boxcar(6.0)),
            Trace("spikes", "b", "spikes", ExponentialTrace(9.0)),
        ],
        ties=[Tie("down", "up", scale=0.5, transpose=True)],
        probes=[
            Spikes("a"), Membrane("b"), StateOccupancy("b"), Weights("up", every=DT),
            *(Traces(name, every=1.5) for name in ("u", "basal", "all", "spikes")),
        ],
    )  # fmt: skip


def history(described: Network, target: Any) -> tuple[list[salhw.Recording], dict[str, Any]]:
    """Two runs with writes in between, and what the session holds in the end."""
    with salhw.compile(described, target).open(instances=2, seed=2) as session:
        recordings = [session.run(41.0)]
        session.set("populations.b.inputs.basal", [0.5, 1.2])
        session.set("stimuli[0].target", [0.3, -0.2])
        session.set("populations.b.bias", [-0.1, 0.2])
        session.set("projections.up.weights", session.get("projections.up.weights") * 0.9)
        recordings.append(session.run(40.0))
        paths = [
            "projections.up.weights",
            "projections.down.weights",
            "populations.b.bias",
            "populations.b.inputs.basal",
        ]
        return recordings, {path: session.get(path) for path in paths}


@pytest.mark.parametrize("update", ["every 4 ms", "run end"])
@pytest.mark.parametrize(("ends", "link"), [(("u", "basal"), "logistic"), (("spikes", "all"), "exponential")])
def test_the_loop_does_what_the_reference_does_by_itself(ends: tuple[str, str], link: Any, update: str) -> None:
    """The same spikes, so that everything else is held against the definition that tests/reference replays."""
    rates = np.random.default_rng(1).uniform(0.1, 0.5, (2, 3))
    rule = PredictiveRule(*ends, link, rates, update, bounds=(-1.5, 1.5), execution="host")
    described = net(rule)
    native, held = history(described, "reference")
    looped, looped_held = history(described, looped_reference())
    assert np.abs(held["projections.up.weights"] - described.projection("up").weights.stored).max() > 0.01
    for one, two in zip(native, looped, strict=True):
        for name in ("a", "b"):
            np.testing.assert_array_equal(one.counts[name], two.counts[name])
            assert one.counts[name].min() > 2
        np.testing.assert_array_equal(one.spikes["a"].time, two.spikes["a"].time)
        np.testing.assert_array_equal(one.occupancy_counts["b"], two.occupancy_counts["b"])
        np.testing.assert_allclose(one.membrane["b"].values, two.membrane["b"].values, atol=1e-11)
        np.testing.assert_allclose(one.weights["up"].values, two.weights["up"].values, atol=1e-11)
        for name in one.traces:
            np.testing.assert_array_equal(one.traces[name].time, two.traces[name].time)
            np.testing.assert_allclose(one.traces[name].values, two.traces[name].values, atol=1e-11)
    for path, value in held.items():
        np.testing.assert_allclose(value, looped_held[path], atol=1e-11)


def test_copies_of_a_connector_with_one_weight_are_each_of_its_own_original() -> None:
    described = Network(
        name="copies",
        dt=DT,
        populations=[Population("a", 3, GLM(tau_ref=2.0))],
        projections=[
            Projection("p", "a", "a", [[0.0, 0.5, -0.25], [0.75, 0.0, 0.125], [-0.5, 0.25, 0.0]]),
            Projection("q", "a", "a", AllToAll(weight=0.3)),
        ],
        ties=[Tie("q", "p", scale=-2.0, transpose=True)],
    )
    for target in ("reference", looped_reference()):
        with salhw.compile(described, target).open() as session:
            session.run(2.0)
            expected = -2.0 * session.get("projections.p.weights").swapaxes(1, 2)
            np.testing.assert_array_equal(session.get("projections.q.weights"), expected)


def learning(gain: float, bounds: tuple[float, float] | None = None) -> Network:
    """Two neurons that learn on the target through an input."""
    rule = SAL(learning_rate=0.05, tau=4.0).replace(bounds=bounds)
    return Network(
        name="learns",
        dt=DT,
        populations=[Population("a", 2, GLM(bias=0.3, tau_ref=2.0, inputs={"near": gain}))],
        projections=[
            Projection("p", "a", "a", [[0.0, 1.0], [-0.5, 0.0]], Rectangular(2.0), plasticity=rule, into="near")
        ],
    )


@pytest.mark.parametrize("bounds", [None, (-0.5, 1.0)])
@pytest.mark.parametrize("gain", [0.25, -0.5])
def test_the_described_weight_obeys_a_rule_of_the_target(gain: float, bounds: tuple[float, float] | None) -> None:
    weights = []
    for target in (salhw.target("reference").with_options(algorithm="time-driven"), looped_reference()):
        with salhw.compile(learning(gain, bounds), target).open(instances=3, seed=4) as session:
            session.run(200.0)
            session.set("projections.p.plasticity.learning_rate", 0.02)
            if bounds is None:
                session.set("populations.a.inputs.near", 0.7 * gain)
            session.run(200.0)
            weights.append(session.get("projections.p.weights"))
            np.testing.assert_allclose(session.get("projections.p.plasticity.learning_rate"), 0.02, rtol=1e-12)
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-12)
    assert np.abs(weights[0] - learning(gain).projection("p").weights.stored).max() > 0.01


def test_gains_that_would_lose_what_the_target_learns_are_refused() -> None:
    path = "populations.a.inputs.near"
    with salhw.compile(learning(0.5, (-2.0, 2.0)), looped_reference()).open() as session:
        with pytest.raises(SessionError, match="bounds of p are set with it"):
            session.set(path, 0.4)
        session.set(path, 0.5)
    with salhw.compile(learning(0.5), looped_reference()).open() as session:
        with pytest.raises(SessionError, match="as long as p learns on the target"):
            session.set(path, 0.0)
        session.set("projections.p.plasticity.learning_rate", 0.0)
        session.set(path, 0.0)
        assert session.get("projections.p.weights")[0].tolist() == [[0.0, 1.0], [-0.5, 0.0]]
        session.set("projections.p.weights", [[0.0, 1.0], [3.0, 0.0]])
        with pytest.raises(SessionError, match="gain times weight 3000000"):
            session.set(path, 1e6)
        session.set(path, 1e-3)
        np.testing.assert_allclose(session.get("projections.p.weights")[0], [[0.0, 1.0], [3.0, 0.0]], rtol=1e-12)


def test_what_a_target_rounds_is_told_in_the_networks_own_terms() -> None:
    """A weight of -1 through a gain of .02 is .02 on loihi2, whose steps are 1/32: 1.56 of the described weight."""
    report = salhw.compile(salhw.fit(microcircuit(apical=0.02), "loihi2", sized=False).network, "loihi2").report
    (told,) = [item for item in report.approximations if item.path == "projections.B.weights" and item.code == "SAL301"]
    assert (told.asked, told.supported) == ("steps of 1.56", "rounded by at most 0.562, 0.562 rms")
    assert any("transports weights: 2 copies" in note for note in report.notes)


@pytest.mark.parametrize("name", ["nest", "brainscales2", "loihi2"])
def test_what_acts_at_every_step_is_refused_and_fitted(name: str) -> None:
    """What the host cannot do has fixes that fit applies: chunks as long as the windows of the traces."""
    described = microcircuit(every=None, update="spike", execution="chip")
    with pytest.raises(UnsupportedNetworkError) as error:
        salhw.compile(described, name)
    fixes = {item.path: item.fix for item in error.value.diagnostics}
    assert fixes["projections.W10.plasticity.execution"] == 'execution = "host"'
    assert fixes["projections.W10.plasticity.update"] == 'update = "every 200 ms"'
    assert fixes["stimuli[0].every"] == "every = 200 ms"
    assert fixes["ties[1].every"] == "every = 200 ms"
    fitted = salhw.fit(described, name, sized=False)
    changed = {change.path: change.changed for change in fitted.changes}
    for learner in ("W10", "W21"):
        assert changed[f"projections.{learner}.plasticity.update"] == "every 200 ms"
        assert changed[f"projections.{learner}.plasticity.execution"] == "host"
    assert (changed["stimuli[0].every"], changed["ties[1].every"]) == ("200 ms", "200 ms")
    assert "ties[0].every" not in changed, "what the host itself writes is copied at once"
    assert salhw.problems(fitted.network, fitted.target) == []


def test_the_sizes_of_the_chunks_are_measured() -> None:
    written = microcircuit(update="spike", execution="chip")
    sizes = {c.path: [s.quantity for s in c.sizes] for c in salhw.fit(written, "nest").changes}
    assert sizes["projections.W21.plasticity.update"] == ["weight lag"]


def test_rules_of_the_host_and_the_target_do_not_share_a_projection() -> None:
    (p, *others) = microcircuit().projections
    mixed = microcircuit().replace(projections=[p.replace(plasticity=(*p.plasticity, SAL(learning_rate=0.1))), *others])
    (told,) = salhw.problems(mixed, looped_reference())
    assert (told.code, told.path) == ("SAL107", "projections.W10.plasticity[1]")


def test_sal_turns_the_feedback_in_the_dark_as_on_the_reference() -> None:
    ends = []
    for target in ("reference", looped_reference()):
        with salhw.compile(microcircuit(), target).open(instances=4, seed=1) as session:
            session.run(400.0)
            aligns(session, 0.04, 8000.0)
            assert np.all(session.get("projections.lateral.weights") == -session.get("projections.B.weights"))
            ends.append(session.get("projections.B.weights").ravel())
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-9)
    assert ends[0].mean() > 0.1


def test_its_executable_can_be_compiled_from_again() -> None:
    """As measurements do, of the same target and backend: what the target declares is not scaled by gains for good."""
    executable = salhw.compile(microcircuit(), looped_reference())
    assert executable.target.capability_hash == looped_reference().capability_hash
    again = salhw.compile(executable.source, executable.target, plugin=executable.plugin)
    with executable.open(seed=3) as one, again.open(seed=3) as two:
        one.run(400.0)
        two.run(400.0)
        np.testing.assert_array_equal(one.get("projections.W21.weights"), two.get("projections.W21.weights"))
    plain = salhw.compile(learning(1.0).replace(name="other"), executable.target, plugin=executable.plugin)
    assert plain.open().get("projections.p.weights").shape == (1, 2, 2)


def test_rules_that_are_due_together_clip_one_after_the_other() -> None:
    """Two rules of opposite signs at one bound, against the oracle, which reads docs/semantics.md."""
    opposite = [
        salhw.PredictiveRule("spiking", "said", learning_rate=rate, update="every 20 ms", bounds=(-0.4, 0.4),
                             execution="host")
        for rate in (3.0, -2.0)
    ]  # fmt: skip
    net = salhw.Network(
        name="two", dt=1.0, populations=[salhw.Population("a", 2, salhw.GLM(bias=0.5))],
        projections=[salhw.Projection("p", "a", "a", [[0.0, 0.3], [-0.3, 0.0]], plasticity=opposite)],
        traces=[salhw.Trace("spiking", "a", "spikes", salhw.Boxcar(20.0)),
                salhw.Trace("said", "a", "inputs", salhw.Boxcar(20.0))],
        probes=[salhw.Spikes("a"), salhw.Weights("p", every=20.0)],
    )  # fmt: skip
    schedule = replay.Schedule((replay.Part((), 100), replay.Part((), 100)), ids=(0, 1, 2))
    assert replay.replay(salhw.compile(net, looped_reference()), schedule) == []


def test_traces_see_a_taught_bias_where_it_ends() -> None:
    """At the end of the target's range, as the membrane probe does: against the oracle."""
    target = looped_reference()
    narrow = target.neurons["GLM"] | {"bias": Range(min=-1.0, max=1.0)}
    target = target.replace(neurons=target.neurons | {"GLM": narrow})
    net = salhw.Network(
        name="taught", dt=1.0, populations=[salhw.Population("a", 2, salhw.GLM(bias=0.5))],
        traces=[salhw.Trace("u", "a", "membrane", salhw.Boxcar(20.0))],
        stimuli=[salhw.Teacher("a", "u", target=[4.0, 0.2], gain=[3.0, 0.1], every=20.0)],
        probes=[salhw.Spikes("a"), salhw.Membrane("a"), salhw.Traces("u")],
    )  # fmt: skip
    executable = salhw.compile(net, target)
    assert replay.replay(executable, replay.Schedule((replay.Part((), 50), replay.Part((), 50)), ids=(0, 1))) == []
    with executable.open() as session:
        assert session.run(50.0).provenance["teacher_at_limits"] > 0


def test_findings_about_the_target_s_part_are_in_the_network_s_terms() -> None:
    """The target has neither the teacher nor the gain: its first stimulus is the network's second, and a limit of what
    it learns is one of gain times learning rate. What only the host has asked it to record has no number."""
    net = salhw.Network(
        name="parts", dt=1.0,
        populations=[salhw.Population("a", 2, salhw.GLM(inputs={"apical": -0.5}))],
        projections=[salhw.Projection("p", "a", "a", AllToAll(0.1), into="apical", plasticity=SAL(0.03))],
        traces=[salhw.Trace("u", "a", "inputs", salhw.Boxcar(20.0))],
        stimuli=[salhw.Teacher("a", "u", target=0.1, gain=0.1, every=20.0), salhw.SpikeTimes("a", [[3.0], []])],
        probes=[salhw.Traces("u"), salhw.Membrane("a")],
    )  # fmt: skip
    own = own_part(net, salhw.target("nest"))
    rate = "projections.p.plasticity.learning_rate"
    found = as_described(net, own, [
        *(Diagnostic("SAL107", path, "", "") for path in ("stimuli[0].times[1]", "probes[0]", "probes[1]")),
        Diagnostic("SAL121", rate, "0.015", "less", "learning_rate <= 0.01, or execution=\"host\""),
    ])  # fmt: skip
    assert [f.path for f in found] == ["stimuli[1].times[1]", "probes[1]", "probes", rate]
    assert found[-1].asked == "0.015, times the gain -0.5"
    assert found[-1].fix == 'learning_rate >= -0.02, or execution="host"'
    assert as_described(net, net, found) == found


def test_a_limit_of_copies_is_said_of_their_originals() -> None:
    """Nobody reads the values that copies are described with, so to change those would mend nothing."""
    weights, kernel = AllToAll(2.0), salhw.Rectangular(10.0)
    net = salhw.Network(
        name="tied", dt=1.0,
        populations=[salhw.Population("a", 2, salhw.GLM())],
        projections=[salhw.Projection("p", "a", "a", weights, kernel=kernel),
                     salhw.Projection("q", "a", "a", weights, kernel=kernel)],
        ties=[salhw.Tie("q", to="p", scale=-2.0)],
    )  # fmt: skip
    refused = Diagnostic("SAL107", "projections.q.weights", "4 rows", "one row", "weights >= -2.52")
    named = replace(refused, severity="approximation")
    found = as_described(net, own_part(net, salhw.target("nest")), [refused, named])
    assert found[0].path == "projections.p.weights"
    assert found[0].asked == "4 rows, of q, which copies -2 times this"
    assert found[0].fix == "weights <= 1.26"
    assert found[1] == named


def test_what_a_trace_of_the_host_cannot_be_of_is_said_with_a_fix() -> None:
    """A membrane that the host does not know, and a stimulus that it cannot follow: both declared by the target."""
    net = salhw.Network(
        name="traced", dt=1.0,
        populations=[salhw.Population("g", 1, salhw.GLM()), salhw.Population("i", 1, salhw.Izhikevich())],
        stimuli=[salhw.NoisyCurrent("g", 0.5)],
        traces=[salhw.Trace("of_g", "g", "membrane", salhw.Boxcar(20.0)),
                salhw.Trace("of_i", "i", "membrane", salhw.Boxcar(20.0))],
    )  # fmt: skip
    noise, membrane = salhw.problems(net, "nest")
    assert (noise.path, membrane.path) == ("stimuli[0]", "traces.of_i.of")
    assert noise.fix == "leave it out, or let the trace be of inputs"
    assert membrane.fix == 'of = "inputs"'
    of_inputs = [trace.replace(of="inputs") for trace in net.traces]
    assert salhw.problems(net.replace(traces=of_inputs), "nest") == []


@pytest.mark.parametrize("link", LINKS)
def test_rates_of_potentials_beyond_measure_are_numbers(link: str) -> None:
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(LINKS[link](np.array([-1e6, 1e6]), 10.0, 0.1)).all()


def gated(gain: float, bounds: tuple[float, float], **fields: Any) -> Network:
    """Two neurons that learn behind a gain, beside a trace: a network that a host runs in pieces."""
    return Network(
        "gated", 1.0, [Population("a", 2, GLM(bias=1.0, inputs={"apical": gain}))],
        [Projection("p", "a", "a", [[0.0, bounds[1]], [0.3, 0.0]], into="apical", **fields)],
        traces=[Trace("spiking", "a", "spikes", Boxcar(20.0))],
    )  # fmt: skip


def test_weights_may_lie_on_the_bounds_of_a_rule_behind_a_gain() -> None:
    """Gain times bound, over the gain, is not always the bound; what a target makes of a rule may change the rest."""
    for gain in np.random.default_rng(1).uniform(-1.0, 1.0, 50).round(6).tolist():
        net = gated(gain, (-1.345, 1.118), plasticity=SAL(0.03, bounds=(-1.345, 1.118)))
        own = own_part(net, salhw.target("nest"))
        (p,) = own.projections
        lowered = own.replace(projections=[p.replace(plasticity=p.plasticity[0].replace(learning_rate=0.25))])
        (rule,) = unfolded(net, own, lowered).projection("p").plasticity
        assert (rule.bounds, rule.learning_rate) == ((-1.345, 1.118), pytest.approx(0.25 / abs(gain) * np.sign(gain)))


def test_what_is_read_of_a_host_can_be_written_back_and_is_what_the_target_holds() -> None:
    """Learning rates in steps of the chip's; weights that it would round otherwise now than when it was opened."""
    net = gated(1.0, (0.0, 0.4263), plasticity=SAL(0.0448703, pairing="all"))
    target = salhw.target("loihi2").with_options(execution="in-process")
    with salhw.compile(net, target).open() as session:
        for path in ("projections.p.plasticity.learning_rate", "projections.p.weights"):
            held = session.get(path)
            session.set(path, held)
            np.testing.assert_allclose(session.get(path), held, atol=1e-12)
        rate = float(session.get("projections.p.plasticity.learning_rate").ravel()[0])
        assert rate == pytest.approx(0.0448703, rel=0.05)
        assert rate != 0.0448703


def test_amplitudes_of_a_rule_that_reads_traces_are_written() -> None:
    """As on the reference: the pairs that an update adds up count with the amplitude as it is then."""
    window = salhw.ExponentialWindow(amplitude=0.5, tau=10.0)
    rule = salhw.ModulatedSTDP(
        causal=window, anticausal=window, modulator="spiking", learning_rate=0.5, update="every 50 ms", execution="host"
    )
    net, learned = gated(0.5, (0.0, 0.4), plasticity=rule), []
    for target in (salhw.target("reference"), looped_reference()):
        with salhw.compile(net, target).open(seed=3) as session:
            session.set("projections.p.plasticity.causal.amplitude", [[0.0, 2.0], [-1.0, 0.0]])
            session.run(200.0)
            learned.append(session.get("projections.p.weights"))
    np.testing.assert_allclose(learned[0], learned[1], atol=1e-12)
    assert (learned[0][0, 0, 1] > 0.4, learned[0][0, 1, 0] < 0.3) == (True, True)


def test_an_error_in_the_first_piece_leaves_a_recording_without_samples() -> None:
    """What the target's own session has recorded until then belongs to the run, and its traces to nobody yet."""
    net = microcircuit()
    trace = net.traces[0]
    size = net.population(trace.population).size
    net = net.replace(probes=[Traces(trace.name), Spikes(trace.population)])

    with salhw.compile(net, looped_reference()).open(instances=2, seed=1) as session:
        engine = session.engine._session.engine
        advance = engine.advance

        def stopped(until: int) -> int:
            if engine.step:
                raise RuntimeError("stopped")
            return int(advance(min(until, 3)))

        engine.advance = stopped
        with pytest.raises(RuntimeError, match="stopped") as error:
            session.run(400.0)
    recording = error.value.recording  # type: ignore[attr-defined]
    assert recording.traces[trace.name].values.shape == (2, 0, size)
    assert recording.duration == 3 * net.dt
