"""Transfer functions, refractory periods and PSPs, against chips whose fixed pattern is known."""

from __future__ import annotations

import numpy as np
import pytest
from calibration_examples import compiled, coverage, recurrent

import salhw
from salhw import Alpha, Network, Population, Rectangular, Source
from salhw.description.kernels import Kernel
from salhw.theory import rate_of_constant_input
from salhw_calibration import MeasurementError, postsynaptic_potentials, transfer_functions


@pytest.mark.parametrize("discretisation", ["logistic", "exact"])
def test_transfer_functions_show_each_chips_offsets(discretisation: str) -> None:
    target = salhw.target("reference").with_variability({"bias": 0.3, "weight": 0.2})
    net = recurrent(6, discretisation=discretisation)
    exe, chips = compiled(net, target), target.sample_chips(12, seed=2)
    found = transfer_functions(exe, chips=chips, duration=20_000.0, seed=1)
    place = exe.placement.neurons(exe.network, "a")
    truth = np.array([chip.vary("bias", np.zeros(6), place) for chip in chips])
    assert truth.std() > 0.2
    # 72 neurons: a coverage of .95 has a standard deviation of .026.
    assert coverage(found.offset["a"] - truth, found.offset_errors["a"]) > 0.82
    assert coverage(found.slope["a"] - 1.0, found.slope_errors["a"]) > 0.82
    np.testing.assert_array_equal(found.refractory_period["a"], 10.0)
    # Rates: 5 standard deviations of a renewal process with at most Poisson scatter.
    expected = rate_of_constant_input(truth[:, None] + np.array(found.levels)[:, None], 10, discretisation) * 1e3
    assert np.all(np.abs(found.rates["a"] - expected) < 5 * np.sqrt(expected / 20.0))


@pytest.mark.parametrize(
    "kernel", [Rectangular(tau_syn=10.0), Alpha(tau_syn=4.0, area=10.0)], ids=["rectangular", "alpha"]
)
def test_time_constants_of_psps_are_found_whatever_the_description_says(
    kernel: Kernel,
) -> None:
    true = recurrent(3, sd=1.5, kernel=kernel)
    found = postsynaptic_potentials(compiled(true), instances=5, duration=60_000.0, seed=1)
    scale, error = found.scale["a"], found.scale_errors["a"]
    assert np.isfinite(scale).all()
    # The parabola is a first-order interval, and a rectangle has whole steps: 10 % beside five standard errors.
    assert np.all(np.abs(scale - 1.0) < 0.1 + 5 * error)
    assert abs(scale.mean() - 1.0) < 0.05 + 5 * error.mean() / np.sqrt(15)
    off = ~np.eye(3, dtype=bool)
    deviation = (found.weights["p"] - true.projections[0].weights.values)[:, off]
    assert np.median(np.abs(deviation)) < 0.15


def test_networks_without_glm_neurons_are_refused() -> None:
    net = Network(name="s", dt=1.0, populations=[Population(name="s", size=1, neuron=Source())])
    with pytest.raises(MeasurementError, match="SAL803 populations = no GLM neurons"):
        transfer_functions(compiled(net), duration=100.0)
    with pytest.raises(MeasurementError, match="SAL803 levels"):
        transfer_functions(compiled(recurrent(2)), duration=100.0, levels=[1.0])
