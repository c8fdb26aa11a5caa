"""Wrong backends by a table of operators: that they are what their names say, and how many the suite catches."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import mutated
import mutation_score as score
import mutation_table
from mutation_operators import KERNELS, OPERATORS, Mutant, candidates, of_kernel

import salhw_reference
from salhw.conformance.lab import Lab
from salhw.conformance.runner import catalogue, examine


@cache
def drawn() -> list[Mutant]:
    """All mutants, made when a test runs, not in every process that collects the tests."""
    return candidates()


def named(name: str) -> Mutant:
    return next(mutant for mutant in drawn() if mutant.name == name)


def test_every_operator_has_mutants_with_names_of_their_own() -> None:
    mutants = drawn()
    assert len({mutant.name for mutant in mutants}) == len(mutants) > 2000
    assert {m.operator for m in mutants[: len(OPERATORS)]} == set(OPERATORS)
    assert {m.group for m in mutants[:100]} == {"step", "preparation", "engine", "session"}


@pytest.mark.parametrize("algorithm", KERNELS)
def test_the_other_algorithms_have_mutants_of_their_own(algorithm: str) -> None:
    mutants = of_kernel(algorithm)
    assert len({mutant.name for mutant in mutants}) == len(mutants) > 100
    assert {mutant.operator for mutant in mutants} <= {*OPERATORS} - {"reset at joins", "reset at set"}
    assert {score.algorithm_of(mutant) for mutant in mutants} == {algorithm}


def test_a_mutant_of_another_algorithm_is_caught() -> None:
    (mutant,) = (
        mutant for mutant in of_kernel("event-driven") if mutant.name == "hazards.exp_of: `k * _LN2_HIGH` as `k`"
    )
    with mutant.loaded(compiled=False) as package:
        assert score.replayed(package, (1,), "event-driven")


@pytest.mark.parametrize(
    ("algorithm", "name", "kind"),
    [
        ("tabulated", "tabulated.spikes_of_busy_step: `pending - rest` as `pending + rest`", "succession"),
        ("event-driven", "event_driven.spikes_of_step: `pending -= cell` as `pending += cell`", "independence"),
    ],
    ids=["waits too long", "loses second spikes"],
)
def test_what_is_wrong_at_a_spike_is_caught_by_a_check_of_its_own(algorithm: str, name: str, kind: str) -> None:
    """Of no mutants do plain networks show less: few of their steps have a spike, hardly any two."""
    (mutant,) = (mutant for mutant in of_kernel(algorithm) if mutant.name == name)
    with mutant.loaded(compiled=False) as package:
        lab = Lab(package.backend, score.target_of(score.TABULATED), "quick", score.SEED)
        outcome = examine(catalogue()["spikes-after-spikes"], lab)
    assert outcome.outcome == "fail"
    assert kind in outcome.reason


def test_the_reference_itself_is_not_caught() -> None:
    """Loaded anew, as plain Python; and it is gone afterwards."""
    before = {name: module for name, module in sys.modules.items() if name.startswith("salhw_reference")}
    with mutated.reference(compiled=False) as package:
        assert package is not salhw_reference
        assert score.replayed(package, score.ORDER[:1]) == ""
    assert before == {name: module for name, module in sys.modules.items() if name.startswith("salhw_reference")}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("time_driven.run: `samples[b]` as `samples[0]`", {"membrane", "trace"}),
        ("time_driven.look_ahead: `state.due[k] == NEVER` as `state.due[k] != NEVER`", {"occupancy"}),
        pytest.param("history is reset where runs join", {"trace", "held"}, marks=pytest.mark.slow),
        pytest.param(
            "a written bias reaches the next place", {"membrane", "trace", "threshold"}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_mutant_is_caught(name: str, kinds: set[str]) -> None:
    with named(name).loaded(compiled=False) as package:
        assert score.replayed(package) in kinds


def test_the_judge_tells_what_differs() -> None:
    with mutated.reference(compiled=False) as package:
        right = score.trial(package, 0)
    found = []
    for name in ("states is reset by a write", "weight is reset where runs join"):  # states are counted anew anyway
        with named(name).loaded(compiled=False) as package:
            found.append(score.differs(score.trial(package, 0), right))
    assert found[0] == "" != found[1]


def test_a_mutant_that_stops_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "judged", lambda package, algorithm: score.trial(package, 0))
    found = score.outcome(named("program._projections: without `pre.append(j.astype(np.uint32))`"))
    assert score.state(found) == "stopped"
    assert "IndexError" in found["raises"]


def test_the_docs_hold_the_score() -> None:
    """At least 98 % of those that differ are caught, and of each that is not, the page says why."""
    *_, everything = mutation_table.written("score")
    numbers = [cell.strip() for cell in everything.split("|")[3:-1]]
    tried, stop, same, differ, replay, checks, missed = map(int, numbers[:7])
    assert tried == stop + same + differ
    assert differ == replay + checks + missed >= 300
    assert replay + checks >= 0.98 * differ
    assert len(mutation_table.written("missed")) == missed
    assert {line.split("|")[1].strip() for line in mutation_table.written("score")} == {*OPERATORS, "all"}


@pytest.mark.slow
def test_the_score(tmp_path: Path) -> None:
    """Half an hour: all mutants of the page anew."""
    file = tmp_path / "mutants.jsonl"
    score.run(file, score.COUNT)
    states = [score.state(found) for found in score.read(file).values()]
    caught, missed = states.count("replay") + states.count("checks"), states.count("missed")
    assert "" not in states
    assert caught + missed >= 300
    assert caught >= 0.98 * (caught + missed)
