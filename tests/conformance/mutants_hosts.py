"""Wrong hosts: the loop of a target with its host, with one bug each, and the checks that have to point at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from loop_examples import looped_reference

import salhw_reference
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence
from salhw.conformance.runner import catalogue
from salhw.description.plasticity import PredictiveRule
from salhw.description.traces import Boxcar
from salhw.session import host_traces, loop, predictions
from salhw.session.loop import LoopEngine
from salhw.session.predictions import LEARNERS
from salhw.session.recorder import Raster
from salhw.session.reference_phase import ReferenceEngine

HELD = (
    "predictive-rule-of-the-host", "teacher-nudges", "ties-copy", "input-gains", "trace-values", "reference-phase",
)  # fmt: skip
"""The checks of what a host works out."""


def evidence(check: str) -> Evidence:
    """What a check finds on the reference in a loop with its host, as that is now."""
    return catalogue("quick")[check].run(Lab(salhw_reference.backend, looped_reference(), "quick", 1))


def _late(right: Callable[..., Any]) -> Callable[..., Any]:
    """Spikes that are read a step late."""

    def raster(*args: Any) -> Raster:
        seen = right(*args)
        return Raster(seen.instance, seen.neuron, seen.step + 1)

    return raster


def _mirrored(right: Callable[..., Any]) -> Callable[..., Any]:
    """Spikes of the neurons in the opposite order."""

    def raster(*args: Any) -> Raster:
        seen = right(*args)
        return Raster(seen.instance, seen.neuron.max(initial=0) - seen.neuron, seen.step)

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


def _adds_up(right: Any) -> Any:
    """Teachers that add to what they have added before."""

    def nudged(self: LoopEngine) -> dict[str, Any]:
        of = {k: teacher.population for k, teacher in self._teachers.items()}
        biases = right(self)
        return biases | {n: self._get(f"populations.{n}.bias") + self._pushed[k] for k, n in of.items()}

    return nudged


def _forgetful(right: Any) -> Any:
    """Rules that keep the spikes that an update has counted, and count them again at the next."""

    def change(self: Any, reading: Any) -> Any:
        sent = self.sent
        changed = right(self, reading)
        self.sent = sent
        return changed

    return change


def _negative(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: -1.0 * right(*args)


def _swapped(right: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"logistic": right["exponential"], "exponential": right["logistic"]}


def _one_step(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: right(*args)[:1]


def _added(right: Any) -> Any:
    """Errors that are added instead of subtracted."""

    def measure(self: ReferenceEngine, start: int) -> None:
        right(self, start)
        for rule in self._rules.values():
            rule.error = -np.asarray(rule.error)

    return measure


def _silent(right: Any) -> Any:
    """Weights that stay silent after the phase."""

    def measure(self: ReferenceEngine, start: int) -> None:
        right(self, start)
        self._silence([rule.path for rule in self._rules.values()])

    return measure


RULE = frozenset({"predictive-rule-of-the-host"})
PHASE = frozenset({"reference-phase"})
MUTANTS: Mapping[str, tuple[Any, str, Callable[[Any], Any], frozenset[str]]] = {
    "spikes read a step late": (loop, "raster", _late, frozenset({"trace-values"}) | RULE),
    "spikes of the wrong neuron read": (loop, "raster", _mirrored, RULE),
    "boxcars begin anew with each piece": (Boxcar, "follow", _without_past, frozenset({"trace-values"})),
    "gains not folded": (LoopEngine, "_factor", _unscaled, frozenset({"input-gains"})),
    "copies never made": (LoopEngine, "_copy_from", _negligent, frozenset({"ties-copy"})),
    "copies of the wrong sign": (loop, "copied", _negative, frozenset({"ties-copy"})),
    "teachers that see no trace": (LoopEngine, "_nudge", _only_at_first, frozenset({"teacher-nudges"})),
    "teachers that do nothing": (LoopEngine, "_nudge", _negligent, frozenset({"teacher-nudges"})),
    "teachers that add to what they added": (LoopEngine, "_nudged", _adds_up, frozenset({"teacher-nudges"})),
    "spikes counted again": (LEARNERS.kinds[PredictiveRule], "change", _forgetful, RULE),
    "PSPs a step long": (host_traces, "psp", _one_step, RULE),
    "no reference subtracted": (ReferenceEngine, "_subtract", _negligent, PHASE),
    "references added": (ReferenceEngine, "_measure", _added, PHASE),
    "weights silent after a reference phase": (ReferenceEngine, "_measure", _silent, PHASE),
    "links swapped": (predictions, "LINKS", _swapped, RULE),
}
"""Where the bug is: an object and what it is called there, what makes the right one wrong, and who has to see it."""


def failing(bug: str) -> set[str]:
    """All checks of hosts that fail for a wrong one."""
    where, name, wrong, _ = MUTANTS[bug]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, wrong(getattr(where, name)))
        return {check for check in HELD if not evidence(check).passed}
