"""The suite on the fixed- and the floating-point model, in one process; test_trajectories holds that Lava's runtime
does the same. Long checks are marked slow: ``salhw conformance loihi2`` runs them, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lava_examples import MODELS, in_process
from long_checks import CONVERGES, REPLAYED, SESSIONS

from salhw.conformance import catalogue, parametrize
from salhw.conformance.parametrise import evidence
from salhw_lava import backend

ELSEWHERE = ("sal-conserves-the-sum", "ideal-is-ideal", "networks-of-five")
"""The first is held by test_sal_on_loihi: the floating-point model's sum to rounding, the fixed-point model's as a
random walk without drift, of the size of rounding. Nothing varies here, so that the ideal target is the floating-point
model, whose weights test_lowering finds unrounded and whose neurons all other checks take for alike. Five neurons add
PSPs of several neurons to the law of two, which ``pair-stdd`` shows; test_replay_on_loihi has both."""
QUICK = [name for name in catalogue("quick") if name not in (*CONVERGES, *REPLAYED, *ELSEWHERE)]
ONCE = ("reference-phase", "pair-stdd", *SESSIONS)
"""What the fixed-point model shows for both: a phase is the host's, whatever a model computes with, and synapses join
neurons of either model in the same way; what floating-point PSPs and hazards are, the checks of single neurons show,
and test_trajectories."""
MAY_NOT = {  # what the target does not declare: everything else has to run
    "psp-area", "amplitude-acts", "mismatch-is-on", "chips-differ",
    "same-chip-in-another-process", "editing-keeps-the-chip", "predictive-rule", "ageing-moves-the-pattern",
    "correlated-quantities", "adex-steps", "short-term-strengths",
}  # fmt: skip


def holds(check: Callable[[], None]) -> None:
    outcome = check.outcome()
    if check.check.name in MAY_NOT:  # refused, as it has to be
        assert outcome.outcome == "unsupported", outcome.reason
    else:
        assert outcome.outcome == "pass", evidence(outcome)


@parametrize(backend, in_process(MODELS["fixed"]), checks=QUICK)
def test_fixed_point(check: Callable[[], None]) -> None:
    holds(check)


@parametrize(backend, in_process(MODELS["floating"]), checks=[name for name in QUICK if name not in ONCE])
def test_floating_point(check: Callable[[], None]) -> None:
    holds(check)


@pytest.mark.slow
@parametrize(backend, in_process(MODELS["floating"]), checks=(*ELSEWHERE, *ONCE))
def test_floating_point_too(check: Callable[[], None]) -> None:
    holds(check)


@pytest.mark.slow
@parametrize(backend, in_process(MODELS["fixed"]), checks=REPLAYED)
def test_random_networks(check: Callable[[], None]) -> None:
    check()


@pytest.mark.slow
@parametrize(backend, in_process(MODELS["fixed"]), checks=(*CONVERGES, *ELSEWHERE))
def test_long_checks(check: Callable[[], None]) -> None:
    check()
