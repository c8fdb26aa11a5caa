"""The other methods: what they are good for, where they are biased (docs/calibration.md), and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from calibration_examples import compiled, coverage, errors_of, recurrent

import salhw
from salhw import GLM, LIF, Exponential, Network, Poisson, Population, Projection, Source
from salhw.description.kernels import Kernel
from salhw.description.markers import PopulationName
from salhw.description.neurons import Neuron
from salhw.description.stimuli import Stimulus
from salhw_calibration import METHODS, MeasurementError, effective_weights, through_interneurons
from salhw_calibration.pairs import pairs, rounds
from salhw_calibration.plots import nominal_and_measured

PAIR = recurrent(2, sd=0.8)
OFF = ~np.eye(6, dtype=bool)


@pytest.mark.parametrize("discretisation", ["logistic", "exact"])
@pytest.mark.parametrize("method", ["likelihood", "response", "stdd"])
def test_a_pair_is_measured_right(method: str, discretisation: str) -> None:
    net = recurrent(2, sd=0.8, discretisation=discretisation)
    measured = effective_weights(compiled(net), instances=40, duration=50_000.0, seed=1, method=method)
    deviation, error = errors_of(measured, net.projections[0].weights.values)
    assert len(deviation) == 80
    # .95 has a standard deviation of .024 for 80 intervals: .83 lies 5 of them away. Stated bias: below .02.
    assert coverage(deviation, error) > 0.83
    assert abs(deviation.mean()) < 0.02 + 5 * error.mean() / np.sqrt(80)
    assert 0.7 < np.std(deviation / error) < 1.4


def test_stdd_isolates_pairs_in_a_network_and_puts_the_weights_back() -> None:
    net = recurrent(6)
    truth = net.projections[0].weights.values
    measured = effective_weights(compiled(net), instances=4, duration=50_000.0, seed=1, method="stdd")
    deviation, error = errors_of(measured, truth)
    assert len(deviation) == 120
    assert coverage(deviation, error) > 0.85  # five standard deviations
    np.testing.assert_array_equal(measured.nominal["p"][0][OFF], truth[OFF])
    from salhw_calibration.circuit import circuit

    groups = rounds(pairs(circuit(net)))
    ends = [[n for pair in group for n in (pair.first, pair.second)] for group in groups]
    assert sorted((p.first, p.second) for g in groups for p in g) == [(i, j) for i in range(6) for j in range(i + 1, 6)]
    assert all(len(e) == len(set(e)) for e in ends)
    assert measured.provenance["rounds"] == len(groups) <= 11


def test_methods_of_one_synapse_are_shrunk_or_stretched_in_a_network_as_documented() -> None:
    # docs/calibration.md states regression slopes (measured over true) of .8-.95 for response and 1.0-1.4 for stdwi.
    net = recurrent(6, sd=0.7)
    truth = net.projections[0].weights.values[OFF]
    slopes, correlations = {}, {}
    for method in ("response", "stdwi"):
        found = effective_weights(compiled(net), instances=20, duration=50_000.0, seed=1, method=method).weights["p"]
        mean = found[:, OFF].mean(axis=0)
        slopes[method] = mean @ truth / (truth @ truth)
        correlations[method] = np.corrcoef(mean, truth)[0, 1]
    assert 0.8 < slopes["response"] < 1.0
    assert 0.9 < slopes["stdwi"] < 1.5
    assert min(correlations.values()) > 0.9


def driven(shared: float) -> Network:
    """LIF neurons that project to GLM neurons, all driven by the same Poisson sources as far as ``shared`` says."""
    random = np.random.default_rng(3)
    return Network(
        name="driven",
        dt=1.0,
        populations=[
            Population(name="s", size=20, neuron=Source()),
            Population(name="l", size=4, neuron=LIF(bias=0.85, tau_m=5.0, tau_ref=10.0)),
            Population(name="g", size=2, neuron=GLM(bias=-0.5)),
        ],
        projections=[
            Projection(
                name="d",
                pre="s",
                post="l",
                weights=np.abs(random.normal(0, 0.1, (4, 20))),
                kernel=Exponential(tau_syn=3),
            ),
            Projection(name="c", pre="s", post="g", weights=np.full((2, 20), shared), kernel=Exponential(tau_syn=3.0)),
            Projection(name="p", pre="l", post="g", weights=random.normal(0.0, 0.5, (2, 4))),
        ],
        stimuli=[Poisson("s", 20.0)],
    )


def test_membranes_give_the_weights_exactly_where_nothing_is_noisy() -> None:
    net = driven(0.3)
    measured = effective_weights(compiled(net), duration=20_000.0, seed=1, method="psp")
    for p in net.projections:
        np.testing.assert_allclose(measured.weights[p.name][0], p.weights.values, atol=1e-9)
        assert np.all(measured.standard_errors[p.name] < 1e-9)
    np.testing.assert_allclose(measured.biases["l"], 0.85, atol=1e-9)
    np.testing.assert_allclose(measured.biases["g"], -0.5, atol=1e-9)


def test_the_discontinuity_sees_through_a_common_drive() -> None:
    net = driven(0.5)
    truth = net.projections[2].weights.values
    found = {}
    for method in ("rdd", "response"):
        some = 25 if method == "rdd" else 5
        measured = effective_weights(compiled(net), instances=some, duration=100_000.0, seed=1, method=method)
        assert np.isfinite(measured.weights["p"]).all()
        found[method] = errors_of(measured, truth)
    deviation, error = found["rdd"]
    assert coverage(deviation, error) > 0.87  # of 200: five standard deviations below .95
    # The common drive adds to every effect that is read off spikes alone, and not to the discontinuity.
    confounded = found["response"][0].mean()
    assert confounded > 0.2
    assert abs(deviation.mean()) < 0.5 * confounded  # .11; its standard deviation is .033, so P < 1e-3 for bad luck


def dale(direct: float) -> Network:
    """Paper section 4.6, Table 4, without its noise: E neurons, each with an inhibitory parrot."""
    return Network(
        name="dale",
        dt=0.5,
        populations=[
            Population(name="E", size=2, neuron=GLM(bias=0.0)),
            Population(name="I", size=2, neuron=GLM(bias=-2.0)),
        ],
        projections=[
            Projection(name="EE", pre="E", post="E", weights=[[0.0, direct], [direct, 0.0]]),
            Projection(name="IE", pre="E", post="I", weights=[[4.0, 0.0], [0.0, 4.0]]),
            Projection(name="EI", pre="I", post="E", weights=[[0.0, -1.0], [-1.0, 0.0]]),
        ],
    )


@pytest.mark.parametrize("direct", [0.3, 1.5])
def test_through_interneurons_the_total_effect_is_that_of_equation_38(direct: float) -> None:
    exe = compiled(dale(direct))
    alone = effective_weights(exe, instances=10, duration=30_000.0, seed=1)
    total = effective_weights(exe, instances=10, duration=30_000.0, seed=1, through=["I"])
    off = ~np.eye(2, dtype=bool)
    # Standard error of the mean of 20 about .014: beyond .05 with a probability of 4e-4 each.
    assert abs(alone.weights["EE"][:, off].mean() - direct) < 0.05
    assert abs(alone.weights["EI"][:, off].mean() + 1.0) < 0.05
    assert np.isnan(total.weights["EI"]).all()
    assert np.isnan(total.weights["IE"]).all()
    weight, shift = total.weights["EE"][:, off].mean(), total.biases["E"].mean() - alone.biases["E"].mean()
    activity = salhw.run(dale(direct), duration=30_000.0, instances=10, seed=1).counts["E"].mean() / 3_000.0
    # Eq 38 counts the interneuron's spontaneous activity as an effect of the neuron; the fit counts it to the bias.
    equation = through_interneurons(direct, 4.0, -1.0, -2.0, activity)
    assert abs(weight + shift / activity - equation) < 0.12
    assert np.sign(weight) == np.sign(direct - 0.75)
    # Two neurons with these weights and biases, and nothing between them, fire as often as those with interneurons.
    simple = dale(0.0).replace(
        populations=[Population(name="E", size=2, neuron=GLM(bias=total.biases["E"].mean()))],
        projections=[Projection(name="EE", pre="E", post="E", weights=weight * off)],
    )
    again = salhw.run(simple, duration=30_000.0, instances=10, seed=2).counts["E"].mean() / 3_000.0
    assert abs(again / activity - 1.0) < 0.03


def test_what_cannot_be_measured_is_refused_with_the_reason() -> None:
    exe = compiled(PAIR)
    with pytest.raises(MeasurementError, match=r"SAL802 method = 'likelyhood'.*one of likelihood, stdd"):
        effective_weights(exe, duration=1_000.0, method="likelyhood")
    with pytest.raises(MeasurementError, match="SAL801 through = 'I': one of a"):
        effective_weights(exe, duration=1_000.0, through=["I"])
    with pytest.raises(MeasurementError, match="SAL802 through = a"):
        effective_weights(exe, duration=1_000.0, method="stdd", through=["a"])
    with pytest.raises(MeasurementError, match="SAL802 method = stdd"):
        effective_weights(compiled(driven(0.0)), duration=1_000.0, method="stdd")
    with pytest.raises(MeasurementError, match="SAL802 method = rdd: synapses from LIF to GLM neurons"):
        effective_weights(exe, duration=1_000.0, method="rdd")
    with pytest.raises(salhw.SessionError, match="SAL404"):
        effective_weights(exe, duration=1_000.3)
    with pytest.raises(salhw.SessionError, match="SAL402"):
        effective_weights(exe, duration=1_000.0, weights={"nothing": 1.0})
    deterministic = compiled(driven(0.5).replace(projections=(), populations=(Population("l", 2, LIF()),), stimuli=()))
    for method in sorted(METHODS.keys() - {"psp"}):
        with pytest.raises(MeasurementError, match=r"SAL803 populations = no GLM neurons(.|\n)*fix: .*method='psp'"):
            effective_weights(deterministic, duration=100.0, method=method)
    assert effective_weights(deterministic, duration=100.0, method="psp").weights == {}
    for code in ("SAL801", "SAL802", "SAL803"):
        assert salhw.explain(code).text


@pytest.mark.parametrize("method", METHODS)
def test_every_method_reports_progress_and_reads_as_plain_data(method: str) -> None:
    import json

    seen: list[float] = []
    net = driven(0.5) if method == "rdd" else PAIR
    measured = effective_weights(compiled(net), duration=4_000.0, method=method, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
    data = json.loads(json.dumps(measured.as_dict()))
    assert data["method"] == method
    assert None in next(iter(data["weights"].values()))[0][0]
    for name, weights in measured.weights.items():
        np.testing.assert_array_equal(np.array(data["weights"][name], dtype=float), weights)
    dataset = measured.to_xarray("p")
    assert dataset.weight.dims == ("instance", "post", "pre")


def test_the_picture_shows_every_projection(tmp_path: Path) -> None:
    measured = effective_weights(compiled(dale(0.5)), duration=20_000.0)
    path = nominal_and_measured(measured, tmp_path / "weights.png")
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("section", ["neurons", "kernels", "stimuli"])
def test_kinds_that_the_estimators_do_not_know_are_refused_before_anything_runs(
    section: str, kinds_forgotten: None
) -> None:
    class Resting(Neuron):
        kind: Literal["Resting"] = "Resting"

    class Gamma(Kernel):
        kind: Literal["Gamma"] = "Gamma"

    class Noise(Stimulus):
        kind: Literal["Noise"] = "Noise"
        population: PopulationName

    exe = compiled(recurrent())
    net, (first, *others) = exe.source, exe.source.populations
    p = net.projections[0]
    path = {
        "neurons": f"populations.{first.name}.neuron",
        "kernels": f"projections.{p.name}.kernel",
        "stimuli": "stimuli[0]",
    }
    foreign = {
        "neurons": {"populations": [first.replace(neuron=Resting()), *others]},
        "kernels": {"projections": [p.replace(kernel=Gamma()), *net.projections[1:]]},
        "stimuli": {"stimuli": [Noise(population=first.name)]},
    }
    with pytest.raises(MeasurementError, match="cannot measure") as refused:
        effective_weights(replace(exe, source=net.replace(**foreign[section])), duration=100.0)
    assert [(f.code, f.path) for f in refused.value.diagnostics] == [("SAL101", path[section])]
