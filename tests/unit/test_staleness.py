"""When a calibration is stale: when its target does something else, not when somebody rewords the target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import salhw
from salhw import GLM, CalibrationError, Network, Population, Projection, Target
from salhw.session.calibration import check_target
from salhw.substrate.capabilities import Range
from salhw_calibration import Calibration
from salhw_calibration.calibration import unjudged

CHIP = salhw.target("brainscales2")
WEIGHT = CHIP.variability["weight"]
NET = Network(
    name="two",
    dt=1.0,
    populations=[Population(name="n", size=2, neuron=GLM())],
    projections=[Projection(name="p", pre="n", post="n", weights=[[0.0, 0.5], [0.5, 0.0]])],
)
REWORDED = {
    "its description": CHIP.replace(description="in other words"),
    "where a spread comes from": CHIP.with_variability({"weight": WEIGHT.replace(source="another paper")}),
    "what takes a spread off again": CHIP.with_variability({"weight": WEIGHT.replace(compensated="in other words")}),
    "how long a call may take": CHIP.with_options(time_limit=60, threads=2),
    "its margins": CHIP.replace(accuracy={"window": 0.5}, ideal_accuracy={}),
}
CHANGED = {
    "a spread": CHIP.with_variability({"weight": WEIGHT.sd + 0.01}),
    "how a spread is drawn": CHIP.with_variability({"weight": WEIGHT.replace(truncate=1.0)}),
    "a range": CHIP.replace(projections=CHIP.projections | {"weights": Range(min=-1.0, max=1.0)}),
    "bits": CHIP.replace(weight_bits=5),
    "a kind of neuron": CHIP.replace(neurons={}),
    "what it holds": CHIP.replace(resources=CHIP.resources | {"neurons": 7}),
    "a scale of weights": CHIP.replace(weight_scales={"p": 2.0}),
    "no noise": CHIP.ideal(),
    "the processor's hidden bits": CHIP.with_options(hidden_bits=7),
    "the processor's rounding": CHIP.with_options(rounding="half_up"),
    "how fine codes are": CHIP.with_options(weight_scale="auto"),
}


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Of nothing measured, but of this target."""
    return replace(unjudged(CHIP, salhw.compile(NET, CHIP), CHIP.sample_chips(2)), spread={"weight after": np.ones(2)})


@pytest.mark.parametrize("what", REWORDED)
def test_other_words_leave_a_calibration_as_it_is(calibration: Calibration, what: str) -> None:
    reworded = REWORDED[what]
    assert reworded != CHIP
    assert reworded.capability_hash == CHIP.capability_hash == calibration.target_hash
    check_target(calibration, reworded)


@pytest.mark.parametrize("what", CHANGED)
def test_a_target_that_does_something_else_makes_it_stale(calibration: Calibration, what: str) -> None:
    assert CHANGED[what].capability_hash != CHIP.capability_hash
    with pytest.raises(CalibrationError, match=r"SAL811 calibration\.target"):
        check_target(calibration, CHANGED[what])


def test_the_hash_is_one_for_each_target_whatever_the_order_of_its_entries() -> None:
    turned = CHIP.replace(variability=dict(reversed(CHIP.variability.items())))
    assert turned.capability_hash == CHIP.capability_hash
    assert len({target.capability_hash for target in salhw.targets().values()}) == len(salhw.targets())


def test_a_calibration_of_before_is_taken_while_its_target_is_the_same_to_the_letter(
    calibration: Calibration, tmp_path: Path
) -> None:
    """Files once held the target's content hash, words included: good as long as that is the same, stale with any
    other word."""
    old = Calibration.load(replace(calibration, target_hash=CHIP.content_hash).save(tmp_path / "old.h5"))
    check_target(old, CHIP)
    with pytest.raises(CalibrationError, match="SAL811"):
        check_target(old, REWORDED["its description"])


def test_of_another_name_it_is_another_target(calibration: Calibration) -> None:
    other: Target = CHIP.replace(name="other")
    with pytest.raises(CalibrationError, match="SAL811"):
        check_target(replace(calibration, target_hash=other.capability_hash), other)
