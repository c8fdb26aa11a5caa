"""Predictive rules, teachers and ties against the replay of recorded spikes, and what they are for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
from replay import Replay
from test_exact import ALGORITHMS, STEPWISE

import salhw
from salhw import (
    GLM,
    SAL,
    Boxcar,
    DescriptionError,
    Exponential,
    ExponentialTrace,
    Membrane,
    Network,
    Poisson,
    Population,
    PredictiveRule,
    Projection,
    Rectangular,
    Sparse,
    Spikes,
    Teacher,
    Tie,
    Trace,
    Traces,
    Weights,
)
from salhw.description.kernels import Kernel

DT = 0.5
BOTH = {"a": "spikes", "b": "spikes"}


def net(
    rule: PredictiveRule | None = None, *, ties: tuple[Tie, ...] = (), teacher: bool = True, feedback: Any = None
) -> Network:
    """Three neurons ``a`` that drive two ``b`` through a basal input, and are driven back through an apical one."""
    random = np.random.default_rng(5)
    rule = rule or PredictiveRule("u", "basal", learning_rate=0.3)
    return Network(
        name="predicts",
        dt=DT,
        populations=[
            Population("a", 3, GLM(bias=[-0.2, 0.4, 0.9], tau_ref=2.0, inputs={"apical": 0.3})),
            Population("b", 2, GLM(bias=[-0.5, 0.3], tau_ref=2.5, inputs={"basal": 0.8})),
        ],
        projections=[
            Projection(name="up", pre="a", post="b", weights=random.normal(0, 1, (2, 3)), kernel=Rectangular(2.0),
                       delay=1.0, plasticity=rule, into="basal"),
            Projection(name="down", pre="b", post="a", kernel=Rectangular(2.0), into="apical",
                       weights=random.normal(0, 1, (3, 2)) if feedback is None else feedback),
        ],
        stimuli=[Teacher("b", "basal", target=[0.4, -0.7], gain=[0.6, 0.2])] if teacher else [],
        traces=[
            Trace(name="u", population="b", of="membrane", window=Boxcar(20.0)),
            Trace(name="basal", population="b", of="inputs.basal", window=ExponentialTrace(12.0)),
            Trace(name="all", population="b", of="inputs", window=Boxcar(6.0)),
            Trace(name="spikes", population="b", of="spikes", window=ExponentialTrace(9.0)),
        ],
        ties=ties,
        probes=[
            Spikes("a"), Spikes("b"), Membrane("a"), Membrane("b"), Weights("up", every=DT), Weights("down", every=DT),
            *(Traces(name) for name in ("u", "basal", "all", "spikes")),
        ],
    )  # fmt: skip


def held_against_the_replay(described: Network, duration: float = 150.0, seed: int = 2) -> Replay:
    """Every membrane, trace and weight of a run is what follows from its spikes."""
    with salhw.compile(described, "reference").open(seed=seed) as session:
        recording = session.run(duration)
        final = {p.name: session.get(f"projections.{p.name}.weights")[0] for p in described.projections}
    replay = Replay(described).run(recording)
    for name in ("a", "b"):
        np.testing.assert_allclose(recording.membrane[name].values[0], replay.membrane[name], atol=1e-11)
        assert recording.counts[name].min() > 10
    for name in ("u", "basal", "all", "spikes"):
        np.testing.assert_allclose(recording.traces[name].values[0], replay.traces[name], atol=1e-11)
    for name, w in replay.weights.items():
        sampled = recording.weights[name].values[0, :-1]
        if sampled.ndim == 3:
            np.testing.assert_allclose(sampled, w[:-1], atol=1e-11)
            np.testing.assert_allclose(final[name], w[-1], atol=1e-11)
    return replay


@pytest.mark.parametrize("link", ["logistic", "exponential"])
@pytest.mark.parametrize("update", ["spike", "every 4 ms", "run end"])
@pytest.mark.parametrize("ends", [("u", "basal"), ("spikes", "all")])
def test_every_weight_is_the_one_of_the_definition(update: str, link: str, ends: tuple[str, str]) -> None:
    rates = np.random.default_rng(1).uniform(0.1, 0.5, (2, 3))
    rule = PredictiveRule(*ends, learning_rate=rates, update=update, link=link, bounds=(-2.0, 2.0))  # type: ignore[arg-type]
    described = net(rule)
    start = np.clip(described.projection("up").weights.stored, -2.0, 2.0)
    up, down = described.projections
    replay = held_against_the_replay(described.replace(projections=[up.replace(weights=start), down]))
    assert np.abs(replay.weights["up"][-1] - start).max() > 0.05
    assert np.abs(replay.weights["up"][-1]).max() <= 2.0


def test_a_session_writes_learning_rates_gains_and_targets_of_each_instance() -> None:
    described = net()
    with salhw.compile(described, "reference").open(instances=2, seed=2) as session:
        session.set("projections.up.plasticity.learning_rate", np.array([0.0, 0.4])[:, None, None])
        session.set("populations.b.inputs.basal", [0.5, 1.2])
        session.set("stimuli[0].target", [[0.1, 0.2], [0.3, -0.4]])
        session.set("stimuli[0].gain", np.array([[0.0], [0.7]]))
        assert session.get("stimuli[0].gain").tolist() == [[0.0, 0.0], [0.7, 0.7]]
        recording = session.run(60.0)
        assert np.array_equal(session.get("projections.up.weights")[0], described.projection("up").weights.stored)
    with salhw.compile(described, "reference").open(instances=[1], seed=2) as session:
        session.set("projections.up.plasticity.learning_rate", 0.4)
        session.set("populations.b.inputs.basal", 1.2)
        session.set("stimuli[0].target", [0.3, -0.4])
        session.set("stimuli[0].gain", 0.7)
        alone = session.run(60.0)
    np.testing.assert_array_equal(alone.membrane["b"].values[0], recording.membrane["b"].values[1])
    rule = described.projection("up").plasticity[0]
    (p, down), teacher = described.projections, Teacher("b", "basal", target=[0.3, -0.4], gain=0.7)
    populations = [
        described.populations[0],
        Population("b", 2, GLM(bias=[-0.5, 0.3], tau_ref=2.5, inputs={"basal": 1.2})),
    ]
    written = described.replace(
        projections=[p.replace(plasticity=rule.replace(learning_rate=0.4)), down], stimuli=[teacher],
        populations=populations,
    )  # fmt: skip
    replay = Replay(written).run(alone)
    np.testing.assert_allclose(alone.membrane["b"].values[0], replay.membrane["b"], atol=1e-11)


def test_a_teacher_pulls_a_mean_potential_towards_its_target() -> None:
    """Without plasticity u = b + v + gain (target - b - v), for means over a long time."""
    described = net(PredictiveRule("u", "basal", learning_rate=0.0))
    recording = salhw.run(described, duration=4000.0, seed=3)
    free = np.array([-0.5, 0.3]) + 0.8 * recording.traces["basal"].values[0].mean(axis=0)
    nudged = recording.membrane["b"].values[0].mean(axis=0)
    gain, target = np.array([0.6, 0.2]), np.array([0.4, -0.7])
    np.testing.assert_allclose(nudged, free + gain * (target - free), atol=0.01)
    assert np.abs(nudged - free).min() > 0.05


# ties ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [None, 3.0])
@pytest.mark.parametrize("update", ["spike", "every 4 ms", "run end"])
def test_copies_are_copies_after_every_update(update: str, every: float | None) -> None:
    rule = PredictiveRule("u", "basal", learning_rate=0.3, update=update)
    tie = Tie("down", "up", scale=-0.5, transpose=True, every=every)
    replay = held_against_the_replay(net(rule, ties=(tie,)))
    up, down = (np.array(replay.weights[name]) for name in ("up", "down"))
    assert np.abs(np.diff(up, axis=0)).max() > 0.0
    copied = slice(None) if every is None else slice(0, -1, round(every / DT))
    np.testing.assert_array_equal(down[copied], -0.5 * up[copied].swapaxes(1, 2))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("every", [None, 40.0])
def test_copies_of_weights_that_learn_from_pairs(algorithm: str, every: float | None) -> None:
    """In all algorithms; they act like weights that are written."""
    described = net(teacher=False)
    up, down = described.projections
    described = described.replace(
        projections=[up.replace(plasticity=SAL(0.1, update="spike")), down], traces=[], stimuli=[],
        probes=[Spikes("a"), Spikes("b"), Weights("up", every=20.0), Weights("down", every=20.0)],
        ties=[Tie("down", "up", scale=2.0, transpose=True, every=every)],
    )  # fmt: skip
    target = salhw.target("reference").with_options(algorithm=algorithm)
    with salhw.compile(described, target).open(instances=2, seed=1) as session:
        assert np.array_equal(
            session.get("projections.down.weights"), 2.0 * session.get("projections.up.weights").swapaxes(1, 2)
        )
        recording = session.run(200.0)
    w = {name: recording.weights[name].values for name in ("up", "down")}
    copied = slice(None) if every is None else slice(None, None, 2)
    np.testing.assert_array_equal(w["down"][:, copied], 2.0 * w["up"][:, copied].swapaxes(2, 3))
    if every is not None:
        np.testing.assert_array_equal(w["down"][:, 1::2], w["down"][:, :-1:2])
        assert np.abs(w["down"][:, 1] - 2.0 * w["up"][:, 1].swapaxes(1, 2)).max() > 0.0
    assert np.abs(np.diff(w["down"], axis=1)).max() > 0.01


@pytest.mark.parametrize("algorithm", STEPWISE)
@pytest.mark.parametrize("kernel", [Rectangular(4.0), Exponential(3.0)], ids=lambda kernel: kernel.kind)
@pytest.mark.parametrize(("update", "every"), [("spike", None), ("every 4 ms", 3.0)])
def test_copies_act_on_psps_under_way(algorithm: str, kernel: Kernel, update: str, every: float | None) -> None:
    """Through an input with a gain, which a session has written."""
    described = net(teacher=False)
    up, down = described.projections
    described = described.replace(
        projections=[up.replace(plasticity=SAL(0.2, update=update)), down.replace(kernel=kernel)], traces=[],
        probes=[probe for probe in described.probes if not isinstance(probe, Traces)],
        ties=[Tie("down", "up", scale=2.0, transpose=True, every=every)],
    )  # fmt: skip
    target = salhw.target("reference").with_options(algorithm=algorithm)
    with salhw.compile(described, target).open(seed=1) as session:
        session.set("populations.a.inputs.apical", -0.7)
        recording = session.run(150.0)
    a, b = described.populations
    described = described.replace(populations=[a.replace(neuron=a.neuron.replace(inputs={"apical": -0.7})), b])
    spikes = {name: oracle.trains(recording, name, DT) for name in ("a", "b")}
    course = {name: recording.weights[name].values[0] for name in ("up", "down")}
    assert np.abs(np.diff(course["down"], axis=0)).max() > 0.05
    for name in ("a", "b"):
        expected = oracle.inputs(described, spikes, course, 300, name)
        np.testing.assert_allclose(recording.membrane[name].values[0], expected, atol=1e-11)


def test_writing_other_weights_leaves_copies_that_wait_for_their_time() -> None:
    """What was learned is copied at the whole multiples of ``every``, whatever is written before."""
    described = net(teacher=False)
    up, down = described.projections
    other = down.replace(name="other")
    described = described.replace(
        projections=[up.replace(plasticity=SAL(0.2, update="spike")), down, other], traces=[], probes=[],
        ties=[Tie("down", "up", scale=2.0, transpose=True, every=1000.0)],
    )  # fmt: skip
    with salhw.compile(described, "reference").open(seed=1) as session:
        before = session.get("projections.down.weights")
        session.run(150.0)
        session.set("projections.other.weights", 0.25)
        assert np.abs(2.0 * session.get("projections.up.weights").swapaxes(1, 2) - before).max() > 0.01
        np.testing.assert_array_equal(session.get("projections.down.weights"), before)


def test_writing_the_original_writes_its_copies_and_a_copy_is_not_written() -> None:
    described = net(ties=(Tie("down", "up", transpose=True),))
    with salhw.compile(described, "reference").open(instances=2) as session:
        session.set("projections.up.weights", np.arange(12.0).reshape(2, 2, 3))
        np.testing.assert_array_equal(
            session.get("projections.down.weights"), -np.arange(12.0).reshape(2, 2, 3).swapaxes(1, 2)
        )
        with pytest.raises(salhw.SessionError, match=r"SAL403 projections\.down\.weights") as refused:
            session.set("projections.down.weights", 0.0)
        assert refused.value.diagnostics[0].fix == "write projections.up.weights"


def test_a_report_says_that_a_network_transports_weights_and_counts_the_copies() -> None:
    some = Sparse(post=[2, 0], pre=[1, 0], weight=[0.0, 0.0])
    described = net(ties=(Tie("down", "up", transpose=True),), feedback=some)
    report = salhw.compile(described, "reference").report
    assert "this network transports weights: 2 copies (down = -1 up transposed)" in report.notes
    assert "transports weights" in str(report)
    assert not any("transports" in note for note in salhw.compile(net(), "reference").report.notes)
    with salhw.compile(described, "reference").open() as session:
        up, down = (session.get(f"projections.{name}.weights")[0] for name in ("up", "down"))
    assert down.tolist() == [-up[1, 2], -up[0, 0]]


def test_the_algorithm_runs_as_plain_python(tmp_path: Path) -> None:
    """NUMBA_DISABLE_JIT=1, for a debugger, to the bit: no field of a record is hidden by a method of numpy's.

    Compiled code takes its exponentials from the C library. numpy's own differ from these in the last bit, for one
    argument in twenty, and rules and spike probabilities pass that on: with them both runs agree to rounding only. So
    the plain run is given the C library's; sums are in the same order, and nothing is contracted.
    """
    described = net(ties=(Tie("down", "up", transpose=True),))
    path = described.save(tmp_path / "net.json")
    program = (
        "import math, sys, numpy as np, salhw\n"
        "own = np.exp; np.exp = lambda x: own(x) if np.ndim(x) else math.exp(x)\n"
        "r = salhw.run(salhw.load(sys.argv[1]), duration=40.0, seed=2)\nnp.exp = own\n"
        "np.save(sys.argv[2], np.concatenate([r.membrane['b'].values[0], r.traces['spikes'].values[0]]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(path), str(tmp_path / "plain.npy")]
    subprocess.run(command, check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    r = salhw.run(described, duration=40.0, seed=2)
    compiled = np.concatenate([r.membrane["b"].values[0], r.traces["spikes"].values[0]])
    np.testing.assert_array_equal(np.load(tmp_path / "plain.npy"), compiled)


# Urbanczik and Senn ---------------------------------------------------------------------------------------------------


def test_a_dendrite_learns_to_predict_the_spikes_that_a_soma_is_made_to_have() -> None:
    """Urbanczik & Senn (2014): the rule sees the soma's spikes, and nudging pulls the soma to a potential of its own.
    What the dendrite adds ends where the nudge has nothing left to do. With a refractory period of one step the rate of
    spikes is the link function of u."""
    target = np.array([-2.0, -0.75, 0.5])
    rule = PredictiveRule("soma", "dendrite", learning_rate=0.01)
    described = Network(
        name="soma",
        dt=1.0,
        populations=[
            Population("x", 40, salhw.Source()), Population("y", 3, GLM(bias=-1.0, tau_ref=1.0, inputs={"basal": 1.0})),
        ],
        projections=[
            Projection(
                name="p", pre="x", post="y", weights=np.zeros((3, 40)), kernel=Rectangular(10.0), into="basal",
                plasticity=rule,
            )
        ],
        stimuli=[Poisson("x", 20.0), Teacher("y", "dendrite", target=target, gain=0.8)],
        traces=[
            Trace(name="soma", population="y", of="spikes", window=ExponentialTrace(100.0)),
            Trace(name="dendrite", population="y", of="inputs.basal", window=ExponentialTrace(100.0)),
        ],
        probes=[Membrane("y"), Traces("dendrite", every=10.0)],
    )  # fmt: skip
    with salhw.compile(described, "reference").open(instances=8, seed=1) as session:
        first = -1.0 + session.run(2000.0).traces["dendrite"].values.mean(axis=(0, 1))
        session.run(40_000.0)
        learned = -1.0 + session.run(20_000.0).traces["dendrite"].values.mean(axis=(0, 1))
    assert np.abs(first - target).min() > 0.15
    np.testing.assert_allclose(learned, target, atol=0.1)


def test_what_does_not_go_together_is_refused_at_its_path() -> None:
    def codes(make: Any) -> list[tuple[str, str]]:
        with pytest.raises(DescriptionError) as caught:
            make()
        return [(f.code, f.path) for f in caught.value.diagnostics]

    at, described = "projections.up.plasticity", net()
    rule, (up, down) = described.projection("up").plasticity[0], described.projections
    other = Trace(name="other", population="a", of="membrane", window=Boxcar(5.0))

    def changed(**fields: Any) -> Any:
        return lambda: described.replace(
            projections=[up.replace(plasticity=rule.replace(**fields)), down], traces=[*described.traces, other]
        )

    assert codes(changed(teacher="nobody")) == [("SAL009", f"{at}.teacher")]
    assert codes(changed(prediction="other")) == [("SAL012", f"{at}.prediction")]
    assert codes(changed(link="linear")) == [("SAL005", "link")]
    assert codes(changed(update="every 0.7 ms")) == [("SAL008", f"{at}.update")]
    assert codes(lambda: described.replace(stimuli=[Teacher("b", "spikes", 1.0, 1.0)])) == [
        ("SAL012", "stimuli[0].trace")
    ]
    assert codes(lambda: described.replace(stimuli=[Teacher("a", "u", 1.0, 1.0)])) == [("SAL012", "stimuli[0].trace")]
    tie = Tie("down", "up", transpose=True)
    assert codes(lambda: described.replace(ties=[Tie("up", "down", transpose=True)])) == [
        ("SAL012", "ties[0].projection")
    ]
    assert codes(lambda: described.replace(ties=[Tie("down", "up")])) == [("SAL012", "ties[0].projection")]
    assert codes(lambda: described.replace(ties=[tie, tie])) == [("SAL006", "ties[1].projection")]
    assert codes(lambda: described.replace(ties=[Tie("down", "down")])) == [("SAL012", "ties[0].to")]
    assert codes(lambda: described.replace(ties=[Tie("down", "upp")])) == [("SAL009", "ties[0].to")]
    assert codes(lambda: described.replace(ties=[tie.replace(every=0.7)])) == [("SAL008", "ties[0].every")]


@pytest.mark.parametrize("name", sorted({*salhw.targets()} - {"reference"}))
def test_targets_that_cannot_hold_them_refuse_them(name: str) -> None:
    declared = salhw.target(name)
    bare = declared.replace(
        host_loop=False, averages={}, ties=None,
        neurons={kind: {f: e for f, e in of.items() if f != "inputs"} for kind, of in declared.neurons.items()},
        stimuli={kind: of for kind, of in declared.stimuli.items() if kind != "Teacher"},
    )  # fmt: skip
    found = {f.path: f.code for f in salhw.problems(net(ties=(Tie("down", "up", transpose=True),)), bare)}
    expected = {
        "projections.up.plasticity.execution": "SAL101", "stimuli[0]": "SAL101", "traces.u.window": "SAL101",
        "ties[0]": "SAL101", "populations.b.inputs": "SAL102",
    }  # fmt: skip
    assert expected.items() <= found.items()
