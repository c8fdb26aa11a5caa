"""Probes: what a run records beside the spike counts, which are always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from salhw.description.fields import Model
from salhw.description.neurons import Milliseconds


class Spikes(Model):
    """All spike times of a population."""

    kind: Literal["Spikes"] = "Spikes"
    population: str
    if TYPE_CHECKING:

        def __init__(self, population: str, kind: str = ...) -> None: ...


class Membrane(Model):
    """The membrane potential (GLM: u, LIF: v) of a population at the whole multiples of ``every`` ms, as it entered the
    decision whether to spike at that step; every step by default."""

    kind: Literal["Membrane"] = "Membrane"
    population: str
    every: Milliseconds | None = None
    if TYPE_CHECKING:

        def __init__(self, population: str, every: float | None = ..., kind: str = ...) -> None: ...


class Weights(Model):
    """The weights of a projection at the beginning of the run, then every ``every`` ms, after that step's updates."""

    kind: Literal["Weights"] = "Weights"
    projection: str
    every: Milliseconds
    if TYPE_CHECKING:

        def __init__(self, projection: str, every: float, kind: str = ...) -> None: ...


class StateOccupancy(Model):
    """For how many steps the network state z of a population (z_k = 1 within tau_ref of a spike, the step of the spike
    included) took each of its 2**n values; index sum_k z_k 2**k. For populations of at most 16 neurons."""

    kind: Literal["StateOccupancy"] = "StateOccupancy"
    population: str
    if TYPE_CHECKING:

        def __init__(self, population: str, kind: str = ...) -> None: ...


Probe = Annotated[Spikes | Membrane | Weights | StateOccupancy, Field(discriminator="kind")]
