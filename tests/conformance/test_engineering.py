"""The reference passes every interface check; every wrong backend is caught by the check that points at its bug."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from long_checks import SESSIONS
from mutants_engineering import MUTANTS, Mutant, Wrong, moving, other
from one_algorithm import target

import salhw
from salhw import BackendError, Chip, Diagnostic, Target, Variability
from salhw.compiler.pipeline import compile
from salhw.conformance import catalogue, examples, run
from salhw.conformance.runner import laboratory
from salhw_reference import ReferenceBackend

REFERENCE = salhw.target("reference")
INTERFACE = [name for name, check in catalogue("quick").items() if check.group == "interface"]
ELSEWHERE = "same-chip-in-another-process"


def analogue() -> Target:
    """The limits of a mixed-signal chip: few bits, narrow ranges, one schedule, mismatch."""
    return REFERENCE.replace(
        name="analogue",
        weight_bits=6,
        network={"dt": (1.0, 1.0)},
        projections={"connectivity": ("Dense", "Sparse"), "weights": (-4.0, 4.0)},
        neurons={name: c for name, c in REFERENCE.neurons.items() if name in ("GLM", "Source")},
        kernels={"Exponential": {"tau_syn": (2.0, 20.0)}},
        plasticity={
            "PairSTDP": {
                "pairing": ("nearest_restricted",), "learning_rate": (-0.1, 0.1), "update": ("every",),
                "every": (33.0, 1e6), "bounds": (-4.0, 4.0),
            }
        },
        probes={name: c for name, c in REFERENCE.probes.items() if name in ("Spikes", "Weights")},
        variability={"weight": Variability(sd=0.2)},
        resources={"neurons": 512, "synapses": 131_072},
    )  # fmt: skip


OF_DRIFT = {"ageing-moves-the-pattern", "correlated-quantities"}  # which the reference does not declare by itself
TARGETS = {
    "auto": REFERENCE, "time-driven": target("time-driven"), "event-driven": target("event-driven"),
    "vectorised": target("vectorised"), "analogue": analogue(),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted({*TARGETS} - {"auto"}))
def test_the_reference_passes(name: str) -> None:
    """With "auto" it is one of these for each network. What is drawn in another process depends on no algorithm: on the
    target whose chips differ (its backend is not installed; test_conformance_brainscales2 has one that is)."""
    checks = [check for check in INTERFACE if check != ELSEWHERE or name == "analogue"]
    report = run(ReferenceBackend(), TARGETS[name], checks=checks)
    assert [(c.name, c.reason) for c in report.checks if c.outcome not in ("pass", "unsupported")] == []
    if name == "time-driven":
        assert report.counts == {"pass": len(checks) - len(OF_DRIFT), "unsupported": len(OF_DRIFT)}


def test_few_false_alarms() -> None:
    """Of one seed; test_whole_suite has a hundred, by hand."""
    random = [name for name in INTERFACE if name != ELSEWHERE and not name.startswith(("declared", "undeclared"))]
    failed = [
        (outcome.name, outcome.reason)
        for target, checks in ((REFERENCE, sorted({*random} - OF_DRIFT)), (moving(REFERENCE), sorted(OF_DRIFT)))
        for outcome in run(ReferenceBackend(), target, seed=100, checks=checks).checks
        if outcome.outcome != "pass"
    ]
    assert failed == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_wrong_backend_is_caught(mutant: Mutant) -> None:
    report = run(mutant.factory(), checks=mutant.caught_by)
    failed = [c for c in report.checks if c.outcome == "fail"]
    assert failed, {c.name: c.reason for c in report.checks}
    # By evidence, not because the wrong backend itself breaks down.
    assert [c.name for c in failed if c.measured is not None or "Error" not in c.reason]


def test_what_is_compensated_must_not_show() -> None:
    """A weight that varies by .2 with and without the claim that something takes that off again."""
    for claim in ("", "weights are trimmed on chip"):
        target = REFERENCE.with_variability({"weight": Variability(sd=0.2, compensated=claim)})
        outcome = run(ReferenceBackend(), target, checks=["mismatch-is-on"])["mismatch-is-on"]
        assert (outcome.outcome == "pass") is not bool(claim), outcome.reason
    assert "weight declared as compensated" in outcome.reason


@pytest.mark.parametrize(
    ("ignored", "words"),
    [("", ""), ("chip", "weight chip-wide"), ("stuck", "weight stuck"), ("drift", "weight drift"),
     ("thermal", "weight thermal")],
)  # fmt: skip
def test_each_part_of_a_spread_must_show(ignored: str, words: str) -> None:
    """Chip-wide variation, broken synapses, drift, on a backend that has them and on such as ignore one of them."""
    spread = Variability(sd=0.2, chip=0.1, stuck=0.1, drift=0.01, thermal=0.001)
    target = REFERENCE.with_variability({"weight": spread})

    def without(given: dict[str, Any]) -> list[Chip]:
        deaf = {ignored: 0.0} if ignored else {}
        return [
            chip.replace(variability={name: v.replace(**deaf) for name, v in chip.variability.items()})
            for chip in given["chips"]
        ]

    backend = Wrong(arguments=other("chips", without)) if ignored else ReferenceBackend()
    outcome = run(backend, target, checks=["mismatch-is-on"])["mismatch-is-on"]
    assert outcome.outcome == ("fail" if ignored else "pass"), outcome.reason
    assert words in outcome.reason


def test_a_wrong_backend_is_not_caught_by_everything() -> None:
    """A bug in one place leaves the other checks alone, or their names would point nowhere."""
    (mutant,) = [m for m in MUTANTS if m.name == "clipping missing"]
    report = run(mutant.factory(), checks=[name for name in INTERFACE if name not in (ELSEWHERE, *SESSIONS)])
    assert [c.name for c in report.checks if c.outcome == "fail"] == ["bounds-clip"]


def test_mutants_are_many_and_name_existing_checks() -> None:
    assert len(MUTANTS) >= 14
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)
    assert {name for m in MUTANTS for name in m.caught_by} <= set(INTERFACE)


@pytest.mark.parametrize("name", TARGETS)
def test_examples_cover_what_is_declared(name: str) -> None:
    target = TARGETS[name]
    lab = laboratory(ReferenceBackend(), target)
    found = [example.what for example in examples.declared(lab)]
    for section in examples.SECTIONS:
        for kind, capability in getattr(target, section).items():
            assert f"{section}.{kind}" in found
            for field, entry in capability.items():
                if isinstance(entry, tuple) and field not in ("arrays", "settable", "update"):
                    assert all(f"{section}.{kind}.{field} = {choice}" in found for choice in entry)
    refused = {example.what for example in examples.undeclared(lab)}
    assert {f"{section}.{kind}" for section, kinds in examples.SECTIONS.items() for kind in kinds} <= refused


def test_examples_try_the_ends_of_narrow_ranges() -> None:
    narrow = REFERENCE.replace(
        neurons={"GLM": REFERENCE.neurons["GLM"] | {"tau_ref": (4.0, 30.0), "bias": (-3.0, 3.0)}}
    )
    found = [example.what for example in examples.declared(laboratory(ReferenceBackend(), narrow))]
    for value in ("tau_ref = 4.0", "tau_ref = 30.0", "bias = -3.0", "bias = 3.0"):
        assert f"neurons.GLM.{value}" in found
    refused = {e.what: e.code for e in examples.undeclared(laboratory(ReferenceBackend(), narrow))}
    assert refused["neurons.GLM.tau_ref = 60.0"] == "SAL104"


def test_a_target_that_declares_too_much_falls_short() -> None:
    """The event-driven algorithm has no LIF neurons; a target that says so fails."""
    report = run("reference", REFERENCE.with_options(algorithm="event-driven"), checks=["declared-runs"])
    assert report["declared-runs"].outcome == "fail"
    assert "LIF" in report["declared-runs"].reason


def test_a_backend_without_its_device_is_unavailable() -> None:
    class Gone(ReferenceBackend):
        def open(self, *args: object, **options: object) -> object:  # type: ignore[override]
            finding = Diagnostic("SAL603", "hxtorch", "", "a chip", "pip install hxtorch, where there is a chip")
            raise BackendError("BackendError: no device", [finding])

    report = run(Gone(), checks=INTERFACE)
    assert {c.outcome for c in report.checks if c.name not in OF_DRIFT} <= {"unavailable", "pass"}
    assert report["spike-times-exact"].outcome == "unavailable"
    assert not report.passed


def test_resolution_of_a_quantised_target_is_respected() -> None:
    report = run(ReferenceBackend(), analogue(), checks=["weights-as-described", "get-set-round-trip"])
    outcome = report["weights-as-described"]
    assert outcome.outcome == "pass"
    assert outcome.measured is not None
    assert 0.01 < outcome.measured <= 4.0 / 62 * 1.001


def test_a_declared_batch_is_held_to_the_bit() -> None:
    target = REFERENCE.replace(accuracy=REFERENCE.accuracy | {"batch": 0.0})
    outcome = run("reference", target, checks=["batch-equals-loop"])["batch-equals-loop"]
    assert (outcome.outcome, outcome.measured, outcome.declared) == ("pass", 0.0, 0.0)


def test_approximations_may_lie_at_or_above_the_difference() -> None:
    lab = laboratory(ReferenceBackend(), analogue())
    net = next(e.net for e in examples.declared(lab) if e.what.startswith("projections.weights"))
    executable = compile(net.replace(), lab.target, plugin=lab.backend)
    changed = [*_differences(executable)]
    assert changed == ["projections.p.weights.values"]
    assert np.any(executable.network.projection("p").weights.values != net.projection("p").weights.values)


def _differences(executable: salhw.Executable) -> list[str]:
    from salhw.conformance.checks.interface_capabilities import differences

    return [*differences("", executable.source, executable.network)]
