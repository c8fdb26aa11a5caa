"""Options of targets: declared with type, default and meaning, checked at once, told by value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import salhw
from salhw import DescriptionError, Target
from salhw.cli import OPTION_COLUMNS, option_rows
from salhw.compiler.check import check
from salhw.substrate.capabilities import Range
from salhw.substrate.options import Option

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"reference": "semantics", "nest": "nest", "brainscales2": "brainscales2", "loihi2": "loihi"}
DECLARED: dict[str, dict[str, Any]] = {
    "whole": {"type": "integer", "range": [1, 63], "choices": ["auto"], "default": 1, "meaning": "steps"},
    "real": {"type": "number", "range": [0.5, 8.0], "default": 2, "meaning": "seconds"},
    "words": {"type": "text", "default": "", "meaning": "a path"},
    "one": {"type": "choice", "choices": ["fast", "exact"], "default": "fast", "meaning": "how"},
}


@pytest.fixture(scope="module")
def target() -> Target:
    return salhw.target("reference").replace(options=DECLARED)


@pytest.mark.parametrize(
    ("name", "given", "held"),
    [
        ("whole", 4, 4), ("whole", 4.0, 4), ("whole", "4", 4), ("whole", np.int32(4), 4), ("whole", "auto", "auto"),
        ("real", 4, 4.0), ("real", "1.5", 1.5), ("real", np.float32(2.5), 2.5), ("words", "4", "4"),
        ("one", "exact", "exact"),
    ],
)  # fmt: skip
def test_a_value_has_the_declared_type(target: Target, name: str, given: Any, held: Any) -> None:
    changed = target.with_options(**{name: given})
    assert changed.option(name) == held
    assert type(changed.option(name)) is type(held)
    assert changed == target.with_options(**{name: str(changed.options[name])})


@pytest.mark.parametrize(
    ("name", "given", "code", "supported", "fix"),
    [
        ("whole", 0, "SAL005", "a whole number 1..63, or auto", "give 1"),
        ("whole", 64, "SAL005", "a whole number 1..63, or auto", "give 63"),
        ("whole", "short", "SAL001", "a whole number 1..63, or auto", "give 1"),
        ("whole", 1.5, "SAL001", "a whole number 1..63, or auto", "give 1"),
        ("whole", True, "SAL001", "a whole number 1..63, or auto", "give 1"),
        ("whole", "²", "SAL001", "a whole number 1..63, or auto", "give 1"),
        ("real", 0, "SAL005", "a number 0.5..8", "give 0.5"),
        ("real", "nan", "SAL001", "a number 0.5..8", "give 2.0"),
        ("real", 10**400, "SAL005", "a number 0.5..8", "give 8"),
        ("words", 3, "SAL001", "text", "give ''"),
        ("one", "exat", "SAL005", "one of fast, exact", "did you mean exact?"),
        ("one", "", "SAL005", "one of fast, exact", "give 'fast'"),
        ("one", None, "SAL001", "one of fast, exact", "give 'fast'"),
    ],
)
def test_a_wrong_value_is_refused_at_once(
    target: Target, name: str, given: Any, code: str, supported: str, fix: str
) -> None:
    with pytest.raises(DescriptionError) as caught:
        target.with_options(**{name: given})
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.path) == (code, f"target.options.{name}")
    assert (finding.supported, finding.fix) == (supported, fix)
    if fix.startswith("give"):
        target.with_options(**{name: fix.removeprefix("give ").strip("'")})


def test_all_wrong_values_are_named_together(target: Target) -> None:
    with pytest.raises(DescriptionError) as caught:
        target.with_options(whole=0, real="x", words="fine")
    assert [f.path for f in caught.value.diagnostics] == ["target.options.whole", "target.options.real"]


def test_an_unknown_option_is_named_with_the_nearest(target: Target) -> None:
    for ask in (lambda: target.with_options(wohle=1), lambda: target.option("wohle")):
        with pytest.raises(DescriptionError, match=r"SAL009 target\.options(.|\n)*did you mean whole"):
            ask()


@pytest.mark.parametrize(
    ("name", "declared", "path", "words"),
    [
        ("a", "text", "options.a", r'a table of type, default and meaning\n.*\{ type = "text", default = \'text\''),
        ("a", {"default": 1, "meaning": "m"}, "options.a.type", "missing"),
        ("a", DECLARED["whole"] | {"default": 64}, "options.a.default", "1..63"),
        ("a", DECLARED["whole"] | {"range": [63, 1]}, "options.a", "1"),
        ("a", {"type": "integer", "default": 1, "meaning": "m"}, "options.a.range", "low <= high"),
        ("a", DECLARED["words"] | {"range": [1, 2]}, "options.a.range", "of integers and numbers only"),
        ("a", DECLARED["words"] | {"choices": ["x"]}, "options.a.choices", "none for text"),
        ("a", {"type": "choice", "default": "x", "meaning": "m"}, "options.a.default", "there are none"),
        ("a", DECLARED["one"] | {"defualt": "fast"}, "options.a.defualt", "unknown field"),
        ("a", DECLARED["one"] | {"declares": {"slow": {}}}, "options.a.declares", "fast"),
        ("a", DECLARED["one"] | {"declares": {"fast": {"dt": [2, 1]}}}, "options.a.declares", "low <= high"),
    ],
)
def test_a_wrong_declaration_is_refused(target: Target, name: str, declared: Any, path: str, words: str) -> None:
    """The bare text that a file could have before is shown how to be written now."""
    with pytest.raises(DescriptionError, match=words) as caught:
        target.replace(options={name: declared})
    assert caught.value.diagnostics[0].path.startswith(path)


def test_the_content_hash_goes_with_the_values_alone(target: Target) -> None:
    reworded = target.replace(options={k: v | {"meaning": "in other words"} for k, v in DECLARED.items()})
    wider = target.replace(options=DECLARED | {"real": DECLARED["real"] | {"range": [0.5, 9.0]}})
    assert reworded.content_hash == wider.content_hash == target.content_hash
    assert target.with_options(real=2).content_hash == target.content_hash
    changed = [target.with_options(**{k: v}) for k, v in {"whole": 2, "real": 3, "words": "x", "one": "exact"}.items()]
    assert len({t.content_hash for t in (target, *changed)}) == 5
    assert len({target, *changed}) == 5


def test_a_choice_changes_the_capabilities_that_it_declares(target: Target) -> None:
    """There and back; what refuses a network names the choice that would take it, after what the network may do."""
    paths = ("projections.weights", "plasticity.PairSTDP.bounds", "host.Unknown.tau")
    ranges = {"fast": [-1.0, 1.0], "exact": [-8.0, 8.0]}
    declares = {choice: dict.fromkeys(paths, ends) for choice, ends in ranges.items()}
    exact = target.replace(options={"one": DECLARED["one"] | {"declares": declares}}).with_options(one="exact")
    fast = exact.with_options(one="fast")
    for chosen, end in ((exact, 8.0), (fast, 1.0), (fast.with_options(one="exact"), 8.0)):
        assert chosen.projections["weights"] == chosen.plasticity["PairSTDP"]["bounds"] == Range(min=-end, max=end)
        assert "Unknown" not in chosen.host
    learns = salhw.Projection("p", "a", "a", [[0.0, 2.0], [0.5, 0.0]], plasticity=salhw.SAL(0.1, bounds=(0.0, 4.0)))
    net = salhw.Network("n", 1.0, [salhw.Population("a", 2, salhw.GLM())], [learns])
    assert not check(net, exact)
    assert [f.fix for f in check(net, fast)] == [
        'weights <= 1, or target.with_options(one="exact")', 'bounds = (0, 1), or target.with_options(one="exact")'
    ]  # fmt: skip
    heavier = net.replace(projections=[learns.replace(weights=[[0.0, 9.0], [0.5, 0.0]], plasticity=())])
    assert [f.fix for f in check(heavier, fast)] == ["weights <= 1"]


@pytest.mark.parametrize("name", PAGES)
def test_targets_survive_json_and_ideal_keeps_their_options(name: str) -> None:
    known = salhw.target(name)
    again = Target.model_validate(json.loads(json.dumps(known.model_dump(mode="json"))))
    assert again == known
    assert again.content_hash == known.content_hash
    assert known.ideal().options == known.options
    assert all(isinstance(option, Option) and option.meaning for option in known.options.values())


@pytest.mark.parametrize(("name", "page"), PAGES.items())
def test_the_docs_list_the_options_that_there_are(name: str, page: str) -> None:
    lines = [f"| {' | '.join(line)} |" for line in [OPTION_COLUMNS, *option_rows(salhw.target(name))]]
    lines.insert(1, "|" + "---|" * len(OPTION_COLUMNS))
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^((?:\| option (?:\|.*)\n)(?:\|.*\n)+)", text, re.M)
    assert shown.splitlines() == lines
