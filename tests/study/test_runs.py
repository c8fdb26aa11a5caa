"""What runs, under which key, and what a row of the table says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from study_examples import mine, pair_study, table

import salhw
from salhw import FileError, ReferencePhase
from salhw.study import Calibrating, Method, Metric, Noise, Results, preview, replay, run, working
from salhw.study.batches import planned
from salhw.study.named import source_digest
from salhw.study.shards import notes
from salhw.study.tables import tables
from salhw.study.working import work


def test_a_row_is_the_run_that_it_names(undisturbed: Path) -> None:
    """Compiled and run by hand, from what the columns say."""
    found = Results.load(undisturbed).table
    k = 2 * 2 * 3 + 3 + 2  # the last level but one, the second method, its last chip
    assert (found["weight"][k], found["bias"][k], found["method"][k], found["chip"][k]) == (0.3, 0.0, "SAL", 2)
    plan = planned(pair_study())
    batch = next(b for b in plan.batches if b.run <= found["run"][k] < b.run + b.size)
    target = salhw.target("reference").with_variability({"weight": 0.3, "bias": 0.0})
    exe = salhw.compile(plan.networks["SAL"], target)
    with exe.open(chips=target.sample_chips(1, seed=7, first=2), seed=batch.session_seed) as session:
        recording = session.run(400.0)
        weights = session.get("projections.pair.weights")[0]
    assert found["rate"][k] == recording.rates["neurons"].mean()
    assert found["D"][k] == abs(weights[0, 1] - weights[1, 0])


def test_a_method_gives_its_rules_a_reference_phase() -> None:
    phase = ReferencePhase(duration=1_000.0)
    settings = {"learning_rate": 0.01, "update": "every 100 ms"}
    methods = (Method(name="SAL"), Method(name="referenced", reference=phase, learning_rate=0.5))
    networks = planned(pair_study(settings=settings, methods=methods)).networks
    rules = {name: net.projections[0].plasticity[0] for name, net in networks.items()}
    assert rules["SAL"].reference is None
    assert rules["referenced"] == rules["SAL"].replace(reference=phase, learning_rate=0.005)


def test_chips_are_paired_and_runs_have_numbers(undisturbed: Path) -> None:
    found = Results.load(undisturbed).table
    assert sorted(found["run"]) == list(range(24))
    assert found["chip"].tolist() == [0, 1, 2] * 8
    quiet = (found["weight"] == 0.0) & (found["bias"] == 0.0) & (found["method"] == "as it is")
    loud = (found["weight"] == 0.3) & (found["bias"] == 0.5) & (found["method"] == "as it is")
    assert (found["rate"][quiet] != found["rate"][loud]).all()


def test_a_finished_study_is_not_run_again_and_more_chips_keep_those_that_there_are(tmp_path: Path) -> None:
    run(pair_study(chips=2), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}
    results = run(pair_study(chips=4), tmp_path)
    assert len(results) == 32
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}
    assert before.items() <= after.items()
    assert len(notes(tmp_path)) == len(after) == 16


@pytest.mark.parametrize(
    ("changes", "kept_shards"),
    [
        ({"duration": 200.0}, 0),
        ({"metrics": (Metric(name="rate"),), "specification": None}, 0),
        ({"batch": 3}, 0),
        ({"wafer": 8}, 0),
        ({"notes": "other", "name": "other"}, 16),
        ({"methods": (Method(name="SAL", plastic=False), Method(name="none"))}, 16),
        (
            {
                "noises": (
                    Noise(name="weight", levels=(0.0,), unit="sd"),
                    Noise(name="bias", levels=(0, 0.5), unit="sd"),
                )
            },
            8,
        ),
    ],
)
def test_a_key_is_that_of_the_work(changes: dict[str, object], kept_shards: int) -> None:
    """And not of what things are called."""
    keys = [{b.key for b in planned(pair_study(**c)).batches} for c in ({}, changes)]
    assert len(keys[0]) == 16
    assert len(keys[0] & keys[1]) == kept_shards


def test_another_version_or_function_has_other_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = {b.key for b in planned(pair_study()).batches}
    monkeypatch.setattr("salhw.study.batches.MEANING", 0)
    assert not before & {b.key for b in planned(pair_study()).batches}
    (tmp_path / "my_metric.py").write_text("def m(finished):\n    return [1.0] * len(finished.chips)\n")
    monkeypatch.syspath_prepend(tmp_path)
    function = planned(pair_study(metrics=(Metric(name="m", of="my_metric:m"),), specification=None)).metrics["m"]
    digest = source_digest(function)
    (tmp_path / "my_metric.py").write_text("def m(finished):\n    return [2.0] * len(finished.chips)\n")
    assert digest
    assert source_digest(function) != digest


def test_a_study_is_read_by_a_later_salhw_and_run_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(pair_study(noises=()), tmp_path)
    monkeypatch.setattr("salhw.study.batches.versions", lambda: {"salhw": "99"})
    told = Results.load(tmp_path)
    assert len(told) == told.planned == 6
    working._plan.cache_clear()  # as in a new process
    with pytest.raises(FileError, match="SAL906"):
        work(tmp_path, told.plan.digest, replace(told.plan.batches[0], key="0"))
    assert len(notes(tmp_path)) == 4
    run(pair_study(noises=()), tmp_path)
    assert len(notes(tmp_path)) == 8


def test_a_protocol_runs_instead(tmp_path: Path) -> None:
    """Of two methods that differ in what their protocol does, one hardly spikes; without, runs are as ever."""
    protocol = {"protocol": "study_examples:in_two_halves"}
    methods = (Method(name="a", **protocol), Method(name="b", **protocol, options={"quiet": True}), Method(name="c"))
    told = run(pair_study(noises=(), methods=methods, settings={"learning_rate": 0.0}), tmp_path)
    assert told.failed == 0
    a, b, c = (told.by_chip(cell, "rate")[1] for cell in told.cells)
    assert (b == 0).all()
    assert (a != c).all()  # the second stretch of the same chips
    assert (a > 20).all()


def test_batches_differ_in_their_random_numbers_and_parts_keep_them() -> None:
    plan = planned(pair_study(seeds=(0, 1)))
    seeds = {(b.first, b.seed): b.session_seed for b in plan.batches}
    assert len(seeds) == len(set(seeds.values())) == 4
    batch = plan.batches[0]
    part = plan.part(batch, 1, 1)
    assert (part.session_seed, part.run) == (batch.session_seed, 1)
    assert part.key != batch.key
    assert plan.part(batch, 0, 2) == batch


def test_a_failed_run_is_a_row_with_its_diagnostic(tmp_path: Path) -> None:
    results = run(pair_study(noises=(), batch=3, metrics=mine("fails", chip=1), specification=None), tmp_path)
    found = results.table
    assert found["status"].tolist() == ["ok", "failed", "ok"] * 2
    expected = r"ArithmeticError: chip 1 is bad, in study_examples.py, line \d+; metric m"
    assert re.fullmatch(expected, found["diagnostic"][1])
    assert found["diagnostic"][0] == ""
    failures = tables(results)[-1]
    assert (failures.title, failures.rows) == ("failed runs", (("2", "1", found["diagnostic"][1]),))
    assert found["session_size"].tolist() == [1, 1, 1] * 2
    np.testing.assert_equal(found["m"], [0, np.nan, 2] * 2)


def test_what_is_no_metric_and_a_network_that_a_target_refuses_are_told_in_their_rows(tmp_path: Path) -> None:
    results = run(pair_study(noises=(), metrics=mine("wrong_shape"), specification=None), tmp_path / "a")
    assert results.failed == 6
    assert "SAL904 metrics.m = 1.0: an array of 1 numbers, one for each chip" in results.table["diagnostic"][0]
    refused = pair_study(noises=(), settings={"dt": 2000.0, "tau_ref": 20000.0}, duration=40000.0)
    results = run(refused, tmp_path / "b")
    assert results.failed == 6
    assert "SAL104" in results.table["diagnostic"][0]
    assert results.table["session_size"].tolist() == [2, 2, 1] * 2  # not halved: no run of it could be better


def test_a_replay_repeats_a_run_with_its_spikes(undisturbed: Path, tmp_path: Path) -> None:
    again = replay(undisturbed, 8, tmp_path / "run.h5")
    assert again.same
    row = Results.load(undisturbed).table
    (k,) = np.flatnonzero(row["run"] == 8)
    recording = salhw.Recording.load(tmp_path / "run.h5")
    train = recording.spikes["neurons"]
    count = sum(len(train.times(neuron, again.position)) for neuron in (0, 1))
    assert count / 2 / 0.4 == pytest.approx(row["rate"][k])
    with pytest.raises(salhw.DescriptionError, match=r"SAL908 run = 24: 0\.\.23"):
        replay(undisturbed, 24)


def test_a_preview_counts_runs_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = preview(pair_study())
    assert (told.runs, told.batches, told.failed) == (24, 16, 0)
    assert told.seconds > 0
    assert told.disk > 1000
    assert not list(tmp_path.iterdir())


def test_where_random_numbers_are_shared_a_study_is_the_same_twice(tmp_path: Path) -> None:
    """On brainscales2, whose sessions share them; with sensors that are equal, and as they are."""
    pytest.importorskip("nest")
    sensors = Noise(name="sensors", quantities=("plasticity",), levels=(0.0, 1.0))
    study = pair_study(
        targets=("brainscales2",),
        settings={"spikes": False, "update": "every 200 ms"},
        batch=3,
        methods=(Method(name="SAL"),),
        noises=(sensors,),
    )
    first = run(study, tmp_path / "a")
    assert first.failed == 0, first.table["diagnostic"]
    run(study, tmp_path / "b", workers=2)
    assert table(tmp_path / "a") == table(tmp_path / "b")
    assert replay(tmp_path / "a", 4).same


def test_levels_of_a_part_of_the_spread(tmp_path: Path) -> None:
    """Of dead synapses all, none, and with a method that has none: a chip whose synapses are all dead learns what
    uncoupled neurons do."""
    dead = Noise(name="dead", quantities=("weight",), part="stuck", unit="sd", levels=(0.0, 1.0))
    methods = (Method(name="SAL"), Method(name="whole", times={"weight": 0}))
    told = run(pair_study(noises=(dead,), methods=methods), tmp_path / "a")
    none, _, every, whole = (told.by_chip(cell, "rate")[1] for cell in told.cells)
    assert np.array_equal(whole, none)
    assert (every < none).all()


def test_chips_are_calibrated_once_before_they_run_and_age_afterwards(tmp_path: Path) -> None:
    """Gains of synapses that differ by .4: effective weights of one value differ less afterwards, and again after ten
    days, by which each gain drifts by .4 (.04 a day). All share one measurement, which a resumed study finds."""
    study = pair_study(
        settings={"weights": [1.0, 1.0], "spikes": False},
        noises=(Noise(name="weight", levels=(0.4,), unit="sd"),),
        variability={"weight": {"drift": 0.04}},
        methods=(
            Method(name="no", plastic=False),
            Method(name="yes", plastic=False, calibration=Calibrating(duration=1e4)),
            Method(name="later", plastic=False, calibration=Calibrating(duration=1e4), age=10.0),
        ),
        metrics=(Metric(name="E", of="effective_asymmetry", options={"duration": 2e4}),),
        specification=None,
        chips=2,
    )
    told = run(study, tmp_path)
    assert told.failed == 0, told.table["diagnostic"]
    before, after, later = (told.by_chip(cell, "E")[1] for cell in told.cells)
    assert after.mean() < 0.5 * before.mean()
    assert later.mean() > 2.0 * after.mean()
    (measured,) = (tmp_path / "calibrations").iterdir()
    spent = [(s.answer.cell.method, s.biological_s, s.age) for s in told.budget("E")]
    assert spent == [("no", 0.0, 0.0), ("yes", 210.0, 0.0), ("later", 210.0, 10.0)]
    when = measured.stat().st_mtime_ns
    run(study.replace(methods=(*study.methods, study.methods[1].replace(name="young", age=0.5))), tmp_path)
    assert measured.stat().st_mtime_ns == when


def test_a_study_may_say_what_its_targets_do_not(tmp_path: Path) -> None:
    plan = planned(pair_study(variability={"weight": {"per": "row", "sd": 0.3}}))
    assert plan.targets["reference"].variability["weight"].per == "row"
    assert not {b.key for b in plan.batches} & {b.key for b in planned(pair_study()).batches}
    with pytest.raises(salhw.DescriptionError, match=r"SAL009 variability.wieght .*\n.*weight"):
        planned(pair_study(variability={"wieght": {"sd": 1.0}}))
    with pytest.raises(salhw.DescriptionError, match=r"variability.weight.drift = -1"):
        planned(pair_study(variability={"weight": {"drift": -1.0}}))


def test_what_was_learned_is_held_by_a_protocol(tmp_path: Path) -> None:
    """With learning rates of 0 the weights stay where ``learn`` ms have brought them, whatever the duration."""
    options = {"learn": 400.0, "rates": ["projections.pair.plasticity.learning_rate"]}
    method = Method(name="held", protocol="learn_then_hold", options=options)
    study = pair_study(noises=(), methods=(method,), duration=2000.0)
    held = run(study, tmp_path / "a")
    learned = run(study.replace(methods=(Method(name="plain"),), duration=400.0), tmp_path / "b")
    assert held.failed == learned.failed == 0
    assert held.table["D"].tolist() == learned.table["D"].tolist()
    with pytest.raises(salhw.DescriptionError, match=r"SAL904 methods.0..protocol = learn: one of learn_then_hold"):
        planned(pair_study(methods=(Method(name="x", protocol="learn"),)))
