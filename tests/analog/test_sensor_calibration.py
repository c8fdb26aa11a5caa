"""Correlation sensors of emulated chips: measured through a session, and what calibrating them does to SAL.

sal_calibrated.py makes the tables of docs/calibration.md.
"""

from __future__ import annotations

import numpy as np
import pytest
from analog_examples import IDEAL, QUIET, pairs
from sal_calibrated import TARGETS, after_calibration, left, recover
from scipy.stats import binom, chi2

import salhw
from salhw_calibration import correlation_sensors

FALSE_ALARM = 1e-4


def covered(share: float, count: int, level: float = 0.95) -> None:
    """The share of ``count`` intervals that hold the truth is what a binomial distribution allows."""
    low, high = binom.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], count, level)
    assert low <= share * count <= high


def test_the_ideal_chip_has_the_sensors_that_are_described() -> None:
    """Neither converter nor fixed point, and recordings as fine as what sensors see: exact."""
    exe = salhw.compile(pairs(np.zeros(4)), IDEAL)
    found = correlation_sensors(exe, duration=6_000.0)
    known = np.isfinite(found.amplitude["p"])
    assert known.sum() == 8
    np.testing.assert_allclose(found.amplitude["p"][known], 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.tau["p"][known], 10.0, rtol=1e-6)


def test_converter_and_fixed_point_bias_nothing() -> None:
    """Whole LSB (half a pair) and whole codes (.87 pairs, twice: a hidden rest stays) are all the noise there is:
    sqrt(1/12) of .5, .87 and .87 pairs together, .38. Squared deviations over errors of that noise are chi-squared."""
    exe = salhw.compile(pairs(np.zeros(12)), QUIET)
    found = correlation_sensors(exe, duration=20_000.0)
    known = np.isfinite(found.amplitude["p"])
    assert known.sum() == 24
    for value, error, truth in ((found.amplitude, found.amplitude_errors, 1.0), (found.tau, found.tau_errors, 10.0)):
        expected = error["p"][known] * 0.38 / found.noise["p"][known]
        assert ((value["p"][known] - truth) ** 2 / expected**2).sum() < chi2.isf(FALSE_ALARM, 24)
        assert np.median(expected) < 0.1 * truth


@pytest.mark.parametrize(
    ("forced", "seconds", "amplitude", "tau"), [(True, 20.0, 0.980, 0.965), (False, 40.0, 0.90, 0.74)]
)
def test_sensors_of_two_chips_are_recovered(forced: bool, seconds: float, amplitude: float, tau: float) -> None:
    """Mismatch .2 of every amplitude and time constant, converter noise 2 LSB. 128 intervals of each quantity hold the
    truth as often as they say. Errors are .026 and .43 ms after 20 s of forced pairs, .06 and 1.2 ms after 40 s of
    others, beside spreads of .2 and 2 ms: correlations of .99 and .982, or .95 and .86, which samples of 128 miss by
    3.7 standard errors of Fisher's z (1e-4) at the bounds given here."""
    recovered, found = recover(TARGETS["sensors alone"], 2, seconds, forced=forced)
    for quantity, least in (("amplitude", amplitude), ("tau", tau)):
        assert recovered[quantity].true.size == 128
        covered(recovered[quantity].coverage, 128)
        assert recovered[quantity].correlation > least
    assert 0.9 < np.nanmean(found.noise["p"]) < 1.3  # 2 LSB of the converter are one pair; whole codes add to it
    offset, error = (of["p"][np.isfinite(of["p"])] for of in (found.offset, found.offset_errors))
    assert abs(offset.mean()) < 4.0 * np.sqrt((error**2).mean() / offset.size)  # baselines were subtracted


def test_calibrated_sensors_let_sal_align_a_few_chips() -> None:
    """Two chips, 32 pairs, 24 s, in which SAL comes half its way, after 10 s of measuring. Standard deviations of 32
    are known to 13 %, medians of |D| to 22 %; the drift falls to .3 and |D| to .5 of that of chips as they are (fifty
    chips, 60 s: .22 and .2), three and two standard errors below what is asked here. Sensors as they are would fail the
    first by four."""
    raw, corrected, made = after_calibration(TARGETS["static mismatch, too"], 2, 10.0, 24.0)
    assert made.summary["sensor"]["before"] > 0.15
    assert made.summary["sensor"]["after"] < 0.08
    assert corrected.drift.std() < 0.5 * raw.drift.std()
    assert left(corrected) < 0.9 * left(raw)
    assert corrected.growing == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TARGETS])
def test_fifty_chips_align_with_calibrated_sensors(name: str) -> None:
    raw, corrected, _ = after_calibration(TARGETS[name], 50, 60.0, 60.0)
    assert raw.drift.std() > 3.0 * corrected.drift.std()
    assert left(corrected) <= 0.5 * left(raw)
    assert corrected.growing == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TARGETS])
def test_intervals_of_sixteen_chips_hold_the_truth(name: str) -> None:
    """1024 intervals of each quantity: 93 to 97 % are 2.9 standard deviations of a binomial to either side (.3 %)."""
    recovered, _ = recover(TARGETS[name], 16, 80.0)
    for found in recovered.values():
        assert 0.93 <= found.coverage <= 0.97
        assert found.correlation > 0.99
