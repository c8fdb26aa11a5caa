"""Stimuli: what drives a network from outside. Times in ms of the session's biological time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import field_validator, model_validator

from salhw.description.fields import (
    ArrayOf,
    FloatArray,
    Indices,
    IntArray,
    Milliseconds,
    NonNegative,
    PerNeuron,
    PerPoint,
    Vector,
    refused_where,
)
from salhw.description.grid import in_steps, off_grid, whole_steps
from salhw.description.kinds import Kind
from salhw.description.markers import QUANTITIES, Mark, PopulationName, Structure, TraceName
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import invalid, number


class Stimulus(Kind):
    """A stimulus: it acts on a ``population`` whose neurons offer what it ``needs`` (see Neuron.offers)."""

    section = "stimuli"
    needs: ClassVar[str] = "spikes"
    reads: ClassVar[frozenset[str]] = frozenset(QUANTITIES)
    """What the traces that it names may be of. They are traces of its population."""

    if TYPE_CHECKING:
        population: str

    def neurons_of(self, size: int) -> int:
        """How many neurons of a population of ``size`` it acts on: what fields marked per neuron have entries for."""
        return size

    def values(self, field: str, size: int) -> FloatArray:
        """A field marked per neuron as a session of a population of ``size`` reads it, (neuron,); read only."""
        return np.broadcast_to(np.asarray(getattr(self, field), dtype=np.float64), (self.neurons_of(size),))

    @property
    def span(self) -> tuple[float, float | None]:
        """From when until when it acts, in ms of session time; None for the end of the session."""
        return 0.0, None

    def steps(self, dt: float) -> tuple[int, int | None]:
        """``span`` in steps of the session."""
        start, stop = self.span
        return in_steps(start, dt) or 0, None if stop is None else in_steps(stop, dt) or 0

    def acts(self, step: Any, dt: float) -> Any:
        """Whether it acts at a step of the session, or at each of several."""
        start, stop = self.steps(dt)
        return (step >= start) & (step < (np.inf if stop is None else stop))

    def steady_drive(self, dt: float) -> float | FloatArray:
        """What it adds all along to the drive of Neuron.steady_rate; of one that ends, at most what it takes away."""
        return 0.0

    def contradictions(self, path: str, size: int, dt: float) -> Iterator[Diagnostic]:
        """What is wrong with it, at a ``path``, in a population of ``size``, beside what the markers say."""
        yield from ()


class _Windowed(Stimulus):
    start: Annotated[NonNegative, Mark(0, 2, -1, unit="ms", grid=0)] = 0.0
    stop: Annotated[NonNegative | None, Mark(None, 12, -1, unit="ms", grid=1)] = None

    @model_validator(mode="after")
    def _ordered(self) -> Any:
        if self.stop is not None and self.stop <= self.start:
            limit = f"later than start = {number(self.start)} ms"
            raise invalid(
                "SAL005", f"{number(self.stop)} ms", limit, "choose a later stop, or None for the end", at="stop"
            )
        return self

    @property
    def span(self) -> tuple[float, float | None]:
        return self.start, self.stop


class Course(_Windowed):
    """A stimulus whose ``strength``, a field of it, may change in time: with ``every``, its first axis are points, each
    of which holds for ``every`` ms, the first from ``start`` on, the last until ``stop``."""

    strength: ClassVar[str]
    every: Annotated[Milliseconds | None, Mark(None, 12, -1, unit="ms", grid=1)] = None

    @model_validator(mode="after")
    def _in_time(self) -> Any:
        given = np.asarray(getattr(self, self.strength))
        if self.every is None and given.ndim == 2:
            fix = "give every, the time that each row lasts"
            raise invalid("SAL003", f"shape {given.shape}", "a number or a list without every", fix, at=self.strength)
        if self.every is not None and not len(self.points):
            raise invalid("SAL003", f"shape {given.shape}", "one point at least", "leave it out", at=self.strength)
        return self

    @property
    def points(self) -> FloatArray:
        """The strength, (point, neuron); one column where all neurons have the same, one row if it never changes."""
        given = np.asarray(getattr(self, self.strength), dtype=np.float64)
        return np.atleast_2d(given if given.ndim != 1 or self.every is None else given[:, None])

    def point(self, step: Any, dt: float) -> Any:
        """The number of the point that holds at a step (or at steps) of the session at which it acts."""
        if self.every is None:
            return np.zeros_like(step)
        since = np.asarray(step) - self.steps(dt)[0]
        return np.clip(since // (in_steps(self.every, dt) or 1), 0, len(self.points) - 1)

    def begins(self, dt: float) -> IntArray:
        """The steps at which its points begin, of those that do before it stops."""
        steps = self.steps(dt)[0] + np.arange(len(self.points)) * (in_steps(self.every or dt, dt) or 1)
        return np.asarray(steps[self.acts(steps, dt)])

    def values(self, field: str, size: int) -> FloatArray:
        if field != self.strength or self.every is None:
            return super().values(field, size)
        return np.broadcast_to(self.points, (len(self.points), size))

    def contradictions(self, path: str, size: int, dt: float) -> Iterator[Diagnostic]:
        given = np.shape(getattr(self, self.strength))
        rows, each = (given, ()) if self.every is None else (given[1:], given[:1])
        if rows not in ((), (size,)):
            expected, fix = f"shape {(*each, size)}", "give one for all, or one per neuron"
            yield Diagnostic("SAL003", f"{path}.{self.strength}", f"shape {given}", expected, fix)


class Poisson(Course):
    """Independent Poisson spikes of a Source population at ``rate`` Hz (one number or one per neuron), from ``start``
    until ``stop``. At most one spike per neuron and step: with probability 1 - exp(-rate dt).

    With ``every``, the rate changes in time: ``rate[k]`` (one number, or one per neuron) holds for ``every`` ms from
    ``start + k every`` on, and the last one until ``stop``. A session writes ``stimuli[k].rate``.
    """

    needs: ClassVar[str] = "rate"
    strength: ClassVar[str] = "rate"
    kind: Literal["Poisson"] = "Poisson"
    population: PopulationName
    rate: Annotated[PerPoint, Mark(20.0, 10.0, -1.0, unit="Hz", per="point", settable="declared")]

    @field_validator("rate")
    @classmethod
    def _not_negative(cls, value: float | FloatArray) -> float | FloatArray:
        return refused_where(np.asarray(value) < 0, value, ">= 0", "a rate is never negative", " Hz")

    def steady_drive(self, dt: float) -> float | FloatArray:
        return 0.0 if self.stop is not None else -np.expm1(-self.points.min(axis=0) * dt / 1000.0) / dt

    if TYPE_CHECKING:

        def __init__(
            self,
            population: str,
            rate: Any,
            start: float = ...,
            stop: float | None = ...,
            every: float | None = ...,
            kind: str = ...,
        ) -> None: ...


class SpikeTimes(Stimulus):
    """Forced spikes: ``times[k]`` lists those of neuron k in ms, multiples of dt. A forced spike of any but a Source
    happens whatever its state, and starts a new refractory period. A session writes ``stimuli[k].times``."""

    kind: Literal["SpikeTimes"] = "SpikeTimes"
    population: PopulationName
    times: Annotated[tuple[Vector, ...], Structure(unit="ms", settable="declared", example=((3, 15), (4,)))]

    def values(self, field: str, size: int) -> FloatArray:
        """The times as a session reads them, (neuron, spike): see ``padded``."""
        return padded(self.times)

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

    def contradictions(self, path: str, size: int, dt: float) -> Iterator[Diagnostic]:
        if len(self.times) != size:
            asked, expected = f"{len(self.times)} lists", f"{size}, one per neuron"
            yield Diagnostic("SAL003", f"{path}.times", asked, expected, "an empty list for a neuron without spikes")
        if whole_steps(np.concatenate([np.zeros(0), *self.times]), dt).all():
            return  # thousands of trains are looked at one by one only where one of them is wrong
        for k, train in enumerate(self.times):
            for i in np.flatnonzero(~whole_steps(train, dt))[:1]:
                yield from off_grid(f"{path}.times[{k}][{i}]", float(train[i]), dt, least=0)


def padded(trains: Sequence[FloatArray]) -> FloatArray:
    """Trains of unlike lengths as one array (train, spike), NaN after the last spike of each."""
    lengths = np.array([len(train) for train in trains], dtype=np.int64)
    rows = np.full((len(trains), int(lengths.max(initial=0))), np.nan)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = np.concatenate([*trains, np.zeros(0)])
    return rows


class Clamp(_Windowed):
    """Holds neurons of a GLM population in a state: ``state`` 1 (fires as soon as it is not refractory: z = 1) or 0
    (never fires); one per entry of ``neurons``, None meaning the whole population. Where clamps overlap in time, the
    last one in the network's list holds."""

    needs: ClassVar[str] = "decision"
    kind: Literal["Clamp"] = "Clamp"
    population: PopulationName
    state: Annotated[int | IntArray, ArrayOf((0, 1), np.int64), Mark(1, 0, 2, per="neuron")]
    neurons: Annotated[Indices | None, Structure(index="neuron")] = None

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

    def steady_drive(self, dt: float) -> float | FloatArray:
        return -np.inf

    def neurons_of(self, size: int) -> int:
        return size if self.neurons is None else len(self.neurons)

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


class Current(Course):
    """Adds ``amplitude`` to the bias of a population (its units; one number or one per neuron).

    With ``every``, it changes in time as the rate of a Poisson stimulus does. A session writes
    ``stimuli[k].amplitude``.
    """

    needs: ClassVar[str] = "bias"
    strength: ClassVar[str] = "amplitude"
    kind: Literal["Current"] = "Current"
    population: PopulationName
    amplitude: Annotated[PerPoint, Mark(1.0, 0.5, np.inf, per="point", settable="declared")]

    def steady_drive(self, dt: float) -> float | FloatArray:
        least: FloatArray = self.points.min(axis=0)
        return least if self.stop is None else np.minimum(least, 0.0)

    if TYPE_CHECKING:

        def __init__(
            self,
            population: str,
            amplitude: Any,
            start: float = ...,
            stop: float | None = ...,
            every: float | None = ...,
            kind: str = ...,
        ) -> None: ...


class NoisyCurrent(_Windowed):
    """Adds Gaussian white noise to the bias of a population: ``sd`` (one number or one per neuron) times a
    standard normal number, drawn for each neuron at ``start`` and after each ``every`` ms, each step by default.

    A session with the same seed draws the same numbers on every target. It writes ``stimuli[k].sd``.
    """

    needs: ClassVar[str] = "bias"
    kind: Literal["NoisyCurrent"] = "NoisyCurrent"
    population: PopulationName
    sd: Annotated[PerNeuron, Mark(1.0, 0.5, -1.0, per="neuron", settable="declared")]
    every: Annotated[Milliseconds | None, Mark(None, 12, -1, unit="ms", grid=1)] = None

    @field_validator("sd")
    @classmethod
    def _not_negative(cls, value: float | FloatArray) -> float | FloatArray:
        return refused_where(np.asarray(value) < 0, value, ">= 0", "a standard deviation is never negative")

    def draw(self, step: int, dt: float) -> int:
        """The number of the draw that holds at a step of the session at which it acts."""
        return max(0, step - self.steps(dt)[0]) // (in_steps(self.every or dt, dt) or 1)

    def drawn_after(self, step: int, dt: float) -> int:
        """The first step after ``step`` at which it draws."""
        first, period = self.steps(dt)[0], in_steps(self.every or dt, dt) or 1
        return first if step < first else first + (self.draw(step, dt) + 1) * period

    if TYPE_CHECKING:

        def __init__(
            self,
            population: str,
            sd: Any,
            every: float | None = ...,
            start: float = ...,
            stop: float | None = ...,
            kind: str = ...,
        ) -> None: ...


class Teacher(Stimulus):
    """Nudges a population towards a ``target`` potential: adds ``gain * (target - v)`` to the bias (paper section
    2.4.2), where v is what a ``trace`` of the population says of its potential after the step before: ``bias + gain of
    the input * trace`` for one of ``inputs.NAME``, ``bias + trace`` for one of ``inputs``, the trace itself for one of
    the ``membrane``. A gain of 0 switches it off; a session writes ``stimuli[k].target`` and ``stimuli[k].gain``.

    Args:
        every: work out what is added at the whole multiples of so many ms (and when a session begins, or has written)
            and keep it until the next, as a host does that can only set a bias now and then; None: at every step.
    """

    needs: ClassVar[str] = "bias"
    reads: ClassVar[frozenset[str]] = frozenset({"membrane", "inputs"})
    kind: Literal["Teacher"] = "Teacher"
    population: PopulationName
    trace: TraceName
    target: Annotated[PerNeuron, Mark(1.0, 0.5, np.inf, per="neuron", settable="always")]
    gain: Annotated[PerNeuron, Mark(0.5, 0.25, np.inf, per="neuron", settable="always")]
    every: Annotated[Milliseconds | None, Mark(None, 12, -1, unit="ms", grid=1)] = None
    if TYPE_CHECKING:

        def __init__(
            self, population: str, trace: str, target: Any, gain: Any, every: float | None = ..., kind: str = ...
        ) -> None: ...
