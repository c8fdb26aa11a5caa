"""An experiment as what a study runs: on chips of each run's own, with numbers of what it leaves as metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_examples import table

import salhw
from salhw import DescriptionError
from salhw.io import hdf5
from salhw.registry import experiments
from salhw.study import Calibrating, Method, Metric, Noise, Reproduced, Results, Study, replay, run
from salhw.study.batches import planned
from salhw.study.experiments import OnWafer, wafer
from salhw.study.working import measured


def weighing(**changes: Any) -> Study:
    """Three chips, two levels of a spread, two methods, in batches of two chips."""
    fields: dict[str, Any] = {
        "name": "weighing", "experiment": "study_examples:weighing", "chips": 3, "batch": 2, "wafer": 7,
        "noises": (Noise(name="weight", levels=(0.1, 0.2), unit="sd"),),
        "methods": (Method(name="plain"), Method(name="twice", settings={"variant": "twice"})),
        "metrics": (
            Metric(name="agrees"), Metric(name="first", of="agrees", options={"row": "row 0"}),
            Metric(name="here", of="data", options={"array": "factors", "at": "0, 1"}),
            Metric(name="largest", of="data", options={"array": "factors", "at": ":, 0", "take": "max"}),
            Metric(name="last", of="study_examples:last_factor"),
        ),
    }  # fmt: skip
    return Study(**fields | changes)


def column(results: Results, name: str) -> np.ndarray:
    """(level, method, chip)."""
    return np.asarray(results.table[name], dtype=float).reshape(2, 2, 3)


def test_each_run_is_the_experiment_on_chips_of_its_own(tmp_path: Path) -> None:
    results = run(weighing(), tmp_path)
    assert (len(results), results.failed) == (12, 0)
    target = salhw.target("reference").with_variability({"weight": 0.1})
    for chip in range(3):
        own = wafer(7, chip)
        first, other = target.sample_chips(1, own)[0], target.sample_chips(2, own + 5)[1]
        factors = np.array([c.vary("weight", 1.0, [0, 1]) for c in (first, other)])
        assert column(results, "here")[0, 0, chip] == factors[0, 1]
        assert column(results, "largest")[0, 0, chip] == factors[:, 0].max()
        assert column(results, "last")[0, 0, chip] == factors[1, 1]
        assert column(results, "first")[0, 0, chip] == float(factors[0, 0] > 1.0)
        assert column(results, "agrees")[0, 0, chip] == (1.0 + (factors[0, 0] > 1.0)) / 2
    here = column(results, "here")
    assert len(set(here[0, 0])) == 3
    np.testing.assert_allclose(here[1, 0] - 1.0, 2.0 * (here[0, 0] - 1.0))  # the same chips at every level
    np.testing.assert_allclose(here[:, 1], 2.0 * here[:, 0])  # and for every method


def test_a_run_is_repeated_with_its_files(tmp_path: Path) -> None:
    results = run(weighing(), tmp_path / "study")
    again = replay(tmp_path / "study", 7, tmp_path / "files")
    assert again.same
    assert again.recording is None
    assert [path.name for path in again.files] == ["weighing.md", "weighing.h5"]
    with hdf5.reading(tmp_path / "files" / "weighing.h5", "data", "") as file:
        (row,) = np.flatnonzero(results.table["run"] == 7)
        assert file["factors"][0, 1] == results.table["here"][row]


def test_what_one_run_breaks_is_its_row_and_the_table_is_the_same_for_any_batches(tmp_path: Path) -> None:
    """A metric that asks for what the experiment does not keep says what it keeps."""
    one, other = run(weighing(), tmp_path / "a"), run(weighing(batch=3), tmp_path / "b")
    assert [other.by_chip(c, "here")[1].tolist() for c in other.cells] == [
        one.by_chip(c, "here")[1].tolist() for c in one.cells
    ]
    wrong = (
        Metric(name="absent", of="data", options={"array": "factor"}),
        Metric(name="outside", of="data", options={"array": "factors", "at": "0, 9"}),
        Metric(name="row", of="agrees", options={"row": "line"}),
    )
    said = [next(iter(run(weighing(metrics=(m,)), tmp_path / m.name).failures)) for m in wrong]
    for text, expected in zip(
        said,
        ("SAL009 metrics.data.array = 'factor': one of factors fix: did you mean factors?; metric absent",
         "SAL904 metrics.data.at = '0, 9': an index of 'factors', 2 x 2, as in '0, :'",
         "SAL904 metrics.agrees.row = 'line': the beginning of one of: row 0; row 1; row 2"),
        strict=True,
    ):  # fmt: skip
        assert expected in text
    assert table(tmp_path / "absent") != table(tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiment": "fig12"}, "SAL901 experiment = 'fig12': one of fig2, fig4"),
        ({"experiment": "study_examples:absent"}, "SAL904 experiment = study_examples:absent"),
        ({"experiment": "", "network": ""}, "SAL005 network: one of network and experiment"),
        ({"network": "pair"}, "SAL005 network = pair: one of network and experiment"),
        ({"experiment": "", "network": "pair"}, "SAL005 duration = 0.0: ms of biological time"),
        ({"duration": 5.0}, "SAL005 duration = 5.0: nothing: an experiment has its own"),
        ({"seeds": (1,)}, "SAL005 seeds"),
        ({"methods": (Method(name="a", calibration=Calibrating(duration=5.0)),)}, r"SAL005 methods\[0\].calibration"),
        ({"methods": (Method(name="a", plastic=False),)}, r"SAL005 methods\[0\].plastic = False"),
        ({"settings": {"variant": "thrice"}}, "SAL902 settings of plain.variant = 'thrice': one of plain, twice"),
        ({"settings": {"duration": 5}}, "SAL009 settings of plain = 'duration': one of scale, variant, data"),
        ({"settings": {"scale": "tiny"}}, "SAL902 settings of plain.scale = 'tiny': one of smoke, default, paper"),
        ({"metrics": (Metric(name="rate"),)}, r"SAL904 metrics\[0\].of = rate: one of agrees, data"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        planned(weighing(**changes))


def test_every_experiment_that_salhw_reproduces_can_be_studied() -> None:
    """By name, with its scales and variants; the smallest is run, and its metrics are those of what it returns."""
    for name in experiments():
        assert planned(weighing(experiment=name, methods=(Method(name="a"),), metrics=(Metric(name="agrees"),)))
    kept: list[Reproduced] = []
    metrics = (Metric(name="agrees"), Metric(name="D", of="data", options={"array": "alpha_measured"}))
    plan = planned(weighing(experiment="fig13", methods=(Method(name="a"),), metrics=metrics))
    rows = measured(plan, plan.part(plan.batches[-1], 2, 1), kept.append)  # type: ignore[arg-type]
    (done,) = kept
    assert isinstance(done.target, OnWafer)
    assert done.target.first_wafer == wafer(7, 2)
    assert done.target.variability["weight"].sd == 0.2
    assert rows["agrees"] == [np.mean([row["agrees"] for row in done.result["rows"]])]
    assert np.isfinite(rows["D"]).all()
