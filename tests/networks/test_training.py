"""The wake-sleep loop on the reference: its parts against exact results, most of them to rounding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from salhw.theory import distribution, kl_divergence, marginal, moments
from salhw_networks.sampling import sweep
from salhw_networks.sampling.sweep import Condition, Scale
from salhw_networks.sampling.training import (
    Cases,
    Training,
    asymmetry,
    divergences,
    sampled,
    train,
    wake_moments,
)

RUNS = Scale(distributions=2, seeds=2, cycles=1, checks=1, measure=1e5)
SHORT = Training(sleep=2_000.0)
ETA = 0.001  # so small that the weights hardly move within a cycle
NOISY = Condition("none", 0.5, 0.0, 0.01)


def cases(how: Training = SHORT, condition: Condition = NOISY, runs: Scale = RUNS) -> Cases:
    return sweep.cases(how, runs, [condition])


def after(how: Training, start: Cases, cycles: int = 1, seed: int = 1) -> Cases:
    return train(how, start, cycles, target="reference", seed=seed)


def off_diagonal(matrices: Any) -> Any:
    return matrices[:, ~np.eye(matrices.shape[-1], dtype=bool)]


def test_the_spike_based_rule_is_the_state_based_one_but_for_the_ends_of_the_phase() -> None:
    """Same seed, same spikes (neither changes weights while it sleeps). The overlap of two states differs from the sum
    over pairs only where the phase cuts a state off: by at most two tau_ref."""
    start = cases()
    spike, state = after(SHORT, start), after(replace(SHORT, rule="state"), start)
    np.testing.assert_array_less(np.abs(spike.weights - state.weights), 0.01 * 2 * SHORT.tau_ref / SHORT.sleep + 1e-12)
    np.testing.assert_array_less(np.abs(spike.bias - state.bias), 0.01 * 2 * SHORT.tau_ref / SHORT.sleep + 1e-12)
    assert np.abs(off_diagonal(spike.weights - start.weights)).min() > 1e-6  # something was learned
    assert np.all(np.einsum("kii->ki", spike.weights) == 0.0)


def test_computed_wake_moments_are_the_target_s() -> None:
    """All visible: those of the target. Some hidden: for a target that is the network's own marginal, those of the
    network's joint distribution."""
    start = cases(condition=Condition("none", 0.0, 0.0, 0.01))
    mean, pair = wake_moments(start.desired, start.weights, start.bias, 7)
    for k in range(len(start)):
        first, second = moments(start.desired[k])
        np.testing.assert_allclose(mean[k], first, atol=1e-12)
        np.testing.assert_allclose(pair[k] + np.diag(first), second, atol=1e-12)
    joint = [distribution(w, b) for w, b in zip(start.weights, start.bias, strict=True)]
    seen = np.array([marginal(p, [0, 1, 2, 3]) for p in joint])
    mean, pair = wake_moments(seen, start.weights, start.bias, 4)
    for k, p in enumerate(joint):
        first, second = moments(p)
        np.testing.assert_allclose(mean[k], first, atol=1e-12)
        np.testing.assert_allclose(pair[k] + np.diag(first), second, atol=1e-12)


@pytest.mark.parametrize("rule", ["spike", "state"])
def test_a_sampled_wake_phase_is_the_computed_one_on_average(rule: Any) -> None:
    """Clamped patterns drawn from the target, 48 instances of one case with three visible neurons of four: mean changes
    of weights and biases against those of the computed wake phase, Hotelling's T^2 at level 1e-4 for 6 weights and 4
    biases. Power: the changes without any wake phase are rejected at 1e-12."""
    how = Training(size=4, visible=3, sleep=4_000.0, rule=rule, patterns=20)
    runs = Scale(distributions=1, seeds=1, cycles=1, checks=1, measure=1e5)
    one = sweep.cases(how, runs, [Condition("none", 0.0, 0.0, ETA)])
    many = Cases(*(np.repeat(getattr(one, name), 48, axis=0) for name in Cases.__dataclass_fields__))
    i, j = np.triu_indices(4, 1)

    def change(training: Training, seed: int) -> Any:
        end = after(training, many, seed=seed)
        return np.hstack([(end.weights - many.weights)[:, i, j], end.bias - many.bias])

    wake, computed = change(replace(how, wake="sampled"), 1), change(how, 2)
    asleep = computed - ETA * np.hstack([m[0][i, j] if m.ndim == 3 else m[0] for m in _wake(one, 3)])

    def p_value(first: Any, second: Any) -> float:
        n, k = first.shape
        off = first.mean(axis=0) - second.mean(axis=0)
        pooled = 0.5 * (np.cov(first.T) + np.cov(second.T))
        t2 = n / 2 * off @ np.linalg.solve(pooled, off)
        return float(stats.f.sf(t2 * (2 * n - k - 1) / (k * (2 * n - 2)), k, 2 * n - k - 1))

    assert p_value(wake, computed) > 1e-4
    assert p_value(wake, asleep) < 1e-12


def _wake(one: Cases, visible: int) -> Any:
    mean, pair = wake_moments(one.desired, one.weights, one.bias, visible)
    return pair, mean


def test_kolen_pollack_s_asymmetry_is_the_initial_one_times_a_power() -> None:
    """initial * (1 - lambda)^2n to rounding, because wake-sleep's changes are symmetric to rounding."""
    decay, cycles = 3e-3, 12
    start = cases(condition=Condition("KP", 0.8, 0.0, 0.05, decay=decay))
    end = after(SHORT, start, cycles)
    expected = asymmetry(start.weights) * (1.0 - decay) ** (2 * cycles)
    np.testing.assert_allclose(asymmetry(end.weights), expected, rtol=1e-10)
    assert asymmetry(start.weights).min() > 0.1
    without = after(SHORT, replace(start, decay=np.zeros(len(start))), cycles)
    np.testing.assert_allclose(asymmetry(without.weights), asymmetry(start.weights), rtol=1e-10)


@pytest.mark.parametrize("phase", ["sleep", "own"])
def test_sal_conserves_the_mean_of_reciprocal_weights_and_brings_them_together(phase: Any) -> None:
    start = cases(condition=Condition("SAL", 0.8, 0.0, 0.0, sal=0.5))
    end = after(replace(SHORT, sal_phase=phase), start, 20)
    both = [w + np.swapaxes(w, 1, 2) for w in (start.weights, end.weights)]
    np.testing.assert_allclose(both[1], both[0], atol=1e-9)
    assert (asymmetry(end.weights) < 0.8 * asymmetry(start.weights)).all()
    np.testing.assert_array_equal(end.bias, start.bias)


def test_sal_in_a_phase_of_its_own_sees_other_spikes() -> None:
    start = cases(condition=Condition("SAL", 0.8, 0.0, 0.01, sal=0.1))
    together, apart = (after(replace(SHORT, sal_phase=phase), start) for phase in ("sleep", "own"))
    np.testing.assert_array_equal(together.bias, apart.bias)  # the sleep phase is the same
    assert not np.allclose(together.weights, apart.weights, atol=1e-6)


@pytest.mark.parametrize("noise_in", ["both", "sleep", "code"])
def test_plasticity_noise_scales_the_terms_that_it_should(noise_in: Any) -> None:
    """One cycle from the same seed sees the same spikes: the changes are those without noise, scaled by 1 + xi."""
    how = replace(SHORT, noise_in=noise_in)
    quiet = cases(condition=Condition("SAL", 0.5, 0.0, 0.01, sal=0.02))
    noisy = cases(condition=Condition("SAL", 0.5, 0.2, 0.01, sal=0.02))
    assert np.abs(noisy.noise).max() < 0.2 * 1.5
    only_sal = after(how, replace(quiet, rate=np.zeros(len(quiet)))).weights - quiet.weights
    change, expected = after(how, noisy).weights - noisy.weights, after(how, quiet).weights - quiet.weights
    wake = 0.01 * wake_moments(quiet.desired, quiet.weights, quiet.bias, 7)[1]
    sleep = expected - only_sal - wake
    factor = 1.0 + noisy.noise
    want = sleep * factor + wake * (factor if noise_in == "both" else 1.0)
    want += only_sal * (factor if noise_in == "code" else 1.0)
    np.testing.assert_allclose(off_diagonal(change), off_diagonal(want), atol=1e-12)


def test_bounds_clip_weights_and_biases() -> None:
    start = cases(condition=Condition("none", 1.5, 0.0, 0.5))
    end = after(replace(SHORT, bounds=0.4), start, 3)
    assert np.abs(end.weights).max() <= 0.4
    assert np.abs(end.bias).max() <= 0.4
    assert np.abs(end.weights).max() == 0.4


def test_a_batch_does_what_each_case_does_alone() -> None:
    """To the bit, for the cases that come first (instances are numbered through)."""
    start = cases()
    alone = Cases(*(getattr(start, name)[:1] for name in Cases.__dataclass_fields__))
    together, single = after(SHORT, start, 3), after(SHORT, alone, 3)
    np.testing.assert_array_equal(together.weights[:1], single.weights)
    np.testing.assert_array_equal(together.bias[:1], single.bias)


def test_divergences_are_the_theory_s_in_both_directions() -> None:
    start = cases()
    p = sampled(SHORT, start, 20_000.0, target="reference", seed=3)
    forward, backward = divergences(p, start.desired)
    for k in range(len(start)):
        assert forward[k] == pytest.approx(kl_divergence(p[k], start.desired[k]), rel=1e-12)
        assert backward[k] == pytest.approx(kl_divergence(start.desired[k], p[k]), rel=1e-12)


@pytest.mark.parametrize(("wake", "rate", "cycles", "factor"), [("computed", 0.2, 150, 10), ("sampled", 0.1, 120, 4)])
def test_a_marginal_is_learned_with_hidden_neurons(wake: Any, rate: float, cycles: int, factor: float) -> None:
    """Three visible neurons, two hidden ones: the sum of the cases' D_KL falls to a tenth (measured: a thirtieth), with
    a wake phase of ten drawn patterns per cycle, which is noise, to a quarter (measured: an eighth). D_KL's sampling
    error at 100 s is 1e-4."""
    how = Training(size=5, visible=3, wake=wake, patterns=10, sleep=2_000.0)
    start = sweep.cases(how, RUNS, [Condition("SAL", 0.2, 0.0, rate, sal=0.1)])
    end = after(how, start, cycles)
    before, then = (
        divergences(sampled(how, c, 100_000.0, target="reference", seed=5), c.desired)[0].sum() for c in (start, end)
    )
    assert before > 0.3
    assert then < before / factor
