"""What the suite does for the author of a backend: some checks, reports that grow, tracebacks, networks of failures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mutants_replay
import pytest
import typer
from mutant_sessions import Wrapped
from typer.testing import CliRunner

import salhw
from salhw import Network, Recording
from salhw.cli.conformance import register
from salhw.conformance import Check, ConformanceReport, Evidence, catalogue, run
from salhw.conformance.lab import Lab
from salhw.conformance.model import REGISTRY
from salhw.conformance.replay import Example, shrunk
from salhw.conformance.runner import chosen
from salhw_reference import backend as reference

MUTANTS = {m.name: m.factory for m in mutants_replay.MUTANTS}


@pytest.fixture
def call() -> Callable[..., Any]:
    app = typer.Typer()
    app.command()(lambda: None)
    register(app)
    return lambda *words: CliRunner().invoke(app, ["conformance", *words])


@pytest.fixture(autouse=True)
def _one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each survey is of one random network: what becomes of its failure depends on no other."""
    monkeypatch.setattr("salhw.conformance.replay.surveying.NETWORKS", 1)
    monkeypatch.setattr("salhw.conformance.replay.surveying.CANDIDATES", 0)
    monkeypatch.setattr("salhw.conformance.replay.surveying.drawable", lambda target: {})
    monkeypatch.setattr("salhw.conformance.replay.surveying.takes_phases", lambda target: False)


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target reference has a backend whose LIF neurons have no synapses."""
    monkeypatch.setattr("salhw.conformance.runner.backend", lambda name: MUTANTS["LIF ignores its synapses"]())


def test_checks_are_chosen_by_name_and_by_pattern() -> None:
    names = [check.name for check in chosen("quick", ["psp-s*", "bias-order", "psp-sign"])]
    matching = [name for name in catalogue("full") if name.startswith("psp-s")]
    assert {*matching} == {"psp-shape", "psp-sign", "psp-superposition"}
    assert names == [*matching, "bias-order"]
    with pytest.raises(salhw.DescriptionError, match="did you mean psp-sign"):
        chosen("quick", ["psp-sing"])
    with pytest.raises(salhw.DescriptionError, match=r"SAL702.*spp-\*"):
        chosen("quick", ["spp-*"])


def test_a_line_for_each_check_where_stderr_is_no_terminal(call: Callable[..., Any]) -> None:
    result = call("reference", "--check", "psp-a*", "--check", "psp-sign")
    lines = result.stderr.splitlines()
    assert [line.split(",")[0] for line in lines] == ["1/2 pass psp-area", "2/2 pass psp-sign"]


def test_an_interrupted_run_keeps_what_it_has(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(lab: Lab) -> Evidence:
        """Is when somebody types Ctrl-C."""
        raise KeyboardInterrupt

    def killed(lab: Lab) -> Evidence:
        """Sees what would be left if the process were killed here."""
        left.append(ConformanceReport.load(tmp_path / "r.json"))
        return Evidence(True, "still there")

    left: list[ConformanceReport] = []
    monkeypatch.setattr("salhw.cli.conformance.EVERY", -1.0)
    monkeypatch.setitem(REGISTRY, "killed", Check("killed", "own", killed))
    monkeypatch.setitem(REGISTRY, "interrupted", Check("interrupted", "own", interrupted))
    words = [word for name in ("psp-sign", "killed", "interrupted", "bias-order") for word in ("--check", name)]
    result = call("reference", *words, "--json", str(tmp_path / "r.json"))
    assert result.exit_code == 130
    assert [outcome.name for outcome in left[0].checks] == ["psp-sign"]
    report = ConformanceReport.load(tmp_path / "r.json")
    assert [outcome.name for outcome in report.checks] == ["psp-sign", "killed"]
    assert report.unfinished == ("interrupted", "bias-order")
    assert not report.passed


def test_what_failed_or_was_not_finished_runs_again_with_its_seed(call: Callable[..., Any], tmp_path: Path) -> None:
    report = run("reference", checks=["psp-sign", "bias-order"], seed=5)
    failed = replace(report, checks=(replace(report.checks[0], outcome="fail"), report.checks[1]))
    failed.save(tmp_path / "before.json")
    again = json.loads(call("reference", "--from-failures", str(tmp_path / "before.json"), "--json", "-").stdout)
    assert ([entry["name"] for entry in again["checks"]], again["seed"]) == (["psp-sign"], 5)
    assert "--failures DIR" not in call("reference", "--check", "psp-sign").stdout
    both = call("reference", "--from-failures", str(tmp_path / "before.json"), "--check", "psp-sign")
    assert both.exit_code == 2
    replace(report, unfinished=("psp-sign",), checks=report.checks[1:]).save(tmp_path / "killed.json")
    rest = json.loads(call("reference", "--from-failures", str(tmp_path / "killed.json"), "--json", "-").stdout)
    assert [entry["name"] for entry in rest["checks"]] == ["psp-sign"]
    report.save(tmp_path / "good.json")
    assert call("reference", "--from-failures", str(tmp_path / "good.json")).stdout.startswith("Nothing failed")


class Torn:
    """The reference, with sessions that break inside the author's own code."""

    name = "reference"
    targets, lower = staticmethod(reference.targets), staticmethod(reference.lower)

    def open(self, *given: Any, **named: Any) -> Any:
        class Session(Wrapped):
            def run(self, duration: float, **_: Any) -> Recording:
                return self.load(duration)

            def load(self, duration: float) -> Recording:
                raise ZeroDivisionError("no paper left")

        return Session(reference.open(*given, **named))


@pytest.mark.parametrize("name", ["psp-sign", "replay-counts"])
def test_tracebacks_lead_into_the_authors_code(name: str) -> None:
    outcome = run(Torn(), "reference", checks=[name])[name]
    assert outcome.outcome == "fail"
    trace = (outcome.details or {})["traceback"]
    assert trace.endswith("ZeroDivisionError: no paper left")
    frames = [line.split(", in ")[1] for line in trace.splitlines() if line.startswith("  File")]
    assert frames == ["run", "load"]
    assert f"{Path(salhw.__file__).parent}/" not in trace


def test_a_failing_random_network_is_shrunk_saved_and_repeated(
    call: Callable[..., Any], wrong: None, tmp_path: Path
) -> None:
    words = ("--check", "replay-membranes", "--seed", "3")  # whose network has membranes of LIF neurons with synapses
    failing = call("reference", *words, "--failures", str(tmp_path / "f"))
    assert failing.exit_code == 1
    (command,) = [line.partition("once more: ")[2] for line in failing.stdout.splitlines() if "once more: " in line]
    example = Example.load(tmp_path / "f" / "replay-membranes.json")
    assert len(example.net.projections) == len(example.schedule.parts) == len(example.schedule.ids) == 1
    assert len(example.net.populations) <= 2
    assert example.schedule.steps < 20
    program, word, *words = shlex.split(command)
    assert (program, word) == ("salhw", "conformance")
    repeated = call(*words)
    assert (repeated.exit_code, repeated.stdout.startswith("membrane of populations.")) == (1, True)
    shown = json.loads(call(*words, "--json", "-").stdout)
    assert shown["departures"][0] == repeated.stdout.splitlines()[0]


def test_a_right_target_does_what_a_saved_network_implies(call: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    Example.drawn(Lab(reference, salhw.target("reference")), 3).save(path)
    right = call("reference", "--replay", str(path))
    assert (right.exit_code, "its own spikes imply" in right.stdout) == (0, True)
    path.write_text("{}")
    assert call("reference", "--replay", str(path)).exit_code == 2


def test_the_network_of_any_other_failure_is_saved(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("salhw.conformance.runner.backend", lambda name: Torn())
    failing = call("reference", "--check", "psp-sign", "--failures", str(tmp_path / "f"), "--seed", "2")
    assert Network.load(tmp_path / "f" / "psp-sign.json").populations
    assert "salhw conformance reference --check psp-sign --profile quick --seed 2" in failing.stdout
    assert (
        call("reference", "--check", "psp-sign", "--failures", str(tmp_path / "f")).exit_code == 2
    )  # is there already
    assert "With --failures DIR" in call("reference", "--check", "psp-sign").stdout


def test_what_remains_of_a_network_departs_in_the_same_way() -> None:
    backend = MUTANTS["a second rule is ignored"]()
    lab = Lab(backend, backend.targets()["plain"])
    drawn = (Example.drawn(lab, seed) for seed in range(10, 22))  # the first of which departs, and is soon small
    example = next(each for each in drawn if "weights" in [kind for kind, _ in each.said(lab)])
    small = shrunk(lab, example, "weights")
    assert "weights" in [kind for kind, _ in small.said(lab)]
    assert [len(p.plasticity) for p in small.net.projections] == [2]
    assert small.schedule.steps < example.schedule.steps / 10
    assert shrunk(lab, example, "weights", patience=0.0) == example
