"""What a calibration says of itself: goal met, missed, too short to know; and which chips got worse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibration_examples import recurrent
from scipy.stats import binom
from typer.testing import CliRunner

import salhw
from salhw.cli import app
from salhw.description.fields import FloatArray
from salhw_calibration import Calibration, calibrate
from salhw_calibration.verdict import FALSE_ALARM, Deviations, headline, judged, two_digits

VARIED = salhw.target("reference").with_variability({"weight": 0.2, "bias": 0.3})
NET = recurrent(6, sd=1.0)


def measured(random: np.random.Generator, true: FloatArray, error: FloatArray) -> Deviations:
    """True deviations (chip, measurement), as measured with these standard errors."""
    return Deviations.of(true + error * random.normal(size=true.shape), error)


@pytest.mark.parametrize("left", [0.0, 0.03, 0.3])
@pytest.mark.parametrize("size", [2, 6, 60])
def test_limits_are_wrong_as_rarely_as_they_say(size: int, left: float) -> None:
    """True spreads are below the lower limit, and above the upper one, with a probability of .05 at most: of 4,000
    chips 200, with a standard deviation of 14; 255 is exceeded with a probability of 1e-4. Unlike errors (by a factor
    of 2) make no difference. Upper limits are wider than need be where little is left: they never count on luck."""
    random = np.random.default_rng(size)
    shape = (4000, size)
    true = left * random.normal(size=shape)
    spread = np.sqrt(np.mean(true**2, axis=1))
    for error in (np.full(shape, 0.1), random.uniform(0.07, 0.14, shape)):
        low, high = measured(random, true, error).limits(0.05)
        assert np.sum(spread < low) <= 255
        assert np.sum(spread > high) <= 255
        assert np.sum(spread < low) > 145
        if left == 0.3 and size > 2:
            assert np.sum(spread > high) > 100


def test_chips_that_stay_as_they_are_are_hardly_ever_called_worse() -> None:
    """FALSE_ALARM is the probability that a calibration names any chip at all, if all its chips are as before: of 400
    calibrations 20, and 42 are exceeded with a probability of 1e-5. (That two limits do not meet is rarer than
    that one of them is wrong: there are far fewer.)"""
    random = np.random.default_rng(1)
    alarms = 0
    for k in range(400):
        named = []
        for size in (6, 6, 60):
            true = (0.0, 0.05, 0.2)[k % 3] * random.normal(size=(3, size))
            error = random.uniform(0.05, 0.1, true.shape)
            ends = measured(random, true, error), measured(random, true, error)
            named += judged("weight", *ends, goal=0.05, duration=1.0, ids=(0, 1, 2), of=3).worse
        alarms += bool(named)
    assert alarms <= binom.isf(1e-5, 400, FALSE_ALARM)


@pytest.mark.parametrize(
    ("left", "error", "word"),
    [
        (0.0, 0.02, "met"),
        (0.2, 0.02, "missed"),
        (0.0, 0.2, "too short"),
        (0.2, 0.2, "too short"),
        (0.05, 1e-3, "at the goal"),
    ],
)
def test_words(left: float, error: float, word: str) -> None:
    """100 synapses, goal .05. Where each is known to .02, spreads of 0 and of .2 are far from the goal. Errors of .2
    hide whether it is met, and make corrections miss it. Errors of .001 tell all but a spread of just the goal."""
    true = np.where(np.arange(100) % 2, left, -left)[None]
    wrong = np.where(np.arange(100) % 4 < 2, error, -error)  # as large as on average, and independent of the truth
    after = Deviations.of(true + wrong, np.full_like(true, error))
    verdict = judged("weight", after, after, goal=0.05, duration=1000.0, ids=(0,), of=1)
    assert verdict.word == word
    assert verdict.worse == ()
    assert (verdict.needed is not None) == (word == "too short")
    if verdict.needed is not None:
        # (.2 / .05)^2 times the upper limit for what is one error, measured with another: by normal theory
        # 1 + 2.33 sqrt(6 / 100) = 1.57.
        assert 1.5 * 16.0 < verdict.needed / 1000.0 < 1.7 * 16.0
        assert f"takes some {two_digits(verdict.needed)} ms" in verdict.words
        assert ("to meet it" if left else "to know") in verdict.words


def test_a_short_recording_is_too_short_and_says_how_long_it_takes() -> None:
    """Standard errors fall with the square root of the duration, so 1 s and 4 s foresee the same, to a third; and what
    they foresee is enough: then every quantity meets its goal."""
    chips = VARIED.sample_chips(2, seed=3)
    foreseen = []
    for duration in (1_000.0, 4_000.0):
        found = calibrate(VARIED, chips, net=NET, duration=duration, seed=1)
        assert found.verdicts["weight"].word == "too short"
        assert found.summary["weight"]["yield"] > 0.9  # as if all were well
        assert f"{duration:.6g} ms are too short: it takes some" in headline(found.verdicts)
        foreseen.append({name: v.needed for name, v in found.verdicts.items() if v.needed is not None})
    for name in foreseen[0].keys() & foreseen[1].keys():
        assert abs(np.log(foreseen[0][name] / foreseen[1][name])) < np.log(4 / 3)
    longest = max(foreseen[1].values())
    assert 20_000.0 < longest < 80_000.0
    found = calibrate(VARIED, chips, net=NET, duration=float(two_digits(longest)), seed=2)
    assert {name: v.word for name, v in found.verdicts.items()} == dict.fromkeys(("weight", "bias", "slope"), "met")
    assert headline(found.verdicts) == "goals met"


def test_a_chip_that_got_worse_is_named(tmp_path: Path) -> None:
    """Chip 1 is exact and chip 0 is not, so all are corrected; 5 s of recording give chip 1 gains that are off by their
    errors, .2, or .14 where both signs are one. Its spread rises from 0 to about that, with standard errors of .02."""
    target = salhw.target("reference").with_variability({"weight": 0.4})
    first, second = target.sample_chips(2)
    chips = [first, second.replace(variability={})]
    found = calibrate(target, chips, net=recurrent(20, sd=0.3), duration=5_000.0, rounds=0, seed=1)
    (worse,) = found.verdicts["weight"].worse
    assert (worse.chip, worse.quantity) == (1, "weight")
    assert worse.before_interval[1] < worse.after_interval[0]
    assert worse.before_interval[0] <= worse.before <= worse.before_interval[1]
    assert worse.before < 0.1 < worse.after < 0.2
    assert "chip 1 got worse" in headline(found.verdicts)
    again = Calibration.load(found.save(tmp_path))
    assert again.verdicts == found.verdicts


def test_calibrations_from_before_there_were_verdicts_have_none(tmp_path: Path) -> None:
    found = calibrate(VARIED, VARIED.sample_chips(1), net=recurrent(2), duration=500.0, rounds=1)
    old = replace(found, moments={})
    assert old.verdicts == {}
    assert set(old.summary["weight"]) == {"yield", "before", "after"}
    assert Calibration.load(old.save(tmp_path)).verdicts == {}


@pytest.mark.parametrize("duration", ["50", "1000"])
def test_the_command_promises_nothing_after_a_short_recording(duration: str, tmp_path: Path) -> None:
    """In 50 ms hardly a neuron spikes: nobody can tell how long it takes. No share of what is calibrated is told. After
    the longer one JSON is asked for as well, after the shorter one the file."""
    file, out = NET.save(tmp_path / "net.json"), tmp_path / "out"
    words = ["calibrate", str(file), "--chips", "0:1", "--duration", duration, "--out", str(out)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    shown = " ".join(told.output.split())
    assert f"{duration} ms are too short" in shown
    assert "not known" in shown
    assert "%" not in shown
    (calibration,) = out.glob("*.h5")
    if duration == "1000":
        data = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
        assert f"{duration} ms are too short" in data["headline"]
        assert {verdict["word"] for verdict in data["verdicts"].values()} == {"too short"}
        assert data["verdicts"]["bias"]["needed"] is not None
    else:
        verdicts = Calibration.load(calibration).verdicts
        assert {verdict.word for verdict in verdicts.values()} == {"too short"}
        assert verdicts["bias"].needed is None
    checked = CliRunner().invoke(app, ["check", str(file), "--calibration", str(calibration)])
    assert "too short" in checked.output
