"""AdEx neurons that are nearly right: the check catches them under the accuracy that ``nest`` declares, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mutants_engineering import Wrong
from wrong_backends import each_neuron

import salhw
from salhw import AdEx
from salhw.conformance.lab import Lab
from salhw.conformance.runner import catalogue

CHECK = catalogue("quick")["adex-steps"]
SOLVED = salhw.target("nest").accuracy["adex"]


Change = Callable[[AdEx, float], dict[str, Any]]


def checked(change: Change, declaring: Callable[[salhw.Target], salhw.Target]) -> Any:
    """The reference with a bug, as a target that declares something else."""
    backend = Wrong(network=each_neuron(AdEx, change))
    return CHECK.run(Lab(backend, declaring(backend.targets()["reference"]), "quick", 1))


def examined(change: Change) -> Any:
    """Held to what a target is held to that solves the equations."""
    return checked(change, lambda target: target.replace(accuracy={**target.accuracy, "adex": SOLVED}))


def test_what_the_description_says_is_within_it() -> None:
    found = examined(lambda n, dt: {})
    assert found.passed
    assert found.measured == 0.0


@pytest.mark.parametrize(
    "change",
    [
        lambda n, dt: {"tau_m": 1.02 * n.tau_m},
        lambda n, dt: {"tau_w": 1.03 * n.tau_w},
        lambda n, dt: {"tau_ref": n.tau_ref + dt},
        lambda n, dt: {"tau_ref": n.tau_ref - dt},
        lambda n, dt: {"a": 1.1 * n.a},
        lambda n, dt: {"b": 1.03 * n.b},
        lambda n, dt: {"slope_factor": 1.05 * n.slope_factor},
        lambda n, dt: {"v_peak": 1.2},
        lambda n, dt: {"v_reset": n.v_rest},
    ],
    ids=[
        "tau_m 2 %", "tau_w 3 %", "tau_ref a step long", "tau_ref a step short", "a 10 %", "b 3 %",
        "slope_factor 5 %", "another v_peak", "v_reset at rest",
    ],
)  # fmt: skip
def test_a_neuron_that_is_nearly_right_is_caught(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first half of the check's steps, hence in all of them."""
    monkeypatch.setattr("salhw.conformance.checks.adex_steps.STEPS", 80)
    assert not examined(change).passed


def by_intervals(change: Change) -> Any:
    """Of a target that shows no membranes and declares 5 % for rates."""

    def without_membranes(target: salhw.Target) -> salhw.Target:
        probes = {name: fields for name, fields in target.probes.items() if name != "Membrane"}
        return target.replace(probes=probes, accuracy={"rate_alone": 0.05})

    return checked(change, without_membranes)


def test_where_no_membrane_shows_intervals_are_those_of_the_steps() -> None:
    found = by_intervals(lambda n, dt: {})
    assert found.passed
    assert found.measured == 0.0


@pytest.mark.parametrize(
    "change",
    [
        lambda n, dt: {"tau_m": 1.2 * n.tau_m},
        lambda n, dt: {"tau_w": 1.1 * n.tau_w},
        lambda n, dt: {"tau_ref": 4.0 * n.tau_ref},
        lambda n, dt: {"b": 1.1 * n.b},
        lambda n, dt: {"a": 0.0},
        lambda n, dt: {"slope_factor": 0.01},
    ],
    ids=["tau_m 20 %", "tau_w 10 %", "tau_ref four times", "b 10 %", "a ignored", "no upstroke"],
)
def test_intervals_tell_what_is_wrong(change: Change) -> None:
    assert not by_intervals(change).passed
