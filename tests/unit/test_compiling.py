"""compile(): pure passes, every finding at once in the shape that the design fixes, honest rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit_examples import everything, networks, pair, stdp, weak

import salhw
from salhw import (
    GLM,
    AllToAll,
    DescriptionError,
    Exponential,
    FileError,
    Network,
    OneToOne,
    Poisson,
    Population,
    Projection,
    Rectangular,
    SessionError,
    Source,
    Target,
    UnsupportedNetworkError,
)
from salhw.compiler.check import check
from salhw.compiler.place import place
from salhw.compiler.quantise import levels, quantise, weight_levels
from salhw.substrate.capabilities import Range

RANDOM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


REFERENCE = salhw.target("reference")


def reference() -> Target:
    return REFERENCE


def chip(bits: int | None = 6, low: float = -1.0, high: float = 1.0, **changes: Any) -> Target:
    """The reference with a chip's weights."""
    projections = reference().projections | {"weights": Range(min=low, max=high)}
    return reference().replace(name="chip", weight_bits=bits, projections=projections, **changes)


def findings(net: Network, target: Target) -> dict[str, str]:
    """Path -> code of everything that ``target`` refuses."""
    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(net, target)
    assert [str(f) for f in salhw.problems(net, target)] == [str(f) for f in caught.value.diagnostics]
    assert all(finding.fix for finding in caught.value.diagnostics)
    return {finding.path: finding.code for finding in caught.value.diagnostics}


# check --------------------------------------------------------------------------------------------------------------


def test_an_error_reads_as_the_design_says() -> None:
    rule = salhw.SAL(0.1, tau=40.0)
    net = Network(
        name="microcircuit",
        dt=0.5,
        populations=[Population(name="hidden", size=6, neuron=GLM())],
        projections=[
            Projection("feedback", pre="hidden", post="hidden", weights=AllToAll(weight=0.1), plasticity=rule)
        ],
    )
    target = weak().replace(projections=reference().projections, resources={"neurons": 4}, description="")
    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(net, target)
    assert str(caught.value) == (
        "UnsupportedNetworkError: target 'weak' rejects 'microcircuit' (3 problems)\n"
        "SAL104 projections.feedback.plasticity.causal.tau = 40 ms: supported 2..30 ms\n"
        "       fix: tau <= 30 ms\n"
        "SAL104 projections.feedback.plasticity.anticausal.tau = 40 ms: supported 2..30 ms\n"
        "       fix: tau <= 30 ms\n"
        "SAL201 populations.hidden: 6 neurons, 4 available\n"
        "       fix: fewer neurons, or several chips\n"
        "Also runs on: nest, reference.   More: salhw explain SAL104"
    )


def test_everything_that_a_target_lacks_is_found_at_once() -> None:
    net = pair(
        populations=[
            Population(name="a", size=3, neuron=GLM(bias=[0.0, -2.5, 3.0], tau_ref=4.0, discretisation="exact")),
            Population(name="s", size=2, neuron=Source()),
        ],
        projections=[
            Projection(
                name="sa",
                pre="s",
                post="a",
                weights=[[0.0, 1.5], [-3.0, 0.0], [0.0, 0.0]],
                kernel=Exponential(),
                delay=2.0,
                plasticity=stdp(np.full((3, 2), 0.1), pairing="all", update="every 20 ms", bounds=(-3, 2)),
            ),
            Projection("ss", pre="a", post="a", weights=AllToAll(weight=0.5), kernel=Rectangular(area=2.0)),
        ],
        stimuli=[Poisson("s", rate=1.0)],
        probes=[],
    )
    assert findings(net, weak().replace(stimuli={}, network={"dt": Range(min=0.1, max=0.2)})) == {
        "dt": "SAL104",
        "populations.a.bias[2]": "SAL104",
        "populations.a.tau_ref": "SAL104",
        "populations.a.discretisation": "SAL102",
        "populations.s.neuron": "SAL101",
        "projections.sa.delay": "SAL102",
        "projections.sa.weights[1][0]": "SAL104",
        "projections.sa.kernel": "SAL101",
        "projections.sa.plasticity.pairing": "SAL103",
        "projections.sa.plasticity.learning_rate": "SAL105",
        "projections.sa.plasticity.update": "SAL101",
        "projections.sa.plasticity.bounds": "SAL102",
        "projections.sa.plasticity.anticausal": "SAL101",
        "projections.ss.weights": "SAL101",
        "projections.ss.kernel.area": "SAL102",
        "stimuli[0]": "SAL101",
        "populations.s": "SAL201",
        "projections.sa": "SAL201",
    }


def test_a_target_that_takes_the_network_is_named_and_one_that_does_not_is_not() -> None:
    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(pair(), reference().replace(name="tiny", resources={"neurons": 1}))
    assert caught.value.footer == "Also runs on: reference.   More: salhw explain SAL201"
    huge = pair(populations=[pair().populations[0].replace(neuron=GLM(bias=[1e4, 0.0]))])
    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(huge, "reference")
    assert caught.value.footer == "More: salhw explain SAL104"


def test_the_diagonal_of_a_recurrent_matrix_is_no_weight() -> None:
    assert salhw.problems(pair(), chip(bits=None, low=0.25, high=2.0)) == []
    assert list(findings(pair(), chip(bits=None, low=0.75, high=2.0))) == ["projections.pair.weights[1][0]"]


def test_a_lowering_may_refuse_as_well() -> None:
    target, net = reference().with_options(algorithm="event-driven"), pair()
    net = net.replace(projections=[net.projections[0].replace(kernel=salhw.Alpha())])
    with pytest.raises(UnsupportedNetworkError, match=r"SAL103 target\.options\.algorithm = event-driven"):
        salhw.compile(net, target)
    assert [f.path for f in salhw.problems(net, target)] == ["target.options.algorithm"]


# quantise -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "bits", "expected"),
    [
        (-63.0, 63.0, 7, (1.0, -63, 63)),
        (0.0, 63.0, 6, (1.0, 0, 63)),
        (-128.0, 127.0, 8, (1.0, -128, 127)),
        (-1.0, 1.0, 1 + 1, (1.0, -1, 1)),
    ],
)
def test_levels_are_those_of_the_usual_encodings(low: float, high: float, bits: int, expected: Any) -> None:
    assert levels(Range(min=low, max=high), bits) == expected


@RANDOM
@given(st.floats(-9, 0), st.floats(0.1, 9), st.integers(2, 12))
def test_levels_hold_zero_lie_in_the_range_and_are_not_too_many(low: float, high: float, bits: int) -> None:
    step, lowest, highest = levels(Range(min=low, max=high), bits)
    assert lowest <= 0 <= highest
    assert low * (1 + 1e-8) <= lowest * step
    assert highest * step <= high * (1 + 1e-8)
    assert highest - lowest + 1 <= 2**bits
    assert highest - lowest + 1 >= 2**bits - 1


def test_synapses_that_make_a_weight_together_widen_its_range_and_leave_the_step() -> None:
    wide = chip(4, -28.0, 28.0, max_synapses_per_weight=4)
    assert weight_levels(wide) == (1.0, -28, 28)
    for count, scale in ((1, 1.0), (2, 1.0), (4, 1.0), (2, 0.5)):
        here = wide.replace(synapses_per_weight={"s": count}, weight_scales={"s": scale}).scaled_for("s")
        assert weight_levels(here) == (scale, -7 * count, 7 * count)
        assert here.projections["weights"] == Range(min=-7.0 * count * scale, max=7.0 * count * scale)
    assert wide.scaled_for("s") is wide
    net = pair()
    placement = place(net, wide.replace(synapses_per_weight={"pair": 2}))[0]
    assert placement.used["synapses"] == 4
    assert (placement.weights(net, "pair") - placement.synapses(net, "pair")).tolist() == [1 << 24] * 2
    assert place(net, wide)[0].weights(net, "pair").tolist() == placement.synapses(net, "pair").tolist()


@RANDOM
@given(networks(), st.integers(3, 8))
def test_rounded_weights_lie_on_the_grid_and_the_report_says_how_far_they_moved(net: Network, bits: int) -> None:
    target = chip(bits, -6.0, 6.0)
    step = 12.0 / (2**bits - 2)
    before = net.content_hash
    rounded, found = quantise(net, target)
    assert net.content_hash == before
    reports = {finding.path: finding for finding in found}
    for old, new in zip(net.projections, rounded.projections, strict=True):
        exact, held = weights_of(net, old), weights_of(rounded, new)
        assert np.allclose(held / step, np.rint(held / step), rtol=0, atol=1e-9)
        error = np.abs(held - exact)
        assert np.all(error <= step / 2 + 1e-12)
        assert np.all(held[exact == 0.0] == 0.0)
        assert not np.any(np.signbit(held[held == 0.0]))
        assert new.replace(weights=old.weights) == old
        path = f"projections.{old.name}.weights"
        if error.size and error.max() > 1e-12:
            finding = reports.pop(path)
            assert (finding.code, finding.severity) == ("SAL301", "approximation")
            most, rms = (float(word) for word in finding.supported.replace(",", "").split() if word[0].isdigit())
            assert most == pytest.approx(error.max(), rel=5e-3)
            assert rms == pytest.approx(np.sqrt(np.mean(error**2)), rel=5e-3)
    assert not reports


def weights_of(net: Network, projection: Projection) -> np.ndarray[Any, Any]:
    """The weights of all synapses, one by one."""
    from salhw.description.connectivity import synapses, values

    ends = net.population(projection.post).size, net.population(projection.pre).size, projection.pre == projection.post
    return np.ravel(values(projection.weights, *ends))[synapses(projection.weights, *ends)[2]]


def test_weights_at_the_ends_of_the_range_stay_inside() -> None:
    net = pair(projections=[pair().projections[0].replace(weights=[[0.0, 1.0], [-1.0, 0.0]])])
    held = salhw.compile(net, chip(6)).network.projections[0].weights.values
    assert held.tolist() == [[0.0, 1.0], [-1.0, 0.0]]
    asymmetric = salhw.compile(net, chip(6, -1.0, 1.46)).network.projections[0].weights.values
    assert asymmetric.min() >= -1.0


def test_the_report_names_what_was_rounded() -> None:
    exe = salhw.compile(pair(projections=[pair().projections[0].replace(weights=[[0.0, 0.51], [0.5, 0.0]])]), chip(3))
    (finding,) = exe.report.approximations
    assert finding.path == "projections.pair.weights"
    assert exe.network.projections[0].weights.values[0, 1] == pytest.approx(2 / 3)
    assert exe.source.projections[0].weights.values[0, 1] == 0.51
    assert "approximated: SAL301 projections.pair.weights = steps of 0.333" in str(exe.report)
    assert exe.report.as_dict()["approximations"] == [finding.as_dict()]
    ideal = salhw.compile(exe.source, chip(3).ideal())
    assert ideal.report.approximations == ()
    assert "nothing is approximated" in str(ideal.report)
    assert ideal.network == exe.source


def test_single_numbers_stay_single_numbers() -> None:
    populations = [Population(name=name, size=2, neuron=GLM()) for name in "ab"]
    net = Network(
        name="n",
        dt=1.0,
        populations=populations,
        projections=[
            Projection("one", pre="a", post="b", weights=OneToOne(weight=0.4)),
            Projection("all", pre="a", post="a", weights=AllToAll(weight=-0.4)),
        ],
    )
    exe = salhw.compile(net, chip(2))
    assert exe.network.projections[0].weights == OneToOne(weight=0.0)
    assert exe.network.projections[1].weights == AllToAll(weight=0.0)
    assert [f.supported for f in exe.report.approximations] == ["rounded by at most 0.4, 0.4 rms"] * 2


# place --------------------------------------------------------------------------------------------------------------


def test_places_do_not_depend_on_the_connections() -> None:
    net = everything()
    placement, found = place(net, reference())
    assert found == []
    assert placement.first == {"a": 0, "b": 3, "c": 5, "s": 8}
    assert placement.used == {"neurons": 10, "synapses": 6 + 2 + 3 + 6 + 6}
    assert placement.neurons(net, "c").tolist() == [5, 6, 7]
    assert placement.synapses(net, "sb").tolist() == [(3 << 32) + 9, (4 << 32) + 8]
    fewer = net.replace(projections=net.projections[1:2], ties=())
    assert place(fewer, reference())[0].synapses(fewer, "sb").tolist() == placement.synapses(net, "sb").tolist()


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"neurons": 10, "synapses": 23}, []),
        ({"neurons": 9}, ["SAL201 populations.s: 10 neurons with the others, 9 available"]),
        ({"neurons": 3}, ["SAL201 populations.b: 10 neurons with the others, 3 available"]),
        ({"neurons": 2}, ["SAL201 populations.a: 10 neurons with the others, 2 available"]),
        ({"synapses": 10}, ["SAL201 projections.ac: 23 synapses with the others, 10 available"]),
        ({"neurons": 4, "synapses": 0, "rows": 1}, ["SAL201 populations.b", "SAL201 projections.aa"]),
    ],
)
def test_what_does_not_fit_is_found_where_it_runs_out(resources: dict[str, int], expected: list[str]) -> None:
    found = [str(f) for f in place(everything(), reference().replace(resources=resources))[1]]
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


# the whole ----------------------------------------------------------------------------------------------------------


@RANDOM
@given(networks())
def test_the_reference_compiles_any_network_without_changing_it(net: Network) -> None:
    before, target_before = net.content_hash, reference().content_hash
    exe = salhw.compile(net, "reference")
    assert exe.network == exe.source == net
    assert exe.report.approximations == ()
    assert check(net, reference()) == []
    assert (net.content_hash, reference().content_hash) == (before, target_before)
    assert str(exe.report).startswith(f"{net.name} on reference: ")


@pytest.mark.parametrize("ids", [0, [], [-1], [1, 1], 1.5, [0.5], "ab"])
def test_instances_that_mean_nothing_are_refused(ids: Any) -> None:
    with pytest.raises(SessionError, match="SAL401 instances"):
        salhw.compile(pair(), "reference").open(instances=ids)


def test_chips_of_another_target_and_chips_with_instances_are_refused() -> None:
    exe = salhw.compile(pair(), "reference")
    chips = reference().sample_chips(2)
    for options, path in (
        ({"chips": chips, "instances": 2}, "instances"),
        ({"chips": [chips[0].replace(target="nest")]}, "chips"),
        ({"chips": [chips[0], chips[0]]}, "chips"),
        ({"chips": []}, "chips"),
    ):
        with pytest.raises(SessionError, match=f"SAL401 {path}"):
            exe.open(**options)


def test_numbers_of_numpy_count_instances() -> None:
    with salhw.compile(pair(), "reference").open(instances=np.array([3, 1])) as session:
        assert session.run(4.0).ids == (3, 1)
    with salhw.compile(pair(), "reference").open(instances=np.int64(2)) as session:
        assert session.run(4.0).ids == (0, 1)


# targets from files -------------------------------------------------------------------------------------------------


def test_a_target_file_is_refused_with_every_path(tmp_path: Any) -> None:
    path = tmp_path / "chip.toml"
    path.write_text(
        'name = "chip"\nbackend = "b"\nspeedup = 3\n[network]\ndt = [3, 1]\n[projections]\nweights = [1, 2, 3]\n'
        '[neurons.GLM]\ntau_ref = "x"\n[variability.weight]\nsd = -1\n'
    )
    with pytest.raises(DescriptionError) as caught:
        Target.from_toml(path)
    assert {f.path: f.code for f in caught.value.diagnostics} == {
        "description": "SAL002",
        "speedup": "SAL002",
        "network.dt": "SAL001",
        "projections.weights": "SAL001",
        "neurons.GLM.tau_ref": "SAL001",
        "variability.weight.sd": "SAL005",
    }
    for text in (None, "name ="):
        path.unlink() if text is None else path.write_text(text)
        with pytest.raises(FileError, match=r"SAL501 .*chip\.toml"):
            Target.from_toml(path)
