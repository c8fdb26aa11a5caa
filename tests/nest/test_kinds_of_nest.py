"""Kinds that NEST has nothing for are refused at their places, even where a target declares them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, ExponentialWindow, Network, PairSTDP, Population, Projection, Rectangular
from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.markers import Mark, PopulationName
from salhw.description.neurons import Neuron
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, Update
from salhw.description.probes import Probe
from salhw.description.stimuli import Stimulus
from salhw.description.windows import Window


class Other:
    """A kind of each group that no backend has heard of."""

    def __init__(self) -> None:
        class Renewal(Neuron):
            kind: Literal["Renewal"] = "Renewal"

        class Boxes(Kernel):
            kind: Literal["Boxes"] = "Boxes"

            def shape(self, s: FloatArray) -> FloatArray:
                return np.zeros_like(s)

        class Flat(Window):
            kind: Literal["Flat"] = "Flat"
            amplitude: Annotated[float, Mark(1.0, 0.5, np.inf, per="synapse")] = 1.0
            tau: Annotated[float, Mark(10, 12, -1, unit="ms")] = 10.0

        class Drift(PlasticityRule):
            kind: Literal["Drift"] = "Drift"
            learning_rate: LearningRate = 0.0
            update: Update = "spike"
            bounds: Bounds = None
            execution: Execution = "chip"

        class Volley(Stimulus):
            kind: Literal["Volley"] = "Volley"
            population: PopulationName

        class Energy(Probe):
            kind: Literal["Energy"] = "Energy"
            population: PopulationName

        self.neuron, self.kernel, self.window, self.rule = Renewal(), Boxes(), Flat(), Drift()
        self.stimulus, self.probe = Volley(population="a"), Energy(population="a")


GROUPS = (Neuron, Kernel, Window, PlasticityRule, Stimulus, Probe)


@pytest.fixture
def other() -> Iterator[Other]:
    before = [dict(group.members) for group in GROUPS]
    yield Other()
    for group, members in zip(GROUPS, before, strict=True):
        group.members.clear()
        group.members.update(members)


def network(other: Other, **changes: Any) -> Network:
    parts = {
        "neuron": GLM(), "kernel": Rectangular(), "plasticity": SAL(0.1), "stimuli": [], "probes": [],
    } | changes  # fmt: skip
    p = Projection("p", "a", "a", salhw.AllToAll(0.5), kernel=parts["kernel"], plasticity=parts["plasticity"])
    populations = [Population("a", 2, parts["neuron"])]
    return Network("other", 1.0, populations, [p], stimuli=parts["stimuli"], probes=parts["probes"])


def declaring(place: str) -> salhw.Target:
    """NEST with everything declared, and windows where a rule is worked out at ``place``."""
    nest = salhw.target("nest")
    more = {
        "neurons": {"Renewal": {}},
        "kernels": {"Boxes": nest.kernels["Exponential"]},
        "plasticity": {"Drift": nest.plasticity["PairSTDP"]},
        "stimuli": {"Volley": {}},
        "probes": {"Energy": {}},
        place: {"Flat": nest.windows["Exponential"]},
    }
    return nest.replace(**{group: getattr(nest, group) | kinds for group, kinds in more.items()})


def windowed(other: Other, execution: str) -> PairSTDP:
    return PairSTDP(causal=ExponentialWindow(tau=10.0), anticausal=other.window, learning_rate=0.1, execution=execution)


@pytest.mark.parametrize(
    ("path", "asked", "changes", "place"),
    [
        ("populations.a.neuron", "Renewal", lambda other: {"neuron": other.neuron}, "windows"),
        ("projections.p.kernel", "Boxes", lambda other: {"kernel": other.kernel}, "windows"),
        ("projections.p.plasticity", "Drift", lambda other: {"plasticity": other.rule}, "windows"),
        ("projections.p.plasticity.anticausal", "Flat", lambda o: {"plasticity": windowed(o, "chip")}, "windows"),
        ("projections.p.plasticity.anticausal", "Flat", lambda o: {"plasticity": windowed(o, "host")}, "host"),
        ("stimuli[0]", "Volley", lambda other: {"stimuli": [other.stimulus]}, "windows"),
        ("probes[0]", "Energy", lambda other: {"probes": [other.probe]}, "windows"),
    ],
    ids=["neuron", "kernel", "rule", "window", "window of the host", "stimulus", "probe"],
)
def test_what_nest_does_not_know_is_refused(path: str, asked: str, changes: Any, place: str, other: Other) -> None:
    net = network(other, **changes(other))
    (finding,) = salhw.problems(net, declaring(place))
    assert (finding.code, finding.path, finding.asked) == ("SAL101", path, asked)
    assert finding.supported.startswith("supported ")


def test_what_it_knows_is_not(other: Other) -> None:
    assert salhw.problems(network(other), declaring("windows")) == []


def test_everything_unknown_is_named_at_once(other: Other) -> None:
    net = network(other, neuron=other.neuron, kernel=other.kernel, plasticity=other.rule, stimuli=[other.stimulus])
    assert [finding.code for finding in salhw.problems(net, declaring("windows"))] == ["SAL101"] * 4
