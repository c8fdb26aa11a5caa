"""Kinds of a third party: registered with the plug-in example alone, they run there under conformance."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest

import salhw
from salhw import Network, Population, Projection, Source, SpikeTimes, Target
from salhw.conformance import run
from salhw.plugin import (
    Bounds,
    Execution,
    FloatArray,
    Kernel,
    LearningRate,
    Mark,
    Milliseconds,
    Neuron,
    PerNeuron,
    PlasticityRule,
    Update,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin_example" / "src"))

from salhw_plain import backend
from salhw_plain.kinds import KERNELS, NEURONS, RULES, Bools, Cells

OTHERS = sorted(salhw.targets())
OF_EVERY_KIND = ("declared-runs", "undeclared-refused", "approximations-named")
OWN: dict[str, dict[str, Any]] = {
    "neurons": {"Relaxed": {"arrays": ["bias"], "bias": [-9.0, 9.0], "tau_ref": [0.01, 1e3]}},
    "kernels": {"Step": {"tau_syn": [0.01, 1e3], "area": [1e-4, 1e4]}},
    "plasticity": {
        "Growth": {"learning_rate": [-1.0, 1.0], "update": ["spike", "run end"], "bounds": [-9.0, 9.0]},
    },
}


@pytest.fixture
def target(kinds_forgotten: None) -> Target:
    """The plain target with a neuron, a kernel and a rule that this test defines and enters in the example's tables."""

    class Relaxed(Neuron):
        """A neuron whose spike probability moves between 0 and dt / tau_ref with the arcus tangent of its potential."""

        offers: ClassVar = frozenset({"spikes", "state", "bias"})
        kind: Literal["Relaxed"] = "Relaxed"
        bias: Annotated[PerNeuron, Mark(0.0, 0.5, np.inf, per="neuron", settable="always")] = 0.0
        tau_ref: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms", grid=1)] = 10.0

        @property
        def refractory_periods(self) -> float:
            return self.tau_ref

    class Step(Kernel):
        """A PSP that never ends."""

        kind: Literal["Step"] = "Step"

        def shape(self, s: FloatArray) -> FloatArray:
            return np.full_like(s, self.height)

    class Growth(PlasticityRule):
        """Every presynaptic spike adds the learning rate."""

        kind: Literal["Growth"] = "Growth"
        learning_rate: LearningRate
        update: Update = "spike"
        bounds: Bounds = None
        execution: Execution = "chip"

    class Steps:
        lasts = 0

        def __init__(self, kernel: Step, dt: float, shape: tuple[int, int]) -> None:
            self.psp = np.zeros(shape)

        def act(self, arrived: Bools, over: Bools) -> FloatArray:
            self.psp = self.psp + arrived
            return self.psp

    class Grown:
        def __init__(self, rule: Growth, position: Any, dt: float, shape: tuple[int, int]) -> None:
            self.sum, self.rate = np.zeros(shape), np.zeros(shape)

        def teach(self, learning_rate: FloatArray) -> None:
            self.rate = learning_rate

        def see(self, pre: Bools, post: Bools, last_pre: FloatArray, last_post: FloatArray) -> None:
            self.sum += pre

        def take(self) -> FloatArray:
            change, self.sum = self.rate * self.sum, np.zeros_like(self.sum)
            return change

    @NEURONS.register(Relaxed)
    def relaxed(neuron: Relaxed, dt: float) -> Cells:
        return Cells(round(neuron.tau_ref / dt), lambda u, expected: dt / neuron.tau_ref * (0.5 + np.arctan(u) / np.pi))

    KERNELS.register(Step)(Steps)
    RULES.register(Growth)(Grown)
    plain = backend.targets()["plain"]
    return plain.replace(**{section: getattr(plain, section) | own for section, own in OWN.items()})


def test_they_pass_the_suite_there(target: Target) -> None:
    """The checks whose networks the markers make, one for each thing that is declared or is not. All others take GLM
    neurons where a target has them, and pass on the plain target as it is (test_plugin_example)."""
    outcomes = {check.name: check.outcome for check in run(backend, target, checks=OF_EVERY_KIND).checks}
    assert outcomes == dict.fromkeys(OF_EVERY_KIND, "pass")


def network() -> Network:
    """Two forced spikes of a source onto two neurons, all of own kinds."""
    return Network(
        name="own",
        dt=1.0,
        populations=[
            Population(name="x", size=1, neuron=Source()),
            Population(name="a", size=2, neuron=Neuron.members["Relaxed"](bias=[-9.0, 9.0])),
        ],
        projections=[
            Projection(
                name="p", pre="x", post="a", weights=[[0.0], [1.0]], kernel=Kernel.members["Step"](),
                plasticity=PlasticityRule.members["Growth"](0.25, bounds=(-1.0, 1.4)),
            )
        ],
        stimuli=[SpikeTimes("x", [[3.0, 5.0]])],
    )  # fmt: skip


def test_they_do_what_their_classes_say(target: Target) -> None:
    with salhw.compile(network(), target, plugin=backend).open(seed=1) as session:
        recording = session.run(30_000.0)
        assert session.get("projections.p.weights")[0, :, 0].tolist() == [0.5, 1.4]
    # tau_ref 10 and a chance per step of .1 (.5 + arctan(u) / pi): u = -9 + 2 * .5 and 9 + 2 * 1.4
    for count, u in zip(recording.counts["a"][0], (-8.0, 11.8), strict=True):
        expected = 30_000.0 / (9.0 + 10.0 / (0.5 + np.arctan(u) / np.pi))
        assert abs(count - expected) < 5.0 * np.sqrt(expected)


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_target_refuses_each_of_them(target: Target, name: str) -> None:
    refused = {f.path: f.code for f in salhw.problems(network(), name)}
    own = {"populations.a.neuron", "projections.p.kernel", "projections.p.plasticity"}
    assert {path: refused.get(path) for path in own} == dict.fromkeys(own, "SAL101")
