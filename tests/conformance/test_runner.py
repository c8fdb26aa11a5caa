"""The runner: outcomes, expected failures, the report, pytest items and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import salhw
from salhw import BackendError, DescriptionError, Diagnostic, FileError
from salhw.cli.conformance import register
from salhw.conformance import Check, ConformanceReport, Evidence, Known, catalogue, parametrize, run
from salhw.conformance import known as known_files
from salhw.conformance.lab import Lab
from salhw.conformance.model import REGISTRY, Figure
from salhw.conformance.parametrise import Item
from salhw_reference import ReferenceBackend

TARGET = salhw.target("reference")


def within(lab: Lab) -> Evidence:
    """Is within."""
    return Evidence(True, "well within", 0.5, 1.0, "mV", 1e-9, Figure("t", "u", [0.0, 1.0], {"theory": [0.0, 1.0]}))


def beyond(lab: Lab) -> Evidence:
    """Is beyond."""
    return Evidence(False, "far beyond", 3.0, 1.0, "mV", 0.5)


def broken(lab: Lab) -> Evidence:
    """Is broken."""
    raise ZeroDivisionError("not supported: nothing to divide by")


def undeclared(lab: Lab) -> Evidence:
    """Needs an accuracy that nobody declares."""
    return Evidence(lab.accuracy("colour") > 0, "never reached")


def absent(lab: Lab) -> Evidence:
    """Needs a device."""
    raise BackendError("BackendError: no device", [Diagnostic("SAL603", "device", "", "a chip", "pip install chip")])


def wrong_backend(lab: Lab) -> Evidence:
    """Fails in the backend."""
    raise BackendError("BackendError: broken", [Diagnostic("SAL601", "device", "", "a chip", "")])


FUNCTIONS: tuple[Callable[[Lab], Evidence], ...] = (within, beyond, broken, undeclared, absent, wrong_backend)
NAMES = [function.__name__ for function in FUNCTIONS]


@pytest.fixture(autouse=True)
def _own_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue()
    for function in FUNCTIONS:
        monkeypatch.setitem(REGISTRY, function.__name__, Check(function.__name__, "own", function))


def outcomes(**options: Any) -> dict[str, str]:
    return {c.name: c.outcome for c in run("reference", checks=NAMES, **options).checks}


def test_outcomes_follow_declarations_and_evidence() -> None:
    assert outcomes() == {
        "within": "pass", "beyond": "fail", "broken": "fail", "undeclared": "unsupported", "absent": "unavailable",
        "wrong_backend": "fail",
    }  # fmt: skip


def test_an_exception_that_says_unsupported_is_a_failure_with_its_place() -> None:
    report = run("reference", checks=["broken"])
    assert report["broken"].outcome == "fail"
    assert report["broken"].reason.startswith("ZeroDivisionError: not supported")
    assert "test_runner.py:" in report["broken"].reason


def test_reasons_name_what_is_missing() -> None:
    report = run("reference", checks=["undeclared", "absent"])
    assert "accuracy.colour" in report["undeclared"].reason
    assert report["undeclared"].reason.startswith("SAL701")
    assert "pip install chip" in report["absent"].reason


@pytest.mark.parametrize(
    ("known", "outcome", "said"),
    [
        (Known("beyond", "a coarse chip", bound=3.5), "known", "a coarse chip"),
        (Known("beyond", "a coarse chip"), "known", "a coarse chip"),
        (Known("beyond", "a coarse chip", bound=2.0), "fail", "beyond the bound 2"),
        (Known("within", "a coarse chip"), "fail", "stale"),
        (Known("broken", "a coarse chip"), "known", "ZeroDivisionError"),
        (Known("broken", "a coarse chip", bound=1.0), "fail", "nothing was measured"),
        (Known("undeclared", "a coarse chip"), "unsupported", "SAL701"),
        (Known("absent", "a coarse chip"), "unavailable", "SAL603"),
    ],
)
def test_expected_failures(known: Known, outcome: str, said: str) -> None:
    found = run("reference", checks=[known.check], known=[known])[known.check]
    assert (found.outcome, said in found.reason) == (outcome, True), found.reason


def test_the_report_passes_with_known_and_unsupported_only() -> None:
    assert run("reference", checks=["within", "undeclared"]).passed
    assert run("reference", checks=["beyond"], known=[Known("beyond", "coarse")]).passed
    assert not run("reference", checks=["beyond"]).passed
    assert not run("reference", checks=["absent"]).passed


def test_json_holds_what_the_issue_asks_for_and_comes_back(tmp_path: Path) -> None:
    report = run("reference", checks=NAMES, seed=3)
    document = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert document["target"] == "reference"
    assert (document["profile"], document["seed"]) == ("quick", 3)
    assert {"python", "salhw", "numpy"} <= document["versions"].keys()
    wanted = {"name", "outcome", "measured", "declared", "unit", "p_value", "reason", "seconds"}
    assert all(wanted <= entry.keys() for entry in document["checks"])
    assert document["figures"]["within"]["curves"] == {"theory": [0.0, 1.0]}
    assert ConformanceReport.load(report.save(tmp_path / "r.json")).as_json() == report.as_json()


def test_numbers_that_json_lacks_are_null(monkeypatch: pytest.MonkeyPatch) -> None:
    def nan(lab: Lab) -> Evidence:
        """Measures nothing."""
        return Evidence(False, "nan", float("nan"), float("inf"))

    monkeypatch.setitem(REGISTRY, "within", Check("within", "own", nan))
    entry = run("reference", checks=["within"]).as_json()["checks"][0]
    assert (entry["measured"], entry["declared"]) == (None, None)


def test_a_damaged_report_is_refused(tmp_path: Path) -> None:
    for text in ("", "{}", "[]", '{"checks": [{}], "figures": {}}'):
        path = tmp_path / "r.json"
        path.write_text(text)
        with pytest.raises(FileError, match="SAL501"):
            ConformanceReport.load(path)


@pytest.mark.parametrize(
    ("subject", "target"), [(ReferenceBackend(), None), (ReferenceBackend(), "reference"), ("reference", TARGET)]
)
def test_subjects(subject: Any, target: Any) -> None:
    assert run(subject, target, checks=["within"]).target == "reference"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BackendError, match="SAL601"):
        run("no-such-target")
    with pytest.raises(BackendError, match="SAL601"):
        run(ReferenceBackend(), "no-such-target")
    with pytest.raises(DescriptionError, match=r"SAL702.*wihtin"):
        run("reference", checks=["wihtin"])
    with pytest.raises(DescriptionError, match="did you mean within"):
        run("reference", checks=["within"], known=[Known("withn", "typing")])
    with pytest.raises(DescriptionError, match="every check once"):
        run("reference", checks=["within"], known=[Known("within", "a"), Known("within", "b")])


def test_progress_ends_at_one() -> None:
    shares: list[float] = []
    run("reference", checks=NAMES[:4], progress=shares.append)
    assert shares == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_known_files(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text('[[known]]\ncheck = "beyond"\nreason = "coarse"\nbound = 3\n')
    assert known_files.load(path) == (Known("beyond", "coarse", 3),)
    for text, where in [
        ('[[known]]\ncheck = "beyond"\n', "known[0].reason"),
        ('[[known]]\ncheck = "beyond"\nreason = "x"\nbond = 3\n', "known[0].bond"),
        ('[[known]]\ncheck = "beyond"\nreason = "x"\nbound = "3"\n', "known[0].bound"),
        ("other = 1\n", "other"),
        ("known = 1\n", "known"),
        ("known = [1]\n", "known[0]"),
    ]:
        path.write_text(text)
        with pytest.raises(DescriptionError) as caught:
            known_files.load(path)
        assert where in [finding.path for finding in caught.value.diagnostics]
    path.write_text("[[known")
    with pytest.raises(FileError):
        known_files.load(path)
    with pytest.raises(FileError):
        known_files.load(tmp_path / "missing.toml")


def test_pytest_items_pass_skip_xfail_and_fail() -> None:
    def item(name: str, known: Known | None = None) -> Item:
        return Item(REGISTRY[name], ReferenceBackend(), None, "quick", 0, known)

    item("within")()
    with pytest.raises(pytest.skip.Exception, match=r"accuracy\.colour"):
        item("undeclared")()
    with pytest.raises(pytest.skip.Exception, match="pip install chip"):
        item("absent")()
    with pytest.raises(pytest.xfail.Exception, match="coarse"):
        item("beyond", Known("beyond", "coarse"))()
    with pytest.raises(AssertionError) as caught:
        item("beyond")()
    assert "measured: 3 mV" in str(caught.value)
    assert "declared: 1 mV" in str(caught.value)
    with pytest.raises(AssertionError, match="stale"):
        item("within", Known("within", "coarse"))()


def test_one_pytest_item_per_check() -> None:
    mark = parametrize(ReferenceBackend(), known=[Known("beyond", "coarse")]).mark
    assert mark.args[0] == "check"
    assert [parameter.id for parameter in mark.args[1]] == [*catalogue("quick")]
    chosen = parametrize("reference", checks=["within"]).mark.args[1]
    assert [parameter.id for parameter in chosen] == ["within"]
    with pytest.raises(DescriptionError, match="SAL702"):
        parametrize("reference", known=[Known("withn", "typing")])


@parametrize(ReferenceBackend(), checks=["spike-times-exact", "closed-session-refuses"])
def test_conformance(check: Callable[[], None]) -> None:
    check()


def test_every_check_says_what_it_holds_a_target_to() -> None:
    for name, check in catalogue().items():
        if check.group != "own":
            assert len(check.specification) > 40, name
            assert name == name.lower().replace(" ", "-").replace("_", "-")


# the command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command, on our own checks only."""
    for name in [name for name in REGISTRY if name not in NAMES]:
        monkeypatch.delitem(REGISTRY, name)
    app = typer.Typer()
    app.command()(lambda: None)
    register(app)
    return lambda *words: CliRunner().invoke(app, ["conformance", *words])


def keep(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in set(NAMES) - set(names):
        monkeypatch.delitem(REGISTRY, name)


def test_the_table_shows_measured_beside_declared(call: Callable[..., Any]) -> None:
    result = call("reference")
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if "beyond" in line and "│" in line]
    assert [cell.strip() for cell in line.split("│")[1:5]] == ["beyond", "fail", "3 mV", "1 mV"]
    assert "fail broken: ZeroDivisionError" in result.output


def test_status_zero_where_nothing_failed(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    keep(monkeypatch, "within", "undeclared")
    assert call("reference").exit_code == 0


def test_json_alone_and_in_a_file(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keep(monkeypatch, "within")
    alone = call("reference", "--json", "-", "--seed", "4")
    assert json.loads(alone.stdout)["seed"] == 4
    file, page = tmp_path / "r.json", tmp_path / "r.html"
    assert call("reference", "--json", str(file), "--html", str(page)).exit_code == 0
    assert json.loads(file.read_text())["checks"][0]["name"] == "within"
    assert "within" in page.read_text()
    both = call("reference", "--html", str(page), "--beside", str(file), "--force")
    assert both.exit_code == 0
    assert page.read_text().count("<article") == 2


def test_known_files_of_the_command(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keep(monkeypatch, "beyond")
    path = tmp_path / "known.toml"
    path.write_text('[[known]]\ncheck = "beyond"\nreason = "coarse"\nbound = 3.5\n')
    assert call("reference", "--known", str(path)).exit_code == 0
    path.write_text('[[known]]\ncheck = "byond"\nreason = "coarse"\n')
    refused = call("reference", "--known", str(path))
    assert (refused.exit_code, "did you mean beyond" in refused.output) == (2, True)


def test_wrong_usage(call: Callable[..., Any], tmp_path: Path) -> None:
    assert call("reference", "--profile", "slow").exit_code == 2
    assert call("reference", "--known", str(tmp_path / "none.toml")).exit_code == 2
    assert call("reference", "--json", str(tmp_path / "none" / "r.json")).exit_code == 2
    assert call("reference", "--beside", str(tmp_path / "none.json")).exit_code == 2
    assert call().exit_code == 2
    unknown = call("refrence")
    assert (unknown.exit_code, "did you mean reference" in unknown.output) == (2, True)


def test_the_table_keeps_its_last_column(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Long units beside short numbers, however wide the terminal."""
    from salhw.cli.report import print_table

    rows = [
        [
            "mismatch-is-on-and-is-on",
            "pass",
            "8.33 variance ratio (at least)",
            "2 variance ratio (at least)",
            "",
            "54.25",
        ],
        ["editing-keeps-the-chip", "unsupported", "0.987 correlation", "1 correlation", "5e-147", "0.05"],
    ]
    for width in range(60, 130):
        monkeypatch.setenv("COLUMNS", str(width))
        print_table("wide", ["check", "outcome", "measured", "declared", "p", "s"], rows, numbers=(2, 3, 4, 5))
        assert "54.25" in capsys.readouterr().out, width
