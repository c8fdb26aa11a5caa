"""Tables of measured chips: their values are the chips' own, or the spreads from which others are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import salhw
from salhw import DescriptionError, FileError, MeasuredChips, Variability

TARGET = salhw.target("reference").with_variability({
    "weight": Variability(distribution="lognormal", sd=0.1, per="synapse"),
    "bias": Variability(mode="absolute", sd=0.1, per="neuron"),
    "causal_amplitude": Variability(sd=0.1, per="column"),
})  # fmt: skip


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "chip.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_chip_has_the_values_that_were_measured_and_draws_the_others(tmp_path: Path) -> None:
    text = """quantity,chip,neuron,row,column,value
bias,3,1,,,0.25
bias,3,0,,,-0.5
weight,3,,1,0,1.2
causal_amplitude,3,,,1,0.8
"""
    (chip,) = MeasuredChips.load(table(tmp_path, text), TARGET).chips(wafer=5)
    assert (chip.id, chip.wafer, chip.variability) == (3, 5, TARGET.variability)
    plain = chip.replace(measured={})
    bias = chip.vary("bias", 1.0, [0, 1, 2])
    assert bias.tolist() == [0.5, 1.25, plain.vary("bias", 1.0, 2)]
    synapses = np.array([[0, 1], [1, 2]]) @ [2**32, 1]  # (column, row)
    assert np.allclose(chip.vary("weight", -2.0, synapses), [-2.4, plain.vary("weight", -2.0, synapses[1])])
    assert chip.vary("causal_amplitude", 1.0, synapses).tolist() == [plain.vary("causal_amplitude", 1.0, 0), 0.8]
    net = salhw.registry.builder("pair")(bias=[0.0, 0.0])
    counts = []
    for chips in ([chip, plain.replace(id=7)], [plain, plain.replace(id=7)]):
        with salhw.compile(net, TARGET).open(chips=chips, seed=1) as session:
            counts.append(session.run(2000.0).counts["neurons"])
    assert (counts[0][0] != counts[1][0]).any()  # it is what runs
    assert (counts[0][1] == counts[1][1]).all()


def test_what_was_measured_drifts_and_is_not_broken(tmp_path: Path) -> None:
    chips = MeasuredChips.load(table(tmp_path, "quantity,row,column,value\nweight,0,0,1.5\n"), TARGET).chips()
    spread = TARGET.variability["weight"].replace(stuck=1.0, drift=0.1)
    chip = chips[0].replace(variability={"weight": spread}, age=2.0)
    pace = chip.standard_normal("weight, drift", [0, 1])
    assert np.allclose(chip.vary("weight", 1.0, [0, 1]), [1.5 * np.exp(0.2 * pace[0]), 0.0])


def test_spreads_are_those_that_the_values_were_drawn_from(tmp_path: Path) -> None:
    """12 chips with 400 synapses each: variances within chi squared's and F's limits, at a level of 1e-4 each."""
    true = TARGET.with_variability({"weight": Variability(distribution="lognormal", sd=0.15, chip=0.3, per="synapse")})
    rows = [
        f"weight,{chip.id},{k},{k},{value}"
        for chip in true.sample_chips(12, seed=4)
        for k, value in enumerate(chip.vary("weight", 1.0, np.arange(400) * (2**32 + 1)))
    ]
    found = MeasuredChips.load(table(tmp_path, "\n".join(["quantity,chip,row,column,value", *rows])), TARGET).spreads
    assert set(found) == {"weight"}
    spread = found["weight"]
    assert (spread.distribution, spread.per) == ("lognormal", "synapse")
    low, high = stats.chi2.interval(1 - 1e-4, 12 * 399)
    assert low < 12 * 399 * (spread.sd / 0.15) ** 2 < high
    low, high = stats.chi2.interval(1 - 1e-4, 11)
    assert low < 11 * (spread.chip / 0.3) ** 2 < high
    assert spread.source == "measured: 4800 circuits of 12 chips, chip.csv"
    assert TARGET.with_variability(found).variability["weight"] == spread


def test_parameters_that_calibration_made_differ_say_how_circuits_differ(tmp_path: Path) -> None:
    rows = ["bias,0,,,10", "bias,1,,,12", "bias,2,,,14", "weight,,0,0,2", "weight,,0,1,4"]
    text = "\n".join(["quantity,neuron,row,column,calibrated", *rows])
    (chip,) = MeasuredChips.load(table(tmp_path, text), TARGET).chips()
    assert chip.measured["bias"].value.tolist() == [2.0, 0.0, -2.0]
    assert chip.measured["weight"].value.tolist() == [1.5, 0.75]


def test_parquet_is_read_as_well(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"quantity": ["bias", "weight"], "neuron": [1, None], "row": [None, 2], "column": [None, 3]}
    parquet.write_table(arrow.table({**columns, "value": [0.5, 1.5]}), tmp_path / "chip.parquet")
    (chip,) = MeasuredChips.load(tmp_path / "chip.parquet", TARGET).chips()
    assert chip.measured["weight"].location.tolist() == [3 * 2**32 + 2]
    assert chip.measured["bias"].value.tolist() == [0.5]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", FileError, "a table with rows"),
        ("quantity,neuron,value\nbiass,0,1\n", DescriptionError, "SAL909 row 1.quantity = 'biass'"),
        ("quantity,neuron,value\nbias,0,1\nbias,0,2\n", DescriptionError, "place 0 twice"),
        ("quantity,neuron,value\nbias,0,high\n", DescriptionError, "row 1.value"),
        ("quantity,row,column,value\nweight,0,0,-1\n", DescriptionError, "a positive number"),
        ("quantity,neuron,value\nbias,1.5,1\n", DescriptionError, "row 1.neuron"),
        ("quantity,value\nbias,1\n", DescriptionError, "no place"),
        ("quantity,neuron,value\nweight,0,1\n", DescriptionError, "row and column"),
        ("quantity,neuron,value,calibrated\nbias,0,1,2\n", DescriptionError, "either value or calibrated"),
        ("quantity,neuron,value,calibrated\nbias,0,1,\nbias,1,,2\n", DescriptionError, "one of the two"),
        ("neuron,value\n0,1\n", DescriptionError, "row 1.quantity"),
    ],
)
def test_tables_that_mean_nothing_are_refused_with_their_row(tmp_path: Path, text: str, error: Any, said: str) -> None:
    with pytest.raises(error) as caught:
        MeasuredChips.load(table(tmp_path, text), TARGET)
    assert said in str(caught.value)
    with pytest.raises(FileError, match="SAL501"):
        MeasuredChips.load(tmp_path / "none.csv", TARGET)


def test_a_spread_needs_two_circuits(tmp_path: Path) -> None:
    one = MeasuredChips.load(table(tmp_path, "quantity,neuron,value\nbias,0,1\n"), TARGET)
    with pytest.raises(DescriptionError, match="two circuits"):
        _ = one.spreads
