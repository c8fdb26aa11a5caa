"""Digital targets: weights and windows are the described ones, within what these declare."""

from __future__ import annotations

import numpy as np
import pytest
from calibration_examples import recurrent

import salhw
from salhw import SAL, Target
from salhw.description.fields import FloatArray
from salhw_calibration import EffectiveWeights, correlation_sensors, effective_weights

NEST = salhw.target("nest")
LOIHI = salhw.target("loihi2").with_options(execution="in-process")
OFF = ~np.eye(4, dtype=bool)


def measured(target: Target, instances: int, duration: float) -> tuple[EffectiveWeights, FloatArray, FloatArray]:
    """What was found, and its deviations from what is held, and standard errors, (instance, synapse)."""
    found = effective_weights(salhw.compile(recurrent(4), target), instances=instances, duration=duration, seed=1)
    deviation = (found.weights["p"] - found.nominal["p"])[:, OFF]
    return found, deviation, found.standard_errors["p"][:, OFF]


@pytest.mark.parametrize("target", [NEST, LOIHI], ids=lambda t: t.name)
def test_effective_weights_are_the_nominal_ones_within_the_declared_accuracy(target: Target) -> None:
    found, deviation, error = measured(target, 10, 20_000.0)
    assert np.isfinite(deviation).all()
    # A PSP may be as far off as psp_shape says, relative to its weight; the rest is sampling noise. Of 12 means of ten
    # standard normal numbers the largest is beyond 4 standard deviations with a probability of 1e-3.
    margin = target.accuracy["psp_shape"] * np.abs(found.nominal["p"][0, OFF])
    noise = np.sqrt((error**2).sum(axis=0)) / 10.0
    assert np.all(np.abs(deviation.mean(axis=0)) < margin + 4.0 * noise)
    nominal, weight = (of["p"][:, OFF] for of in (found.nominal, found.weights))
    slope = np.sum(weight * nominal) / np.sum(nominal**2)
    spread = np.sqrt(np.sum((error * nominal) ** 2)) / np.sum(nominal**2)
    assert abs(slope - 1.0) < target.accuracy["psp_shape"] + 4.0 * spread
    assert 4.0 * spread < 0.08  # so that PSPs of four fifths of their height on nest, or three quarters, would be seen


@pytest.mark.parametrize("forced", [True, False])
def test_sensors_of_nest_are_exact(forced: bool) -> None:
    rule = SAL(learning_rate=0.01, tau=8.0, pairing="all", update="spike")
    found = correlation_sensors(salhw.compile(recurrent(4, plasticity=rule), NEST), duration=4000.0, forced=forced)
    np.testing.assert_allclose(found.amplitude["p"][0][:, OFF], 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.tau["p"][0][:, OFF], 8.0, rtol=1e-6)


def test_sensors_of_loihi_are_the_windows_within_the_declared_accuracy() -> None:
    """Traces and weights are whole numbers there, so that synapses scatter, after 10 s as after 20. Means of 12 are
    beyond 5.9 standard errors with a probability of 1e-4 (Student's t)."""
    rule = SAL(learning_rate=0.0625, tau=8.0, pairing="all", update="spike")
    found = correlation_sensors(salhw.compile(recurrent(4, plasticity=rule), LOIHI), duration=10_000.0, seed=3)
    for value, described, accuracy in ((found.amplitude, 1.0, "window"), (found.tau, 8.0, "window_tau")):
        for branch in value["p"][0][:, OFF] / described:
            error = branch.std(ddof=1) / np.sqrt(branch.size)
            assert abs(branch.mean() - 1.0) < LOIHI.accuracy[accuracy] + 5.9 * error
            assert error < 0.025
