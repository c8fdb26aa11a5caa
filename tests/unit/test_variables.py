"""Variable probes on the reference: what docs/semantics.md says of them, on every algorithm, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import salhw
from salhw import (
    GLM,
    LIF,
    AdEx,
    DescriptionError,
    Exponential,
    Izhikevich,
    Membrane,
    Network,
    Population,
    Projection,
    Recording,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
    UnsupportedNetworkError,
    Variable,
)
from salhw.description.neurons import Neuron
from salhw.description.parts import variables

ALGORITHMS = ("event-driven", "time-driven", "vectorised")
OF_L = ("theta", "inputs", "inputs.apical", "conductance", "conductance.p")


def example(*probes: Variable) -> Network:
    """The one of docs/semantics.md, beside the neurons of its other examples."""
    return Network(
        name="n", dt=0.5,
        populations=[
            Population("s", 1, Source()),
            Population("l", 1, LIF(theta_plus=0.2, tau_theta=20.0, inputs={"apical": 0.5})),
            Population("a", 1, AdEx(bias=1.5, tau_ref=2.0, b=0.2, tau_w=20.0)),
            Population("i", 1, Izhikevich(bias=10.0)),
        ],
        projections=[
            Projection("p", "s", "l", [[1.0]], kernel=Exponential(tau_syn=5.0), e_rev=4.0),
            Projection("q", "s", "l", [[3.0]], kernel=Rectangular(tau_syn=1.0), into="apical"),
        ],
        stimuli=[SpikeTimes("s", [[0.0]]), SpikeTimes("l", [[1.0]])],
        probes=probes,
    )  # fmt: skip


def on(algorithm: str) -> salhw.Target:
    return salhw.target("reference").with_options(algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ["time-driven", "vectorised"])
def test_the_examples_of_the_semantics(algorithm: str) -> None:
    probes = [*(Variable("l", of) for of in OF_L), Variable("a", "w"), Variable("i", "u")]
    shown = {k: v.values[0, :, 0] for k, v in salhw.run(example(*probes), on(algorithm), duration=17.0).traces.items()}
    by_hand = {
        "l.conductance.p": [0.0, 0.90484, 0.81873, 0.74082, 0.67032], "l.inputs.apical": [0.0, 3.0, 3.0, 0.0, 0.0],
        "l.inputs": [0.0, 1.5, 1.5, 0.0, 0.0], "l.theta": [0.0, 0.0, 0.0, 0.19506, 0.19025],
        "a.w": [0.00009, 0.00036, 0.00078],
    }  # fmt: skip
    for label, values in by_hand.items():
        assert np.allclose(shown[label][: len(values)], values, rtol=0, atol=6e-6), label
    assert np.array_equal(shown["l.conductance"], shown["l.conductance.p"])
    assert np.allclose(shown["a.w"][[28, 29, 30]], [0.04059, 0.04303, 0.23703], atol=6e-6)  # it spikes at step 29
    v = [-65.0, -61.5]  # u by Euler's steps, from the potentials before each
    assert np.allclose(shown["i.u"][:2], np.cumsum([-13.0 + 0.01 * (0.2 * v[0] + 13.0), 0.01 * (0.2 * v[1] + 13.0)]))


def test_a_variable_takes_an_algorithm_that_keeps_it() -> None:
    plain = Network(name="n", dt=1.0, populations=[Population("g", 2, GLM())], probes=[Variable("g", "inputs")])
    assert "time-driven" in str(salhw.compile(plain, "reference").report)
    with pytest.raises(UnsupportedNetworkError, match="probes of variables"):
        salhw.compile(plain, on("event-driven"))


@pytest.mark.parametrize("algorithm", ["time-driven", "vectorised"])
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_parts_add_up(algorithm: str, seed: int) -> None:
    """Of random weights, delays per synapse and gains: inputs are the named ones times their gains and the others, and
    conductances those of all projections; a part of the neurons and times is the whole there."""
    rng = np.random.default_rng(seed)
    gains = {"x": float(rng.normal()), "y": float(rng.normal())}
    ends = [("c1", 4.0, None), ("c2", -1.0, None), ("n", None, None), ("x", None, "x"), ("y", None, "y")]
    projections = [
        Projection(
            name, "s", "l", rng.uniform(0.0, 0.3, (3, 4)), kernel=kernel, e_rev=e_rev, into=into,
            delay=0.5 * rng.integers(0, 3, (3, 4)),
        )
        for (name, e_rev, into), kernel in zip(
            ends, rng.permutation([Exponential(tau_syn=3.0)] * 3 + [Rectangular(tau_syn=2.0)] * 2), strict=True
        )
    ]  # fmt: skip
    seen = ["inputs", "inputs.x", "inputs.y", "conductance", "conductance.c1", "conductance.c2"]
    net = Network(
        name="n", dt=0.5, populations=[Population("s", 4, Source()), Population("l", 3, LIF(bias=0.9, inputs=gains))],
        projections=projections, stimuli=[SpikeTimes("s", [0.5 * np.unique(rng.integers(0, 40, 8)) for _ in range(4)])],
        probes=[Variable("l", of) for of in seen],
    )  # fmt: skip
    whole = salhw.run(net, on(algorithm), duration=20.0).traces
    each = {of: whole[f"l.{of}"].values for of in seen}
    assert np.allclose(each["conductance"], each["conductance.c1"] + each["conductance.c2"], atol=1e-12)
    alone = net.replace(projections=projections[2:3], probes=[Variable("l", "inputs")])
    rest = salhw.run(alone, on(algorithm), duration=20.0).traces["l.inputs"].values
    assert np.allclose(each["inputs"], rest + sum(gain * each[f"inputs.{k}"] for k, gain in gains.items()), atol=1e-12)
    part = salhw.run(
        net.replace(probes=[Variable("l", "conductance", every=1.5, neurons=[0, 2])]), on(algorithm), duration=20.0
    ).traces["l.conductance"]
    assert np.array_equal(part.values, each["conductance"][:, ::3][:, :, [0, 2]])
    assert part.neuron.values.tolist() == [0, 2]


def test_a_recording_keeps_them(tmp_path: Path) -> None:
    recorded = salhw.run(example(Variable("l", "theta"), Spikes("l")), duration=5.0)
    again = Recording.load(recorded.save(tmp_path / "run.h5"))
    assert np.array_equal(again.traces["l.theta"], recorded.traces["l.theta"])


@pytest.mark.parametrize(
    ("probe", "fix"),
    [
        (("l", "w"), "choose another population"),
        (("a", "theta"), "choose another population"),
        (("l", "inputs.apica"), "inputs.apical"),
        (("l", "conductance.q"), "conductance"),
        (("i", "conductance"), "choose another population"),
    ],
)
def test_what_a_population_has_not_is_refused(probe: tuple[str, str], fix: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        example(Variable(*probe))
    (finding,) = refused.value.diagnostics
    assert (finding.code, finding.path) == ("SAL009", "probes[0].of")
    assert fix in finding.fix


def test_one_probe_of_each_variable() -> None:
    example(Variable("l", "theta"), Variable("l", "inputs"), Variable("a", "w"))
    with pytest.raises(DescriptionError, match=r"2 Variable probes of l\.theta"):
        example(Variable("l", "theta"), Variable("l", "theta", every=1.0))


@pytest.mark.parametrize("target", ["brainscales2", "loihi2"])
def test_targets_without_it_refuse_it_with_a_fix(target: str) -> None:
    net = Network(name="n", dt=1.0, populations=[Population("g", 2, GLM())], probes=[Variable("g", "inputs")])
    (finding,) = [f for f in salhw.problems(net, target) if f.path == "probes[0]"]
    assert (finding.code, finding.asked) == ("SAL101", "Variable")
    assert finding.fix.startswith("leave it out")


def test_a_kind_of_neurons_names_its_own() -> None:
    class Remembering(Neuron):
        """A neuron of somebody else's, with a number that it remembers."""

        offers: ClassVar = frozenset({"spikes", "membrane"})
        variables: ClassVar = {"fatigue": "that of v"}
        kind: Literal["Remembering"] = "Remembering"

    try:
        population = Population("r", 1, Remembering())
        assert variables(population, []) == ["fatigue", "inputs"]
        net = Network(name="n", dt=1.0, populations=[population], probes=[Variable("r", "fatigue"), Membrane("r")])
        assert {f.code for f in salhw.problems(net, "reference")} == {"SAL101", "SAL103"}
        reach = salhw.target("reference").probes["Variable"] | {"of": ("fatigue",)}
        declared = salhw.target("reference").probes | {"Variable": reach}
        there = salhw.target("reference").replace(probes=declared)
        assert [f.path for f in salhw.problems(net, there)] == ["populations.r.neuron"]
    finally:
        del Neuron.members["Remembering"]
    with pytest.raises(TypeError, match="variables called inputs"):

        class Taken(Neuron):
            """Its variable has the name of what synapses add up to."""

            variables: ClassVar = {"inputs": "mV"}
            kind: Literal["Taken"] = "Taken"


def test_whoever_asks_for_what_was_not_recorded_is_told_what_was() -> None:
    recorded: Any = salhw.run(example(Variable("l", "theta")), duration=5.0)
    with pytest.raises(KeyError, match=r"l\.theta"):
        recorded.traces["l.w"]
