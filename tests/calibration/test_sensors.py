"""Correlation sensors: pairs listed as the semantics say, sensors recovered exactly where updates are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from calibration_examples import compiled, recurrent

import salhw
from salhw import SAL, Current, PairSTDP, Poisson, Population, Source, TriangularWindow
from salhw.description.fields import FloatArray
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.session.host_plasticity import HostRule
from salhw_calibration import (
    Calibration,
    Goals,
    Lags,
    MeasurementError,
    calibrate,
    calibrate_sensors,
    correlation_sensors,
    own_lags,
)
from salhw_calibration.spike_pairs import spike_pairs

TARGET = salhw.target("reference").with_variability({f"{branch}_amplitude": 0.2 for branch in BRANCHES})
CHIPS = TARGET.sample_chips(3, seed=2)
SIZE = 4
OFF = ~np.eye(SIZE, dtype=bool)
PAIRINGS = ["all", "nearest_symmetric", "nearest_restricted"]


def rule(pairing: str = "nearest_restricted", update: str = "every 100 ms", tau: float = 8.0) -> PairSTDP:
    return SAL(learning_rate=0.01, tau=tau, pairing=pairing, update=update)


def truth(exe: salhw.Executable) -> FloatArray:
    """(chip, branch, synapse) of the synapses off the diagonal."""
    place = exe.placement.synapses(exe.network, "p")
    return np.array([[c.vary(f"{b}_amplitude", np.ones(len(place)), place) for b in BRANCHES] for c in CHIPS])


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_pairs_are_those_of_the_rule(pairing: str) -> None:
    """Weighted with a window, they add up to what the rule computes step by step, coincidences included."""
    random, tau = np.random.default_rng(1), 6.0
    trains = [np.flatnonzero(random.random(400) < rate) for rate in (0.2, 0.3)]
    assert len(np.intersect1d(*trains)) > 10
    found = spike_pairs(trains[0], trains[1], pairing, 200)  # type: ignore[arg-type]  # a parameter is any text
    for side, branch in enumerate(BRANCHES):
        amplitudes = {f"{b}": rule(tau=tau).causal.replace(amplitude=float(b == branch)) for b in BRANCHES}
        one = HostRule(rule(pairing).replace(**amplitudes), *np.zeros((3, 1), dtype=np.int64), (1, 1), 1, 1.0)
        for step in range(400):
            pre, post = (np.array([[bool(np.isin(step, train))]]) for train in trains)
            one.advance(step, pre, post)
        pairs = found[side]
        total = float((pairs.share * np.exp(-pairs.lag / tau)).sum())
        assert total == pytest.approx(float(one.take()[0, 0]), rel=1e-12)
        assert np.all(np.isin(pairs.at, np.union1d(*trains)))


@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("update", ["every 100 ms", "spike", "run end"])
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_exact_updates_give_exact_sensors(pairing: str, update: str, forced: bool) -> None:
    """``all`` forgets pairs that are 20 time constants apart, 2e-9 each."""
    exe = compiled(recurrent(SIZE, plasticity=rule(pairing, update)), TARGET)
    found = correlation_sensors(exe, chips=CHIPS, duration=20_000.0, seed=3, forced=forced)
    assert found.amplitude["p"].shape == (3, 2, SIZE, SIZE)
    assert np.isnan(found.amplitude["p"][:, :, ~OFF]).all()
    np.testing.assert_allclose(found.amplitude["p"][:, :, OFF], truth(exe), rtol=1e-7)
    np.testing.assert_allclose(found.tau["p"][:, :, OFF], 8.0, rtol=1e-7)
    for nothing in (found.offset, found.noise):
        assert np.abs(nothing["p"][:, :, OFF]).max() < 1e-6


def test_triangular_windows_are_measured_too() -> None:
    window = TriangularWindow(tau=9.0)
    learns = PairSTDP(causal=window, anticausal=window, pairing="all", learning_rate=0.01, update="every 50 ms")
    exe = compiled(recurrent(SIZE, plasticity=learns), TARGET)
    found = correlation_sensors(exe, chips=CHIPS, duration=20_000.0)
    np.testing.assert_allclose(found.amplitude["p"][:, :, OFF], truth(exe), rtol=1e-6)
    np.testing.assert_allclose(found.tau["p"][:, :, OFF], 9.0, rtol=1e-6)


def test_sources_are_forced_too_and_nothing_else_drives_them() -> None:
    """Sources that nobody else makes spike; what the description's own stimuli would add is left out."""
    learns = recurrent(SIZE).projections[0].replace(pre="s", weights=np.ones((SIZE, 2)), plasticity=rule())
    net = recurrent(SIZE).replace(
        populations=[*recurrent(SIZE).populations, Population(name="s", size=2, neuron=Source())],
        projections=[learns], stimuli=[Poisson("s", 500.0), Current("a", 50.0)],
    )  # fmt: skip
    exe = compiled(net, TARGET)
    found = correlation_sensors(exe, chips=CHIPS, duration=20_000.0)
    np.testing.assert_allclose(found.amplitude["p"].reshape(3, 2, -1), truth(exe), rtol=1e-7)


def test_targets_that_force_nothing_are_measured_from_spontaneous_spikes() -> None:
    deaf = TARGET.replace(stimuli={})
    exe = compiled(recurrent(SIZE, plasticity=rule()), deaf)
    found = correlation_sensors(exe, chips=deaf.sample_chips(3, seed=2), duration=20_000.0)
    np.testing.assert_allclose(found.amplitude["p"][:, :, OFF], truth(exe), rtol=1e-7)
    with pytest.raises(salhw.UnsupportedNetworkError, match=r"stimuli\[0\]"):
        correlation_sensors(exe, duration=20_000.0, forced=True)


def test_efficacy_is_the_integral_over_lags_and_its_error_follows_both_errors() -> None:
    """The error of the noise-free fit is none; with errors that are put in, that of a Monte Carlo (3 % of it at
    20,000 draws is six standard errors of a standard deviation; linearisation adds some)."""
    exe = compiled(recurrent(SIZE, plasticity=rule()), TARGET)
    found = correlation_sensors(exe, chips=CHIPS, duration=20_000.0)
    lags = Lags(np.array([0.0, 5.0, 20.0]), np.array([1.0, 2.0, 1.0]))
    value, _ = found.efficacy("p", lags)
    np.testing.assert_allclose(value[:, :, OFF], truth(exe), rtol=1e-7)  # all time constants are as described
    cov = np.array([[0.02**2, -0.7 * 0.02 * 0.03], [-0.7 * 0.02 * 0.03, 0.03**2]])
    shaped = {name: np.full_like(found.tau["p"], number) for name, number in
              (("amplitude", 1.1), ("tau", 10.0), ("amplitude_errors", 1.1 * 0.02), ("tau_errors", 0.3),
               ("covariance", cov[0, 1]))}  # fmt: skip
    imagined = type(found)(**{**vars(found), **{name: {"p": array} for name, array in shaped.items()}})
    value, error = imagined.efficacy("p", lags)
    log = np.random.default_rng(0).multivariate_normal(np.log([1.1, 10.0]), cov, 20_000)
    drawn = np.exp(log[:, 0]) * (np.exp(-lags.lag / np.exp(log[:, 1:])) @ lags.share)
    expected = np.exp(-lags.lag / 8.0) @ lags.share
    assert value[0, 0, 0, 1] == pytest.approx(drawn.mean() / expected, rel=2e-3)
    assert error[0, 0, 0, 1] == pytest.approx(drawn.std() / expected, rel=0.03)


def test_own_lags_are_those_of_the_described_activity() -> None:
    """The pairs of both branches of all synapses, listed from the spikes of the same network with fixed weights."""
    net = recurrent(3, plasticity=rule("all"))
    found = own_lags(compiled(net, TARGET), chips=CHIPS, duration=2_000.0, seed=5)["p"]
    fixed = net.replace(projections=[net.projections[0].replace(plasticity=())], probes=[salhw.Spikes("a")])
    with compiled(fixed, TARGET).open(chips=CHIPS, seed=5) as session:
        spikes = session.run(2_000.0).spikes["a"]
    count = np.zeros(400)
    for chip in range(3):
        train = [spikes.times(k, chip).astype(np.int64) for k in range(3)]
        for post, pre in np.argwhere(~np.eye(3, dtype=bool)):
            for side in spike_pairs(train[pre], train[post], "all", 160):
                np.add.at(count, side.lag, side.share)
    assert found.lag.tolist() == np.flatnonzero(count).tolist()
    np.testing.assert_allclose(found.share, count[count > 0])


def test_calibrated_synapses_learn_alike_on_their_chips_only(tmp_path: Path) -> None:
    net = recurrent(SIZE, plasticity=rule())
    made = calibrate_sensors(TARGET, CHIPS, net, duration=10_000.0, seed=1)
    exe = compiled(net, TARGET)
    place = exe.placement.synapses(exe.network, "p")
    np.testing.assert_allclose(
        made.efficacy[:, np.searchsorted(made.synapses, place)].swapaxes(1, 2), truth(exe), rtol=1e-6
    )
    assert made.sensor_yield.tolist() == [1.0, 1.0, 1.0]
    assert made.summary["sensor"]["before"] > 0.1
    assert made.summary["sensor"]["after"] < 1e-6
    again = Calibration.load(made.save(tmp_path))
    assert again.content_hash == made.content_hash
    calibrated = salhw.compile(net, TARGET, calibration=again)
    assert "amplitude corrected by at most" in str(calibrated.report)
    assert calibrated.report.as_dict()["calibration"]["measured"]["sensor"]["yield"] == 1.0  # type: ignore[index]  # nested data
    with calibrated.open(chips=CHIPS[1:2], seed=4) as session:
        np.testing.assert_allclose(session.get("projections.p.plasticity.causal.amplitude"), -1.0)
        spikes = session.run(2_000.0)
        ours = session.get("projections.p.weights")
    with compiled(net).open(instances=[1], seed=4) as session:
        assert spikes.counts["a"].tolist() == session.run(2_000.0).counts["a"].tolist()
        np.testing.assert_allclose(ours, session.get("projections.p.weights"), atol=1e-6)
    with pytest.raises(salhw.CalibrationError, match="SAL811"):
        calibrated.open(chips=TARGET.sample_chips(4, seed=2)[3:])


def test_calibrating_a_network_that_learns_includes_its_sensors() -> None:
    target = TARGET.with_variability({"weight": 0.2})
    net, seen = recurrent(3, plasticity=rule()), list[float]()
    goals = Goals(0.2, 0.2, 0.2)
    made = calibrate(target, CHIPS[:1], goals, net=net, duration=20_000.0, rounds=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
    assert set(made.summary) == {"weight", "bias", "slope", "sensor"}
    assert made.summary["sensor"]["after"] < 1e-6
    for rules in ((), [rule(), rule()]):
        other = recurrent(3, plasticity=rules)
        still = calibrate(target, CHIPS[:1], goals, net=other, duration=20_000.0, rounds=1)
        assert set(still.summary) == {"weight", "bias", "slope"}


def test_a_silent_network_has_no_lags_to_prefer() -> None:
    net = recurrent(2, bias=-100.0, plasticity=rule())
    made = calibrate_sensors(TARGET, CHIPS, net, duration=5_000.0)
    place = compiled(net, TARGET).placement.synapses(net, "p")
    drawn = [[c.vary(f"{b}_amplitude", np.ones(2), np.sort(place)) for b in BRANCHES] for c in CHIPS]
    np.testing.assert_allclose(made.efficacy.swapaxes(1, 2), drawn, rtol=1e-6)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(MeasurementError, match=r"SAL804 projections = no plasticity"):
        correlation_sensors(compiled(recurrent(2), TARGET), duration=1000.0)
    two = compiled(recurrent(2, plasticity=[rule(), rule()]), TARGET)
    with pytest.raises(MeasurementError, match=r"SAL804 projections.p.plasticity = 2 rules"):
        correlation_sensors(two, duration=1000.0)
    with pytest.raises(MeasurementError, match="SAL811 chips"):
        calibrate_sensors(TARGET, [], recurrent(2, plasticity=rule()), duration=1000.0)
