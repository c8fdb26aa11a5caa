"""The suite on the ideal chip and on chips with all their noise: it passes whole, nothing is known to fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from analog_examples import CHIP, IDEAL
from long_checks import CONVERGES, REPLAYED, SESSIONS

from salhw.conformance import catalogue, parametrize
from salhw_brainscales2 import backend

LONG = {*CONVERGES, "mismatch-is-on", "transfer-function", "networks-of-five", *REPLAYED}
QUICK = [name for name in catalogue("quick") if name not in LONG]
TWICE = {"ideal-is-ideal", "reference-phase", "state-distribution"}
"""Held by the ideal chip's run; test_processor_reference has phases that the chip itself keeps, and what the mean over
noisy chips keeps of the law shows in ``pair-stdd``."""


@pytest.fixture
def _sized_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hundred networks' rates are off by is not read here, only that it is named: a spike count of one
    refractory period each, known to no other test. test_sizes has the numbers."""
    monkeypatch.setattr("salhw_brainscales2.estimate.SETTLING", 0)
    monkeypatch.setattr("salhw_brainscales2.estimate.MEASURED", 1)
    monkeypatch.setattr("salhw_brainscales2.estimate._KNOWN", {})


@parametrize(backend, IDEAL, checks=[name for name in QUICK if name not in SESSIONS])  # which the noisy chips show
def test_ideal_chip(check: Callable[[], None]) -> None:
    check()


@pytest.mark.usefixtures("_sized_briefly")
@parametrize(backend, CHIP, checks=[name for name in QUICK if name not in TWICE])
def test_noisy_chips(check: Callable[[], None]) -> None:
    check()


@pytest.mark.slow
@parametrize(backend, IDEAL, checks=sorted({*LONG, *SESSIONS} - {"mismatch-is-on"}))
def test_ideal_chip_long(check: Callable[[], None]) -> None:
    check()


@pytest.mark.slow
@parametrize(backend, CHIP, checks=sorted({*LONG, *TWICE} - {*CONVERGES}))
def test_noisy_chips_long(check: Callable[[], None]) -> None:
    check()
