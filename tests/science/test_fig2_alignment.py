"""Paper Fig 2d: SAL makes two reciprocal weights equal, in one run of 1,500 updates of 1,500 steps.

The normalisation is that of the authors' notebook (ppd.ipynb): an update is eta = .03 times the summed window over all
pairs, divided by T / tau_ref = 60, hence 5e-4 per pair. Their figure pairs each spike with the last ten of the partner,
which for an exponential window is ``all``; the text says nearest neighbours (``nearest_restricted``). Both are tested.

A weight is the mean over 32 instances at the very end of the run; instances 0..7 are the eight seeds of the issue and
are held to the same .05 alone. Standard errors: at most .008 (32) and .015 (8).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

import salhw
from salhw.theory import attractor, drifts, sal_window, stdd
from salhw_networks.pairs.network import network

PER_PAIR, UPDATES, PERIOD, STEPS = 5e-4, 1500, 600.0, 1500
EVERY = f"every {PERIOD:g} ms"
BIAS, SEEDS = (-0.5, -0.2), 32
TWO_SIDED = (1.0, 1.0)
TRAILING = {"first follows": (1.0, 0.0), "second follows": (0.0, 1.0)}
UNEQUAL = {"1:3": (1.0, 3.0), "3:1": (3.0, 1.0), "1:2": (1.0, 2.0)}
TOLERANCE = 0.05


@cache
def traces(rates, pairing, update=EVERY):
    """(W[0, 1], W[1, 0]), each (instance, update), for learning rates of the two in units of 5e-4."""
    eta = [[0.0, rates[0] * PER_PAIR], [rates[1] * PER_PAIR, 0.0]]
    net = network(bias=BIAS, learning_rate=eta, update=update, sample=50 * PERIOD)
    (pair,) = net.projections
    rule = pair.plasticity[0].replace(pairing=pairing)
    probes = [p for p in net.probes if p.kind == "Weights"]
    net = net.replace(projections=(pair.replace(plasticity=(rule,)),), probes=tuple(probes))
    recording = salhw.run(net, duration=UPDATES * PERIOD, seed=1, instances=SEEDS)
    w = recording.weights["pair"].values
    assert recording.weights["pair"]["time"].values[-1] == UPDATES * PERIOD
    return w[:, :, 0, 1], w[:, :, 1, 0]


def ends(rates, pairing):
    """Means over all instances and over the first eight, of both weights."""
    return [(w[:, -1].mean(), w[:8, -1].mean()) for w in traces(rates, pairing)]


@cache
def expected(rates, updates=UPDATES, stride=10):
    """The two weights after every ``stride`` updates as the theory's mean drift moves them (Heun's method)."""
    tau, window = 25, sal_window(25.0, 400)

    def slope(w):
        partner_of_0 = drifts(stdd([[0.0, w[0]], [w[1], 0.0]], BIAS, np.ones(tau), tau, 400), -window, window)
        return STEPS * PER_PAIR * np.array([rates[0] * partner_of_0[1], rates[1] * partner_of_0[0]])

    path = [np.array([1.5, 0.5])]
    for _ in range(updates // stride):
        first = slope(path[-1])
        second = slope(path[-1] + stride * first)
        path.append(path[-1] + stride * 0.5 * (first + second))
    return np.array(path)


@pytest.mark.parametrize("pairing", ["all", "nearest_restricted"])
def test_two_sided_sal_ends_at_the_mean(pairing):
    """|mean weight - 1| < .05. Level: below 1e-9 (measured offset .010 with standard error .004 for eight). Power:
    without SAL the weights stay .5 away, with its signs exchanged they part."""
    for mean, of_eight in ends(TWO_SIDED, pairing):
        assert abs(mean - 1.0) < TOLERANCE
        assert abs(of_eight - 1.0) < TOLERANCE
    first, second = traces(TWO_SIDED, pairing)
    np.testing.assert_allclose(first + second, 2.0, atol=1e-9)  # an odd window conserves the sum


@pytest.mark.parametrize("side", TRAILING)
def test_one_sided_sal_ends_at_the_partner(side):
    """All pairs, as in the authors' figure: the learning weight ends within .05 of the other one, which stays put.
    Level: expected distances .040 and .039, standard errors .003 and .004 (32 instances): 4e-3. For eight instances
    alone (.041 +- .007 and .041 +- .009) a new seed would fail in one case of six; this seed passes. Power: nearest
    neighbours, .066 and .055, fail it (below)."""
    (a, a8), (b, b8) = ends(TRAILING[side], "all")
    follower, leader = ((a, a8), 0.5) if side == "first follows" else ((b, b8), 1.5)
    assert abs(follower[0] - leader) < TOLERANCE
    assert abs(follower[1] - leader) < TOLERANCE
    fixed = traces(TRAILING[side], "all")[side == "first follows"]
    assert np.all(fixed == leader)


@pytest.mark.parametrize(
    ("ratio", "pairing"), [("1:3", "all"), ("3:1", "nearest_restricted"), ("1:2", "nearest_restricted")]
)
def test_unequal_learning_rates_end_at_their_weighted_mean(ratio, pairing):
    """Where eta_1 W_0 + eta_0 W_1 is conserved, the weights meet at (eta_1 W_0 + eta_0 W_1) / (eta_0 + eta_1). Within
    .05; power: the plain mean 1.0 is .17 to .25 away. Each ratio with one of the pairings, whose windows are odd alike:
    that both follow the rates is told by either."""
    eta = UNEQUAL[ratio]
    target = (eta[1] * 1.5 + eta[0] * 0.5) / sum(eta)
    for mean, of_eight in ends(eta, pairing):
        assert abs(mean - target) < TOLERANCE
        assert abs(of_eight - target) < TOLERANCE
    first, second = traces(eta, pairing)
    np.testing.assert_allclose(eta[1] * first + eta[0] * second, eta[1] * 1.5 + eta[0] * 0.5, atol=1e-9)


@pytest.mark.parametrize("update", [EVERY, "spike"])
@pytest.mark.parametrize("rates", [TWO_SIDED, *TRAILING.values()])
def test_nearest_neighbours_follow_the_drift_of_the_theory(rates, update):
    """The mean path of the weights is that of the Markov chain's drift, whether they change every 600 ms or with every
    spike: z-tests after 300, 750 and 1,500 updates, level 6e-5 each (|z| < 4). Power: learning rates 10 % higher lie
    6 to 12 standard errors away at 300 updates, so that |z| < 4 would miss them in one of a hundred cases at most; the
    test asks for a |z| above 4 there."""
    side = 0 if rates[0] else 1
    w, want, wrong = (
        traces(rates, "nearest_restricted", update)[side],
        expected(rates),
        expected(tuple(1.1 * r for r in rates), 300),
    )
    for updates in (300, 750, 1500):
        sample = w[:, updates // 50]
        error = sample.std(ddof=1) / np.sqrt(SEEDS)
        assert abs(sample.mean() - want[updates // 10, side]) < 4 * error
        if updates == 300:
            assert abs(sample.mean() - wrong[updates // 10, side]) > 4 * error


def test_what_keeps_nearest_neighbours_short_of_a_fixed_partner():
    """One-sided with nearest neighbours, the follower is .06 to .07 away after 1,500 updates, not .05. Two reasons,
    both the theory's: the drift is weaker than with all pairs, and for biases that differ the fixed point of a PSP
    of tau_ref steps is off the diagonal (1.473 for a partner of 1.5, .505 for .5), by an amount proportional to dt."""
    (first, _), _ = ends(TRAILING["first follows"], "nearest_restricted")
    _, (second, _) = ends(TRAILING["second follows"], "nearest_restricted")
    assert 0.05 < first - 0.5 < 0.10
    assert 0.05 < 1.5 - second < 0.10

    def fixed_points(tau):
        """Where W[0, 1] comes to rest beside W[1, 0] = .5, and W[1, 0] beside W[0, 1] = 1.5 (the neurons swapped)."""
        kappa = np.ones(tau)
        return np.concatenate([attractor([0.5], BIAS, kappa, tau), attractor([1.5], BIAS[::-1], kappa, tau)])

    np.testing.assert_allclose(fixed_points(25), [0.5053, 1.4730], atol=1e-4)
    assert expected((1.0, 0.0), 6000, 50)[-1, 0] == pytest.approx(0.5053, abs=1e-3)
    assert expected((0.0, 1.0), 6000, 50)[-1, 1] == pytest.approx(1.4730, abs=1e-3)
    distance = [np.abs(fixed_points(tau) - [0.5, 1.5]) for tau in (25, 50, 100)]
    for coarse, fine in pairwise(distance):
        np.testing.assert_allclose(coarse / fine, 2.0, atol=0.15)
