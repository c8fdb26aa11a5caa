"""Calibration on the reference, whose chips have a known fixed pattern."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from calibration_examples import compiled, recurrent

import salhw
from salhw import GLM, CalibrationError, Network, Poisson, Population, Projection, Source, Sparse
from salhw.description.fields import FloatArray
from salhw_calibration import Calibration, Goals, MeasurementError, calibrate, effective_weights
from salhw_calibration.calibrating import _Mean, _pooled
from salhw_calibration.calibration import unjudged
from salhw_calibration.probing import probing_network

TARGET = salhw.target("reference").with_variability({"weight": 0.2, "bias": 0.3})
CHIPS = TARGET.sample_chips(5, seed=3)
NET = recurrent(6, sd=1.0)
OFF = ~np.eye(6, dtype=bool)


@pytest.fixture(scope="module")
def measured() -> Calibration:
    return calibrate(TARGET, CHIPS[:4], net=NET, duration=20_000.0, seed=1)


def written(net: Network, calibration: Calibration | None, chips: Sequence[salhw.Chip]) -> dict[str, FloatArray]:
    """What the chips hold, as a session without calibration would tell it, (chip, ...)."""
    exe = salhw.compile(net, TARGET, calibration=calibration)
    maps = calibration.maps(exe, [c.id for c in chips]) if calibration else {}
    with exe.open(chips=chips) as session:
        held = {path: session.get(path) for path in ("projections.p.weights", "populations.a.bias")}
    return {path: maps[path].written(value) if path in maps else value for path, value in held.items()}


def truth(exe: salhw.Executable, chips: tuple[salhw.Chip, ...], settings: dict[str, FloatArray]) -> list[FloatArray]:
    """What the chips make of the settings: relative errors of weights and errors of biases, (chip, ...)."""
    nominal, bias = NET.projections[0].weights.values[OFF], NET.populations[0].neuron.bias
    places, cells = exe.placement.synapses(exe.network, "p"), exe.placement.neurons(exe.network, "a")
    weights = [c.vary("weight", w[OFF], places) for c, w in zip(chips, settings["projections.p.weights"], strict=True)]
    biases = [c.vary("bias", b, cells) for c, b in zip(chips, settings["populations.a.bias"], strict=True)]
    return [np.array(weights) / nominal - 1.0, np.array(biases) - bias]


def test_calibrated_chips_do_what_the_description_says(measured: Calibration) -> None:
    exe, chips = compiled(NET, TARGET), CHIPS[:4]
    before, after = (truth(exe, chips, written(NET, known, chips)) for known in (None, measured))
    # Four measurements of 20 s leave .025 and .02, of which the bounds are 2.7 and more standard deviations away.
    for k, ratio in ((0, 0.3), (1, 0.15)):
        assert np.all(after[k].std(axis=1) < ratio * before[k].std(axis=1) + 0.01)
    assert measured.weight_yield.min() > 0.9
    assert measured.bias_yield.min() > 0.8
    # What it says about itself, from spikes alone, agrees with the truth.
    assert np.all(np.abs(measured.spread["weight before"] - before[0].std(axis=1)) < 0.08)
    assert np.all(measured.spread["weight after"] < 0.1)


def test_the_measurement_that_meets_the_goals_counts_like_the_others() -> None:
    """Goals say when to stop: of one round, the corrections are the same whether it meets them or not."""
    met, missed = (
        calibrate(TARGET, CHIPS[:1], Goals(each, each, each), net=recurrent(3), duration=2_000.0, rounds=1, seed=1)
        for each in (10.0, 0.0)
    )
    assert np.all(met.spread["weight after"] < 10.0)
    for known in ("gain", "offset", "slope"):
        np.testing.assert_array_equal(getattr(met, known), getattr(missed, known))


def test_calibrating_one_chip_never_helps_another(measured: Calibration) -> None:
    exe = salhw.compile(NET, TARGET, calibration=measured)
    with pytest.raises(CalibrationError, match=r"SAL811 calibration.chips = chip 4 of wafer 3: chips 0, 1, 2, 3 of"):
        exe.open(chips=CHIPS[4:])
    with pytest.raises(CalibrationError, match="chip 0 of wafer 0"):
        exe.open(chips=TARGET.sample_chips(1))
    # And if somebody did it all the same, it would add the two patterns: sqrt(2) times the spread.
    weights, _ = truth(exe, (CHIPS[4],), written(NET, measured, [CHIPS[3]]))
    assert weights.std() > 1.1 * 0.2


def test_a_stale_calibration_is_refused(measured: Calibration) -> None:
    other = TARGET.with_variability({"weight": 0.1})
    with pytest.raises(CalibrationError, match=r"SAL811 calibration\.target"):
        salhw.compile(NET, other, calibration=measured)


def test_other_networks_at_the_same_places_profit_and_others_are_refused(measured: Calibration) -> None:
    smaller = recurrent(4, seed=9)
    settings = written(smaller, measured, CHIPS[:1])
    exe = compiled(smaller, TARGET)
    off = ~np.eye(4, dtype=bool)
    acting = CHIPS[0].vary(
        "weight", settings["projections.p.weights"][0][off], exe.placement.synapses(exe.network, "p")
    )
    assert np.std(acting / smaller.projections[0].weights.values[off] - 1.0) < 0.08
    with pytest.raises(CalibrationError, match=r"SAL812 populations\.a = 1 places"):
        salhw.compile(recurrent(7), TARGET, calibration=measured)


def test_it_survives_a_file_that_nobody_changed(measured: Calibration, tmp_path: Path) -> None:
    path = measured.save(tmp_path)
    assert measured.content_hash[:16] in path.name
    again = Calibration.load(path)
    assert again.content_hash == measured.content_hash
    for name, value in written(NET, measured, CHIPS[:4]).items():
        np.testing.assert_array_equal(written(NET, again, CHIPS[:4])[name], value)
    with h5py.File(path, "r+") as file:
        file["gain"][0, 0] += 0.01
    with pytest.raises(salhw.FileError, match="nobody changed"):
        Calibration.load(path)
    path.write_text("no HDF5")
    with pytest.raises(salhw.FileError, match="SAL501"):
        Calibration.load(path)


def test_sources_and_sparse_synapses_are_calibrated_too() -> None:
    random = np.random.default_rng(0)
    post, pre = np.nonzero(random.random((3, 8)) < 0.6)
    net = Network(
        name="fed",
        dt=1.0,
        populations=[Population(name="s", size=8, neuron=Source()), Population(name="g", size=3, neuron=GLM(bias=0.5))],
        projections=[
            Projection(name="p", pre="s", post="g", weights=Sparse(post, pre, random.normal(0, 1, len(post))))
        ],
        stimuli=[Poisson("s", 30.0)],
    )
    chips = TARGET.sample_chips(2)
    seen: list[float] = []
    found = calibrate(TARGET, chips, Goals(0.2, 0.2, 0.2), net=net, duration=100_000.0, progress=seen.append)
    assert seen == sorted(seen)
    assert found.provenance["rounds"] == 1  # the goals are wide
    exe = salhw.compile(net, TARGET, calibration=found)
    measured = effective_weights(exe, chips=chips, duration=100_000.0, seed=5)
    nominal = net.projections[0].weights.weight
    np.testing.assert_allclose(measured.nominal["p"], np.broadcast_to(nominal, (2, len(post))))
    z = (measured.weights["p"] - nominal) / np.hypot(measured.standard_errors["p"], 0.1 * nominal)
    assert np.abs(z).max() < 5.0


def test_what_a_calibrated_session_holds_is_measured_in_units_of_the_description(measured: Calibration) -> None:
    exe = salhw.compile(NET, TARGET, calibration=measured)
    told = exe.report.as_dict()["calibration"]
    assert isinstance(told, dict)
    assert told["hash"] == measured.content_hash
    assert told["measured"]["weight"]["yield"] == measured.weight_success.mean()
    with exe.open(chips=CHIPS[1:3]) as session:
        session.set("projections.p.weights", 0.5)
        session.set("populations.a.bias", -0.25)
        found = effective_weights(exe, chips=CHIPS[1:3], duration=100_000.0, seed=9, weights=session)
    np.testing.assert_allclose(found.nominal["p"][:, OFF], 0.5)
    # 60 weights with standard errors of about .03, and errors of the calibration of 3.5 % and .015.
    z = (found.weights["p"][:, OFF] - 0.5) / np.hypot(found.standard_errors["p"][:, OFF], 0.035 * 0.5)
    assert 0.7 < z.std() < 1.3  # chi squared with 60 degrees: beyond with a probability of 1e-3
    assert abs(z.mean()) < 5.0 / np.sqrt(60)
    assert np.abs(found.biases["a"] + 0.25).max() < 5.0 * np.hypot(found.bias_errors["a"], 0.02).max()


def test_gains_of_either_sign_are_told_apart_where_they_differ() -> None:
    random = np.random.default_rng(4)
    same = random.normal(1.0, 0.2, (3, 40, 1)) + random.normal(0.0, 0.02, (3, 40, 2))
    precision = np.full((3, 40, 2), 0.02**-2.0)
    pooled = _pooled(_Mean(same * precision, precision))
    np.testing.assert_allclose(pooled, np.broadcast_to(same.mean(axis=2, keepdims=True), same.shape))
    apart = same + random.normal(0.0, 0.1, (3, 40, 2))
    np.testing.assert_array_equal(_pooled(_Mean(apart * precision, precision)), apart * precision / precision)
    alike = random.normal(1.0, 0.02, (3, 40, 2))
    np.testing.assert_array_equal(_pooled(_Mean(alike * precision, precision)), np.ones_like(alike))
    one = np.where([True, False], precision, 0.0)
    assert np.isnan(_pooled(_Mean(apart * one, one))[..., 1]).all()


def test_a_target_that_does_what_it_is_told_is_left_alone() -> None:
    """Each of the three quantities is taken for different by chance with a probability of 1e-3; the seed is fixed."""
    exact = salhw.target("reference")
    found = calibrate(exact, exact.sample_chips(2), net=NET, duration=10_000.0, rounds=1, seed=2)
    assert np.all(found.gain == 1.0)
    assert np.all(found.offset == 0.0)
    assert np.all(found.slope == 1.0)
    told = salhw.compile(NET, exact, calibration=found).report.as_dict()["calibration"]
    assert isinstance(told, dict)
    assert {name: of["largest"] for name, of in told["corrections"].items()} == {"weights": 0.0, "bias": 0.0}


def test_calibrations_are_of_the_target_that_was_asked_for() -> None:
    """Not of the one whose options the lowering has chosen, which no description is ever compiled for."""
    target = salhw.target("brainscales2").with_options(weight_scale="auto")
    net = recurrent(2, sd=0.1)
    exe = salhw.compile(net, target)
    assert exe.target.content_hash != target.content_hash
    nothing = unjudged(target, exe, target.sample_chips(1))
    assert salhw.compile(net, target, calibration=nothing).calibration is nothing


def test_nothing_to_calibrate_is_refused() -> None:
    with pytest.raises(MeasurementError, match="SAL811 chips"):
        calibrate(TARGET, [], net=NET)
    still = Network(name="s", dt=1.0, populations=[Population(name="s", size=1, neuron=Source())])
    with pytest.raises(MeasurementError, match="SAL803"):
        calibrate(TARGET, CHIPS[:1], net=still)


def test_probing_weights_lie_beyond_the_bounds_of_rules() -> None:
    learning = NET.projections[0].replace(weights=np.zeros((6, 6)), plasticity=salhw.SAL(0.01, bounds=(-0.1, 0.1)))
    (probed,) = probing_network(NET.replace(projections=[learning]), both=True).projections
    assert probed.plasticity == ()
    assert np.abs(probed.weights.values[OFF]).min() > 0.1


def test_neurons_without_synapses_are_calibrated() -> None:
    net = Network(name="n", dt=1.0, populations=[Population(name="a", size=6, neuron=GLM())])
    found = calibrate(TARGET, CHIPS[:2], net=net, duration=50_000.0)
    assert set(found.summary) == {"bias", "slope"}
    # By the standard errors of four sweeps of 10 s per level .02 should be left of .3.
    assert np.all(found.spread["bias after"] < 0.05)
    assert found.bias_success.all()
    assert found.slope_yield.tolist() == [1.0, 1.0]


def test_without_a_network_the_first_neurons_are_calibrated() -> None:
    found = calibrate(TARGET, CHIPS[:1], Goals(1.0, 1.0, 1.0), duration=2_000.0, rounds=1)
    assert found.bias_success.shape == (1, 16)
    assert found.weight_success.shape == (1, 240)
    few = recurrent(6)
    places = compiled(few, TARGET).placement.neurons(few, "a")
    assert set(places) <= set(found.neurons)


def test_probing_weights_drive_neurons_neither_up_nor_down_together() -> None:
    """Signs of 60 x 60 synapses: the inputs of a neuron are balanced, and no pattern of activity is passed on more
    strongly than random signs do, 2 sqrt(60) = 15.5 (those of a chess board pass one on by 59)."""
    size = 60
    (p,) = probing_network(recurrent(size), True).projections
    signs = np.sign(p.weights.values)
    np.testing.assert_array_equal(signs != 0.0, ~np.eye(size, dtype=bool))
    for part in (np.tril(signs), np.triu(signs)):
        assert np.abs(part.sum(axis=1)).max() <= 1.0
    assert np.linalg.norm(signs, 2) < 18.0
    assert (probing_network(recurrent(size), False).projections[0].weights.values >= 0.0).all()
