"""Verdicts on divergences and effect sizes are wrong no more often than they say, at the margin itself, where it is
easiest to be wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from comparison_examples import Narrow, installed, ran
from scipy import stats
from scipy.optimize import brentq

import salhw
from salhw.comparison.divergence import divergence, standardised
from salhw.comparison.exact import beside_theory
from salhw.comparison.judge import judged
from salhw.comparison.measures import Measure, measures
from salhw.comparison.quantities import checked_margins
from salhw.comparison.wording import overview
from salhw.conformance.differences import Difference, difference, shares
from salhw.registry import builder

LEVEL, MARGIN, FAMILIES = 0.05, 0.02, 300
FALSE_ALARM = 1e-4


def held(test: Callable[[], Difference]) -> None:
    """At the margin either verdict is wrong; each is to come with a probability of at most LEVEL."""
    found = [test() for _ in range(FAMILIES)]
    for wrong in (sum(d.within <= LEVEL for d in found), sum(d.beyond <= LEVEL for d in found)):
        assert stats.binomtest(wrong, FAMILIES, LEVEL, alternative="greater").pvalue > FALSE_ALARM


def apart(states: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two distributions with D_KL(p || q) = MARGIN."""
    q, direction = rng.dirichlet(np.full(states, 2.0)), rng.normal(size=states)

    def tilted(size: float) -> np.ndarray:
        p = q * np.exp(size * direction)
        return p / p.sum()

    return tilted(brentq(lambda size: tilted(size) @ np.log(tilted(size) / q) - MARGIN, 0.0, 10.0)), q


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("states", "replicates", "visits"), [(4, 16, 3000), (4, 4, 10_000), (16, 16, 1000)])
def test_divergences_at_the_margin_are_called_neither(states: int, replicates: int, visits: int, exact: bool) -> None:
    rng = np.random.default_rng(1)

    def once() -> Difference:
        p, q = apart(states, rng)
        seen = shares(rng.multinomial(visits, p, replicates))
        return divergence(seen, q[None] if exact else shares(rng.multinomial(visits, q, 4 * replicates)), MARGIN)

    held(once)


def test_divergences_that_are_clear_are_called_what_they_are() -> None:
    rng = np.random.default_rng(2)
    p, q = apart(16, rng)
    seen, there = shares(rng.multinomial(3000, p, 16)), shares(rng.multinomial(3000, q, 64))
    assert divergence(seen, there, 2 * MARGIN).within < 1e-4
    assert divergence(seen, there, MARGIN / 2).beyond < 1e-4
    found = divergence(seen, there, MARGIN)
    assert abs(found.deviation - MARGIN) < 5 * found.error < MARGIN
    same = divergence(shares(rng.multinomial(3000, q, 16)), there, MARGIN)
    assert same.within < 1e-4
    with pytest.raises(ValueError, match="never is"):
        divergence(seen, np.eye(16)[:4], MARGIN)


@pytest.mark.parametrize("replicates", [4, 16])
def test_effects_at_the_margin_are_called_neither(replicates: int) -> None:
    """Forty sorted rates, whose mean and spread change from replicate to replicate."""
    rng, margin = np.random.default_rng(3), 0.2
    there = np.sort(rng.normal(20.0, 4.0, 40))
    here = there + margin / (1 - 3 / (8 * 40 - 9)) * there.std(ddof=1)

    def rows(middle: np.ndarray, count: int) -> np.ndarray:
        wider, shift = rng.normal(1.0, 0.2, (count, 1)), rng.normal(0.0, 0.3, (count, 1))
        return middle.mean() + (middle - middle.mean()) * wider + shift

    def once() -> Difference:
        pair = standardised(rows(here, replicates), rows(there, 4 * replicates))
        assert pair is not None
        return difference(*pair, margin)

    held(once)


def test_an_effect_has_the_error_of_its_mean_and_of_its_spread() -> None:
    """The standard error is what g scatters by from one experiment to the next, where the spread is noisy as well."""
    rng = np.random.default_rng(4)
    middle = np.sort(rng.normal(20.0, 4.0, 30))
    found = []
    for _ in range(400):
        rows = [
            m + (middle - middle.mean()) * rng.normal(1.0, 0.5, (16, 1)) + rng.normal(0.0, 0.5, (16, 1))
            for m in (26.0, 20.0)
        ]
        pair = standardised(*rows)
        assert pair is not None
        each = difference(*pair, 0.2)
        assert each.deviation == pytest.approx(float(pair[0].mean() - pair[1].mean()))
        found.append((each.deviation, each.error))
    g, error = np.array(found).T
    assert g.std() == pytest.approx(np.sqrt((error**2).mean()), rel=0.15)  # 4 standard errors of a spread of 400
    assert standardised(np.ones((3, 4)), np.ones((3, 4))) is None


def test_a_run_is_held_against_theory_with_a_verdict() -> None:
    """A static pair with equal weights, whose states theory has: the reference takes them, stronger weights do not."""
    net = builder("pair")(weights=(0.8, 0.8), learning_rate=0.0)
    (p,) = net.projections
    static = net.replace(projections=[p.replace(plasticity=())])
    other = static.replace(projections=[p.replace(plasticity=(), weights=[[0.0, 1.6], [1.6, 0.0]])])
    verdicts = []
    for shown in (static, other):
        states, theory = beside_theory(static, measures(ran(shown, 10_000.0, 16, 4), static, 1))
        (row,) = judged(theory, states, checked_margins(None))
        verdicts.append((row.quantity, row.unit, row.verdict))
    assert verdicts == [("theory_divergence", "nats", "equivalent"), ("theory_divergence", "nats", "different")]


def test_a_comparison_tells_what_theory_knows_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(monkeypatch, Narrow("narrow")):
        result = salhw.compare(builder("sampling")(size=3, seed=2), duration=2000.0, fit=False, instances=4)
    assert [row.quantity for row in result.reference.rows] == ["theory_divergence"]
    (_, _, reference_cell), _ = overview(result)[1]
    assert reference_cell == "theory divergence equivalent"


def test_margins_of_effects_and_divergences_are_the_users() -> None:
    """Two populations a tenth apart: different by a margin of .1 of their spread, equivalent by one of 2."""
    rng = np.random.default_rng(5)
    rates = np.sort(rng.normal(20.0, 4.0, 40))
    slow, fast = (
        Measure("rate_distribution", "populations.p", rates * f + rng.normal(0, 0.2, (n, 1)), (), 20.0)
        for f, n in ((1.0, 64), (1.1, 16))
    )
    for margin, verdict in ((0.1, "different"), (2.0, "equivalent")):
        rows = {r.quantity: r for r in judged([slow], [fast], checked_margins({"rate_effect": margin}))}
        assert rows["rate_effect"].verdict == verdict
        assert rows["rate_effect"].measured == pytest.approx(0.1 * 20 / 4, rel=0.2)
