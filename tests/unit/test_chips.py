"""A chip's fixed pattern: a published generator, keyed by chip, parameter and place, and by nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

import salhw
from salhw import Chip, DescriptionError, SessionError, Variability
from salhw.registry import builder
from salhw.substrate.chip import vary
from salhw.substrate.draws import philox4x32
from salhw.substrate.target import _done

CHIP = Chip(id=3, wafer=7, target="reference", variability={"weight": Variability(sd=0.2)})
LEVEL = 1e-4  # of every test of a distribution; with fixed seeds they pass or fail for good


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_published_numbers(counter: str, key: str, expected: str) -> None:
    words = np.array([int(word, 16) for word in counter.split()], np.uint64)
    first, second = (int(word, 16) for word in key.split())
    assert " ".join(f"{word:08x}" for word in philox4x32(words, (first, second))) == expected


def test_philox_is_the_same_for_one_counter_and_for_many() -> None:
    counters = np.arange(40, dtype=np.uint64).reshape(5, 2, 4)
    together = philox4x32(counters, (1, 2))
    assert together.shape == (5, 2, 4)
    assert all(np.array_equal(together[i, j], philox4x32(counters[i, j], (1, 2))) for i in range(5) for j in range(2))


def test_the_pattern_is_normal() -> None:
    x = CHIP.standard_normal("weight", np.arange(100_000))
    assert stats.kstest(x, "norm").pvalue > LEVEL
    assert stats.kstest(x * 1.03, "norm").pvalue < LEVEL  # what the test can see
    neighbours = stats.pearsonr(x[:-1], x[1:])
    assert neighbours.pvalue > LEVEL
    assert np.isfinite(x).all()


def test_the_pattern_belongs_to_the_place_whatever_else_is_asked() -> None:
    places = np.array([0, 1, 5, 2**32, 2**32 + 1, 2**63 + 1, 2**64 - 1], np.uint64)
    together = CHIP.standard_normal("weight", places)
    assert len(set(together.tolist())) == len(places)
    assert np.array_equal(CHIP.standard_normal("weight", places[::-1]), together[::-1])
    assert [float(CHIP.standard_normal("weight", place)) for place in places] == together.tolist()
    grid = CHIP.standard_normal("weight", np.arange(12).reshape(3, 4))
    assert np.array_equal(grid.ravel(), CHIP.standard_normal("weight", np.arange(12)))


def test_chips_wafers_targets_and_parameters_differ_and_are_uncorrelated() -> None:
    places = np.arange(20_000)
    patterns = [
        CHIP.standard_normal("weight", places),
        CHIP.standard_normal("bias", places),
        CHIP.replace(id=4).standard_normal("weight", places),
        CHIP.replace(wafer=8).standard_normal("weight", places),
        CHIP.replace(id=7, wafer=3).standard_normal("weight", places),
        CHIP.replace(target="other").standard_normal("weight", places),
    ]
    for i, a in enumerate(patterns):
        for b in patterns[:i]:
            assert stats.pearsonr(a, b).pvalue > LEVEL
    wider = CHIP.replace(variability={"weight": Variability(sd=0.9)})
    assert np.array_equal(wider.standard_normal("weight", places), patterns[0])  # the spread is no part of the key


def test_the_pattern_is_the_same_in_another_process() -> None:
    code = (
        "import json, salhw; c = salhw.Chip(id=3, wafer=7, target='reference');"
        "print(json.dumps(c.standard_normal('weight', [0, 9, 2**40]).tolist()))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(out) == CHIP.standard_normal("weight", [0, 9, 2**40]).tolist()


def test_the_pattern_stays_as_it_was_first_drawn() -> None:
    drawn = Chip(id=0, target="reference").standard_normal("bias", [0, 1, 2**33])
    assert np.allclose(drawn, FIRST, rtol=1e-14, atol=0), drawn.tolist()


FIRST = [-0.5914791567517729, -0.8687231797726581, 1.3473645362846007]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"mode": "relative"}, lambda v, x: v * (1 + 0.2 * x)),
        ({"mode": "absolute"}, lambda v, x: v + 0.2 * x),
        ({"distribution": "lognormal"}, lambda v, x: v * np.exp(0.2 * x)),
        ({"truncate": 0.5}, lambda v, x: v * (1 + 0.2 * np.clip(x, -0.5, 0.5))),
        ({"mode": "absolute", "truncate": 1.0}, lambda v, x: v + 0.2 * np.clip(x, -1, 1)),
    ],
)
def test_each_mode_varies_as_it_says(options: dict[str, Any], expected: Any) -> None:
    chip = CHIP.replace(variability={"weight": Variability(sd=0.2, **options)})
    nominal, places = np.linspace(-2, 2, 50), np.arange(50)
    varied = chip.vary("weight", nominal, places)
    assert np.allclose(varied, expected(nominal, CHIP.standard_normal("weight", places)), rtol=1e-15, atol=1e-15)
    assert not np.array_equal(varied, nominal)


def test_what_does_not_vary_is_nominal_and_a_copy() -> None:
    nominal = np.array([1.0, 2.0])
    for chip in (CHIP, CHIP.replace(variability={"bias": Variability(sd=0.0)})):
        varied = chip.vary("bias", nominal, [4, 5])
        assert varied.tolist() == [1.0, 2.0]
        varied[0] = 9.0
    assert nominal[0] == 1.0
    assert CHIP.vary("bias", 2.0, [1, 2, 3]).tolist() == [2.0, 2.0, 2.0]
    assert CHIP.vary("weight", 2.0, [1, 2, 3]).shape == (3,)


def test_a_wafer_can_be_sampled_again() -> None:
    target = salhw.target("reference").with_variability({"weight": 0.1})
    chips = target.sample_chips(4, seed=7)
    assert chips == target.sample_chips(4, seed=7)
    assert chips[:2] == target.sample_chips(2, seed=7)
    assert chips != target.sample_chips(4, seed=8)
    assert [chip.id for chip in chips] == [0, 1, 2, 3]
    assert chips[0].variability["weight"].sd == 0.1


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: Variability(sd=-0.1), "sd"),
        (lambda: Variability(distribution="lognormal", mode="absolute"), "mode"),
        (lambda: Variability(truncate=0.0), "truncate"),
        (lambda: Chip(id=-1, target="reference"), "id"),
        (lambda: salhw.target("reference").with_variability({"wieght": 0.1}), "variability.wieght"),
    ],
)
def test_spreads_that_mean_nothing_are_refused(build: Any, path: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        build()
    assert [finding.path for finding in caught.value.diagnostics] == [path]


PLACES = np.arange(20_000)
BESIDE = Variability(sd=0.1, chip=0.3)


def drawn(chip: Chip, name: str = "weight", places: np.ndarray = PLACES) -> np.ndarray:
    return chip.vary(name, 1.0, places) - 1.0


def test_a_quantity_per_chip_has_one_draw_for_all_places() -> None:
    chips = [CHIP.replace(id=k, variability={"weight": Variability(sd=0.2, per="chip")}) for k in range(400)]
    values = np.array([drawn(chip, places=np.array([0, 5, 2**40])) for chip in chips])
    assert (values == values[:, :1]).all()
    assert stats.kstest(values[:, 0] / 0.2, "norm").pvalue > LEVEL


def test_chip_wide_variation_lies_beside_the_local_pattern_and_leaves_it_as_it_is() -> None:
    local = CHIP.replace(variability={"weight": BESIDE.replace(chip=0.0)})
    both = CHIP.replace(variability={"weight": BESIDE})
    shift = drawn(both) - drawn(local)
    assert np.ptp(shift) < 1e-12
    shifts = [
        float(drawn(both.replace(id=k), places=PLACES[0]) - drawn(local.replace(id=k), places=PLACES[0]))
        for k in range(400)
    ]
    assert stats.kstest(np.array(shifts) / 0.3, "norm").pvalue > LEVEL


@pytest.mark.parametrize("correlation", [0.8, -0.5])
def test_a_quantity_follows_another_and_keeps_its_own_spread(correlation: float) -> None:
    spreads = {"weight": Variability(sd=0.2), "bias": Variability(sd=0.1, follows="weight", correlation=correlation)}
    chip = CHIP.replace(variability=spreads)
    x, y = drawn(chip) / 0.2, drawn(chip, "bias") / 0.1
    assert stats.kstest(y, "norm").pvalue > LEVEL
    z = (np.arctanh(stats.pearsonr(x, y).statistic) - np.arctanh(correlation)) * np.sqrt(len(x) - 3)  # Fisher
    assert 2 * stats.norm.sf(abs(z)) > LEVEL
    assert np.array_equal(drawn(chip), drawn(CHIP.replace(variability={"weight": Variability(sd=0.2)})))


def test_broken_places_have_their_value_whatever_is_asked_for() -> None:
    chip = CHIP.replace(variability={"weight": Variability(sd=0.1, stuck=0.05, stuck_at=0.0)})
    values = chip.vary("weight", 3.0, PLACES)
    dead = values == 0.0
    assert stats.binomtest(int(dead.sum()), len(PLACES), 0.05).pvalue > LEVEL
    assert np.array_equal(chip.vary("weight", -1.0, PLACES) == 0.0, dead)
    whole = CHIP.replace(variability={"weight": Variability(sd=0.1)})
    assert np.array_equal(values[~dead], whole.vary("weight", 3.0, PLACES)[~dead])
    more = chip.replace(variability={"weight": Variability(sd=0.1, stuck=0.2)})
    assert ((more.vary("weight", 3.0, PLACES) == 0.0) >= dead).all()  # levels of one study share their broken places


def test_parts_of_a_spread_are_switched_off_with_their_group_and_are_no_part_of_old_hashes() -> None:
    target = salhw.target("reference").with_variability({"weight": BESIDE.replace(stuck=0.1)})
    assert not target.with_noise(mismatch=False).variability["weight"].varies
    plain = salhw.target("reference").with_variability({"weight": 0.1})
    assert target.capability_hash != plain.capability_hash
    written = json.dumps(plain.variability["weight"].model_dump(mode="json"))
    assert "stuck" in written
    assert "stuck" not in json.dumps(_done(plain)["variability"])
    with pytest.raises(DescriptionError, match="SAL005 correlation"):
        Variability(follows="weight")


def test_what_ages_and_warms_moves_away_from_where_it_was_each_place_at_a_pace_of_its_own() -> None:
    spread = Variability(sd=0.2, drift=0.03, thermal=0.01)
    new = CHIP.replace(variability={"weight": spread})
    assert np.array_equal(drawn(new), drawn(CHIP))
    day, kelvin = (drawn(new.replace(**state)) - drawn(new) for state in ({"age": 1.0}, {"temperature": 1.0}))
    for moved, rate in ((day, 0.03), (kelvin, 0.01)):
        assert stats.kstest(moved / rate, "norm").pvalue > LEVEL
        assert stats.pearsonr(moved, drawn(new)).pvalue > LEVEL
    assert stats.pearsonr(day, kelvin).pvalue > LEVEL
    both = drawn(new.replace(age=10.0, temperature=-5.0)) - drawn(new)
    assert np.allclose(both, 10.0 * day - 5.0 * kelvin, atol=1e-12)
    assert np.array_equal(drawn(CHIP.replace(age=9.0, temperature=3.0)), drawn(CHIP))  # which neither drifts nor warms


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"mode": "absolute"}, lambda v, off: v + off),
        ({"mode": "relative"}, lambda v, off: v * (1.0 + off)),
        ({"distribution": "lognormal"}, lambda v, off: v * np.exp(off)),
    ],
)
def test_drift_adds_to_the_pattern_as_the_spread_does(options: dict[str, Any], expected: Any) -> None:
    chip = CHIP.replace(variability={"weight": Variability(sd=0.2, drift=0.1, **options)}, age=3.0)
    off = 0.2 * chip.standard_normal("weight", PLACES) + 0.3 * chip.standard_normal("weight, drift", PLACES)
    assert np.allclose(chip.vary("weight", 1.5, PLACES), expected(1.5, off), rtol=1e-12)


def test_many_chips_at_once_are_the_chips_one_by_one() -> None:
    """Of one spread and of several, of different ages, with shared draws, at places of any shape, bit for bit."""
    full = Variability(sd=0.2, chip=0.1, stuck=0.1, stuck_at=0.5, drift=0.1, thermal=0.1, per="row")
    follows = Variability(sd=0.1, follows="weight", correlation=-0.5)
    one = CHIP.replace(variability={"weight": full, "bias": follows})
    other = CHIP.replace(variability={"weight": Variability(sd=0.3), "bias": follows}, wafer=9)
    chips = [one, one.replace(id=4, age=2.0), other, one.replace(id=5, temperature=-3.0), CHIP.replace(variability={})]
    places = np.arange(12).reshape(3, 4) * (2**32 + 1)
    nominal = np.linspace(-1.0, 2.0, len(chips) * 12).reshape(len(chips), 3, 4)
    for name in ("weight", "bias", "nothing"):
        together = vary(chips, name, nominal, places)
        alone = [chip.vary(name, row, places) for chip, row in zip(chips, nominal, strict=True)]
        assert np.array_equal(together, alone)
    assert vary([], "weight", 1.0, places).shape == (0, 3, 4)
    rows = one.vary(
        "weight", nominal[:, 0], places[0]
    )  # of one chip nominal values may have more dimensions than places
    assert np.array_equal(rows, [one.vary("weight", row, places[0]) for row in nominal[:, 0]])
    assert one.vary("weight", [], 3).shape == (0,)
    assert np.array_equal(vary(chips, "weight", 2.0, PLACES)[1], chips[1].vary("weight", 2.0, PLACES))


def test_chips_are_sampled_at_an_age_and_say_so() -> None:
    target = salhw.target("reference").with_variability({"weight": Variability(sd=0.1, drift=0.1)})
    old = target.sample_chips(2, age=3.0, temperature=-1.5)
    assert [(chip.age, chip.temperature) for chip in old] == [(3.0, -1.5)] * 2
    assert "age=3, temperature=-1.5" in repr(old[0])
    net = salhw.registry.builder("pair")()
    with salhw.compile(net, target).open(chips=old) as session:
        told = session.run(10.0 * net.dt).provenance
    assert (told["age"], told["temperature"]) == ([3.0, 3.0], [-1.5, -1.5])
    with pytest.raises(DescriptionError, match="age"):
        target.sample_chips(2, age=-1.0)


def test_noise_that_is_off_stays_off_whoever_drew_the_chips() -> None:
    """``with_noise`` beside chips that have it would do nothing, so such chips are refused; those that are quieter than
    the executable's target, or vary otherwise, are what was asked for."""
    declared = salhw.target("brainscales2")
    executable = salhw.compile(builder("pair")(dt=0.2, update="every 200 ms", spikes=False), declared)
    quiet = replace(executable, target=declared.with_noise(mismatch=False))
    for chips in (declared.sample_chips(2), quiet.target.sample_chips(1) + declared.sample_chips(2)[1:]):
        with pytest.raises(SessionError, match=r"SAL401 chips = chips that vary in it: no spread of .*gain_exc,.*leak"):
            quiet._ids(None, chips)
    assert quiet._ids(None, quiet.target.sample_chips(2, age=3.0))[0] == (0, 1)
    for chips in (quiet.target.sample_chips(2), declared.with_variability({"weight": 0.5}).sample_chips(2)):
        assert executable._ids(None, chips)[1] == chips
    plain = salhw.compile(builder("pair")(spikes=False), "reference")
    plain.open(chips=plain.target.with_variability({"weight": 0.2}).sample_chips(2)).close()
