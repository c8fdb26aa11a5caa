"""The suite on the ideal chip and on one with all its noise. What an analog chip cannot pass is known, with its reason
and bound, and must go on failing; the ideal chip's list is a part of the other."""

from __future__ import annotations

import pytest
from analog_examples import CHIP, FOLDER, IDEAL

from salhw.conformance import catalogue, parametrize
from salhw.conformance.known import load
from salhw_pynn import backend

KNOWN = load(FOLDER / "known.toml")
OF_NOISE = {"weights-persist", "mismatch-is-on", "same-chip-in-another-process"}
LONG = {"sal-converges", "sal-converges-one-sided", "mismatch-is-on", "transfer-function"}
QUICK = [name for name in catalogue("quick") if name not in LONG]


@parametrize(backend, IDEAL, known=[k for k in KNOWN if k.check not in OF_NOISE], checks=QUICK)
def test_ideal_chip(check) -> None:  # type: ignore[no-untyped-def]
    check()


@parametrize(backend, CHIP, known=KNOWN, checks=QUICK)
def test_noisy_chip(check) -> None:  # type: ignore[no-untyped-def]
    check()


@pytest.mark.slow
@parametrize(backend, IDEAL, checks=[name for name in sorted(LONG) if name != "mismatch-is-on"])
def test_ideal_chip_long(check) -> None:  # type: ignore[no-untyped-def]
    check()


@pytest.mark.slow
@parametrize(backend, CHIP, known=KNOWN, checks=["mismatch-is-on", "transfer-function"])
def test_noisy_chip_long(check) -> None:  # type: ignore[no-untyped-def]
    check()
