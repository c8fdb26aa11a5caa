"""The equivalence tests of the conformance suite keep their level and have the power they are sized for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import salhw
from salhw.conformance.circuits import UNCONNECTED, apportioned
from salhw.conformance.runner import laboratory
from salhw.conformance.statistics import (
    FALSE_ALARM,
    LEVEL,
    REPLICATES,
    STANDARD_ERRORS,
    equivalent,
    false_alarm,
    groups,
    observations,
    pairs_needed,
    replicates,
    total_variation,
)


def test_a_right_target_passes_where_the_margin_is_wide_enough() -> None:
    """The stated false-alarm rate, for up to 100 quantities, by quadrature; the margin of STANDARD_ERRORS has room."""
    assert false_alarm(STANDARD_ERRORS, REPLICATES, 100) < FALSE_ALARM / 100
    assert false_alarm(STANDARD_ERRORS - 1, REPLICATES, 80) < FALSE_ALARM


def test_the_false_alarm_rate_is_that_of_a_simulation() -> None:
    """At 6 standard errors and 16 replicates it is large enough to be counted: binomial test at 1e-4."""
    rng, trials = np.random.default_rng(1), 20_000
    expected = false_alarm(6.0, 16)
    sample = rng.normal(0.0, 1.0, (trials, 16))
    error = sample.std(axis=1, ddof=1) / 4
    alarms = int(np.sum(np.abs(sample.mean(axis=1)) + stats.t.isf(LEVEL, 15) * error > 6.0 / 4))
    assert stats.binomtest(alarms, trials, expected).pvalue > 1e-4
    assert 0.01 < expected < 0.9


def test_the_p_value_at_the_margin_is_uniform() -> None:
    """A target that deviates by exactly the margin passes with LEVEL: its p-values are uniform (KS at 1e-4), so any
    level is kept."""
    rng = np.random.default_rng(2)
    p = [equivalent(rng.normal(0.3, 1.0, (64, 1)), 0.0, 0.3).p_value for _ in range(3000)]
    assert stats.kstest(p, "uniform").pvalue > 1e-4


def test_the_worst_quantity_decides() -> None:
    rng = np.random.default_rng(3)
    sample = rng.normal([1.0, 2.0, 3.5], 0.01, (64, 3))
    result = equivalent(sample, [1.0, 2.0, 3.0], 0.1, [1.0, 2.0, 3.0])
    assert result.worst == 2
    assert result.deviation == pytest.approx(0.5 / 3, abs=0.01)
    assert not result.passed
    assert equivalent(sample, [1.0, 2.0, 3.5], 0.1).passed


def test_what_does_not_scatter_is_compared_as_it_is() -> None:
    same = np.full((8, 2), 1.0)
    assert equivalent(same, 1.0 + 1e-10, 1e-9).passed
    assert not equivalent(same, 1.0 + 1e-8, 1e-9).passed
    assert equivalent(same, 1.0, 1e-9).deviation == 0.0
    with np.errstate(invalid="ignore"):
        assert not equivalent(np.full((8, 1), np.inf), 1.0, 0.1).passed


def test_one_replicate_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        equivalent([[1.0]], 1.0, 0.1)


def draws(rng: np.random.Generator, p: np.ndarray, n: int) -> np.ndarray:
    return rng.multinomial(n // REPLICATES, p, REPLICATES)


def test_total_variation_passes_the_right_distribution_at_the_planned_size() -> None:
    """300 repetitions of the planned size: no failure, and p-values so small that one is not to be expected."""
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.ones(63))
    results = [total_variation(draws(rng, p, pairs_needed(0.02, 63)), p, 0.02) for _ in range(300)]
    assert max(r.p_value for r in results) < LEVEL
    assert np.mean([r.deviation for r in results]) < 0.001  # the floor is off


@pytest.mark.parametrize("spread", [2, 60])
def test_total_variation_keeps_its_level_at_the_margin(spread: int) -> None:
    """A distribution off by exactly the margin, in few outcomes or in nearly all: of 400, none may pass at LEVEL, and
    at .05 no more than the binomial bound for .05."""
    rng = np.random.default_rng(5)
    p = np.full(63, 1 / 63)
    off = np.zeros(63)
    margin = 0.01
    off[:spread] = np.where(np.arange(spread) % 2, 1.0, -1.0) * 2 * margin / spread
    wrong = p + off
    assert wrong.min() > 0
    results = [total_variation(draws(rng, wrong, 200_000), p, margin).p_value for _ in range(400)]
    assert min(results) > LEVEL
    assert stats.binomtest(int(np.sum(np.array(results) < 0.05)), 400, 0.05, alternative="greater").pvalue > 1e-4


def test_total_variation_measures_the_distance() -> None:
    rng = np.random.default_rng(6)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.35, 0.25])
    result = total_variation(draws(rng, q, 640_000), p, 0.2)
    assert result.deviation == pytest.approx(0.1, abs=5 * result.error)
    assert result.passed
    assert not total_variation(draws(rng, q, 640_000), p, 0.05).passed


def test_total_variation_without_observations_fails() -> None:
    assert not total_variation(np.zeros((64, 3)), [0.5, 0.3, 0.2], 0.5).passed


def test_sizes_follow_the_margin() -> None:
    assert observations(0.1, 1.0) == 12_100
    assert observations(0.2, 1.0) == 3_025
    assert observations(0.5, 0.0, least=7) == 7
    assert pairs_needed(0.02, 63) > pairs_needed(0.04, 63) > pairs_needed(0.04, 8)


def test_groups_sum_neighbours() -> None:
    np.testing.assert_array_equal(groups(np.arange(10.0), 5), [1.0, 5.0, 9.0, 13.0, 17.0])
    assert groups(np.ones((130, 2)), 64).shape == (65, 2)
    np.testing.assert_array_equal(groups(np.arange(3.0), 64), [0.0, 1.0, 2.0])


def test_replicates_are_means_over_all_that_was_observed() -> None:
    """Of populations of different sizes, multiples of REPLICATES; of fewer neurons, one for each."""
    many, few = np.arange(3.0 * REPLICATES), np.arange(1.0 * REPLICATES)
    sample = replicates([many, few])
    assert sample.shape == (REPLICATES, 2)
    np.testing.assert_allclose(sample.mean(axis=0), [many.mean(), few.mean()])
    np.testing.assert_allclose(sample[0], [1.0, 0.0])
    np.testing.assert_array_equal(replicates([np.arange(5), np.arange(7)]), np.stack([np.arange(5.0)] * 2, axis=1))


@pytest.mark.parametrize("room", [3, 100, 130, 1000, 10**6])
def test_populations_get_neurons_by_what_they_need(room: int) -> None:
    """They fit the target, beside one source; the time that the neediest takes is within a tenth of the least that so
    many neurons can take, where there are many."""
    target = salhw.target("reference")
    lab = laboratory("reference", target.replace(resources=target.resources | {"neurons": room + 1}))
    need = np.array([3.0e7, 8.0e6])
    size = apportioned(lab, need)
    most = min(room, UNCONNECTED)
    assert size.min() >= 1
    assert size.sum() <= most
    assert (size % REPLICATES == 0).all() or most < len(need) * REPLICATES
    if room >= 1000:
        assert (need / size).max() < 1.1 * need.sum() / (most - most % REPLICATES)
