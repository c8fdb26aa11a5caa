"""For every network and every target: fit changes what the target refuses, nothing else, and says all of it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import salhw
from salhw import Fitted, Network, Target, UnsupportedNetworkError
from salhw.compiler.edits import canonical, edited, everything, same

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "faults"), str(TESTS / "plugin_example" / "src")]

import salhw_plain  # noqa: E402
from random_dendrites import with_dendrites  # noqa: E402
from random_networks import random_network  # noqa: E402

PLAIN = salhw_plain.backend.targets()["plain"]
TARGETS = {**salhw.targets(), "plain": PLAIN}
EXAMPLES = {"reference": 12, "plain": 9, "nest": 8, "loihi2": 6, "brainscales2": 4}
"""Networks per test: those of a chip take longer."""
MANY = 2000
"""Networks per slow test: five minutes to half an hour each."""

each_target = pytest.mark.parametrize(
    ("name", "examples"),
    [(name, EXAMPLES[name]) for name in sorted(TARGETS)]
    + [pytest.param(name, MANY, marks=pytest.mark.slow) for name in sorted(TARGETS)],
)


def random(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )  # fmt: skip


def plugin(target: Target) -> Any:
    return salhw_plain.backend if target.name == "plain" else None


def fitted(net: Network, target: Target, keep: tuple[str, ...] = ()) -> Fitted | None:
    """None where the target cannot have the network, whatever is changed."""
    try:
        return salhw.fit(net, target, keep=keep, plugin=plugin(target), sized=False)
    except UnsupportedNetworkError:
        return None


@st.composite
def networks(draw: st.DrawFn, name: str, beyond: float = 0.1) -> Network:
    """Of what the target has, or another one, with a share of things that the drawn target does not have."""
    home = TARGETS[draw(st.sampled_from([name, name, "nest", "loihi2", "reference", "brainscales2"]))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    net = random_network(home, rng, beyond=beyond)
    return with_dendrites(net, rng) if draw(st.integers(0, 3)) == 0 else net


def lists(value: Any) -> Any:
    """Arrays within tuples as lists."""
    return [lists(item) for item in value] if isinstance(value, tuple | np.ndarray) else value


def plain_data(net: Network, written: Network) -> dict[str, str]:
    """Every number and name in a network by path, by its own data alone; probes counted as in ``written``."""
    found: dict[str, str] = {}

    def put(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                put(f"{path}.{key}", inner)
        else:
            found[path] = repr(lists(value))

    numbers = {(p.kind, p.about): k for k, p in enumerate(written.probes)}
    data = net.model_dump()
    put("dt", data["dt"])
    for p in data["populations"]:
        put(f"populations.{p['name']}", p["neuron"])
    for p in data["projections"]:
        rules = p.pop("plasticity")
        put(f"projections.{p['name']}", p)
        for k, rule in enumerate(rules):
            put(f"projections.{p['name']}.plasticity{f'[{k}]' if len(rules) > 1 else ''}", rule)
    for group in ("stimuli", "ties"):
        for k, item in enumerate(data[group]):
            put(f"{group}[{k}]", item)
    for trace in data["traces"]:
        put(f"traces.{trace['name']}", trace)
    for probe, item in zip(net.probes, data["probes"], strict=True):
        put(f"probes[{numbers[probe.kind, probe.about]}]", item)
    return found


def below(path: str, head: str) -> bool:
    return path == head or path.startswith((f"{head}.", f"{head}["))


@each_target
def test_fit_says_all_that_it_changes_and_what_it_made_fits(name: str, examples: int) -> None:
    target = TARGETS[name]

    @random(examples)
    @given(networks(name))
    def holds(net: Network) -> None:
        before = net.content_hash
        made = fitted(net, target)
        assert net.content_hash == before, "the input is never mutated"
        if made is None:
            assert salhw.problems(net, target, plugin=plugin(target))
            return
        assert salhw.problems(made.network, made.target, plugin=plugin(target)) == []
        executable = salhw.compile(made.network, made.target, plugin=plugin(target))
        assert executable.source == made.network
        afresh = fitted(made.network, target)
        assert afresh is not None
        assert afresh.network == made.network
        again = fitted(made.network, made.target)
        assert again is not None
        assert again.network is made.network
        assert again.changes == ()
        if not salhw.problems(net, target, plugin=plugin(target)):
            assert made.network is net
            assert made.target is target
            assert made.changes == ()
        one, two = plain_data(net, net), plain_data(made.network, net)
        differ = {path for path in one.keys() | two.keys() if one.get(path) != two.get(path)}
        named = [change.path for change in made.changes]
        assert len(set(named)) == len(named)
        assert [path for path in differ if not any(below(path, head) for head in named)] == []
        for change in made.changes:
            assert change.written != change.changed
            option = change.path.removeprefix("target.options.")
            if change.path.startswith("target.options."):
                assert target.option(option) != made.target.option(option)
            else:
                assert any(below(path, change.path) for path in differ)
            left_out = re.fullmatch(r"probes\[\d+\]", change.path)
            assert change.path in everything(net, target, net)
            assert bool(left_out) == (change.path not in everything(made.network, made.target, net))

    holds()


@each_target
def test_what_is_kept_never_changes(name: str, examples: int) -> None:
    target = TARGETS[name]

    @random(examples)
    @given(networks(name), st.data())
    def holds(net: Network, data: st.DataObject) -> None:
        free = fitted(net, target)
        assume(free is not None and free.changes)
        assert free is not None
        some = sorted({path for c in free.changes for path in (c.path, c.path.rpartition(".")[0]) if path})
        keep = tuple(data.draw(st.lists(st.sampled_from(some), min_size=1, max_size=3, unique=True)))
        made = fitted(net, target, keep)
        if made is None:
            return
        one, two = everything(net, target, net), everything(made.network, made.target, net)
        for path, value in one.items():
            if any(below(path, canonical(kept, one)) for kept in keep):
                assert same(two[path], value), f"{path} was to be kept"

    holds()


@each_target
def test_every_change_is_needed(name: str, examples: int) -> None:
    """Without those of any one step the target refuses the network, or it means nothing."""
    target = TARGETS[name]

    @random(examples)
    @given(networks(name))
    def holds(net: Network) -> None:
        made = fitted(net, target)
        assume(made is not None and made.changes)
        assert made is not None
        before = everything(net, target, net)
        for reason in {change.reason for change in made.changes}:
            paths = [change.path for change in made.changes if change.reason == reason]
            if any(path.startswith("probes[") for path in paths):
                continue
            options = {p.removeprefix("target.options."): before[p] for p in paths if p.startswith("target.")}
            back = edited(made.network, {path: before[path] for path in paths if not path.startswith("target.")})
            assert back is None or salhw.problems(back, made.target.with_options(**options), plugin=plugin(target))

    holds()
