"""What the cells of all neuron models have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Kernel
from salhw.description.network import Network
from salhw.description.neurons import Neuron
from salhw.description.parts import Population, Projection
from salhw.description.probes import Membrane, Variable
from salhw.diagnostics import Diagnostic
from salhw.substrate.target import Target
from salhw_nest.kernels import PSP, psp
from salhw_nest.plan import Cells, Meter

FOREVER = 1e300  # ms: the time constant of a perfect integrator
UNSEEN = 1e-200  # the height of a PSP that is over before its first step; its weight can still be read

N = TypeVar("N", bound=Neuron, covariant=True)


@dataclass(frozen=True)
class Potential:
    """What is known of the membrane potential of a population at some steps, arrays (instance, time, neuron).

    Args:
        sampled: what NEST's meters show, by meter and quantity.
        drive: biases with currents.
        forced: 1 where a spike is forced; with one instance where all have the same.
        spiked: whether there was a spike.
    """

    sampled: Mapping[str, Mapping[str, FloatArray]]
    drive: FloatArray
    forced: FloatArray
    spiked: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """What a probe sees of a population: the ``meters`` that sample it every so many steps, and its ``value`` from what
    they show and the length of a tick in ms."""

    meters: Callable[[int], tuple[Meter, ...]]
    value: Callable[[Potential, float], FloatArray | float]


NOTHING = Seen(lambda every: (), lambda known, tick: np.zeros_like(known.drive))
"""What the description has none of."""


@dataclass(frozen=True)
class NestNeuron(ABC, Generic[N]):
    """What NEST makes of a population of one neuron model; NEURONS has a subclass for each."""

    neuron: N
    population: Population
    net: Network
    target: Target

    model: ClassVar[str]
    """NEST's name."""
    takes_psps: ClassVar[bool] = True
    """Whether weights move its potential."""
    own_delay: ClassVar[int] = 0
    """Steps from the arrival of an event to the step at which it acts."""
    divisible: ClassVar[bool] = True
    """Whether its steps may be divided into ticks, at one of which it decides."""
    learns_rectangular: ClassVar[bool] = True
    """Whether plastic synapses onto it may have rectangular PSPs."""
    relays_ends: ClassVar[bool] = True
    """Whether what ends a rectangular PSP of a static synapse comes through a relay, not with a delay of its own."""
    repeats: ClassVar[bool] = False
    """Whether an event acts for one step, so that a rectangular PSP is an event for each of its steps."""
    least_refractory: ClassVar[int] = 0
    """The shortest refractory period in ticks."""
    follows_weights: ClassVar[bool] = False
    """Whether its potential is the sum of the PSPs, and has to follow when a weight is written during one."""

    @abstractmethod
    def cells(self, per_step: int, instances: int) -> Cells:
        """Its cells."""

    def shadow(self, instances: int) -> Cells | None:
        """Cells that get what its synapses give, where its membrane is sampled and does not show it."""
        return None

    def holds(self, bias: FloatArray, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        """The parameters that cells hold for biases (neuron, of all instances) and the ``state`` that a clamp holds
        them in, 1 or 0, or -1 without one."""
        return {}

    def told(self, state: IntArray, per_step: int) -> dict[str, FloatArray]:
        """The parameters of cells that spike (1) or do not (0) at the next step, whatever triggers are under way to
        them, or wait for these (-1). Nobody asks but of sources, whose rates alone can be written."""
        raise NotImplementedError

    def begins(self, bias: FloatArray) -> dict[str, FloatArray]:
        """The state that cells have to begin a session with under these biases, where it is not NEST's own."""
        return {}

    @abstractmethod
    def forcing(self, tick: float, least: int) -> list[tuple[float, int]]:
        """(weight, delay in ticks) of the events that force a spike; ``least`` is the shortest delay."""

    @abstractmethod
    def hushing(self, tick: float, per_step: int, least: int) -> list[tuple[float, int]]:
        """(weight, delay in ticks) of the events that keep it from spiking between two steps."""

    @property
    def latency(self) -> int:
        """Steps, beside its delay, from a spike to the event that acts as the description says."""
        return 1 - self.own_delay

    def least_delay(self, steps: IntArray, plastic: bool) -> IntArray:
        """The delays in steps of synapses onto it that are described with ``steps`` of them."""
        return steps

    def length(self, kernel: Kernel) -> int:
        """Steps from the event that begins a PSP to the one that ends it; 0 where none does."""
        return psp(kernel).steps(self.net.dt)

    @property
    def psp_constant(self) -> float:
        """The time constant in ms with which its exponential PSPs decay, all alike; FOREVER if they are rectangular."""
        onto = [psp(p.kernel).decay for p in self.net.projections if p.post == self.population.name]
        return next((decay for decay in onto if decay), FOREVER)

    def scale(self, shape: PSP) -> float:
        """The weight in NEST's units per unit weight: what makes the PSP have the kernel's value at its first step."""
        return max(shape.first(self.net.dt), UNSEEN) if shape.decay else shape.height

    def scale_of(self, projection: Projection) -> float:
        """The weight in NEST's units per unit weight of a projection onto it."""
        return self.scale(psp(projection.kernel))

    @property
    def logistic(self) -> bool:
        """Whether it decides by the logistic law, which NEST's neurons do not."""
        return False

    @property
    def noise(self) -> Mapping[int, float]:
        """Random steps of its potential, and how many of each a time step has in the mean."""
        return {}

    def meters(self, every: int) -> tuple[Meter, ...]:
        """What is sampled for its Membrane probe, every so many steps."""
        return (Meter(self.population.name, self.population.name, every),)

    def membrane(self, known: Potential, tick: float) -> FloatArray:
        """The potential that entered the decision, without what this backend adds to it."""
        return known.sampled[self.population.name]["V_m"]

    @property
    def variables(self) -> Mapping[str, Seen]:
        """What Variable probes can see."""
        return {}

    def seen(self, probe: Membrane | Variable) -> Seen:
        """What a probe sees."""
        return Seen(self.meters, self.membrane) if isinstance(probe, Membrane) else self.variables[probe.of]

    def remembered(self, name: str, value: Callable[[FloatArray, Potential], FloatArray]) -> Seen:
        """A number that its cells hold, by NEST's ``name``, from what they hold at the end of a step."""
        cells = self.population.name

        def meters(every: int) -> tuple[Meter, ...]:
            return (Meter(cells, cells, every, (name,), last=(name,)),)

        return Seen(meters, lambda known, tick: value(known.sampled[cells][name], known))

    def unseen(self, path: str, probe: Variable) -> Iterator[Diagnostic]:
        """A finding if NEST does not show what a probe at a path is of."""
        if probe.of not in self.variables:
            supported = f"{' or '.join(self.variables) or 'none'} of {self.population.name}, {self.model}"
            yield Diagnostic("SAL107", path, f"of = {probe.of}", supported, "leave it out, or choose one of these")

    def largest_bias(self, tick: float) -> float:
        """The size up to which a bias may be written where spikes are forced."""
        return np.inf

    def refused(self, projection: Projection) -> Iterator[Diagnostic]:
        """What does not go together with a projection onto it."""
        yield from ()

    def approximations(self) -> Iterator[Diagnostic]:
        """What NEST does otherwise."""
        yield from ()

    def mixed(self) -> Iterator[Diagnostic]:
        """What does not go together on it."""
        yield from ()

    @property
    def lost(self) -> str:
        """Which of its forced spikes are lost, in words; empty if none are."""
        return "one that falls into a refractory period is lost"
