"""A neuron model, a kernel and a plasticity rule of somebody else's: described, saved and loaded like any other, and
refused by every target that does not declare them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest

import salhw
from salhw import GLM, DescriptionError, Network, Population, Projection, Spikes, UnsupportedNetworkError
from salhw.compiler.pipeline import problems
from salhw.description.fields import FloatArray, Milliseconds, Number, PerNeuron, PerSynapse
from salhw.description.kernels import Kernel
from salhw.description.markers import Mark
from salhw.description.neurons import Neuron
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, Update
from salhw.registry import backend
from salhw.session.lowering import kinds_of
from salhw.session.paths import addresses, described_at

TARGETS = sorted(salhw.targets())


@dataclass(frozen=True)
class Own:
    """The classes of one test."""

    neuron: type[Any]
    kernel: type[Any]
    rule: type[Any]

    def network(self, *, neuron: bool = True, kernel: bool = True, rule: bool = True) -> Network:
        """Two neurons that learn, of these kinds or of those that every target has."""
        cell = self.neuron(bias=[0.1, 0.2], tau_w=40.0) if neuron else GLM(bias=[0.1, 0.2])
        psp = self.kernel(tau_syn=10.0, tau_rise=1.5) if kernel else salhw.Rectangular(tau_syn=10.0)
        learns = self.rule(learning_rate=0.01, target_rate=[[0.0, 4.0], [6.0, 0.0]]) if rule else salhw.SAL(0.01)
        p = Projection(
            name="p", pre="cells", post="cells", weights=[[0.0, 0.5], [0.25, 0.0]], kernel=psp, plasticity=learns
        )
        cells = Population(name="cells", size=2, neuron=cell)
        return Network(name="own", dt=0.5, populations=[cells], projections=[p], probes=[Spikes("cells")])


@pytest.fixture
def own(kinds_forgotten: None) -> Own:
    class Adapting(Neuron):
        """A stochastic neuron whose spikes lower its own bias for a while."""

        offers: ClassVar = frozenset({"spikes", "membrane", "bias", "decision"})
        kind: Literal["Adapting"] = "Adapting"
        bias: Annotated[PerNeuron, Mark(0.0, 0.5, np.inf, per="neuron", settable="always")] = 0.0
        tau_ref: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms", grid=1)] = 10.0
        tau_w: Annotated[Milliseconds, Mark(100, 80, -1, unit="ms")] = 100.0

        @property
        def refractory_periods(self) -> float:
            return self.tau_ref

    class Biexponential(Kernel):
        """The difference of two exponentials."""

        kind: Literal["Biexponential"] = "Biexponential"
        tau_rise: Annotated[Milliseconds, Mark(2, 3, -1, unit="ms")] = 1.0

        def shape(self, s: FloatArray) -> FloatArray:
            return self.height * (np.exp(-s / self.tau_syn) - np.exp(-s / self.tau_rise))

    class Homeostasis(PlasticityRule):
        """Weights grow while the postsynaptic rate is below its target, and shrink above."""

        kind: Literal["Homeostasis"] = "Homeostasis"
        target_rate: Annotated[PerSynapse, Mark(0.01, 0.02, np.inf, unit="Hz", per="synapse", settable="always")] = 5.0
        gain: Annotated[Number, Mark(1.0, 2.0, np.inf)] = 1.0
        learning_rate: LearningRate
        update: Update = "every 100 ms"
        bounds: Bounds = None
        execution: Execution = "chip"

    return Own(Adapting, Biexponential, Homeostasis)


def test_they_are_described_like_any_other(own: Own) -> None:
    net = own.network()
    neuron, (p,) = net.populations[0].neuron, net.projections
    assert neuron.refractory_period == 10.0
    assert neuron.offers == own.neuron.offers
    assert p.kernel.sample(net.dt, 3) == pytest.approx(
        np.exp(-np.arange(0.5, 2, 0.5) / 10) - np.exp([-1 / 3, -2 / 3, -1])
    )
    assert p.plasticity[0].period == 100.0
    assert [(path, item.kind) for path, item in kinds_of(net)] == [
        ("populations.cells.neuron", "Adapting"),
        ("projections.p.weights", "Dense"),
        ("projections.p.kernel", "Biexponential"),
        ("projections.p.plasticity", "Homeostasis"),
        ("probes[0]", "Spikes"),
    ]
    assert net.content_hash != own.network(neuron=False).content_hash


def test_neurons_with_a_state_say_how_long_it_lasts(kinds_forgotten: None) -> None:
    """The shortest of several follows from all, so it cannot stand for them: states would always be 0."""
    with pytest.raises(TypeError, match="define refractory_periods"):

        class Forgetful(Neuron):
            """A neuron whose state nobody can know."""

            offers: ClassVar = frozenset({"spikes", "state"})
            kind: Literal["Forgetful"] = "Forgetful"

            @property
            def refractory_period(self) -> float:
                return 1.0


def test_the_fields_that_they_mark_as_settable_have_paths(own: Own) -> None:
    net = own.network()
    assert [*addresses(net)] == [
        "populations.cells.bias",
        "projections.p.weights",
        "projections.p.plasticity.target_rate",
        "projections.p.plasticity.learning_rate",
    ]
    assert described_at(net, "projections.p.plasticity.target_rate").tolist() == [[0.0, 4.0], [6.0, 0.0]]


@pytest.mark.parametrize(("change", "code", "path"), [
    (lambda net: net.populations[0].neuron.replace(tau_ref=0.7), "SAL008", "populations.cells.tau_ref"),
    (lambda net: net.populations[0].neuron.replace(bias=[1.0, 2.0, 3.0]), "SAL003", "populations.cells.bias"),
])  # fmt: skip
def test_their_markers_are_held_against_the_network(
    own: Own, change: Callable[[Network], Neuron], code: str, path: str
) -> None:
    net = own.network()
    with pytest.raises(DescriptionError) as refused:
        net.replace(populations=[net.populations[0].replace(neuron=change(net))])
    assert [(f.code, f.path) for f in refused.value.diagnostics] == [(code, path)]


def test_arrays_of_their_rules_have_an_entry_for_each_synapse(own: Own) -> None:
    net = own.network()
    rule = own.rule(learning_rate=0.01, target_rate=np.ones((3, 2)))
    with pytest.raises(DescriptionError) as refused:
        net.replace(projections=[net.projections[0].replace(plasticity=rule)])
    assert [f.path for f in refused.value.diagnostics] == ["projections.p.plasticity.target_rate"]


def test_they_come_back_from_a_file(own: Own, tmp_path: Path) -> None:
    net = own.network()
    net.save(tmp_path / "own.json")
    back = salhw.load(tmp_path / "own.json")
    assert back == net
    assert back.content_hash == net.content_hash
    assert type(back.populations[0].neuron) is own.neuron
    assert type(back.projections[0].kernel) is own.kernel
    assert type(back.projections[0].plasticity[0]) is own.rule


def test_a_file_with_kinds_that_nobody_defines_is_refused(own: Own, tmp_path: Path) -> None:
    own.network().save(tmp_path / "own.json")
    for group, name in ((Neuron, "Adapting"), (Kernel, "Biexponential"), (PlasticityRule, "Homeostasis")):
        del group.members[name]
    with pytest.raises(DescriptionError) as refused:
        salhw.load(tmp_path / "own.json")
    assert {f.path: (f.code, f.asked) for f in refused.value.diagnostics} == {
        "populations.cells.neuron": ("SAL005", "Adapting"),
        "projections.p.kernel": ("SAL005", "Biexponential"),
        "projections.p.plasticity": ("SAL005", "Homeostasis"),
    }


def test_they_are_in_the_schema_while_they_are_known(own: Own) -> None:
    schema = json.loads(Network.json_schema())
    names = {
        group: set(schema["$defs"]["Population" if group == "neuron" else "Projection"]["properties"][group].get(
            "discriminator", {}).get("mapping", {}))
        for group in ("neuron", "kernel")
    }  # fmt: skip
    assert names["neuron"] == {*Neuron.members} >= {"Adapting", "GLM"}
    assert names["kernel"] == {*Kernel.members} >= {"Biexponential", "Rectangular"}
    rule = schema["$defs"]["Homeostasis"]
    assert set(rule["required"]) == {"kind", "learning_rate"}
    assert {"target_rate", "gain", "update", "bounds"} <= rule["properties"].keys()


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("which", "path", "kind"), [
    ("neuron", "populations.cells.neuron", "Adapting"),
    ("kernel", "projections.p.kernel", "Biexponential"),
    ("rule", "projections.p.plasticity", "Homeostasis"),
])  # fmt: skip
def test_every_target_refuses_them_before_anything_runs(
    own: Own, name: str, which: str, path: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a backend was asked to work with what its target does not have")

    target = salhw.target(name)
    for work in ("lower", "open", "memory"):
        if hasattr(backend(target.backend), work):
            monkeypatch.setattr(type(backend(target.backend)), work, never)
    net = own.network(**{each: each == which for each in ("neuron", "kernel", "rule")})
    found = [(f.path, f.asked) for f in problems(net, target) if f.code == "SAL101"]
    assert (path, kind) in found
    with pytest.raises(UnsupportedNetworkError, match=f"SAL101 {path} = {kind}"):
        salhw.compile(net, target)
