"""Kinds that the analog chip does not know are refused before anything else, whatever a target declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from analog_examples import CHIP, RATE, pairs

from salhw import SAL, Network, Population, Rectangular
from salhw.compiler.pipeline import problems
from salhw.description.fields import FloatArray, Milliseconds, PerNeuron
from salhw.description.kernels import Kernel
from salhw.description.markers import Mark, PopulationName
from salhw.description.neurons import Neuron
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import Bounds, Execution, LearningRate, Update
from salhw.description.probes import Probe
from salhw.description.stimuli import Stimulus
from salhw.description.windows import AMPLITUDE, TAU, Window
from salhw.substrate.capabilities import Range

EVERY = "every 200 ms"


@pytest.fixture
def kinds() -> Iterator[dict[str, type[Any]]]:
    """One kind of each group, known to the core while a test runs."""

    class Perfect(Neuron):
        offers: ClassVar = frozenset({"spikes", "state", "bias"})
        kind: Literal["Perfect"] = "Perfect"
        bias: Annotated[PerNeuron, Mark(0.0, 0.5, np.inf, per="neuron", settable="always")] = 0.0

        @property
        def refractory_periods(self) -> float:
            return 10.0

    class Gauss(Kernel):
        kind: Literal["Gauss"] = "Gauss"

        def shape(self, s: FloatArray) -> FloatArray:
            return np.exp(-((s / self.tau_syn) ** 2))

    class Flat(Window):
        kind: Literal["Flat"] = "Flat"
        amplitude: Annotated[float, AMPLITUDE] = 1.0
        tau: Annotated[Milliseconds, TAU] = 10.0

        def shape(self, lag: FloatArray) -> FloatArray:
            return (lag < self.tau).astype(np.float64)

    class Decay(PlasticityRule):
        kind: Literal["Decay"] = "Decay"
        learning_rate: LearningRate
        update: Update = EVERY
        bounds: Bounds = None
        execution: Execution = "chip"

    class Regular(Stimulus):
        kind: Literal["Regular"] = "Regular"
        population: PopulationName

    class Last(Probe):
        kind: Literal["Last"] = "Last"
        population: PopulationName

    made = [Perfect, Gauss, Flat, Decay, Regular, Last]
    yield {cls.__name__: cls for cls in made}
    for cls in made:
        del cls.members[cls.__name__]


def network(kinds: dict[str, type[Any]], name: str) -> Network:
    """A network that the chip takes but for one kind."""
    net, make = pairs([0.5, 0.4]), kinds[name]
    (p,), sal = net.projections, SAL(RATE, update=EVERY)
    match name:
        case "Perfect":
            return net.replace(populations=[Population(name="n", size=2, neuron=make())])
        case "Gauss":
            return net.replace(projections=[p.replace(kernel=make(tau_syn=10.0))])
        case "Flat":
            return net.replace(projections=[p.replace(plasticity=sal.replace(anticausal=make()))])
        case "Decay":
            return net.replace(projections=[p.replace(plasticity=make(learning_rate=RATE))])
        case "Regular":
            return net.replace(stimuli=[make(population="n")])
        case _:
            return net.replace(probes=[make(population="n")])


@pytest.mark.parametrize(
    ("name", "section", "path", "known"),
    [
        ("Perfect", "neurons", "populations.n.neuron", "AdEx, GLM, LIF, Source"),
        ("Gauss", "kernels", "projections.p.kernel", "Exponential, Rectangular"),
        ("Flat", "windows", "projections.p.plasticity.anticausal", "Exponential, Triangular"),
        ("Decay", "plasticity", "projections.p.plasticity", "PairSTDP"),
        ("Regular", "stimuli", "stimuli[0]", "Poisson, SpikeTimes"),
        ("Last", "probes", "probes[0]", "Rates, Spikes, StateOccupancy, Weights"),
    ],
)  # fmt: skip
def test_a_kind_that_the_target_declares_but_nobody_lowers_is_refused(
    kinds: dict[str, type[Any]], name: str, section: str, path: str, known: str
) -> None:
    wide = Range(min=0.0, max=1e9)
    fields = {"bias": wide, "tau_syn": wide, "amplitude": wide, "tau": wide, "learning_rate": wide}
    declared = {"arrays": ("bias",), "update": ("every",), "every": wide, "bounds": wide}
    target = CHIP.replace(**{section: getattr(CHIP, section) | {name: fields | declared}})
    (finding,) = problems(network(kinds, name), target)
    assert (finding.code, finding.path, finding.asked) == ("SAL101", path, name)
    assert finding.supported == f"supported {known}"


def test_it_is_refused_before_anything_else_is_looked_at(kinds: dict[str, type[Any]]) -> None:
    """Two rules on one projection are refused as well, later."""
    target = CHIP.replace(kernels=CHIP.kernels | {"Gauss": {"tau_syn": Range(min=1.0, max=99.0)}})
    net = network(kinds, "Gauss")
    (p,) = net.projections
    net = net.replace(projections=[p.replace(plasticity=(SAL(RATE, update=EVERY),) * 2)])
    assert [f.code for f in problems(net, target)] == ["SAL101"]
    plain = net.replace(projections=[net.projections[0].replace(kernel=Rectangular(tau_syn=10.0))])
    assert [f.code for f in problems(plain, target)] == ["SAL107"]
