"""The reference refuses kinds that it does not know, even where its target declares them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    SAL,
    ExponentialWindow,
    Network,
    PairSTDP,
    Population,
    Projection,
    Spikes,
    Trace,
    UnsupportedNetworkError,
)
from salhw.description.fields import FloatArray, Milliseconds, PerSynapse
from salhw.description.kernels import Kernel
from salhw.description.kinds import Kind
from salhw.description.markers import Mark, PopulationName
from salhw.description.neurons import Neuron
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, Update
from salhw.description.probes import Probe
from salhw.description.stimuli import Stimulus
from salhw.description.traces import Average
from salhw.description.windows import AMPLITUDE, TAU, Window
from salhw_reference import backend
from salhw_reference.kinds import KNOWN

REFERENCE = salhw.target("reference")


def pair(**changes: object) -> Network:
    p = Projection(name="p", pre="a", post="a", weights=[[0.0, 0.5], [0.5, 0.0]], plasticity=SAL(0.01))
    a = Population(name="a", size=2, neuron=GLM())
    return Network(
        **{"name": "n", "dt": 1.0, "populations": [a], "projections": [p], "probes": [Spikes("a")]} | changes
    )  # type: ignore[arg-type]


def with_neuron() -> tuple[Network, str]:
    class Resting(Neuron):
        kind: Literal["Resting"] = "Resting"
        tau_ref: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms", grid=1)] = 10.0

    return pair(populations=[Population(name="a", size=2, neuron=Resting())]), "populations.a.neuron"


def with_kernel() -> tuple[Network, str]:
    class Gamma(Kernel):
        kind: Literal["Gamma"] = "Gamma"

    return changed(kernel=Gamma()), "projections.p.kernel"


def with_window() -> tuple[Network, str]:
    class Gaussian(Window):
        kind: Literal["Gaussian"] = "Gaussian"
        amplitude: Annotated[PerSynapse, AMPLITUDE] = 1.0
        tau: Annotated[Milliseconds, TAU]

        def shape(self, lag: FloatArray) -> FloatArray:
            return np.exp(-0.5 * (lag / self.tau) ** 2)

    rule = PairSTDP(causal=ExponentialWindow(tau=10.0), anticausal=Gaussian(tau=10.0), learning_rate=0.01)
    return changed(plasticity=[rule, SAL(0.01)]), "projections.p.plasticity[0].anticausal"


def with_rule() -> tuple[Network, str]:
    class Decay(PlasticityRule):
        kind: Literal["Decay"] = "Decay"
        learning_rate: LearningRate
        update: Update = "every 10 ms"
        bounds: Bounds = None
        execution: Execution = "chip"

    return changed(plasticity=Decay(learning_rate=0.01)), "projections.p.plasticity"


def with_stimulus() -> tuple[Network, str]:
    class Noise(Stimulus):
        needs: ClassVar[str] = "bias"
        kind: Literal["Noise"] = "Noise"
        population: PopulationName

    return pair(stimuli=[Noise(population="a")]), "stimuli[0]"


def with_probe() -> tuple[Network, str]:
    class Input(Probe):
        kind: Literal["Input"] = "Input"
        population: PopulationName

    return pair(probes=[Spikes("a"), Input(population="a")]), "probes[1]"


def with_average() -> tuple[Network, str]:
    class Median(Average):
        kind: Literal["Median"] = "Median"

    return pair(traces=[Trace(name="t", population="a", of="membrane", window=Median())]), "traces.t.window"


def changed(**fields: object) -> Network:
    net = pair()
    return net.replace(projections=[net.projections[0].replace(**fields)])


@pytest.mark.parametrize(
    "make", [with_neuron, with_kernel, with_window, with_rule, with_stimulus, with_probe, with_average]
)
def test_what_it_does_not_know_is_refused_though_the_target_declares_it(
    make: Callable[[], tuple[Network, str]], kinds_forgotten: None
) -> None:
    known = {section: {*members(section)} for section in KNOWN}
    net, path = make()
    ((section, kind),) = [(s, k) for s in KNOWN for k in {*members(s)} - known[s]]
    usual = next(iter(getattr(REFERENCE, section).values()))
    declared = REFERENCE.replace(**{section: getattr(REFERENCE, section) | {kind: usual}})
    lowering = backend.lower(net, declared)
    assert [(f.code, f.path, f.asked) for f in lowering.findings] == [("SAL101", path, kind)]
    with pytest.raises(UnsupportedNetworkError, match="SAL101"):
        salhw.compile(net, declared)


def members(section: str) -> dict[str, type[Kind]]:
    return next(group.members for group in Kind.__subclasses__() if group.section == section)


@pytest.mark.parametrize("section", KNOWN)
def test_its_target_declares_what_it_knows(section: str) -> None:
    known = {
        cls.model_fields["kind"].default for cls in members(section).values() if cls.__new__(cls) in KNOWN[section]
    }
    assert known == {*getattr(REFERENCE, section)}
