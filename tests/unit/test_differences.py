"""The tests of two noisy samples keep their levels on both sides, and say when they do not know."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from salhw.conformance.differences import FAMILY, PLANNED, difference, distance, holm, shares
from salhw.conformance.statistics import ROUNDING


def test_beyond_a_margin_of_nothing_is_welchs_test_with_fewer_degrees_of_freedom() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.3, 1.0, 9), rng.normal(0.0, 2.0, 30)
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = difference(first, second, 1e-15)
    assert found.deviation / found.error == pytest.approx(abs(expected.statistic))
    assert found.beyond == pytest.approx(2 * stats.t.sf(abs(expected.statistic), 8), rel=1e-9)
    assert found.beyond > expected.pvalue


@pytest.mark.parametrize(("few", "spread"), [(2, 0.1), (4, 1.0), (16, 3.0)])
def test_at_the_margin_both_levels_are_kept(few: int, spread: float) -> None:
    """Of samples of unequal size and spread whose means are a margin apart, no more than .05, .01 and .001 are shown to
    be on either side (binomial bound at 1e-4 of 2000), however few the replicates."""
    rng = np.random.default_rng(2)
    first, second = rng.normal(-0.5, spread, (few, 2000)), rng.normal(0.0, 0.6, (4 * few, 2000))
    found = [difference(a, b, 0.5) for a, b in zip(first.T, second.T, strict=True)]
    for p in ([f.within for f in found], [f.beyond for f in found]):
        for level in (0.05, 0.01, 0.001):
            shown = int(np.sum(np.array(p) <= level))
            assert stats.binomtest(shown, len(p), level, alternative="greater").pvalue > 1e-4, level


def test_the_worst_of_many_decides_to_be_within_and_any_shows_to_be_beyond() -> None:
    rng = np.random.default_rng(3)
    reference = rng.normal(0.0, 0.01, (40, 3))
    far = difference(rng.normal([0.0, 0.2, 0.0], 0.01, (20, 3)), reference, 0.1)
    assert (far.worst, far.within > 0.99, far.beyond < 1e-9) == (1, True, True)
    near = difference(rng.normal([0.0, 0.05, 0.0], 0.01, (20, 3)), reference, 0.1)
    assert (near.worst, near.within < 1e-6, near.beyond > 0.99) == (1, True, True)


def test_what_does_not_scatter_is_compared_as_it_is() -> None:
    same = np.ones((5, 2))
    assert difference(same, same, 1e-9).within == 0.0
    assert difference(same + 1e-8, same, 1e-9).beyond == 0.0
    assert distance(same, same + 0.5 * ROUNDING, 1e-9, 0.5).within == 0.0
    assert distance(same + 1.0, same, 0.5, 0.5).beyond == 0.0


def test_what_is_no_number_is_never_shown() -> None:
    nan = difference(np.full((4, 1), np.nan), np.ones((4, 1)), 0.1)
    assert (nan.within, nan.beyond, nan.more) == (1.0, 1.0, np.inf)


def test_one_replicate_is_refused() -> None:
    for test in (lambda: difference([[1.0]], [[1.0], [2.0]], 0.1), lambda: distance([[1.0]], [[1.0]], 0.1, 1.0)):
        with pytest.raises(ValueError, match="at least 2"):
            test()


def two(rng: np.random.Generator, p: np.ndarray, q: np.ndarray, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    return shares(rng.multinomial(n, p, 16)), shares(rng.multinomial(n, q, 64))


@pytest.mark.parametrize("spread", [2, 30])
def test_a_distance_of_the_margin_is_shown_to_be_neither(spread: int) -> None:
    """Two distributions exactly the margin apart, in few outcomes or in all: of 200, not more are shown to be within or
    beyond at .05 than its binomial bound (1e-4)."""
    rng = np.random.default_rng(4)
    off, margin = np.zeros(30), 0.05
    off[:spread] = np.where(np.arange(spread) % 2, 1.0, -1.0) * 2 * margin / spread
    p = np.where(np.arange(30) < 2, 0.1, 0.8 / 28)
    found = [distance(*two(rng, p + off, p), margin, 0.5) for _ in range(200)]
    for name in ("within", "beyond"):
        shown = int(np.sum(np.array([getattr(f, name) for f in found]) < 0.05))
        assert stats.binomtest(shown, 200, 0.05, alternative="greater").pvalue > 1e-4, name


def test_a_distance_is_shown_to_be_within_and_beyond_with_enough_data() -> None:
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(30))
    q = np.roll(p, 1)
    true = 0.5 * float(np.abs(p - q).sum())
    result = distance(*two(rng, p, q, 100_000), 0.05, 0.5)
    assert result.deviation == pytest.approx(true, abs=5 * result.error)
    assert result.beyond < 1e-6
    assert distance(*two(rng, p, p, 100_000), 0.05, 0.5).within < 1e-6
    few = distance(*two(rng, p, p, 100), 0.05, 0.5)
    assert few.within > 0.05
    assert few.beyond > 0.05


def test_wassersteins_distance_of_sorted_values() -> None:
    """Of two normal distributions a shift apart it is the shift; scipy's of the mean quantiles is the same number."""
    rng = np.random.default_rng(6)
    first, second = (np.sort(rng.normal(m, 1.0, (40, 50)), axis=1) for m in (0.3, 0.0))
    found = distance(first, second, 0.2, 1 / 50)
    raw = stats.wasserstein_distance(first.mean(axis=0), second.mean(axis=0))
    assert found.deviation <= raw == pytest.approx(0.3, abs=0.1)
    assert raw - found.deviation < 0.05


def test_the_run_that_would_decide_does() -> None:
    """Planned from a first sample, as many times the data show the difference to be within in most of 200 repetitions:
    the plan is for the deviation that it saw."""
    rng = np.random.default_rng(7)
    decided, sizes = 0, []
    for _ in range(200):
        first = difference(rng.normal(0.0, 1.0, (16, 10)), rng.normal(0.0, 1.0, (64, 10)), 0.5)
        n = int(np.ceil(16 * first.more))
        sizes.append(n)
        again = difference(rng.normal(0.0, 1.0, (n, 10)), rng.normal(0.0, 1.0, (4 * n, 10)), 0.5)
        decided += again.within <= PLANNED
    assert decided > 100
    assert np.median(sizes) < 16 * 20


def test_shares_have_the_ratio_of_sums_as_their_mean() -> None:
    counts = np.array([[3.0, 1.0], [10.0, 6.0], [0.0, 0.0], [1.0, 4.0]])
    np.testing.assert_allclose(shares(counts).mean(axis=0), counts.sum(axis=0) / counts.sum())


def test_holm_is_statsmodels() -> None:
    p = np.random.default_rng(8).uniform(0, 0.1, 12)
    np.testing.assert_allclose(holm(p), multipletests(p, FAMILY, "holm")[1])
    assert holm([]).shape == (0,)
