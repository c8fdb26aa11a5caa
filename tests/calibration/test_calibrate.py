"""Calibration on the reference, whose chips have a known fixed pattern."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from calibration_examples import compiled, recurrent

import salhw
from salhw import GLM, Network, Poisson, Population, Projection, Source, Sparse
from salhw.fields import FloatArray
from salhw_calibration import Calibration, Goals, MeasurementError, calibrate, effective_weights

TARGET = salhw.target("reference").with_variability({"weight": 0.2, "bias": 0.3})
CHIPS = TARGET.sample_chips(5, seed=3)
NET = recurrent(6, sd=1.0)
OFF = ~np.eye(6, dtype=bool)


@pytest.fixture(scope="module")
def measured() -> Calibration:
    return calibrate(TARGET, CHIPS[:4], NET, duration=150_000.0, seed=1)


def truth(exe: salhw.Executable, chips: tuple[salhw.Chip, ...], settings: dict[str, FloatArray]) -> list[FloatArray]:
    """What the chips make of the settings: relative errors of weights and errors of biases, (chip, ...)."""
    nominal, bias = NET.projections[0].weights.values[OFF], NET.populations[0].neuron.bias
    places, cells = exe.placement.synapses(exe.network, "p"), exe.placement.neurons(exe.network, "a")
    weights = [c.vary("weight", w[OFF], places) for c, w in zip(chips, settings["projections.p.weights"], strict=True)]
    biases = [c.vary("bias", b, cells) for c, b in zip(chips, settings["populations.a.bias"], strict=True)]
    return [np.array(weights) / nominal - 1.0, np.array(biases) - bias]


def test_calibrated_chips_do_what_the_description_says(measured: Calibration) -> None:
    exe, chips = compiled(NET, TARGET), CHIPS[:4]
    nominal = {
        "projections.p.weights": np.broadcast_to(NET.projections[0].weights.values, (4, 6, 6)),
        "populations.a.bias": np.broadcast_to(NET.populations[0].neuron.bias, (4, 6)),
    }
    before, after = truth(exe, chips, nominal), truth(exe, chips, measured.settings(exe, chips))
    # By the standard errors of four measurements the spread should fall to about .035 and .015.
    for k, ratio in ((0, 0.3), (1, 0.15)):
        assert np.all(after[k].std(axis=1) < ratio * before[k].std(axis=1) + 0.01)
    assert measured.weight_yield.min() > 0.9
    assert measured.bias_yield.min() > 0.8
    # What it says about itself, from spikes alone, agrees with the truth.
    assert np.all(np.abs(measured.spread["weight before"] - before[0].std(axis=1)) < 0.08)
    assert np.all(measured.spread["weight after"] < 0.1)


def test_calibrating_one_chip_never_helps_another(measured: Calibration) -> None:
    exe = compiled(NET, TARGET)
    with pytest.raises(MeasurementError, match=r"SAL811 calibration.chips = chip 4 of wafer 3: chips 0, 1, 2, 3 of"):
        measured.settings(exe, CHIPS[4:])
    with pytest.raises(MeasurementError, match="chip 0 of wafer 0"):
        measured.settings(exe, TARGET.sample_chips(1))
    # And if somebody did it all the same, it would add the two patterns: sqrt(2) times the spread.
    settings = measured.settings(exe, [CHIPS[3]])
    weights, _ = truth(exe, (CHIPS[4],), settings)
    assert weights.std() > 1.1 * 0.2


def test_a_stale_calibration_is_refused(measured: Calibration) -> None:
    other = TARGET.with_variability({"weight": 0.1})
    with pytest.raises(MeasurementError, match=r"SAL811 calibration\.target"):
        measured.settings(compiled(NET, other), CHIPS[:1])


def test_other_networks_at_the_same_places_profit_and_others_are_refused(measured: Calibration) -> None:
    smaller = recurrent(4, seed=9)
    settings = measured.settings(compiled(smaller, TARGET), CHIPS[:1])
    exe = compiled(smaller, TARGET)
    off = ~np.eye(4, dtype=bool)
    acting = CHIPS[0].vary(
        "weight", settings["projections.p.weights"][0][off], exe.placement.synapses(exe.network, "p")
    )
    assert np.std(acting / smaller.projections[0].weights.values[off] - 1.0) < 0.08
    with pytest.raises(MeasurementError, match=r"SAL812 populations\.a = 1 places"):
        measured.settings(compiled(recurrent(7), TARGET), CHIPS[:1])


def test_it_survives_a_file_that_nobody_changed(measured: Calibration, tmp_path: Path) -> None:
    path = measured.save(tmp_path)
    assert measured.content_hash[:16] in path.name
    again = Calibration.load(path)
    assert again.content_hash == measured.content_hash
    exe = compiled(NET, TARGET)
    for name, value in measured.settings(exe, CHIPS[:4]).items():
        np.testing.assert_array_equal(again.settings(exe, CHIPS[:4])[name], value)
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
    found = calibrate(TARGET, chips, net, goals=Goals(0.2, 0.2), duration=100_000.0, progress=seen.append)
    assert seen == sorted(seen)
    assert found.provenance["rounds"] == 1  # the goals are wide
    exe = compiled(net, TARGET)
    settings = found.settings(exe, chips)
    with exe.open(chips=chips) as session:
        for path, value in settings.items():
            session.set(path, value)
        measured = effective_weights(exe, chips=chips, duration=100_000.0, seed=5, weights=session)
    nominal = net.projections[0].weights.weight
    z = (measured.weights["p"][:, post, pre] - nominal) / np.hypot(
        measured.standard_errors["p"][:, post, pre], 0.1 * nominal
    )
    assert np.abs(z).max() < 5.0


def test_nothing_to_calibrate_is_refused() -> None:
    with pytest.raises(MeasurementError, match="SAL811 chips"):
        calibrate(TARGET, [], NET)
    with pytest.raises(MeasurementError, match="SAL803"):
        calibrate(
            TARGET, CHIPS[:1], Network(name="s", dt=1.0, populations=[Population(name="s", size=1, neuron=Source())])
        )
