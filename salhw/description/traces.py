"""Traces: running averages of what the neurons of a population do, by name, for rules, stimuli and probes to read."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator

from salhw.description.fields import FloatArray, Milliseconds, Model
from salhw.description.grid import in_steps
from salhw.description.kinds import Kind
from salhw.description.markers import QUANTITIES, Mark, PopulationName, Structure, structure
from salhw.description.parts import Name
from salhw.diagnostics.arguments import numbers
from salhw.diagnostics.wording import invalid, shown


class Average(Kind):
    """A running average: how far back it looks."""

    section = "averages"

    @property
    def length(self) -> float:
        """How far back it looks, in ms: twice its mean lag."""
        raise NotImplementedError

    def course(self, values: FloatArray, dt: float) -> FloatArray:
        """The average after each of the first steps of a session, of ``values`` (step, ...) in steps of ``dt`` ms."""
        return self.follow(numbers("values", values), dt)[0]

    def follow(self, values: FloatArray, dt: float, past: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """The average after each of some steps, of ``values`` (step, ...), and what the steps after these need to know
        of the past; ``past`` is what the steps before have left, None at the first step of a session."""
        raise NotImplementedError


class Boxcar(Average):
    """The mean over the last ``duration`` ms; over all steps that there have been, while these are fewer."""

    kind: Literal["Boxcar"] = "Boxcar"
    duration: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms", grid=1)]

    @property
    def length(self) -> float:
        """``duration``."""
        return self.duration

    def follow(self, values: FloatArray, dt: float, past: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """See Average. Of the past it needs the values within ``duration``."""
        steps, before = in_steps(self.duration, dt) or 1, 0 if past is None else len(past)
        array = values if past is None else np.concatenate([past, values])
        total = np.cumsum(array, axis=0)
        total[steps:] = total[steps:] - total[:-steps]
        count = np.minimum(np.arange(1, len(array) + 1), steps)
        average = total / count.reshape(-1, *(1,) * (array.ndim - 1))
        return np.asarray(average[before:]), array[-steps:]


class ExponentialTrace(Average):
    """``y += (x - y) (1 - exp(-dt / tau))`` at every step, which is tau dy/dt = x - y for an x that is constant over
    the step; it begins at the first x."""

    kind: Literal["Exponential"] = "Exponential"
    tau: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms")]

    @property
    def length(self) -> float:
        """Twice ``tau``."""
        return 2.0 * self.tau

    def follow(self, values: FloatArray, dt: float, past: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """See Average. Of the past it needs its own last value."""
        share, average = -np.expm1(-dt / self.tau), np.array(values, dtype=np.float64)
        last = average[:1] if past is None else past
        for step in range(len(average)):
            average[step] = last[0] + (average[step] - last[0]) * share
            last = average[step : step + 1]
        return average, last.copy()


def _known_quantity(value: str) -> str:
    quantity, _, name = value.partition(".")
    if quantity not in QUANTITIES or (name and quantity != "inputs") or value.endswith("."):
        raise invalid("SAL005", shown(value), "'membrane', 'inputs', 'inputs.NAME' or 'spikes'", "choose one of these")
    return value


class Trace(Model):
    """A running average of what each neuron of a population does, called ``name``.

    It moves on at every step with that step's value, after the step's spikes and before its plasticity.

    Args:
        of: ``membrane`` (the potential as a membrane probe reads it), ``inputs.NAME`` (what the projections into a
            named input add up to, before its gain), ``inputs`` (what all projections add to the potential, gains
            included), or ``spikes`` (per ms: 1 / dt at a step with a spike).
        window: the kind of average.
    """

    name: Name
    population: PopulationName
    of: Annotated[str, AfterValidator(_known_quantity), Structure()]
    window: Annotated[Average, Structure()]

    @property
    def quantity(self) -> str:
        """``membrane``, ``inputs`` or ``spikes``."""
        return self.of.partition(".")[0]

    @property
    def input(self) -> str | None:
        """The named input whose projections it is of; None for all, or for what is no input."""
        return self.of.partition(".")[2] or None


def named_traces(item: Model) -> list[str]:
    """The names of the traces that a rule, stimulus or probe reads."""
    return [getattr(item, field) for field, marker in structure(type(item)) if marker.names == "trace"]
