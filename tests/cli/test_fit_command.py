"""``salhw fit``, ``--fit`` and ``--option``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import salhw
from salhw import GLM, Alpha, Network, Population, Projection, Weights
from salhw.cli import app
from salhw.registry import builder


def ran(*words: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == status, result.output
    return result


def document(*words: str | Path, status: int = 0) -> Any:
    return json.loads(ran(*words, "--json", status=status).stdout)


@pytest.fixture
def rare(tmp_path: Path) -> Path:
    """Samples its weights more rarely than the reference can."""
    net = Network(
        name="rare",
        dt=1.0,
        populations=[Population("n", 3, GLM(bias=-0.3))],
        projections=[Projection("p", "n", "n", 0.5 * (1.0 - np.eye(3)))],
        probes=[Weights("p", every=1e13)],
    )
    return net.save(tmp_path / "rare.json")


CHANGED = "probes[0].every = 1e+13 ms -> 1e+12 ms"


def test_changes_are_listed_and_the_new_description_is_written(tmp_path: Path) -> None:
    out = tmp_path / "fitted.json"
    told = ran("fit", "pair", "-t", "brainscales2", "--out", out).stdout
    assert "every 56 ms" in told
    assert "SAL101" in told
    assert str(out) in told.replace("\n", "")
    assert salhw.problems(salhw.load(out), "brainscales2") == []
    ran("fit", "pair", "-t", "brainscales2", "--out", out, status=2)  # is there
    ran("fit", "pair", "-t", "brainscales2", "--out", out, "--force")
    assert "as it is written" in ran("fit", out, "-t", "brainscales2").stdout
    data = document("fit", "pair", "-t", "brainscales2")
    assert [change["path"] for change in data["changes"]] == ["projections.pair.plasticity.update"]
    assert data["arguments"] == ""


@pytest.mark.parametrize("columns", [118, 80, 60])
def test_every_size_stands_on_its_own_line_and_none_is_cut_off(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = ran("fit", "pair", "-t", "loihi2").stdout.splitlines()
    assert max(map(len, lines)) <= columns
    whole = re.sub(r"\n {4}(?! )", " ", "\n".join(lines))
    (change,) = salhw.fit(builder("pair")(), "loihi2").changes
    assert [f"  {size}" for size in change.sizes] == whole.splitlines()[-len(change.sizes) :]
    assert {size.quantity for size in change.sizes} == {"gap drift", "gap decay", "attractor", "weight noise"}
    assert "  because SAL103: supported all" in whole.splitlines()


def test_the_documented_transcript_is_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "118")
    document = (Path(__file__).parents[2] / "docs" / "fit.md").read_text(encoding="utf-8")
    assert f"$ salhw fit pair --target loihi2\n{ran('fit', 'pair', '--target', 'loihi2').stdout}$ " in document


def test_what_is_kept_stays_or_is_refused() -> None:
    ran("fit", "pair", "-t", "brainscales2", "--keep", "projections.pair.plasticity.pairing")
    refused = document("fit", "pair", "-t", "brainscales2", "--keep", "projections", status=1)
    assert [finding["code"] for finding in refused["diagnostics"]] == ["SAL101"]
    unknown = ran("fit", "pair", "-t", "brainscales2", "--keep", "projections.pear", status=2)
    assert "did you mean projections.pair?" in unknown.output


def test_options_of_the_target_are_told_as_arguments() -> None:
    strict = ("sampling", "-t", "nest", "--option", "logistic=refuse")
    told = ran("fit", *strict)
    assert "salhw run sampling --target nest --option logistic=noise" in told.stdout
    assert document("fit", *strict)["arguments"] == "--option logistic=noise"
    refused = ran("check", *strict, status=1)
    assert "SAL103" in refused.output
    assert "changed: target.options.logistic = refuse -> noise" in ran("check", *strict, "--fit").stdout


@pytest.mark.parametrize(
    ("option", "near"),
    [("logistc=noise", "did you mean logistic?"), ("logistic=nose", "noise"), ("logistic", "NAME=VALUE")],
)
def test_options_that_mean_nothing_are_wrong_usage(option: str, near: str) -> None:
    assert near in ran("check", "sampling", "-t", "nest", "--option", option, status=2).output


def test_check_and_run_fit(rare: Path) -> None:
    ran("check", rare, status=1)
    assert f"changed: {CHANGED}" in ran("check", rare, "--fit").stdout
    assert f"changed: {CHANGED}" in ran("run", rare, "--duration", "10", "--fit").stdout
    data = document("run", rare, "--duration", "10", "--fit", "--option", "algorithm=time-driven")
    assert data["provenance"]["changes"] == [CHANGED]
    assert data["provenance"]["written_hash"] == salhw.load(rare).content_hash
    assert any("time-driven" in note for note in data["report"]["notes"])


def test_export_fits(tmp_path: Path) -> None:
    net = Network(
        name="slow_psp",
        dt=1.0,
        populations=[Population("n", 2, GLM())],
        projections=[Projection("p", "n", "n", [[0, 1], [1, 0]], kernel=Alpha())],
    )
    file = net.save(tmp_path / "net.json")
    ran("export", file, "-t", "nest", "--out", tmp_path / "program", status=1)
    told = ran("export", file, "-t", "nest", "--out", tmp_path / "program", "--fit").stdout
    assert "changed: projections.p.kernel = Alpha(tau_syn=10) -> Exponential(tau_syn=20, area=10)" in told
    assert (tmp_path / "program" / "run.py").exists()


def test_measuring_and_calibrating_fit(rare: Path, tmp_path: Path) -> None:
    short = ("--chip", "1", "--duration", "5000", "--fit")
    ran("measure", "weights", rare, *short[:-1], "--out", tmp_path / "m", status=1)
    data = document("measure", "weights", rare, *short, "--out", tmp_path / "m")
    assert [change["path"] for change in data["changes"]] == ["probes[0].every"]
    assert f"changed: {CHANGED}" in ran("calibrate", rare, *short, "--out", tmp_path / "c").stdout
