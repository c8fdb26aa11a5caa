"""``salhw study``: what it prints, its one JSON document, its exit status."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from salhw.cli import app
from salhw.io.files import write_text
from salhw.study import Study

STUDY = """
name = "small"
network = "pair"
settings = {learning_rate = 0.01, spikes = false}
duration = 1000
chips = 3
noises = [{name = "weight", levels = [0, 0.3], unit = "sd"}]
methods = [{name = "as it is", plastic = false}, {name = "SAL"}]
metrics = [{name = "D", of = "asymmetry"}]
specification = {metric = "D", at_most = 0.99}
"""


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["study", *map(str, arguments)])


def document(result: Result, status: int = 0) -> Any:
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("study")
    write_text(place / "study.toml", STUDY)
    result = invoke(place / "study.toml", "--out", place / "out")
    assert result.exit_code == 0, result.output
    assert "small: 12 of 12 runs, 0 failed" in result.stdout
    assert "D: less that of as it is, on the same chips" in result.stdout
    return place


def test_the_report_is_what_the_run_told(folder: Path) -> None:
    again = document(invoke("run", folder / "study.toml", "--out", folder / "out", "--json"))
    told = document(invoke("report", folder / "out", "--json"))
    assert told == again
    assert (told["runs"], told["finished"], told["failed"]) == (12, 12, 0)
    first = told["means"]["D"][0]
    assert (first["method"], first["noises"], first["chips"], first["value"]) == ("as it is", {"weight": 0.0}, 3, 1.0)
    assert [entry["value"] for entry in told["yields"]] == [0.0, 1.0, 0.0, 1.0]
    assert told["differences"]["D"][0]["high"] < 0
    assert len(told["worst"]) == 5
    page = (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 3  # D and the yield against the noise, and the yield against its limit
    assert "yield (D at most 0.99) against weight" in page
    assert "12 of 12 runs, 0 failed" in page
    assert "salhw 0.1.0" in page
    tex = (folder / "out" / "tables.tex").read_text(encoding="utf-8")
    assert r"\caption{D: mean over chips, 95 \% interval}" in tex
    assert tex.count(r"\toprule") == tex.count(r"\end{table}") == 4
    assert r"reference & 0 & as it is & 3 & 1 [1, 1] \\" in tex


def test_a_replay_is_the_row(folder: Path) -> None:
    told = document(invoke("replay", folder / "out", "4", "--json"))
    assert told["same"]
    assert told["row"] == told["again"]
    assert Path(told["out"]).exists()
    assert "Instance 1 of the recording" in invoke("replay", folder / "out", "4").stdout
    assert "SAL908 run" in invoke("replay", folder / "out", "99").output


def test_a_preview_and_the_list_of_metrics(folder: Path) -> None:
    told = document(invoke("preview", folder / "study.toml", "--json"))
    assert (told["runs"], told["batches"], told["failed"]) == (12, 4, 0)
    assert "12 in 4 batches" in invoke("preview", folder / "study.toml").stdout
    assert {entry["name"] for entry in document(invoke("metrics", "--json"))} >= {"asymmetry", "effective_asymmetry"}
    assert [entry["name"] for entry in document(invoke("protocols", "--json"))] == ["learn_then_hold"]


def test_a_report_may_lie_elsewhere_and_shows_methods_and_effects(tmp_path: Path) -> None:
    """Noises of two levels, one at a time; and methods without noises."""
    noises = ", ".join(f'{{name = "{n}", levels = [0, 0.1], unit = "sd"}}' for n in ("weight", "bias"))
    several = STUDY.replace("noises = [", 'design = "one at a time"\nnoises = [').replace(
        '{name = "weight", levels = [0, 0.3], unit = "sd"}', noises
    )
    none = STUDY.replace('noises = [{name = "weight", levels = [0, 0.3], unit = "sd"}]', "")
    for text, picture, rows in ((several, "effects-D.png", "over all others"), (none, "methods-D.png", "worst runs")):
        place = tmp_path / picture
        study = write_text(tmp_path / "a.toml", text)
        assert invoke(study, "--out", place / "out").exit_code == 0
        before = sorted((place / "out").iterdir())
        result = invoke("report", place / "out", "--out", place / "page")
        assert rows in result.stdout
        assert sorted((place / "out").iterdir()) == before
        assert (place / "page" / picture).read_bytes().startswith(b"\x89PNG")
        assert (place / "page" / "index.html").exists()


def test_spreads_are_printed_as_toml(tmp_path: Path) -> None:
    rows = ["quantity,chip,neuron,value", "bias,0,0,-1", "bias,0,1,1", "bias,1,0,1", "bias,1,1,3"]
    table = write_text(tmp_path / "chip.csv", "\n".join(rows))
    told = tomllib.loads(invoke("spreads", table, "--target", "reference").stdout)["variability"]["bias"]
    assert told["sd"] == pytest.approx(2**0.5, rel=1e-5)  # within chips
    assert told["chip"] == pytest.approx(1.0, rel=1e-5)  # means 0 and 2: variance 2, less 2 / 2 of their own scatter
    assert Study.model_validate(tomllib.loads(STUDY) | {"variability": {"bias": told}}).variability["bias"] == told
    assert document(invoke("spreads", table, "--target", "reference", "--json"))["bias"]["sd"] == pytest.approx(2**0.5)
    table.write_text("quantity,neuron,value\nbiass,0,1\n")
    assert "SAL909 row 1.quantity" in invoke("spreads", table, "--target", "reference").output


def test_failed_runs_are_a_shortfall_and_wrong_studies_wrong_usage(folder: Path, tmp_path: Path) -> None:
    bad = write_text(tmp_path / "a.toml", STUDY.replace("learning_rate = 0.01", "learning_rate = 1e7"))
    told = document(invoke(bad, "--out", tmp_path / "out", "--json"), 1)
    assert told["failed"] == 6
    ((diagnostic, runs),) = ((entry["diagnostic"], entry["runs"]) for entry in told["failures"])
    assert "SAL104" in diagnostic
    assert runs == [3, 4, 5, 9, 10, 11], "those that learn"
    assert "SAL104" in invoke("report", tmp_path / "out").stdout
    assert invoke(tmp_path / "none.toml", "--out", tmp_path).exit_code == 2
    assert "SAL501" in invoke("report", tmp_path).output
