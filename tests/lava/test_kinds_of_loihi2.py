"""Kinds that somebody else defines: what Loihi 2 has no lowering for is refused, what says enough of itself runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from lava_examples import QUICK, everything

import salhw
from salhw import GLM, SAL, Network, Population, Projection, Rectangular, Sparse
from salhw.description.connectivity import Connector, Synapses
from salhw.description.fields import FloatArray, Milliseconds, Number
from salhw.description.kernels import Kernel
from salhw.description.markers import Mark, PopulationName, Structure
from salhw.description.neurons import LIF, Neuron
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, Update
from salhw.description.probes import Probe
from salhw.description.stimuli import Stimulus
from salhw.description.traces import Average
from salhw.description.windows import AMPLITUDE, TAU, Window
from salhw_lava.program import program

GROUPS = (Neuron, Kernel, Window, PlasticityRule, Connector, Stimulus, Probe, Average)


@pytest.fixture
def kinds() -> Iterator[dict[str, type[Any]]]:
    """One new kind of each group, known until the test ends. The neuron is one that Loihi 2 has, but for its name."""
    before = [dict(group.members) for group in GROUPS]

    class Twin(LIF):
        kind: Literal["Twin"] = "Twin"  # type: ignore[assignment]

    class Linear(Kernel):
        kind: Literal["Linear"] = "Linear"

        def shape(self, s: FloatArray) -> FloatArray:
            return np.maximum(0.0, 1.0 - s / self.tau_syn)

    class Flat(Window):
        kind: Literal["Flat"] = "Flat"
        amplitude: Annotated[Number, AMPLITUDE] = 1.0
        tau: Annotated[Milliseconds, TAU] = 10.0

        def shape(self, lag: FloatArray) -> FloatArray:
            return np.where(lag < self.tau, 1.0, 0.0)

    class Decay(PlasticityRule):
        kind: Literal["Decay"] = "Decay"
        learning_rate: LearningRate = 0.01
        update: Update = "spike"
        bounds: Bounds = None
        execution: Execution = "chip"

    class Ring(Connector):
        """Each neuron to the next one."""

        kind: Literal["Ring"] = "Ring"
        weight: Annotated[Number, Structure()]

        def shape(self, n_post: int, n_pre: int) -> tuple[int, ...]:
            return (n_pre,)

        def synapses(self, n_post: int, n_pre: int, recurrent: bool) -> Synapses:
            post = np.arange(n_post)
            return post, (post - 1) % n_pre, (post - 1) % n_pre

    class Beat(Stimulus):
        kind: Literal["Beat"] = "Beat"
        population: PopulationName
        interval: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms", grid=1)] = 10.0

    class Glance(Probe):
        needs: ClassVar[str] = "membrane"
        kind: Literal["Glance"] = "Glance"
        population: PopulationName

    yield {cls.__name__: cls for cls in (Twin, Linear, Flat, Decay, Ring, Beat, Glance)}
    for group, members in zip(GROUPS, before, strict=True):
        group.members.clear()
        group.members.update(members)


def test_kinds_without_a_lowering_are_refused_whatever_the_target_declares(kinds: dict[str, type[Any]]) -> None:
    """All of them, each at its path, and before anything is lowered: what lowering finds fault with is not named."""
    capable = QUICK.replace(
        neurons=QUICK.neurons | {"Twin": QUICK.neurons["LIF"]},
        kernels=QUICK.kernels | {"Linear": QUICK.kernels["Exponential"]},
        windows=QUICK.windows | {"Flat": QUICK.windows["Exponential"]},
        plasticity=QUICK.plasticity | {"Decay": QUICK.plasticity["PairSTDP"]},
        stimuli=QUICK.stimuli | {"Beat": {"interval": QUICK.kernels["Exponential"]["tau_syn"]}},
        probes=QUICK.probes | {"Glance": {}},
    )
    sal = SAL(0.01, 10.0, pairing="all")
    net = everything()
    faulty = net.projections[1].replace(delay=600.0 * net.dt)
    assert [f.code for f in salhw.problems(net.replace(projections=[faulty]), capable)] == ["SAL104"]
    unknown = net.replace(
        populations=[*net.populations, Population("t", 2, kinds["Twin"](bias=1.5))],
        projections=[
            faulty,
            Projection("k", "x", "y", Sparse([0], [0], [0.5]), kinds["Linear"](tau_syn=5.0)),
            Projection("w", "x", "y", Sparse([0], [0], [0.5]), plasticity=sal.replace(anticausal=kinds["Flat"]())),
            Projection("r", "x", "y", Sparse([0], [0], [0.5]), plasticity=[sal, kinds["Decay"]()]),
        ],
        stimuli=[*net.stimuli, kinds["Beat"](population="x")],
        probes=[kinds["Glance"](population="z"), *net.probes],
    )
    findings = {f.path: f for f in salhw.problems(unknown, capable)}
    assert {path: f.asked for path, f in findings.items()} == {
        "populations.t.neuron": "Twin",
        "projections.k.kernel": "Linear",
        "projections.w.plasticity.anticausal": "Flat",
        "projections.r.plasticity[1]": "Decay",
        "stimuli[2]": "Beat",
        "probes[0]": "Glance",
    }
    assert {f.code for f in findings.values()} == {"SAL101"}
    assert findings["populations.t.neuron"].supported == "supported GLM, LIF, Source"
    assert findings["projections.k.kernel"].supported == "supported Exponential, Rectangular"


def test_a_connector_is_what_its_synapses_are(kinds: dict[str, type[Any]]) -> None:
    """Nothing in the backend knows connectors by kind: a new one becomes the program of the list of its synapses."""
    connectivity = QUICK.projections["connectivity"]
    assert isinstance(connectivity, tuple)
    target = QUICK.replace(projections=QUICK.projections | {"connectivity": (*connectivity, "Ring")})
    size = 4
    synapses = Sparse(post=np.arange(1, size + 1) % size, pre=np.arange(size), weight=np.full(size, 0.75))
    programs = []
    for weights in (kinds["Ring"](weight=0.75), synapses):
        net = Network(
            "ring", 1.0, [Population("a", size, GLM(bias=0.25))],
            [
                Projection("static", "a", "a", weights, Rectangular(5.0)),
                Projection("plastic", "a", "a", weights, Rectangular(5.0), plasticity=SAL(0.02, 8.0, pairing="all")),
            ],
        )  # fmt: skip
        executable = salhw.compile(net, target)
        programs.append(program(executable, (0, 3), seed=1))
    ring, listed = programs
    np.testing.assert_equal(ring, listed)
    assert len(ring["static"]["weights"]) == 2 * size
