"""Named inputs and their gains, against the oracle."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from test_exact import ALGORITHMS, STEPWISE

import salhw
from salhw import (
    GLM,
    LIF,
    SAL,
    Alpha,
    DescriptionError,
    Exponential,
    Membrane,
    Network,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
    Weights,
)

GAINS = {"basal": 1.5, "apical": -0.25}
RATE = 0.03


def net(*, plastic: bool = True, inputs: dict[str, float] = GAINS, probes: tuple[salhw.Membrane, ...] = ()) -> Network:
    """Three neurons that feed each other through two named inputs and one without a name."""
    rule = SAL(RATE, tau=8.0) if plastic else ()
    weights = np.random.default_rng(5).normal(0.0, 1.0, (3, 3, 3))
    weights[:, range(3), range(3)] = 0.0
    kernels = (Rectangular(tau_syn=5.0),) * 3 if not probes else (Rectangular(5.0), Exponential(4.0), Alpha(3.0))
    return Network(
        name="grouped",
        dt=1.0,
        populations=[Population("a", 3, GLM(bias=[-0.5, 0.2, 1.0], tau_ref=5.0, inputs=inputs))],
        projections=[
            Projection(name=f"p{k}", pre="a", post="a", weights=w, kernel=kernel, plasticity=rule, into=into)
            for k, (w, kernel, into) in enumerate(zip(weights, kernels, ("basal", "apical", None), strict=True))
        ],
        probes=[Spikes("a"), Weights("p1", every=1.0), *probes],
    )


@pytest.mark.parametrize("algorithm", STEPWISE)
def test_membranes_equal_equation_8_with_gains_and_learning_does_not_see_them(algorithm: str) -> None:
    described = net(probes=(Membrane("a"),))
    target = salhw.target("reference").with_options(algorithm=algorithm)
    with salhw.compile(described, target).open(seed=2) as session:
        recording = session.run(300.0)
    spikes = {"a": oracle.trains(recording, "a", 1.0)}
    course = oracle.weight_course(described, spikes, 300)
    expected = oracle.inputs(described, spikes, course, 300, "a")
    np.testing.assert_allclose(recording.membrane["a"].values[0], expected, atol=1e-11)
    np.testing.assert_allclose(recording.weights["p1"].values[0], course["p1"], atol=1e-12)
    assert np.abs(course["p1"][-1] - course["p1"][0]).max() > 0.05


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_gain_is_a_factor_on_weights_that_do_not_learn(algorithm: str) -> None:
    """The same spikes, bit for bit, as without inputs and with weights times gains, which are powers of two."""
    target = salhw.target("reference").with_options(algorithm=algorithm)
    gains = {"basal": 2.0, "apical": -0.25}
    grouped = net(plastic=False, inputs=gains)
    folded = grouped.replace(
        populations=[grouped.populations[0].replace(neuron=GLM(bias=[-0.5, 0.2, 1.0], tau_ref=5.0))],
        projections=[
            p.replace(into=None, weights=p.weights.stored * gains.get(p.into or "", 1.0)) for p in grouped.projections
        ],
    )
    one, two = (salhw.run(each, target, duration=2000.0, seed=4, instances=2) for each in (grouped, folded))
    np.testing.assert_array_equal(one.spikes["a"].time, two.spikes["a"].time)
    np.testing.assert_array_equal(one.counts["a"], two.counts["a"])
    assert one.counts["a"].min() > 50


@pytest.mark.parametrize("algorithm", ["tabulated", *ALGORITHMS])
def test_a_written_gain_acts_from_the_next_run_on_in_its_instance(algorithm: str) -> None:
    """Also where hazards are looked up in a table; the bits do not depend on the batch."""
    described = net(plastic=False)
    if algorithm == "tabulated":
        described = described.replace(projections=described.projections[:1], probes=[Spikes("a")])
        algorithm = "event-driven"
    executable = salhw.compile(described, salhw.target("reference").with_options(algorithm=algorithm))
    with executable.open(instances=2, seed=1) as both:
        both.run(50.0)
        both.set("populations.a.inputs.basal", [3.0, 0.0])
        assert both.get("populations.a.inputs.basal").tolist() == [3.0, 0.0]
        together = both.run(500.0)
    for k, gain in enumerate((3.0, 0.0)):
        with executable.open(instances=[k], seed=1) as alone:
            alone.run(50.0)
            alone.set("populations.a.inputs.basal", gain)
            np.testing.assert_array_equal(alone.run(500.0).counts["a"][0], together.counts["a"][k])
    assert not np.array_equal(together.counts["a"][0], together.counts["a"][1])


def test_lif_neurons_have_named_inputs() -> None:
    neuron = LIF(v_thresh=1e3, inputs={"far": 0.5})
    described = Network(
        name="lif", dt=1.0,
        populations=[Population("x", 1, Source()), Population("y", 1, neuron), Population("z", 1, LIF(v_thresh=1e3))],
        projections=[
            Projection(name="xy", pre="x", post="y", weights=[[4.0]], into="far"),
            Projection(name="xz", pre="x", post="z", weights=[[2.0]]),
        ],
        stimuli=[SpikeTimes("x", [[3.0, 9.0]])], probes=[Membrane("y"), Membrane("z")],
    )  # fmt: skip
    membrane = salhw.run(described, duration=40.0).membrane
    np.testing.assert_array_equal(membrane["y"].values, membrane["z"].values)
    assert membrane["y"].values.max() > 0.5


def test_an_input_that_the_neurons_do_not_have_is_refused_at_its_path() -> None:
    described = net()
    first, *others = described.projections
    with pytest.raises(DescriptionError) as refused:
        described.replace(projections=[first.replace(into="apikal"), *others])
    assert [(f.code, f.path, f.fix) for f in refused.value.diagnostics] == [
        ("SAL009", "projections.p0.into", "did you mean apical?")
    ]
    source = Population("x", 3, Source())
    with pytest.raises(DescriptionError, match=r"SAL009 projections\.p0\.into = 'basal'"):
        described.replace(populations=[*described.populations, source], projections=[first.replace(post="x")])


@pytest.mark.parametrize("name", sorted({*salhw.targets()} - {"reference"}))
def test_targets_without_named_inputs_refuse_them(name: str) -> None:
    declared = salhw.target(name)
    without = {kind: {f: e for f, e in fields.items() if f != "inputs"} for kind, fields in declared.neurons.items()}
    bare = declared.replace(host_loop=False, neurons=without)
    found = {f.path: (f.code, f.fix) for f in salhw.problems(net(plastic=False), bare)}
    code, fix = found["populations.a.inputs"]
    assert code == "SAL102"
    assert "multiplying the weights by the gains" in fix


def test_what_may_be_written_is_what_the_target_declares() -> None:
    with salhw.compile(net(), "reference").open() as session:
        for bad in (1e7, np.nan, [1.0, 2.0]):
            with pytest.raises(salhw.SessionError, match=r"SAL403 populations\.a\.inputs\.apical"):
                session.set("populations.a.inputs.apical", bad)
        assert session.get("populations.a.inputs.apical").tolist() == [-0.25]
    beyond = {f.path: f.code for f in salhw.problems(net(inputs=GAINS | {"basal": 2e6}), "reference")}
    assert beyond == {"populations.a.inputs.basal": "SAL104"}
