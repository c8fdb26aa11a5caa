"""Emulated analog chips: gains are found, and calibration makes chips alike; docs/calibration.md has more chips."""

from __future__ import annotations

import numpy as np
import pytest
from calibrated_chips import CASES, outcome, pairs, powers

import salhw
from salhw_calibration import Goals, calibrate, transfer_functions


def test_gains_of_emulated_synapses_are_found_and_corrected() -> None:
    target = CASES["gains"]
    chips = target.sample_chips(3, seed=1)
    found = calibrate(target, chips, Goals(0.0, 0.0), net=pairs(4), duration=20_000.0, rounds=1, seed=1)
    excitatory, inhibitory = (outcome(target, chips, found, weight) for weight in (1.0, -1.0))
    # 24 synapses. Standard errors of .025 and .06 against spreads of .13: correlations of .98 and .9, whose Fisher
    # transforms have a standard deviation of .22. 3.7 of these below are .92 and .59 (P = 1e-4 each).
    assert np.corrcoef(excitatory.true.ravel(), excitatory.found.ravel())[0, 1] > 0.92
    assert np.corrcoef(inhibitory.true.ravel(), inhibitory.found.ravel())[0, 1] > 0.59
    assert excitatory.after.mean() < 0.5 * excitatory.before.mean()
    assert not np.allclose(found.gain[..., 0], found.gain[..., 1])  # two inputs
    exes = [salhw.compile(pairs(4), target, calibration=known) for known in (None, found)]
    before, after = (transfer_functions(exe, chips=chips, duration=5_000.0, seed=9) for exe in exes)
    assert after.offset["n"].std() < 0.6 * before.offset["n"].std()
    # Slopes, .16 apart: measured to .04 here, known to .03 from before.
    assert after.slope["n"].std() < 0.6 * before.slope["n"].std()
    assert np.all(found.spread["slope after"] < 0.6 * found.spread["slope before"])


@pytest.mark.slow
def test_excitation_acts_by_the_height_of_its_psps_and_inhibition_by_their_area() -> None:
    """As ``salhw_brainscales2.effective`` has it. With 6 chips of 16 synapses the powers of time constants (spread .2)
    have standard errors of .03, and that of sigma one of .05; what is told apart is .8 away."""
    target = CASES["taus"]
    chips = target.sample_chips(6, seed=1)
    found = calibrate(target, chips, Goals(0.0, 0.0), net=pairs(8), duration=60_000.0, seed=1)
    excitatory, inhibitory = (powers(target, chips, found, weight) for weight in (1.0, -1.0))
    height, area = np.array([0.25, -0.25, -1.0]), np.array([1.0, 0.0, -1.0])
    assert np.linalg.norm(excitatory - height) < np.linalg.norm(excitatory - area)
    assert np.linalg.norm(inhibitory - area) < 0.5 * np.linalg.norm(inhibitory - height)
