"""Stimuli: what drives a network from outside. Times in ms of the session's biological time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from salhw.fields import ArrayOf, FloatArray, Indices, IntArray, Model, PerNeuron, refuse

NonNegative = Annotated[float, Field(ge=0)]


class _Windowed(Model):
    start: NonNegative = 0.0
    stop: NonNegative | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Any:
        if self.stop is not None and self.stop <= self.start:
            raise refuse("SAL005", self.stop, f"later than start = {self.start} ms", at="stop")
        return self


class Poisson(_Windowed):
    """Independent Poisson spikes of a Source population at ``rate`` Hz (one number or one per neuron), from ``start``
    until ``stop``. At most one spike per neuron and step: with probability 1 - exp(-rate dt)."""

    kind: Literal["Poisson"] = "Poisson"
    population: str
    rate: PerNeuron
    if TYPE_CHECKING:

        def __init__(
            self, population: str, rate: Any, start: float = ..., stop: float | None = ..., kind: str = ...
        ) -> None: ...


class SpikeTimes(Model):
    """Forced spikes: ``times[k]`` lists those of neuron k in ms, multiples of dt. A forced spike of a GLM or LIF neuron
    happens whatever its state, and starts a new refractory period."""

    kind: Literal["SpikeTimes"] = "SpikeTimes"
    population: str
    times: tuple[Annotated[FloatArray, ArrayOf((1,))], ...]
    if TYPE_CHECKING:

        def __init__(self, population: str, times: Any, kind: str = ...) -> None: ...

    @model_validator(mode="after")
    def _sorted(self) -> SpikeTimes:
        for k, train in enumerate(self.times):
            if len(train) and train[0] < 0:
                raise refuse("SAL005", train[0], "times >= 0 ms", at=f"times[{k}]")
            if np.any(np.diff(train) <= 0):
                raise refuse("SAL005", "unsorted or repeated times", "strictly increasing times", at=f"times[{k}]")
        return self


class Clamp(_Windowed):
    """Holds neurons of a GLM population in a state: ``state`` 1 (fires as soon as it is not refractory: z = 1) or 0
    (never fires); one per entry of ``neurons``, None meaning the whole population."""

    kind: Literal["Clamp"] = "Clamp"
    population: str
    state: Annotated[int | IntArray, ArrayOf((0, 1), np.int64)]
    neurons: Indices | None = None
    if TYPE_CHECKING:

        def __init__(
            self,
            population: str,
            state: Any,
            neurons: Any = ...,
            start: float = ...,
            stop: float | None = ...,
            kind: str = ...,
        ) -> None: ...


class Current(_Windowed):
    """Adds ``amplitude`` to the bias of a GLM or LIF population (its units; one number or one per neuron)."""

    kind: Literal["Current"] = "Current"
    population: str
    amplitude: PerNeuron
    if TYPE_CHECKING:

        def __init__(
            self, population: str, amplitude: Any, start: float = ..., stop: float | None = ..., kind: str = ...
        ) -> None: ...


Stimulus = Annotated[Poisson | SpikeTimes | Clamp | Current, Field(discriminator="kind")]
