"""AdEx neurons on emulated chips: the ideal one solves the equations as nest does; what fits together; what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analog_examples import CHIP, IDEAL, QUIET

import salhw
from salhw import (
    AdEx,
    Exponential,
    Network,
    Poisson,
    Population,
    Projection,
    Source,
    Spikes,
    SpikeTimes,
    UnsupportedNetworkError,
)
from salhw.compiler.pipeline import problems
from salhw.description.connectivity import AllToAll
from salhw_brainscales2.adex import advanced
from salhw_brainscales2.membrane import membranes
from salhw_brainscales2.neurons import cell
from salhw_brainscales2.script import export

BIASES = [1.2, 1.5, 2.0, 3.0]


def network(dt: float = 0.5, bias: Any = BIASES, **neuron: Any) -> Network:
    made = AdEx(bias=bias, tau_ref=2.0, **neuron)
    return Network(name="adex", dt=dt, populations=[Population(name="n", size=4, neuron=made)], probes=[Spikes("n")])


def driven(weight: float) -> Network:
    """Beside a source that spikes every 20 ms."""
    net = network(bias=0.7)
    source = Population(name="x", size=1, neuron=Source())
    synapses = Projection(name="p", pre="x", post="n", weights=AllToAll(weight=weight), kernel=Exponential(tau_syn=5.0))
    times = SpikeTimes("x", times=[np.arange(10.0, 400.0, 20.0)])
    return net.replace(populations=[*net.populations, source], projections=[synapses], stimuli=[times])


@pytest.mark.parametrize("neuron", [{}, {"a": 0.3, "b": 0.4, "tau_w": 50.0}, {"a": 0.0, "b": 0.6, "v_reset": 1.1}])
def test_the_ideal_chip_has_the_spikes_of_nest(neuron: dict[str, Any]) -> None:
    """Without input it has a tick a step, and the same solver."""
    net = network(**neuron)
    ideal, nest = (salhw.run(net, target=t, duration=300.0, seed=1).spikes["n"] for t in (IDEAL, "nest"))
    assert np.array_equal(ideal.time, nest.time)
    assert np.array_equal(ideal.neuron, nest.neuron)
    assert len(ideal.time) > 20


def test_with_input_rates_are_those_of_the_reference() -> None:
    """36 spikes, of which one more or fewer may come of each neuron where v lingers at its threshold."""
    ideal, reference = (
        np.asarray(salhw.run(driven(2.0), target=t, duration=400.0, seed=1).counts["n"]) for t in (IDEAL, "reference")
    )
    assert reference.sum() > 30
    assert np.abs(ideal - reference).max() <= 1


@pytest.mark.slow
def test_a_recurrent_network_has_the_rates_of_the_reference() -> None:
    """14,000 spikes under other Poisson trains, which move the mean rate by .6 %: within five of these, and each neuron
    within 15 %, five standard errors of both counts together."""
    rng, size = np.random.default_rng(1), 20
    weights = {"x": rng.normal(0.2, 0.2, (size, size)), "n": rng.normal(-0.1, 0.1, (size, size))}
    weights["n"] = np.where(np.eye(size), 0.0, weights["n"])
    net = Network(
        name="recurrent", dt=0.5,
        populations=[Population(name="x", size=size, neuron=Source()),
                     Population(name="n", size=size, neuron=AdEx(bias=1.1, tau_ref=2.0))],
        projections=[Projection(name=f"from_{pre}", pre=pre, post="n", weights=each, kernel=Exponential(tau_syn=5.0))
                     for pre, each in weights.items()],
        stimuli=[Poisson("x", rate=50.0)], probes=[Spikes("n")],
    )  # fmt: skip
    ideal, reference = (
        np.asarray(salhw.run(net, target=t, duration=20_000.0, seed=1).counts["n"][0]) for t in (IDEAL, "reference")
    )
    assert reference.sum() > 10_000
    assert abs(ideal.sum() / reference.sum() - 1.0) < 0.03
    assert np.abs(ideal / reference - 1.0).max() < 0.15


def test_steps_are_those_of_the_description() -> None:
    """The example of docs/semantics.md."""
    neuron = AdEx(bias=1.5, tau_ref=2.0, b=0.2, tau_w=20.0)
    v, w, spikes = np.zeros(1), np.zeros(1), []
    for step in range(60):
        v, w, spiked = advanced(neuron, v, w, np.array([1.5]), 0.5, np.array([not spikes or step >= spikes[-1] + 4]))
        spikes += [step] * bool(spiked)
        if step == 2:
            assert (round(float(v[0]), 5), round(float(w[0]), 5)) == (0.20891, 0.00078)
        if step == 30:
            assert (v[0], round(float(w[0]), 5)) == (0.0, 0.23703)
    assert spikes == [29]


@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0])
def test_intervals_are_as_far_off_as_the_report_says(dt: float) -> None:
    """Calculated for 400 steps; here twice as long, in which errors of the first spikes count less, and two spikes of
    the whole run more or less are what counting can see."""
    net = network(dt, bias=[1.5, 1.8, 2.2, 3.0], b=0.3)
    found = [f for f in salhw.compile(net, IDEAL).report.approximations if f.code == "SAL336"]
    said = max((float(f.supported.split("up to ")[1].split()[0]) for f in found), default=0.0)
    ideal, reference = (
        np.asarray(salhw.run(net, target=t, duration=800 * dt, seed=1).counts["n"], float) for t in (IDEAL, "reference")
    )
    assert (np.abs(reference - ideal) <= said * reference + 2.0).all()


def test_a_chip_has_a_pattern_of_its_own_in_each_circuit() -> None:
    """Alone: what it is set to, spread as declared; the ideal chip has what is described."""
    made = cell(AdEx(a=0.3, b=0.2, tau_w=50.0))
    assert made is not None
    nominal = {"a": 0.3, "b": 0.2, "tau_w": 50.0, "slope_factor": 0.1, "onset": 1.0}
    places = np.arange(512)

    def own(target: salhw.Target) -> dict[str, Any]:
        return dict(membranes(made, [], target.sample_chips(4, seed=1), places, 2.0).own)

    chips, ideal = own(CHIP), own(IDEAL)
    assert nominal == {name: values.flat[0] for name, values in ideal.items()}
    for name, sd in {"a": 0.18, "b": 0.18, "tau_w": 0.2, "slope_factor": 0.18}.items():
        assert np.log(chips[name] / nominal[name]).std() == pytest.approx(sd, rel=0.1), name
    assert (chips["onset"] - 1.0).std() == pytest.approx(11.0 / 70.0, rel=0.1)


@pytest.mark.parametrize(
    ("neuron", "path", "code"),
    [
        ({"v_thresh": -0.5, "v_reset": -0.2}, "v_thresh", "SAL104"),
        ({"v_rest": 1.6, "v_thresh": 1.0}, "v_rest", "SAL104"),
        ({"v_peak": 20.0}, "v_peak", "SAL104"),
        ({"v_peak": 0.9}, "v_peak", "SAL107"),
        ({"v_reset": 1.4, "v_peak": 2.2, "slope_factor": 0.01}, "v_reset", "SAL107"),
    ],
)
def test_potentials_that_no_circuit_has_are_refused_with_a_fix_that_works(
    neuron: dict[str, Any], path: str, code: str
) -> None:
    (finding,) = problems(network(**neuron), QUIET)
    assert (finding.path, finding.code) == (f"populations.n.{path}", code)
    name, value = finding.fix.replace("<=", "=").replace(">=", "=").split(" = ")
    assert not problems(network(**(neuron | {name: float(value)})), QUIET)


def test_chips_run_it_with_forced_spikes_and_written_biases() -> None:
    """Of neurons without drive those alone spike that are forced to, at 10 ms; and no circuit of 4 chips fails, though
    what NEST computes would overflow if the slope were as small and the onset as far off as some circuits' are."""
    net = network(bias=0.0, slope_factor=0.002, v_reset=-0.5).replace(
        stimuli=[SpikeTimes("n", times=[[10.0], [], [], []])]
    )
    with salhw.compile(net, CHIP).open(chips=CHIP.sample_chips(4, seed=3), seed=1) as session:
        first = session.run(30.0)
        session.set("populations.n.bias", 4.0)
        second = session.run(100.0)
    assert np.array_equal(first.counts["n"], [[1, 0, 0, 0]] * 4)
    assert (second.counts["n"] > 0).all()


def test_an_export_refuses_what_nothing_calibrates(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedNetworkError) as error:
        export(salhw.compile(network(bias=0.5), CHIP), tmp_path, duration=100.0, seed=1)
    assert [f.path for f in error.value.diagnostics] == ["populations.n.neuron"]
    assert "exponential and the adaptation term" in error.value.diagnostics[0].supported
