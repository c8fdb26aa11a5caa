"""``salhw measure`` and ``salhw calibrate``, and calibrations on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import salhw
from salhw import GLM, SAL, Network, Population, Projection
from salhw.cli import app
from salhw_calibration import Calibration

CLI = CliRunner()


@pytest.fixture
def net(tmp_path: Path) -> str:
    weights = np.array([[0.0, 1.0, -0.5], [0.8, 0.0, 0.4], [-1.0, 0.6, 0.0]])
    described = Network(
        name="three",
        dt=1.0,
        populations=[Population(name="n", size=3, neuron=GLM(bias=-0.3))],
        projections=[Projection(name="p", pre="n", post="n", weights=weights)],
    )
    return str(described.save(tmp_path / "three.json"))


def ran(*words: str, status: int = 0) -> Result:
    result = CLI.invoke(app, list(words))
    assert result.exit_code == status, result.output
    return result


def test_measured_weights_are_told_with_errors_and_drawn(net: str, tmp_path: Path) -> None:
    out = tmp_path / "measured"
    told = ran("measure", "weights", net, "--chips", "1:3", "--wafer", "4", "--duration", "50000", "--out", str(out))
    assert "three on reference, chips 1, 2, likelihood" in told.stdout
    assert (out / "weights.png").read_bytes()[:4] == b"\x89PNG"
    again = ran("measure", "weights", net, "--chips", "1:3", "--wafer", "4", "--duration", "50000", "--out", str(out),
                "--force", "--json")  # fmt: skip
    data = json.loads(again.stdout)
    assert data["ids"] == [1, 2]
    assert data["provenance"]["wafer"] == 4
    assert data["weights"] == json.loads((out / "weights.json").read_text())["weights"]
    off = ~np.eye(3, dtype=bool)
    weights, errors, nominal = (
        np.array(data[k]["p"], dtype=float)[:, off] for k in ("weights", "standard_errors", "nominal")
    )
    assert np.abs((weights - nominal) / errors).max() < 5.0  # of 12 standard normal numbers: one in 100,000
    assert errors.max() < 0.1
    other = ran("measure", "weights", net, "--chip", "1", "--method", "stdd", "--duration", "20000", "--out", str(out),
                "--force", "--json")  # fmt: skip
    assert json.loads(other.stdout)["method"] == "stdd"


def test_a_calibration_is_made_saved_and_used(net: str, tmp_path: Path) -> None:
    out = tmp_path / "calibrated"
    told = ran("calibrate", net, "--chips", "0:2", "--duration", "20000", "--out", str(out))
    assert "three on reference, 2 chips of wafer 0" in told.stdout
    (file,) = out.glob("*.h5")
    assert file.name in told.stdout
    assert file.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    found = Calibration.load(file)
    assert found.ids == (0, 1)
    given = ["--calibration", str(file)]
    assert f"calibration {found.content_hash[:16]} of 2 chips of wafer 0" in ran("check", net, *given).stdout
    run = ran("run", net, "--duration", "1000", "--chips", "0:2", *given, "--json")
    assert json.loads(run.stdout)["report"]["calibration"]["hash"] == found.content_hash
    assert json.loads(run.stdout)["instances"] == 2
    measured = ran("measure", "weights", net, "--chip", "1", "--duration", "20000", "--out", str(out), *given, "--json")
    nominal = np.array(json.loads(measured.stdout)["nominal"]["p"], dtype=float)[0]
    described = salhw.load(net).projections[0].weights.values  # in units of the description
    np.testing.assert_allclose(nominal[~np.eye(3, dtype=bool)], described[~np.eye(3, dtype=bool)])
    foreign = ran("run", net, "--duration", "1000", "--chip", "2", *given, status=1)
    assert "SAL811 calibration.chips = chip 2 of wafer 0: chips 0, 1 of wafer 0" in foreign.stderr
    stale = ran("check", net, "--target", "nest", *given, status=1)
    assert "SAL811 calibration.target = nest" in stale.stderr


def test_without_a_network_the_first_neurons_are_calibrated(tmp_path: Path) -> None:
    told = ran("calibrate", "--chips", "1:3", "--duration", "500", "--out", str(tmp_path), "--json")
    assert json.loads(told.stdout)["chips"] == [1, 2]
    (file,) = tmp_path.glob("*.h5")
    found = Calibration.load(file)
    assert (len(found.neurons), len(found.synapses)) == (16, 240)


def test_what_nobody_can_do_is_refused(net: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)]
    assert "SAL821 measure = 'weihgts': one of weights" in ran("measure", "weihgts", net, *out, status=2).stderr
    assert "SAL822 chips = 3: A:B" in ran("measure", "weights", net, "--chips", "3", *out, status=2).stderr
    assert "SAL822 chips = 3:1" in ran("calibrate", net, "--chips", "3:1", *out, status=2).stderr
    assert "SAL822 chip = 1" in ran("run", net, "--duration", "1", "--chip", "1", "--chips", "1:2", status=2).stderr
    assert "SAL501" in ran("check", net, "--calibration", str(tmp_path / "none.h5"), status=2).stderr
    short = ran("measure", "weights", net, "--duration", "0.5", *out, "--json", status=2)
    assert json.loads(short.stdout)["diagnostics"][0]["code"] == "SAL404"


def test_neurons_and_sensors_are_measured_as_weights_are(tmp_path: Path) -> None:
    described = Network(
        name="two",
        dt=1.0,
        populations=[Population(name="n", size=2, neuron=GLM(bias=-0.3))],
        projections=[
            Projection(
                name="p", pre="n", post="n", weights=[[0.0, 0.5], [0.2, 0.0]],
                plasticity=SAL(learning_rate=0.01, tau=8.0),
            )
        ],
    )  # fmt: skip
    file, out = str(described.save(tmp_path / "two.json")), tmp_path / "measured"
    given = [file, "--chips", "0:2", "--duration", "20000", "--out", str(out), "--force"]
    assert "two on reference, chips 0, 1, 20000 ms" in ran("measure", "neurons", *given).stdout
    neurons = json.loads(ran("measure", "neurons", *given, "--json").stdout)
    offset, error = (np.array(neurons[name]["n"]) for name in ("offset", "offset_errors"))
    assert np.abs(offset / error).max() < 5.0  # of four standard normal numbers
    assert neurons["refractory_period"]["n"] == [[10.0, 10.0]] * 2
    assert "anticausal" in ran("measure", "sensors", *given).stdout
    sensors = json.loads(ran("measure", "sensors", *given, "--json").stdout)
    tau = np.array(sensors["tau"]["p"], dtype=float)
    np.testing.assert_allclose(tau[:, :, [0, 1], [1, 0]], 8.0, rtol=1e-6)
    assert np.isnan(tau[:, :, [0, 1], [0, 1]]).all()
    for name in ("neurons", "sensors"):
        assert (out / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert json.loads((out / f"{name}.json").read_text())["ids"] == [0, 1]
    refused = ran("measure", "neurons", *given, "--method", "psp", status=2)
    assert "SAL802 method = 'psp'" in refused.stderr
