"""Effective weights on digital targets agree with nominal ones within what these declare."""

from __future__ import annotations

import numpy as np
import pytest
from calibration_examples import recurrent

import salhw
from salhw import Target
from salhw.fields import FloatArray
from salhw_calibration import EffectiveWeights, effective_weights

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
