"""Stimuli: what drives a network from outside. Times in ms of the session's biological time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from salhw.description.fields import ArrayOf, FloatArray, Indices, IntArray, Model, NotText, PerNeuron, Vector
from salhw.diagnostics.wording import invalid, number

NonNegative = Annotated[float, Field(ge=0), NotText]


class _Windowed(Model):
    start: NonNegative = 0.0
    stop: NonNegative | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Any:
        if self.stop is not None and self.stop <= self.start:
            limit = f"later than start = {number(self.start)} ms"
            raise invalid(
                "SAL005", f"{number(self.stop)} ms", limit, "choose a later stop, or None for the end", at="stop"
            )
        return self


class Poisson(_Windowed):
    """Independent Poisson spikes of a Source population at ``rate`` Hz (one number or one per neuron), from ``start``
    until ``stop``. At most one spike per neuron and step: with probability 1 - exp(-rate dt)."""

    kind: Literal["Poisson"] = "Poisson"
    population: str
    rate: PerNeuron

    @field_validator("rate")
    @classmethod
    def _not_negative(cls, value: float | FloatArray) -> float | FloatArray:
        for i in np.flatnonzero(np.asarray(value) < 0)[:1]:
            at = f"[{i}]" if isinstance(value, np.ndarray) else ""
            asked = f"{number(np.ravel(value)[i])} Hz"
            raise invalid("SAL005", asked, ">= 0 Hz", "a rate is never negative", at=at)
        return value

    if TYPE_CHECKING:

        def __init__(
            self, population: str, rate: Any, start: float = ..., stop: float | None = ..., kind: str = ...
        ) -> None: ...


class SpikeTimes(Model):
    """Forced spikes: ``times[k]`` lists those of neuron k in ms, multiples of dt. A forced spike of a GLM or LIF neuron
    happens whatever its state, and starts a new refractory period."""

    kind: Literal["SpikeTimes"] = "SpikeTimes"
    population: str
    times: tuple[Vector, ...]
    if TYPE_CHECKING:

        def __init__(self, population: str, times: Any, kind: str = ...) -> None: ...

    @model_validator(mode="after")
    def _sorted(self) -> SpikeTimes:
        for k, train in enumerate(self.times):
            if len(train) and train[0] < 0:
                raise invalid("SAL005", f"{number(train[0])} ms", ">= 0 ms", "shift the times", at=f"times[{k}][0]")
            for i in np.flatnonzero(np.diff(train) <= 0)[:1] + 1:
                asked, limit = f"{number(train[i])} ms", f"later than the {number(train[i - 1])} ms before it"
                raise invalid("SAL005", asked, limit, "sort the times, and keep each once", at=f"times[{k}][{i}]")
        return self


class Clamp(_Windowed):
    """Holds neurons of a GLM population in a state: ``state`` 1 (fires as soon as it is not refractory: z = 1) or 0
    (never fires); one per entry of ``neurons``, None meaning the whole population. Where clamps overlap in time, the
    last one in the network's list holds."""

    kind: Literal["Clamp"] = "Clamp"
    population: str
    state: Annotated[int | IntArray, ArrayOf((0, 1), np.int64)]
    neurons: Indices | None = None

    @field_validator("state")
    @classmethod
    def _zero_or_one(cls, value: int | IntArray) -> int | IntArray:
        for i in np.flatnonzero(~np.isin(value, (0, 1)))[:1]:
            at = f"[{i}]" if isinstance(value, np.ndarray) else ""
            raise invalid("SAL005", np.ravel(value)[i], "0 or 1", "1 holds the neuron active, 0 silent", at=at)
        return value

    @model_validator(mode="after")
    def _each_once(self) -> Clamp:
        if self.neurons is not None:
            unique, count = np.unique(self.neurons, return_counts=True)
            for neuron in unique[count > 1][:1]:
                raise invalid("SAL006", f"neuron {neuron} twice", "every neuron once", "leave one out", at="neurons")
        return self

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
