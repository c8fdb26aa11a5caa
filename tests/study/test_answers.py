"""What a study answers, from tables whose answers are known."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from study_examples import pair_study

import salhw
from salhw.study import (
    Calibrating,
    Cell,
    Method,
    Metric,
    Noise,
    Results,
    Sobol,
    Specification,
    Stop,
    Study,
    confidence_sequence,
    effects,
    mean_interval,
    run,
    sobol_indices,
    wilson,
)
from salhw.study.batches import Plan, planned


def results(study: Study, metric: Any) -> Results:
    """A table made up: ``metric(chip, level, method, seed)``, in the order of a real one."""
    plan = planned(study)
    names = [noise.name for noise in study.noises]
    rows = []
    for target in study.targets:
        for level in study.levels:
            for method in study.methods:
                for seed in study.seeds:
                    for chip in range(study.first, study.first + study.chips):
                        value = metric(chip, level, method.name, seed)
                        rows.append((len(rows), target, *level, method.name, seed, chip, value))
    columns = ["run", "target", *names, "method", "seed", "chip", study.metrics[0].name]
    table = {name: np.array(column) for name, column in zip(columns, zip(*rows, strict=True), strict=True)}
    table |= {"status": np.full(len(rows), "ok"), "diagnostic": np.full(len(rows), "")}
    return Results(plan, Path(), table, len(rows))


def made_up(**changes: Any) -> Study:
    return pair_study(metrics=(Metric(name="D", of="asymmetry"),), chips=40, **changes)


def test_differences_are_paired_by_chip() -> None:
    """Chips that differ by 100 and a method that adds a little: only pairs see it."""
    rng = np.random.default_rng(0)
    chip, noise = rng.normal(0, 100, 40), rng.normal(0, 0.1, (2, 40))
    told = results(made_up(noises=()), lambda i, _, m, __: chip[i] + noise[int(m == "SAL"), i] + 0.5 * (m == "SAL"))
    (answer,) = told.differences("D")
    assert (answer.cell.method, answer.chips) == ("SAL", 40)
    assert answer.interval.low < 0.5 < answer.interval.high
    assert answer.interval.half_width < 0.06
    assert min(a.interval.half_width for a in told.means("D")) > 10
    (other,) = told.differences("D", "SAL")
    assert other.interval.value == pytest.approx(-answer.interval.value)


def test_seeds_are_no_chips() -> None:
    """The chip is what was sampled: ten seeds of it are one value."""
    rng = np.random.default_rng(1)
    chip = rng.normal(0, 1, 40)
    one = results(made_up(noises=()), lambda i, *_: chip[i])
    ten = results(made_up(noises=(), seeds=tuple(range(10))), lambda i, *_: chip[i])
    assert [a.chips for a in ten.means("D")] == [40, 40]
    np.testing.assert_allclose(ten.means("D")[0].interval, one.means("D")[0].interval)


def test_yields_count_chips_of_which_nothing_is_known_as_bad() -> None:
    told = results(made_up(noises=()), lambda i, *_: np.nan if i < 4 else i / 40)
    low, high = stats.binomtest(33, 40).proportion_ci(0.95, "wilson")
    answer = told.yields()[0]
    assert (answer.chips, answer.interval) == (40, (33 / 40, low, high))
    least = told.yields(Specification(metric="D", at_least=0.9))[0].interval
    assert least.value == 4 / 40
    limits, curve = told.yield_curve(answer.cell, [0.05, 0.9, 2.0])
    assert [c.value for c in curve] == [0.0, 33 / 40, 36 / 40]
    assert limits.tolist() == [0.05, 0.9, 2.0]
    assert told.yield_curve(answer.cell)[1][-1].value == 36 / 40
    bare = replace(told, plan=replace(told.plan, study=told.study.replace(specification=None)))
    with pytest.raises(salhw.DescriptionError, match="SAL904 specification"):
        bare.yields()


@pytest.mark.parametrize(("limit", "chips"), [("at_most", [3, 39, 38]), ("at_least", [3, 0, 1])])
def test_the_worst_are_told_by_run_and_chip(limit: str, chips: list[int]) -> None:
    study = made_up(noises=(), methods=(Method(name="SAL"),), specification=Specification(metric="D", **{limit: 1}))
    told = results(study, lambda i, *_: np.nan if i == 3 else i)
    assert [(w.chip, w.run) for w in told.worst(3)] == [(i, i) for i in chips]


def test_the_budget_is_sorted_by_what_calibration_takes() -> None:
    methods = (
        Method(name="old", calibration=Calibrating(duration=2000.0), age=3.0),
        Method(name="long", calibration=Calibrating(duration=2000.0)), Method(name="none"),
        Method(name="short", calibration=Calibrating(duration=500.0)),
    )  # fmt: skip
    value, spent = {"long": 1.0, "old": 2.0, "none": 9.0, "short": 4.0}, {"none": 0.0, "short": 5.0}
    told = results(made_up(noises=(), methods=methods), lambda i, _, m, __: value[m])
    told.table["calibration_s"] = np.array([spent.get(m, 20.0) for m in told.table["method"]])
    found = [(s.biological_s, s.chip_s, s.age, s.answer.interval.value) for s in told.budget("D")]
    assert found == [(0.0, 0.0, 0.0, 9.0), (5.0, 5.0, 0.0, 4.0), (20.0, 20.0, 0.0, 1.0), (20.0, 20.0, 3.0, 2.0)]


def test_one_noise_at_a_time_asks_for_few_levels_and_has_the_effects_alone_and_last() -> None:
    """D = 2 a + b + 3 a b + c, in 2 k + 2 combinations of k noises of two levels, and 10 of 12 with one of three."""
    noises = tuple(Noise(name=name, levels=(0, 1)) for name in ("weight", "bias", "causal_amplitude"))
    study = made_up(noises=noises, design="one at a time")
    full = made_up(noises=noises)

    def value(i: int, level: Any, *_: Any) -> float:
        a, b, c = level
        return float(2 * a + b + 3 * a * b + c + 0.1 * i)

    assert len(study.levels) == len(full.levels) == 8
    seven = made_up(noises=tuple(Noise(name=f"n{k}", quantities=("weight",), levels=(0, 1)) for k in range(7)),
                    design="one at a time")  # fmt: skip
    assert len(seven.levels) == len(set(seven.levels)) == 16
    assert seven.levels[0] == (0.0,) * 7
    assert seven.levels[-1] == (1.0,) * 7
    three = study.replace(noises=(*noises[:2], Noise(name="causal_amplitude", levels=(0, 0.5, 1))))
    assert len(three.levels) == 10
    assert (0.0, 1.0, 0.5) not in three.levels
    for one in (study, three):
        found = {e.noise: (e.alone.value, e.last.value, e.mean.value) for e in effects(results(one, value), "D")}
        assert found["weight"] == pytest.approx((2.0, 5.0, 3.5))
        assert found["bias"] == pytest.approx((1.0, 4.0, 2.5))
        assert found["causal_amplitude"] == pytest.approx((1.0, 1.0, 1.0))
    for wrong in ({"noises": ()}, {"sobol": Sobol(points=2)}):
        with pytest.raises(salhw.DescriptionError, match="SAL005"):
            made_up(**{"noises": noises, "design": "one at a time"} | wrong)


def test_effects_of_noises_alone_last_and_on_average() -> None:
    """D = 2 a + b + 3 a b, on chips that differ: a alone 2, beside b 5, on average 3.5."""
    rng = np.random.default_rng(2)
    chip = rng.normal(0, 10, 40)
    noises = (Noise(name="weight", levels=(0, 1)), Noise(name="bias", levels=(0, 0.5, 1)))
    study = made_up(noises=noises, methods=(Method(name="SAL"),))
    weight, bias = effects(results(study, lambda i, x, *_: chip[i] + 2 * x[0] + x[1] + 3 * x[0] * x[1]), "D")
    assert [weight.alone.value, weight.last.value, weight.mean.value] == pytest.approx([2, 5, 3.5])
    assert [bias.alone.value, bias.last.value, bias.mean.value] == pytest.approx([1, 4, 2.5])


def test_sobol_indices_of_a_sum() -> None:
    """D = a + 2 b + e, uniform: shares 1/5 and 4/5, no interaction; chips shared by all points do not matter."""
    chip = np.random.default_rng(3).normal(0, 1, 2)
    noises = (Noise(name="weight", levels=(0, 1)), Noise(name="bias", levels=(0, 1)))
    study = made_up(noises=noises, methods=(Method(name="SAL"),), sobol=Sobol(points=256)).replace(chips=2)
    told = results(study, lambda i, x, *_: chip[i] + x[0] + 2 * x[1])
    for index, share in zip(sobol_indices(told, "D"), (0.2, 0.8), strict=True):
        assert index.first.value == pytest.approx(share, abs=0.02)
        assert index.total.value == pytest.approx(share, abs=0.02)
        assert index.first.low < index.first.value < index.first.high
    with pytest.raises(salhw.DescriptionError, match="SAL904 sobol"):
        effects(told, "D")
    with pytest.raises(salhw.DescriptionError, match="SAL904 sobol"):
        sobol_indices(results(made_up(), lambda *_: 1.0), "D")


def test_a_sampled_design_has_its_columns_exchanged() -> None:
    noises = (Noise(name="weight", levels=(1, 2)), Noise(name="bias", levels=(5, 9)))
    a, b, first, second = np.array(made_up(noises=noises, sobol=Sobol(points=4)).levels).reshape(4, 4, 2)
    assert (np.concatenate([a, b]) >= [1, 5]).all()
    assert (np.concatenate([a, b]) <= [2, 9]).all()
    np.testing.assert_array_equal(first, np.column_stack([b[:, 0], a[:, 1]]))
    np.testing.assert_array_equal(second, np.column_stack([a[:, 0], b[:, 1]]))


def test_the_table_is_labelled_arrays() -> None:
    told = results(made_up(), lambda i, x, m, s: i + 100 * x[0] + 1000 * (m == "SAL"))
    data = told.to_xarray()
    assert data.D.dims == ("target", "level", "method", "seed", "chip")
    assert float(data.D.sel({"method": "SAL", "target": "reference", "seed": 0, "chip": 7})[3]) == 1037.0
    assert data.weight.values.tolist() == [0.0, 0.0, 0.3, 0.3]


def test_intervals_are_scipys() -> None:
    values = np.random.default_rng(4).exponential(1, 200)
    interval = mean_interval(values)
    low, high = stats.bootstrap((values,), np.mean, random_state=9).confidence_interval
    assert interval.value == values.mean()
    np.testing.assert_allclose([interval.low, interval.high], [low, high], rtol=0.02)
    many = np.random.default_rng(7).exponential(1, 2000)
    low, high = stats.bootstrap(
        (many,), np.mean, n_resamples=1999, method="percentile", random_state=9
    ).confidence_interval
    np.testing.assert_allclose(mean_interval(many)[1:], [low, high], rtol=0.01)
    assert np.isnan(mean_interval([])).all()
    assert mean_interval([np.nan, 2.0, 2.0]) == (2.0, 2.0, 2.0)
    assert np.isnan(mean_interval([1.0]).low)
    assert np.isnan(wilson(0, 0)).all()


# what stopping rests on ----------------------------------------------------------------------------------------

STUDIES, LONGEST, EVERY = 1000, 5000, 50
ALARMS = int(stats.binom.isf(1e-6, STUDIES, 0.05))
"""More false alarms than this have a chance of at most 1e-6, if each study has one with probability .05."""


@functools.cache
def alarmed(distribution: str) -> tuple[float, float]:
    """Shares of studies without effect in which somebody who looks every 50 chips, up to 5,000, sees one: with the
    confidence sequence, and with ordinary 95 % intervals."""
    rng = np.random.default_rng(5)
    looks = np.arange(EVERY, LONGEST + 1, EVERY)
    sequence = ordinary = 0
    for _ in range(STUDIES):
        x = rng.normal(0, 1, LONGEST) if distribution == "normal" else rng.exponential(1, LONGEST) - 1
        mean, square = (np.cumsum(y)[looks - 1] / looks for y in (x, x**2))
        spread = np.sqrt((square - mean**2) / (looks - 1))  # standard errors of the means
        sequence += bool((np.abs(mean) > confidence_sequence(x)[looks - 1]).any())
        ordinary += bool((np.abs(mean) > 1.96 * spread).any())
    return sequence / STUDIES, ordinary / STUDIES


@pytest.mark.parametrize("distribution", ["normal", "exponential"])
def test_looking_all_the_time_raises_no_false_alarms(distribution: str) -> None:
    sequence, ordinary = alarmed(distribution)
    assert sequence <= ALARMS / STUDIES
    assert ordinary > 0.3  # of ordinary intervals about 42 %, which is why they are not what stops a study


def test_a_confidence_sequence_is_that_of_the_paper() -> None:
    """Written out for one number of chips, and not much wider than an ordinary interval."""
    x = np.random.default_rng(6).normal(3, 2, 400)
    n, rho2, alpha = 400, (-2 * np.log(0.05) + np.log(1 - 2 * np.log(0.05))) / 100, 0.05
    half = x.std(ddof=1) * np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha))
    assert confidence_sequence(x)[-1] == pytest.approx(half)
    assert 1.3 < half / (1.96 * x.std(ddof=1) / 20) < 1.8
    assert confidence_sequence(x)[0] == np.inf
    assert confidence_sequence([2.0, 2.0])[1] == 0.0


def test_a_study_stops_when_it_knows_enough_and_is_the_same_whoever_ran_it(tmp_path: Path) -> None:
    study = pair_study(
        chips=40,
        batch=5,
        noises=(Noise(name="bias", levels=(0.5,), unit="sd"),),
        stop=Stop(metric="rate", half_width=12),
    )
    told = run(study, tmp_path / "a")
    assert 0 < len(told) < told.planned
    assert len(told) % 10 == 0  # whole rounds, of both methods
    widths = [confidence_sequence(told.by_chip(cell, "rate")[1])[[len(told) // 2 - 6, -1]] for cell in told.cells]
    assert max(w[1] for w in widths) <= 12 < max(w[0] for w in widths)
    wider = run(study.replace(stop=None, name="b"), tmp_path / "b")
    assert len(wider) == wider.planned
    run(study.replace(stop=None), tmp_path / "a")
    assert len(run(study, tmp_path / "a")) == len(told)  # as if the rest were not there


def test_a_study_that_has_not_begun_answers_nothing(tmp_path: Path) -> None:
    plan: Plan = planned(pair_study())
    empty = Results.of(plan, tmp_path, [plan.batches])
    assert (len(empty), empty.failed) == (0, 0)
    assert all(np.isnan(a.interval.value) for a in empty.means("D"))
    assert empty.rows(Cell("reference", (0.0, 0.0), "SAL")).size == 0
