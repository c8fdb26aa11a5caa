"""The dynamics half of the suite: right on the reference, and it catches wrong backends by the name of the bug."""

from __future__ import annotations

from itertools import product

import pytest
from long_checks import AGREE
from mutants_dynamics import MUTANTS, Mutant
from one_algorithm import target

import salhw
import salhw_reference
from salhw.compiler.pipeline import problems
from salhw.conformance import examples
from salhw.conformance.accuracy import ACCURACY
from salhw.conformance.lab import Lab, Undeclared
from salhw.conformance.runner import catalogue
from salhw.substrate.capabilities import Range

DYNAMICS = {name: check for name, check in catalogue("quick").items() if check.group == "dynamics"}
STEPWISE = {
    "adex-steps", "lif-intervals", "short-term-strengths", "psp-membrane", "input-gains", "trace-values",
    "predictive-rule", "teacher-nudges",
}  # fmt: skip
"""Checks of what takes the time-driven algorithm."""
HOSTED = {"predictive-rule-of-the-host"}
"""Checks of what the reference leaves to no host: tests/conformance/test_wrong_hosts.py has them."""
ELSEWHERE = {"adex-steps", "short-term-strengths", "spikes-after-spikes"}
"""Whose mutants are those of test_adex_steps, test_short_term_strengths and test_mutation_score."""
PHASES = {"reference-phase"}
"""Checks of what a host does for the reference, too: they catch wrong hosts there."""


@pytest.mark.parametrize("algorithm", ["event-driven", "vectorised"])
def test_a_target_of_one_algorithm_declares_nothing_that_needs_what_it_lacks(algorithm: str) -> None:
    """Or the right reference would fail declared-runs there, and every mutant of the algorithm pass for caught."""
    lab = Lab(salhw_reference.backend, target(algorithm), "quick", 1)
    refused = {example.what: problems(example.net, example.target) for example in examples.declared(lab)}
    assert len(refused) > 100
    assert not any(refused.values()), {what: found for what, found in refused.items() if found}


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [*product(["event-driven", "time-driven"], [name for name in DYNAMICS if name not in AGREE])],
)
def test_the_reference_passes(name: str, algorithm: str) -> None:
    lab = Lab(salhw_reference.backend, target(algorithm), "quick", 1)
    if name in HOSTED or (algorithm == "event-driven" and name in STEPWISE):
        with pytest.raises(Undeclared):
            DYNAMICS[name].run(lab)
        return
    evidence = DYNAMICS[name].run(lab)
    assert evidence.passed, evidence.reason


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_the_mutant_is_caught(mutant: Mutant) -> None:
    """Each named check fails, by what it measured: not by an exception, not for want of statistics."""
    assert mutant.caught_by
    for name in sorted(mutant.caught_by):
        evidence = DYNAMICS[name].run(Lab(mutant.factory(), target("auto"), "quick", 1))
        assert not evidence.passed, f"{name}: {evidence.reason}"
        if evidence.measured is not None and evidence.declared is not None:
            assert abs(evidence.measured) > evidence.declared, evidence.reason


@pytest.mark.parametrize("name", ["transfer-function", "state-distribution"])
def test_where_chips_differ_the_mean_over_them_is_held_to_the_margin(name: str) -> None:
    """Biases scatter by .3 from neuron to neuron: one chip is off by several margins, the mean over chips is not (the
    logistic function is curved: .05 at most); half the slope of the hazard is caught on chips as well."""
    wide = (
        target("auto").with_variability({"bias": 0.3}).replace(accuracy={"rate": 0.05, "state_total_variation": 0.05})
    )
    evidence = DYNAMICS[name].run(Lab(salhw_reference.backend, wide, "quick", 1))
    assert evidence.passed, evidence.reason
    (mutant,) = [m for m in MUTANTS if m.name == "hazard of half the slope"]
    evidence = DYNAMICS[name].run(Lab(mutant.factory(), wide, "quick", 1))
    assert not evidence.passed, evidence.reason


def test_there_are_enough_mutants_and_no_two_alike() -> None:
    assert len(MUTANTS) >= 25
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)


def test_every_check_catches_something_or_is_held_by_another() -> None:
    """No check is idle: each is named by a mutant, or one of the few that several bugs show in at once."""
    named = set().union(*(m.caught_by for m in MUTANTS))
    assert (
        set(DYNAMICS) - named
        <= {"pair-stdd", "state-distribution", "networks-of-five", "psp-membrane"} | HOSTED | PHASES | ELSEWHERE
    )


def test_every_specification_says_what_it_holds_a_target_to() -> None:
    for name, check in DYNAMICS.items():
        text = check.specification
        assert len(text) > 80, name
        assert "less than" in text or "random" in text or "Exact" in text, f"{name} states no error rate"


def test_the_reference_declares_every_accuracy() -> None:
    assert set(ACCURACY) <= set(salhw.target("reference").accuracy)


def test_an_accuracy_that_is_not_declared_leaves_its_checks_unsupported() -> None:
    bare = target("auto").replace(accuracy={})
    with pytest.raises(Undeclared, match=r"SAL701 accuracy\.rate"):
        DYNAMICS["transfer-function"].run(Lab(salhw_reference.backend, bare))


@pytest.mark.parametrize(
    "name",
    [
        "psp-delay",
        "psp-sign",
        "psp-superposition",
        "pairing-scheme",
        "stdp-window-tau",
        "pair-stdd",
        "state-distribution",
        "sal-converges",
    ],
)
def test_a_check_asks_for_no_more_than_is_declared(name: str) -> None:
    """On 512 neurons with dense, positive weights, without delays, "last", triangular windows and two of the pairings
    the checks still run, on what is left."""
    full = target("auto")
    rule = full.plasticity["PairSTDP"] | {"pairing": ("nearest_restricted",)}
    small = full.replace(
        projections={"connectivity": ("Dense",), "weights": Range(min=0.0, max=8.0)},
        kernels={"Rectangular": {k: v for k, v in full.kernels["Rectangular"].items() if k == "tau_syn"}},
        windows={"Exponential": full.windows["Exponential"]},
        plasticity={"PairSTDP": rule},
        resources={"neurons": 512, "synapses": 20_000},
        accuracy=full.accuracy | {"sal_gap": 0.5},  # a matrix of synapses for every pair would take half a minute
    )
    evidence = DYNAMICS[name].run(Lab(salhw_reference.backend, small, "quick", 1))
    assert evidence.passed, evidence.reason
