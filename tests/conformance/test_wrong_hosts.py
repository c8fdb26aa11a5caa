"""What a host works out is held to the checks of what a target does itself, and they catch a host that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from loop_examples import looped_reference

import salhw_reference
from salhw.conformance.lab import Lab
from salhw.conformance.runner import catalogue
from salhw.description.traces import Boxcar
from salhw.session import host_traces, loop, predictions
from salhw.session.loop import LoopEngine
from salhw.session.recorder import Raster

DYNAMICS = catalogue("quick")
HELD = ("predictive-rule-of-the-host", "teacher-nudges", "ties-copy", "input-gains", "trace-values")


@pytest.mark.parametrize("name", HELD)
def test_the_loop_passes(name: str) -> None:
    evidence = DYNAMICS[name].run(Lab(salhw_reference.backend, looped_reference(), "quick", 1))
    assert evidence.passed, evidence.reason


def _late(right: Callable[..., Any]) -> Callable[..., Any]:
    """Spikes that are read a step late."""

    def raster(*args: Any) -> Raster:
        seen = right(*args)
        return Raster(seen.instance, seen.neuron, seen.step + 1)

    return raster


def _without_past(right: Any) -> Any:
    """A boxcar that begins anew with each piece."""
    return lambda self, values, dt, past=None: right(self, values, dt)


def _unscaled(right: Any) -> Any:
    return lambda self, p, gains=None: np.ones((self._instances, 1))


def _negligent(right: Any) -> Any:
    return lambda self, *args: None


def _only_at_first(right: Any) -> Any:
    """Teachers that see traces as they were before the first step."""

    def nudge(self: LoopEngine, teachers: Any) -> None:
        means, self._traces.mean = self._traces.mean, {n: np.zeros_like(m) for n, m in self._traces.mean.items()}
        right(self, teachers)
        self._traces.mean = means

    return nudge


def _forgetful(right: Any) -> Any:
    """Rules that count no spikes of pieces that ended without an update, nor those of the last one twice."""

    def learn(self: LoopEngine, p: Any, due: list[int], reading: Any) -> None:
        sent = dict(self._sent)
        right(self, p, due, reading)
        self._sent = sent

    return learn


MUTANTS: Mapping[str, tuple[Any, str, Callable[[Any], Any], frozenset[str]]] = {
    "spikes read a step late": (loop, "_raster", _late, frozenset({"trace-values", "predictive-rule-of-the-host"})),
    "boxcars begin anew with each piece": (Boxcar, "follow", _without_past, frozenset({"trace-values"})),
    "gains not folded": (LoopEngine, "_factor", _unscaled, frozenset({"input-gains"})),
    "copies never made": (LoopEngine, "_copy_from", _negligent, frozenset({"ties-copy"})),
    "teachers that see no trace": (LoopEngine, "_nudge", _only_at_first, frozenset({"teacher-nudges"})),
    "teachers that do nothing": (LoopEngine, "_nudge", _negligent, frozenset({"teacher-nudges"})),
    "spikes counted again": (LoopEngine, "_learn", _forgetful, frozenset({"predictive-rule-of-the-host"})),
    "PSPs a step long": (
        host_traces, "psp", lambda right: lambda *args: right(*args)[:1], frozenset({"predictive-rule-of-the-host"}),
    ),
    "links swapped": (
        predictions, "LINKS", lambda right: {"logistic": right["exponential"], "exponential": right["logistic"]},
        frozenset({"predictive-rule-of-the-host"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("bug", MUTANTS)
def test_a_wrong_host_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each named check fails, by what it measured."""
    where, name, wrong, caught_by = MUTANTS[bug]
    right = getattr(where, name)
    monkeypatch.setattr(where, name, wrong(right))
    for check in sorted(caught_by):
        evidence = DYNAMICS[check].run(Lab(salhw_reference.backend, looped_reference(), "quick", 1))
        assert not evidence.passed, f"{check}: {evidence.reason}"
        assert evidence.measured is not None
        assert evidence.declared is not None
        assert evidence.measured > evidence.declared, evidence.reason
