"""Probes: what a run records beside the spike counts, which are always there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field

from salhw.description.fields import Indices, IntArray, Milliseconds
from salhw.description.kinds import Kind, only
from salhw.description.markers import Mark, PopulationName, ProjectionName, Structure, TraceName
from salhw.diagnostics import LENGTH
from salhw.diagnostics.wording import invalid


def _ascending(value: IntArray) -> IntArray:
    if not len(value):
        raise invalid("SAL005", "none", "one or more", "leave the probe out")
    for k in np.flatnonzero(np.diff(value, prepend=-1) <= 0)[:1]:
        asked, supported = f"{value[k]}", "numbers from 0 on, each once and ascending"
        raise invalid("SAL005", asked, supported, "sort them, and keep each once", at=f"[{k}]")
    return value


Chosen = Annotated[Indices, AfterValidator(_ascending)]
EVERY = Mark(5, 7, -1, unit="ms", grid=1)


class Probe(Kind):
    """A probe: it looks at a population whose neurons offer what it ``needs`` (see Neuron.offers), at a projection
    or at a trace. A network has one probe of a kind for each of them, and of variables one for each."""

    section = "probes"
    needs: ClassVar[str] = "spikes"
    largest: ClassVar[int | None] = None
    """The most neurons that the population may have."""

    @property
    def about(self) -> str:
        """The name of the population, projection or trace."""
        names = map(vars(self).get, ("population", "projection", "trace"))  # getattr is slow where there is none
        return str(next(filter(None, names), ""))

    @property
    def label(self) -> str:
        """What ``recording.traces`` calls what it has sampled, if it samples anything."""
        return f"{self.kind}.{self.about}"


class Spikes(Probe):
    """All spike times of a population, or of some of its ``neurons`` (their numbers, ascending)."""

    kind: Literal["Spikes"] = "Spikes"
    population: PopulationName
    neurons: Annotated[Chosen | None, Structure(index="neuron")] = None
    if TYPE_CHECKING:

        def __init__(self, population: str, neurons: Any = ..., kind: str = ...) -> None: ...


class Rates(Probe):
    """The mean rate in Hz of each neuron of a population between one whole multiple of ``every`` ms (or the beginning
    of the run) and the next: what is left of spikes where a list of them would be too long."""

    kind: Literal["Rates"] = "Rates"
    population: PopulationName
    every: Annotated[Milliseconds, EVERY]
    if TYPE_CHECKING:

        def __init__(self, population: str, every: float, kind: str = ...) -> None: ...


class Membrane(Probe):
    """The membrane potential (GLM: u, others: v) of a population, or of some of its ``neurons`` (their numbers,
    ascending), at the whole multiples of ``every`` ms, as it entered the decision whether to spike at that step; every
    step by default."""

    needs: ClassVar[str] = "membrane"
    kind: Literal["Membrane"] = "Membrane"
    population: PopulationName
    every: Annotated[Milliseconds | None, EVERY] = None
    neurons: Annotated[Chosen | None, Structure(index="neuron")] = None
    if TYPE_CHECKING:

        def __init__(self, population: str, every: float | None = ..., neurons: Any = ..., kind: str = ...) -> None: ...


class Variable(Probe):
    """One more number of each neuron of a population, or of some of its ``neurons`` (their numbers, ascending), at the
    whole multiples of ``every`` ms, as it entered the decision whether to spike at that step; every step by default.
    ``recording.traces`` has it as ``POPULATION.OF``.

    Args:
        of: what it is. A variable of the neurons' own (``Neuron.variables``: ``theta`` of LIF, ``w`` of AdEx, ``u`` of
            Izhikevich), in its unit; or of what synapses add up to ``inputs``, gains included, in the units of the
            bias, ``inputs.NAME``, those into one named input before its gain, ``conductance``, in units of the leak's,
            or ``conductance.NAME``, that of one projection.
    """

    needs: ClassVar[str] = "membrane"
    kind: Literal["Variable"] = "Variable"
    population: PopulationName
    of: Annotated[str, Field(max_length=2 * LENGTH + 1), Mark("inputs", "conductance", "nothing", dotted=True)]
    every: Annotated[Milliseconds | None, EVERY] = None
    neurons: Annotated[Chosen | None, Structure(index="neuron")] = None

    @property
    def about(self) -> str:
        """The population and what is seen of it."""
        return f"{self.population}.{self.of}"

    @property
    def label(self) -> str:
        """As ``about``."""
        return self.about

    @property
    def of_projection(self) -> str | None:
        """The projection whose conductance it is, if it is that of one."""
        quantity, _, name = self.of.partition(".")
        return name if name and quantity == "conductance" else None

    if TYPE_CHECKING:

        def __init__(
            self, population: str, of: str, every: float | None = ..., neurons: Any = ..., kind: str = ...
        ) -> None: ...


class Weights(Probe):
    """The weights of a projection at the beginning of the run, then every ``every`` ms, after that step's updates; all,
    or those of some ``synapses`` (their numbers in ``Network.synapses``, ascending)."""

    kind: Literal["Weights"] = "Weights"
    projection: ProjectionName
    every: Annotated[Milliseconds, EVERY]
    synapses: Annotated[Chosen | None, Structure(index="synapse")] = None
    if TYPE_CHECKING:

        def __init__(self, projection: str, every: float, synapses: Any = ..., kind: str = ...) -> None: ...


class SynapseVariable(Probe):
    """One more number of each synapse of a projection, or of some of its ``synapses`` (their numbers in
    ``Network.synapses``, ascending), at the whole multiples of ``every`` ms; every step by default.
    ``recording.traces`` has it as ``PROJECTION.OF``.

    Args:
        of: what it is: a variable of the projection's short-term plasticity (``ShortTerm.variables``: ``u`` and ``x``
            of TsodyksMarkram), as a presynaptic spike at that step finds it.
    """

    kind: Literal["SynapseVariable"] = "SynapseVariable"
    projection: ProjectionName
    of: Annotated[str, Field(max_length=LENGTH), Mark("x", "u", "nothing")]
    every: Annotated[Milliseconds | None, EVERY] = None
    synapses: Annotated[Chosen | None, Structure(index="synapse")] = None

    @property
    def about(self) -> str:
        """The projection and what is seen of it."""
        return f"{self.projection}.{self.of}"

    @property
    def label(self) -> str:
        """As ``about``."""
        return self.about

    if TYPE_CHECKING:

        def __init__(
            self, projection: str, of: str, every: float | None = ..., synapses: Any = ..., kind: str = ...
        ) -> None: ...


class Traces(Probe):
    """A trace of the network at the whole multiples of ``every`` ms, as it is after that step; every step by default.
    ``recording.traces`` has it by the trace's name."""

    kind: Literal["Traces"] = "Traces"
    trace: TraceName
    every: Annotated[Milliseconds | None, EVERY] = None

    @property
    def label(self) -> str:
        """The name of the trace."""
        return self.trace

    if TYPE_CHECKING:

        def __init__(self, trace: str, every: float | None = ..., kind: str = ...) -> None: ...


class StateOccupancy(Probe):
    """For how many steps the network state z of a population (z_k = 1 within tau_ref of a spike, the step of the spike
    included) took each of its 2**n values; index sum_k z_k 2**k. For populations of at most 16 neurons."""

    needs: ClassVar[str] = "state"
    largest: ClassVar[int | None] = 16
    kind: Literal["StateOccupancy"] = "StateOccupancy"
    population: PopulationName
    if TYPE_CHECKING:

        def __init__(self, population: str, kind: str = ...) -> None: ...


def sampling(probes: Iterable[Probe]) -> list[Membrane | Variable]:
    """The probes that sample one number of each of their neurons: membranes, then variables."""
    return [*only(probes, Membrane), *only(probes, Variable)]
