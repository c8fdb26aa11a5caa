"""The suite on the ideal chip and on chips with all their noise: it passes whole, nothing is known to fail."""

from __future__ import annotations

import pytest
from analog_examples import CHIP, IDEAL
from long_checks import CONVERGES, REPLAYED, SESSIONS

from salhw.conformance import catalogue, parametrize
from salhw_brainscales2 import backend

LONG = {*CONVERGES, "mismatch-is-on", "transfer-function", "networks-of-five", *REPLAYED}
QUICK = [name for name in catalogue("quick") if name not in LONG]
TWICE = {"ideal-is-ideal", "reference-phase"}
"""Held by the ideal chip's run; test_processor_reference has phases that the chip itself keeps."""


@parametrize(backend, IDEAL, checks=[name for name in QUICK if name not in SESSIONS])  # which the noisy chips show
def test_ideal_chip(check) -> None:  # type: ignore[no-untyped-def]  # parametrize gives it
    check()


@parametrize(backend, CHIP, checks=[name for name in QUICK if name not in TWICE])
def test_noisy_chips(check) -> None:  # type: ignore[no-untyped-def]  # parametrize gives it
    check()


@pytest.mark.slow
@parametrize(backend, IDEAL, checks=sorted({*LONG, *SESSIONS} - {"mismatch-is-on"}))
def test_ideal_chip_long(check) -> None:  # type: ignore[no-untyped-def]  # parametrize gives it
    check()


@pytest.mark.slow
@parametrize(backend, CHIP, checks=sorted({*LONG, *TWICE} - {*CONVERGES}))
def test_noisy_chips_long(check) -> None:  # type: ignore[no-untyped-def]  # parametrize gives it
    check()
