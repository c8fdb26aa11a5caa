"""Parameters that differ between the neurons of a population."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    LIF,
    Clamp,
    DescriptionError,
    Exponential,
    Membrane,
    Network,
    Poisson,
    Population,
    Projection,
    Source,
    Spikes,
    StateOccupancy,
)
from salhw_calibration import effective_weights

# The worked example of docs/semantics.md: bias 2, steps of 0.5 ms.
EXAMPLE: dict[str, Any] = {
    "bias": 2.0, "tau_m": [10.0, 20.0, 10.0, 10.0], "tau_ref": [2.0, 2.0, 5.0, 2.0], "v_reset": [0.0, 0.0, 0.0, -0.5],
    "v_thresh": [1.0, 1.0, 1.0, 1.5],
}  # fmt: skip
INTERVALS = [8.5, 15.5, 11.5, 18.0]


def network(neuron: Any, size: int, **more: Any) -> Network:
    parts = {"populations": [Population("n", size, neuron)], "probes": [Spikes("n")]}
    return Network(name="n", dt=0.5, **parts | more)


@pytest.mark.parametrize("algorithm", ["time-driven", "vectorised"])
def test_each_neuron_has_its_own_interval(algorithm: str) -> None:
    target = salhw.target("reference").with_options(algorithm=algorithm)
    recording = salhw.run(network(LIF(**EXAMPLE), 4), target, duration=100.0)
    for neuron, interval in enumerate(INTERVALS):
        times = recording.spikes["n"].times(neuron)
        assert len(times) > 3
        assert np.diff(times).tolist() == [interval] * (len(times) - 1)


def test_nest_has_the_potentials_between_which_each_neuron_moves() -> None:
    own = {"v_reset": EXAMPLE["v_reset"], "v_thresh": EXAMPLE["v_thresh"], "bias": 2.0, "tau_ref": 2.0}
    net = network(LIF(**own), 4, probes=[Spikes("n"), Membrane("n")])
    here, there = (salhw.run(net, target, duration=100.0) for target in ("reference", "nest"))
    assert np.array_equal(here.counts["n"], there.counts["n"])
    np.testing.assert_allclose(here.membrane_traces["n"].values, there.membrane_traces["n"].values, atol=1e-12)


@pytest.mark.parametrize("algorithm", ["event-driven", "time-driven", "vectorised"])
def test_each_neuron_has_its_own_refractory_period(algorithm: str) -> None:
    """Clamped neurons fire as soon as they can, and their states last as long as their periods."""
    target = salhw.target("reference").with_options(algorithm=algorithm)
    periods = [2.0, 5.0, 8.0]
    net = network(GLM(tau_ref=periods), 3, stimuli=[Clamp("n", 1)], probes=[Spikes("n"), StateOccupancy("n")])
    with salhw.compile(net, target).open() as session:
        parts = [session.run(83.0), session.run(77.0)]
    assert sum(part.counts["n"] for part in parts).tolist() == [[80, 32, 20]]
    assert sum(part.occupancy_counts["n"] for part in parts).tolist() == [[0] * 7 + [320]]
    alone = net.replace(stimuli=[Clamp("n", [1, 0, 0]), Clamp("n", 0, start=2.0)])
    states = salhw.run(alone, target, duration=20.0).occupancy_counts["n"]
    assert states.tolist() == [[36, 4, 0, 0, 0, 0, 0, 0]]


def test_synapses_onto_neurons_that_differ_are_measured_exactly() -> None:
    neuron = LIF(tau_m=[10.0, 20.0], tau_ref=[2.0, 3.0], v_rest=[0.0, 0.1], v_thresh=[1.0, 1.5])
    weights = [[0.5, 0.2], [0.3, 0.7]]
    net = network(
        neuron, 2, populations=[Population("s", 2, Source()), Population("n", 2, neuron)],
        projections=[Projection("p", "s", "n", weights, kernel=Exponential(5.0))], stimuli=[Poisson("s", 60.0)],
    )  # fmt: skip
    measured = effective_weights(salhw.compile(net, "reference"), instances=1, duration=3000.0, method="psp")
    np.testing.assert_allclose(measured.weights["p"][0], weights, rtol=1e-9)


@pytest.mark.parametrize("target", ["nest", "brainscales2", "loihi2"])
@pytest.mark.parametrize(
    "neuron", [GLM(tau_ref=[10.0, 20.0]), LIF(tau_m=[10.0, 20.0], tau_ref=10.0), LIF(tau_ref=[10.0, 20.0])]
)
def test_a_target_that_has_one_value_for_all_says_so(target: str, neuron: Any) -> None:
    findings = salhw.problems(network(neuron, 2), target)
    field = "tau_m" if np.ndim(getattr(neuron, "tau_m", 0.0)) else "tau_ref"
    assert ("SAL105", f"populations.n.{field}") in {(f.code, f.path) for f in findings}


@pytest.mark.parametrize(
    ("neuron", "path"),
    [
        (lambda: LIF(tau_m=[10.0, 0.0]), "tau_m[1]"),
        (lambda: LIF(v_reset=[0.0, 1.0]), "v_reset[1]"),
        (lambda: LIF(v_thresh=[1.0, -0.5]), "v_reset"),
        (lambda: network(GLM(tau_ref=[1.0, 1.25]), 2), "populations.n.tau_ref[1]"),
        (lambda: network(LIF(v_reset=[0.0, 0.1, 0.2], v_thresh=[1.0, 2.0]), 2), "populations.n.v_reset"),
    ],
)
def test_what_cannot_be_is_refused_at_its_neuron(neuron: Any, path: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        neuron()
    assert [finding.path for finding in refused.value.diagnostics] == [path]
