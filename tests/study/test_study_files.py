"""A study is a file or an object, and whatever is wrong with it is said before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from study_examples import mine, pair_study

import salhw
from salhw import DescriptionError, FileError
from salhw.io.files import write_text
from salhw.study import Method, Metric, Noise, Sobol, Specification, Stop, Study, known_metrics
from salhw.study.batches import planned
from salhw.study.metrics import metric
from salhw.study.protocols import protocol

TOML = """
name = "pair"
network = "pair"
settings = {learning_rate = 0.01, spikes = false}
duration = 400
chips = 3
batch = 2
wafer = 7
noises = [{name = "weight", levels = [0, 0.3], unit = "sd"}, {name = "bias", levels = [0, 0.5], unit = "sd"}]
methods = [{name = "as it is", plastic = false}, {name = "SAL"}]
metrics = [{name = "D", of = "asymmetry"}, {name = "rate"}]
specification = {metric = "D", at_most = 0.9}
"""


def test_a_file_in_toml_or_json_is_the_object(tmp_path: Path) -> None:
    toml = write_text(tmp_path / "a.toml", TOML)
    json_file = write_text(tmp_path / "a.json", pair_study().model_dump_json())
    assert Study.load(toml) == Study.load(json_file) == pair_study()


def test_a_network_file_lies_beside_its_study(tmp_path: Path) -> None:
    net = salhw.registry.builder("pair")()
    net.save(tmp_path / "net.json")
    path = write_text(
        tmp_path / "a.toml", 'name="a"\nnetwork="net.json"\nduration=10\nchips=1\nmetrics=[{name="rate"}]'
    )
    assert planned(Study.load(path)).networks["as it is"] == net
    with pytest.raises(DescriptionError, match="SAL009 settings = tau_ref: for installed networks only"):
        planned(Study.load(path).replace(settings={"tau_ref": 5}))


def test_the_schema_knows_every_part() -> None:
    assert "at_most" in json.loads(Study.json_schema())["$defs"]["Specification"]["properties"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ()}, "metrics"),
        ({"metrics": (Metric(name="a"), Metric(name="a"))}, r"SAL005 metrics\[1\].name = a: names that differ"),
        (
            {"metrics": (Metric(name="chip"),), "specification": None},
            r"SAL005 metrics\[0\].name = chip: a name of its own",
        ),
        (
            {"specification": Specification(metric="rat", at_most=1)},
            "SAL009 specification.metric = rat: one of D, rate",
        ),
        ({"stop": Stop(metric="E", half_width=1)}, "SAL009 stop.metric = E"),
        ({"sobol": Sobol(points=4), "noises": (Noise(name="bias", levels=(1,)),)}, r"SAL005 noises\[0\].levels"),
        ({"sobol": Sobol(points=4), "noises": ()}, "SAL005 noises"),
        ({"chips": 0}, "chips"),
        ({"targets": ("nest", "nest")}, "SAL005 targets"),
        ({"seeds": (1, 1)}, "SAL005 seeds"),
        ({"noises": (Noise(name="bias", levels=(0.1, 0.1)),)}, r"SAL005 noises\[0\].levels = .*each once"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_path(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        pair_study(**changes)


def test_parts_are_checked_where_they_are_made() -> None:
    with pytest.raises(DescriptionError, match=r"SAL005 at_most.*one of at_most and at_least"):
        Specification(metric="D")
    with pytest.raises(DescriptionError, match=r"SAL005 levels\[1\] = -0.1: >= 0\n.*choose levels >= 0"):
        Noise(name="bias", levels=(0.1, -0.1))
    with pytest.raises(DescriptionError, match=r"SAL005 points = 3: a power of two\n.*points = 4"):
        Sobol(points=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"metrics": (Metric(name="asymetry"),), "specification": None},
            r"SAL904 metrics\[0\].of = asymetry: .*\n.*did you mean asymmetry?",
        ),
        (
            {"metrics": mine("absent"), "specification": None},
            r"SAL904 metrics\[0\].of = study_examples:absent: .*no attribute",
        ),
        (
            {"noises": (Noise(name="gain", levels=(1,)),)},
            r"SAL009 noises\[0\].quantities = gain: reference varies .*bias",
        ),
        ({"settings": {"taus": 1}}, "SAL009 settings of as it is = taus"),
        ({"network": "pairs"}, "SAL009 network"),
        ({"duration": 2001.3}, "SAL008 duration = 2001.3 ms"),
        ({"settle": 0.3}, "SAL008 settle = 0.3 ms"),
        ({"options": {"speed": 1}}, "SAL009 target.options.speed"),
    ],
)
def test_what_there_is_not_is_said_before_anything_runs(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        planned(pair_study(**changes))


def test_a_file_that_is_no_study_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"SAL501 .*a study, in TOML or JSON"):
        Study.load(write_text(tmp_path / "a.toml", "name = "))
    with pytest.raises(FileError, match="SAL501"):
        Study.load(tmp_path / "none.toml")
    with pytest.raises(DescriptionError, match="chips"):
        Study.load(write_text(tmp_path / "b.toml", TOML.replace("chips = 3", "chip = 3")))


def test_methods_change_the_network() -> None:
    methods = (
        Method(name="a", settings={"tau_ref": 12.0}),
        Method(name="b", learning_rate=0.1),
        Method(name="c", plastic=False),
    )
    networks = planned(pair_study(methods=methods)).networks
    assert networks["a"].populations[0].neuron.tau_ref == 12.0
    assert networks["b"].projections[0].plasticity[0].learning_rate == pytest.approx(0.001)
    assert networks["c"].projections[0].plasticity == ()


def test_packages_bring_metrics() -> None:
    assert {"asymmetry", "compared", "effective_asymmetry", "state_divergence"} <= known_metrics().keys()


def test_packages_are_asked_only_for_what_the_core_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for module in ("metrics", "protocols"):
        monkeypatch.setattr(f"salhw.study.{module}.brought", lambda group, what: asked.append(what) or {})
    for name in ("asymmetry", "study_examples:chip_ids"):
        assert callable(metric(name))
    for name in ("learn_then_hold", "study_examples:in_two_halves"):
        assert callable(protocol(name, "protocol"))
    assert not asked
    with pytest.raises(DescriptionError, match="SAL904"):
        metric("effective_asymmetry")
    with pytest.raises(DescriptionError, match="SAL904"):
        protocol("learn", "protocol")
    assert asked == ["metric", "protocol"]


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "docs" / "studies").glob("*.toml")), ids=lambda p: p.stem
)
def test_the_studies_in_the_docs_name_what_there_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(path.parent))  # functions lie beside the file, as for the command
    study = Study.load(path)
    plan = planned(study)
    assert len(plan.batches) == len(study.levels) * len(study.methods) * study.chips // study.batch
    assert all(plan.varied(batch).name in ("brainscales2", "reference") for batch in plan.batches)
