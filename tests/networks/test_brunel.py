"""Brunel's network: its parts, its rates against theory, and reference and nest against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import salhw
from salhw import LIF, Membrane, Network, Population, Projection, Source, SpikeTimes
from salhw.comparison.spiking import variations
from salhw_networks.activity import QUANTITIES, activity, apart, correlation, synchrony, trains
from salhw_networks.background import background
from salhw_networks.brunel import regimes
from salhw_networks.brunel.network import REGIMES, TAU_M, jump, network
from salhw_networks.brunel.theory import rate, stationary_rate


@pytest.mark.parametrize("probability", [None, 0.05])
def test_one_source_has_mean_and_variance_of_many(probability: float | None) -> None:
    """3 kHz of events of .1, in steps of .1 ms: .3 events a step."""
    one = background(0.1, 3000.0, 0.1, probability)
    p = -np.expm1(-one.rate * 0.1 / 1000.0)
    assert one.weight * p + one.rest == pytest.approx(0.1 * 0.3)
    assert one.weight**2 * p * (1.0 - p) == pytest.approx(0.1**2 * 0.3)
    third = one.weight**3 * p * (1.0 - p) * (1.0 - 2.0 * p)
    assert p == pytest.approx(probability) if probability else third == pytest.approx(0.1**3 * 0.3)


def test_a_psp_of_one_step_is_a_jump_by_the_weight() -> None:
    """Of a membrane that is on its way, whatever it is at; then it decays."""
    net = Network(
        name="one", dt=0.1,
        populations=[Population("x", 1, Source()), Population("y", 1, LIF(bias=3.0, tau_m=TAU_M, v_thresh=100.0))],
        projections=[Projection("p", "x", "y", weights=[[7.0]], kernel=jump(TAU_M, 0.1), delay=0.2)],
        stimuli=[SpikeTimes("x", [[1.0]])], probes=[Membrane("y")],
    )  # fmt: skip
    v = salhw.run(net, target="reference", duration=3.0).membrane_traces["y"].values[0, :, 0]
    free = 3.0 * -np.expm1(-0.1 * np.arange(1, 31) / TAU_M)
    after = np.arange(30) - 13  # a spike at step 10 acts at step 10 + 1 + 2
    np.testing.assert_allclose(v, free + np.where(after < 0, 0.0, 7.0 * np.exp(-0.1 * after / TAU_M)), atol=1e-12)
    assert np.round((v - free)[12:16], 4).tolist() == [0.0, 7.0, 6.9651, 6.9303]  # as docs/semantics.md has them


def test_theory_has_the_rates_of_the_paper() -> None:
    """Brunel's Table 1: 55.8, 38.0 and 6.5 Hz; and a neuron far above its threshold follows its input."""
    found = [stationary_rate(*REGIMES[name], 1000, 0.1) for name in ("SI fast", "AI", "SI slow")]
    np.testing.assert_allclose(found, [55.8, 38.0, 6.5], atol=0.06)
    assert rate(60.0, 0.01) == pytest.approx(1000.0 / (2.0 + 20.0 * np.log(50.0 / 40.0)), rel=1e-4)


def test_a_small_network_has_the_rate_of_the_theory() -> None:
    """400 neurons with 40 inputs each, .5 s: the theory knows no correlations, which some 10 % are left to."""
    net = network(size=400, weight=1.0)
    spikes = salhw.run(net, target="reference", duration=500.0, seed=1).spikes["excitatory"]
    assert len(spikes) / spikes.size / 0.5 == pytest.approx(stationary_rate(5.0, 2.0, 32, 1.0), rel=0.1)


def test_statistics_of_activity() -> None:
    """Twenty trains of random spikes, each flipped by one that all have in common: the correlation follows."""
    random = np.random.default_rng(3)
    own, common = random.random((100_000, 20)) < 0.01, random.random((100_000, 1)) < 0.01
    step, neuron = np.nonzero(own ^ common)
    spikes = salhw.SpikeTrains((0,), 20, 0.0, 1e5, np.zeros(len(step), dtype=int), neuron, step * 1.0)
    both = 0.01 * 0.99 * (1.0 - 2.0 * 0.01) ** 2  # the covariance of two that are flipped by one
    share = 2.0 * 0.01 * 0.99
    expected = both / (share * (1.0 - share))
    found = dict(zip(QUANTITIES, activity(spikes, 1.0), strict=True))
    for name, value in {"rate": 1000.0 * share, "cv": np.sqrt(1.0 - share), "fast": expected, "slow": expected}.items():
        assert abs(found[name][0] - value) < 5.0 * found[name][1], name
        assert 0.0 < found[name][1] < 0.1 * value
    whole = trains(spikes, 1.0, 1)
    assert found["cv"][0] == pytest.approx(np.nanmean(variations(whole)[0]), abs=1e-12)
    fano = (1.0 - share) * (1.0 + 19.0 * correlation(whole, 3.0)[0])
    assert synchrony(whole, 3.0)[0] == pytest.approx(fano, rel=0.03)


def test_the_experiment_runs_judges_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 neurons, too few to show a state: nothing is judged, and everything is written."""
    monkeypatch.setitem(regimes.SCALES, "smoke", regimes.Scale(size=100, weight=2.0, duration=300.0, judged=False))
    told = regimes.experiment(tmp_path, scale="smoke")
    assert [row["agrees"] for row in told["rows"]] == [None] * 11
    assert all((tmp_path / file).stat().st_size > 500 for file in told["files"])


def test_states_are_told_apart_by_what_they_are_called_after() -> None:
    """Figures as they are at full size agree; each of them as another state has it does not."""
    scale = regimes.SCALES["default"]
    rows = {"SR": (329.0, 0.03, 0.2, 0.13), "SI fast": (69.5, 0.58, 0.067, 0.02), "AI": (43.3, 0.35, 0.019, 0.01),
            "SI slow": (5.4, 0.53, 0.02, 0.09)}  # fmt: skip

    def refused(**wrong: tuple[float, ...]) -> list[str]:
        spiking = np.sin(np.arange(400))
        runs = {
            name: {"activity": np.array([*row, 1.0])[:, None], "spiking": spiking}
            for name, row in (rows | {key.replace("_", " "): row for key, row in wrong.items()}).items()
        }
        return [claim.what for claim in regimes.judge(runs, scale) if not claim.agrees]

    assert refused() == []
    assert refused(AI=rows["SI fast"]) == ["AI: rate", "AI: correlation of pairs, frequency of all"]
    assert refused(SI_slow=(6.5, 0.53, 0.01, 0.01)) == ["SI slow: correlation of pairs, frequency of all"]
    assert refused(SR=(329.0, 0.4, 0.2, 0.1)) == ["SR: cv of intervals"]


@pytest.mark.slow
def test_four_states_at_full_size_on_reference_and_nest() -> None:
    """10,000 neurons, 10 million synapses. Both targets have the same synapses and other noise: of 20 numbers that are
    compared none may be 4.5 standard errors off (by chance, with 18 degrees of freedom: one run in 180). Both are what
    the paper shows."""
    scale = regimes.SCALES["default"]
    runs = [
        {name: regimes.state(target, name, scale, lambda _: None) for name in REGIMES}
        for target in ("reference", "nest")
    ]
    for run in runs:
        assert [claim.what for claim in regimes.judge(run, scale) if not claim.agrees] == []
    for name in REGIMES:
        first, second = (run[name]["activity"] for run in runs)
        z = apart(first, second)
        assert np.abs(z).max() < 4.5, (name, dict(zip(QUANTITIES, z.round(1), strict=True)))
