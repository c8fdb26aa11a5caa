"""Figs 2, 9, 10, 11 and 13 at the smoke scale, and Dale's law; `salhw reproduce` as it is typed."""

from __future__ import annotations

import json
import tomllib
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pictures import undrawn
from typer.testing import CliRunner, Result

import salhw
from salhw import registry
from salhw.cli import app
from salhw_networks.dale import alignment
from salhw_networks.dale.network import effective_weight, network
from salhw_networks.experiment import read
from salhw_networks.microcircuit import on_chips
from salhw_networks.pairs import timing

ROOT = Path(__file__).parents[2]
DECLARED = {
    name: EntryPoint(name, value, registry.EXPERIMENTS)
    for name, value in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][
        registry.EXPERIMENTS
    ].items()
}
FIGURES = ("fig2", "fig9", "fig10", "fig11", "fig13")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Every figure once, at the smoke scale: {name: (summary, data)}."""
    out, found = tmp_path_factory.mktemp("figures"), {}
    for name in FIGURES:
        summary = DECLARED[name].load()(out, scale="smoke")
        assert all((out / file).stat().st_size > 200 for file in summary["files"])
        found[name] = summary, read(out / f"{name}.h5")
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_every_claim_that_can_be_judged_agrees(results: Any, name: str) -> None:
    """The criteria and their levels stand beside the claims; chi-square and z limits are four standard errors."""
    rows = results[name][0]["rows"]
    assert [row["what"] for row in rows if row["agrees"] is False] == []
    assert sum(row["agrees"] is True for row in rows) >= 2


def test_fig_13_would_see_other_weights(results: Any) -> None:
    """Power: the theory for weights that are .2 off is rejected by the same criterion, for each draw and PSP."""
    _, data = results["fig13"]
    scale = timing.SCALES["smoke"]
    for name in timing.KERNELS:
        swapped = dict(data) | {f"{name}_exact": np.roll(data[f"{name}_exact"], 1, axis=0)}
        (claim,) = [c for c in timing.judge(swapped, scale) if c.what.startswith(name)]
        assert claim.agrees is False


def test_fig_9_effective_weights(results: Any) -> None:
    """Without parameter noise: rates of both systems within 5 % (Monte Carlo error .6 % each), and the measured
    effective weight follows Eq 38's line: slope 1 within .15, offset within .1. Level: below 1e-4 by four of the
    fit's standard errors (.03, .02). Power: W^EE alone, without Eq 38's second term, is off by 1."""
    _, data = results["fig9"]
    np.testing.assert_allclose(data["rates_dale"][0], data["rates_direct"][0], rtol=0.05)
    slope, offset = np.polyfit(data["rates_eq38"][0], data["rates_measured"][0], 1)
    assert abs(slope - 1.0) < 0.15
    assert abs(offset) < 0.1
    np.testing.assert_allclose(data["rates_eq38"][0], data["rates_excitation"] - 1.0, atol=1e-12)


def test_fig_9_sal_symmetrises_and_changes_signs(results: Any) -> None:
    """Without parameter noise, SAL on W^EE only, or on W^EI only by the excitatory neurons' spikes: differences of the
    effective weights fall to below a fifth, pairs of opposite sign agree afterwards, weights keep the signs that Dale's
    law gives them. The interneuron's own spikes instead let all inhibition fade."""
    _, data = results["fig9"]
    for where in ("EE", "EI"):
        first, last = alignment.gaps(data, where)
        assert np.median(last[:, 0]) < 0.2 * np.median(first[:, 0])
        before, after = alignment.sign_changes(data, where)
        assert before >= 3
        assert after == 0
        learning = data[f"{where}_weights"][..., 1, :]
        assert (learning >= 0.0).all() if where == "EE" else (learning <= 0.0).all()
    fading = np.median(data["local_weights"][-1, ..., 1, :])
    assert fading > 0.5 * np.median(data["local_weights"][0, ..., 1, :])


def test_effective_weight_is_eq_38() -> None:
    """W^EE + W^EI sigmoid(W^IE r + b^I) / r; with Table 4's means at r = 1/2 the interneuron repeats every spike."""
    assert effective_weight(1.5, -1.0, 4.0, -2.0, 0.5) == pytest.approx(0.5)
    assert effective_weight(0.3, -2.0, 3.0, -1.0, 0.2) == pytest.approx(0.3 - 2.0 / (1 + np.exp(0.4)) / 0.2)


def test_dale_s_network_is_what_the_paper_describes() -> None:
    net = network(excitation=(0.2, 0.7), inhibition=(-1.0, -2.0))
    with salhw.compile(net, "reference").open() as session:
        np.testing.assert_array_equal(session.get(alignment.EE)[0], [[0.0, 0.2], [0.7, 0.0]])
        np.testing.assert_array_equal(session.get(alignment.EI)[0], [-1.0, -2.0])
    crossing = net.projection("EI").weights
    np.testing.assert_array_equal(crossing.post, [0, 1])
    np.testing.assert_array_equal(crossing.pre, [1, 0])


# the command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry points as pyproject.toml declares them, whatever was installed when."""
    known = registry.entry_points

    def declared(group: str) -> Any:
        return list(DECLARED.values()) if group == registry.EXPERIMENTS else known(group=group)

    monkeypatch.setattr(registry, "entry_points", declared)


def invoke(*arguments: Any) -> Result:
    """The command, whose figures ``results`` draws."""
    with undrawn():
        return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


@pytest.mark.usefixtures("installed")
def test_the_command_lists_runs_and_resumes(tmp_path: Path) -> None:
    listed = json.loads(invoke("--json").stdout)
    assert [entry["name"] for entry in listed] == [
        "fig2", "fig4", "fig5", "fig6", "fig7", "fig8", "fig9", "fig10", "fig11", "fig13", "fig14", "brunel",
        "column", "digits", "table5",
    ]  # fmt: skip
    assert all(len(entry["description"]) > 20 for entry in listed)
    variants = {entry["name"]: entry["variants"] for entry in listed}
    loops = {"fig6": {*get_args(on_chips.Kind), "traps", "self-prediction"}}  # which are no protocols of the reference
    for name, entry in DECLARED.items():
        protocols = set(getattr(import_module(entry.module), "VARIANTS", ()))
        assert set(variants[name]) == protocols | loops.get(name, set()), name
    first = invoke("fig11", "--scale", "smoke", "--out", tmp_path)
    assert first.exit_code == 0, first.output
    assert "paper says" in first.stdout
    assert "fig11.png" in first.stdout
    again = json.loads(invoke("fig11", "--scale", "smoke", "--out", tmp_path, "--json").stdout)
    assert again["pieces_reused"] == 2
    assert {"fig11.png", "fig11.h5", "fig11.md", "fig11.json"} == set(again["files"])
    other = json.loads(
        invoke("fig11", "--scale", "smoke", "--out", tmp_path, "--json", "--variant", "code", "--force").stdout
    )
    assert (again["variant"], other["variant"], other["pieces_reused"]) == ("paper", "code", 0)


@pytest.mark.usefixtures("installed")
def test_the_command_refuses(tmp_path: Path) -> None:
    """An unknown figure or scale: status 2. A target that cannot hold the network: status 1, nothing left."""
    unknown = invoke("fig3", "--json")
    assert unknown.exit_code == 2
    (finding,) = json.loads(unknown.stdout)["diagnostics"]
    assert finding["code"] == "SAL901"
    assert "fig4" in finding["supported"]
    assert invoke("fig4", "--scale", "huge").exit_code == 2
    misspelt, needless = (invoke(fig, "--variant", "cod", "--json") for fig in ("fig9", "fig13"))
    for refused, supported in ((misspelt, "one of paper, code"), (needless, "none: fig13 has no variants")):
        assert refused.exit_code == 2
        (finding,) = json.loads(refused.stdout)["diagnostics"]
        assert (finding["code"], finding["supported"]) == ("SAL902", supported)
    assert invoke("fig4", "--target", "no such").exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("installed")
def test_a_claim_that_fails_is_status_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measured spikes of other weights beside the theory: the table says NO, the status 1."""
    exact = timing.stdd
    monkeypatch.setattr(timing, "stdd", lambda w, *rest: exact(-np.asarray(w), *rest))
    result = invoke("fig13", "--scale", "smoke", "--out", tmp_path)
    assert result.exit_code == 1
    assert "NO" in result.stdout
