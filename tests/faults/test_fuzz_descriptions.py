"""A small run of the fuzzer with a fixed seed, and what it finds at once.

``python tests/faults/fuzz_descriptions.py 20000 SEED`` is the large run."""

from __future__ import annotations

import copy
import gc
import io
import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fuzz_descriptions as fuzz
import h5py
import pytest
from h5py._objects import phil

import salhw
from salhw import Network, SalhwError
from salhw.conformance import known


def test_whatever_a_file_holds_the_answer_is_a_network_or_one_error() -> None:
    with warnings.catch_warnings():
        result = fuzz.run(300, seed=15)
    assert result.wrong == []
    assert result.outcomes["ran"] > 30
    assert sum(count for outcome, count in result.outcomes.items() if outcome.startswith("refused")) > 150


def refusal(tree: Any) -> SalhwError:
    with pytest.raises(SalhwError) as caught:
        Network.model_validate(tree)
    assert fuzz.unclear(caught.value) == []
    return caught.value


@pytest.mark.parametrize("number", [10**400, -(10**400), 10**5000], ids=["400", "-400", "5000"])
@pytest.mark.parametrize("place", ["dt", "size", "tau_ref", "bias", "learning_rate", "values", "every"])
def test_whole_numbers_of_hundreds_of_digits_are_refused(place: str, number: int) -> None:
    """Neither floats nor 64 bits hold them; Python itself refuses to write those of thousands of digits."""
    tree = copy.deepcopy(fuzz.PAIR)
    for way in [way for way in fuzz.places(tree) if way[-1] == place]:
        fuzz._part(tree, way[:-1])[place] = [[number, number]] * 2 if place == "values" else number
    refusal(tree)


@pytest.mark.parametrize("dt", [5e-324, 1e-320, 1e-300, 1e300, 1.7e308])
@pytest.mark.parametrize("stretch", [1.0, 1e300])
def test_extreme_grids_are_refused_by_the_description_or_by_every_target(dt: float, stretch: float) -> None:
    """tau / dt overflows, or is beyond 2^53, where every number is whole; no target has such a grid."""
    for tree in (fuzz.PAIR, fuzz.MIXED):
        tree = json.loads(json.dumps(tree | {"dt": dt}).replace("10.0", str(10.0 * stretch)))
        assert len(told(tree)) >= len(salhw.targets())


def told(tree: Any) -> list[Any]:
    """The messages of the description, or of every target."""
    try:
        net = Network.model_validate(tree)
    except SalhwError as error:
        return [error] * len(salhw.targets()) if not fuzz.unclear(error) else []
    return [found for target in salhw.targets() if (found := salhw.problems(net, target))]


@pytest.mark.parametrize("depth", [100, 900, 5000, 100_000])
@pytest.mark.parametrize("form", ["table", "list"])
def test_deep_nesting_is_refused(depth: int, form: str, tmp_path: Path) -> None:
    for place in ('"GLM"', "0.03", '"Spikes"', "[[0.0, 1.5], [0.5, 0.0]]"):
        text = json.dumps({"format": "salhw.network", "version": 1, "network": fuzz.PAIR})
        begin, end = ('{"neuron":', "}") if form == "table" else ("[", "]")
        path = tmp_path / "deep.json"
        path.write_text(text.replace(place, begin * depth + "1.0" + end * depth))
        with pytest.raises(SalhwError) as caught:
            salhw.load(path)
        assert fuzz.unclear(caught.value) == []


@pytest.mark.parametrize("form", ["json", "toml"])
def test_deep_nesting_leaves_h5py_free(form: str, tmp_path: Path) -> None:
    """Objects of h5py that are freed at the limit of recursion would leave h5py locked, and other threads waiting."""

    class Cycle:
        def __init__(self) -> None:
            self.held = self, h5py.File(io.BytesIO(), "w").create_group("g")

    path = tmp_path / f"deep.{form}"
    path.write_text(("" if form == "json" else "x = ") + "[" * 5000 + "]" * 5000)
    load, limit, threshold = salhw.load if form == "json" else known.load, sys.getrecursionlimit(), gc.get_threshold()
    sys.setrecursionlimit(300)
    try:
        for depth in range(100, 300):  # at which the garbage is collected
            gc.set_threshold(0)
            Cycle()
            gc.set_threshold(gc.get_count()[0] + depth)
            with pytest.raises(SalhwError):
                load(path)
    finally:
        sys.setrecursionlimit(limit)
        gc.set_threshold(*threshold)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(phil.acquire, blocking=False).result()
        pool.submit(phil.release).result()


def test_long_names_and_long_lists_give_short_messages() -> None:
    long = "a" * 100_000
    assert len(str(refusal(fuzz.PAIR | {"name": long}))) < 500
    assert len(str(refusal(fuzz.PAIR | {"stimuli": [{"kind": long}]}))) < 700
    assert len(str(refusal(fuzz.PAIR | {long: 1}))) < 700
    many = refusal(fuzz.PAIR | {"stimuli": [0] * 50_000})
    assert "50000 problems" in many.headline
    assert len(str(many)) < fuzz.LONGEST
    named = copy.deepcopy(fuzz.PAIR)
    named["projections"][0]["pre"] = long
    assert len(str(refusal(named))) < 500


def test_what_is_no_text_can_be_printed() -> None:
    for name in ("\ud800", "a\0b", "\x1b[31mred", "two\nlines"):
        text = str(refusal(fuzz.PAIR | {"name": name, name: 1}))
        text.encode()
        assert "\0" not in text
        assert "\x1b" not in text


def test_weights_are_rounded_within_the_bounds_of_their_rule() -> None:
    """1.01 on a grid of .04 would be 1.00, below the rule's bound of 1.01: the next weight inside is 1.04. Where none
    is, the bounds are refused, by ``check`` as by ``compile``."""
    tree = copy.deepcopy(fuzz.PAIR)
    projection = tree["projections"][0]
    projection["weights"]["values"] = [[0.0, 1.01], [1.01, 0.0]]
    rule = projection["plasticity"][0] | {
        "update": "every 112 ms",
        "bounds": [1.01, 2.0],
        "pairing": "nearest_restricted",
    }
    projection["plasticity"] = [rule]
    held = salhw.compile(Network.model_validate(tree), "brainscales2").network.projection("p").weights
    assert held.values[0, 1] == pytest.approx(1.04)
    rule["bounds"] = [1.005, 1.03]
    net = Network.model_validate(tree)
    (finding,) = salhw.problems(net, "brainscales2")
    assert (finding.code, finding.path) == ("SAL104", "projections.p.plasticity.bounds")
    with pytest.raises(salhw.UnsupportedNetworkError, match="SAL104"):
        salhw.compile(net, "brainscales2")


def test_a_kind_of_half_a_character_is_refused_like_any_other() -> None:
    for part in ({"stimuli": [{"kind": "\ud800", "population": "n"}]}, {"probes": [{"kind": "\ud800"}]}):
        assert "ud800: one of" in str(refusal(fuzz.PAIR | part))


def test_weights_that_a_distribution_makes_infinite_are_cut_or_refused() -> None:
    """Of e^(100000 z) half are infinite: a highest weight cuts them."""

    def drawn(**ends: Any) -> Network:
        wide = {"kind": "LogNormal", "median": 1.0, "sigma": 1e5, **ends}
        synapses = {"kind": "FixedProbability", "p": 1.0, "weight": wide}
        p = fuzz.PAIR["projections"][0] | {"weights": synapses, "plasticity": []}
        cells = [fuzz.PAIR["populations"][0] | {"size": 5}]
        cells[0]["neuron"] = {"kind": "GLM"}
        return Network.model_validate({"name": "wide", "dt": 0.4, "populations": cells, "projections": [p]})

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(drawn(high=9.0, outside="clip").synapses("p").weight) == {0.0, 9.0}
        with pytest.raises(SalhwError, match="SAL004"):
            _ = drawn().explicit
