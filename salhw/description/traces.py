"""Traces: running averages of what the neurons of a population do, by name, for rules, stimuli and probes to read."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator

from salhw.description.fields import FloatArray, Milliseconds, Model
from salhw.description.grid import in_steps
from salhw.description.kinds import Kind
from salhw.description.markers import QUANTITIES, Mark, PopulationName, Structure
from salhw.description.parts import Name
from salhw.diagnostics.arguments import numbers
from salhw.diagnostics.wording import invalid, shown


class Average(Kind):
    """A running average: how far back it looks."""

    section = "averages"

    def course(self, values: FloatArray, dt: float) -> FloatArray:
        """The average after each of the first steps of a session, of ``values`` (step, ...) in steps of ``dt`` ms."""
        raise NotImplementedError


class Boxcar(Average):
    """The mean over the last ``duration`` ms; over all steps that there have been, while these are fewer."""

    kind: Literal["Boxcar"] = "Boxcar"
    duration: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms", grid=1)]

    def course(self, values: FloatArray, dt: float) -> FloatArray:
        array, steps = numbers("values", values), in_steps(self.duration, dt) or 1
        total = np.cumsum(array, axis=0)
        total[steps:] = total[steps:] - total[:-steps]
        count = np.minimum(np.arange(1, len(array) + 1), steps)
        return np.asarray(total / count.reshape(-1, *(1,) * (array.ndim - 1)))


class ExponentialTrace(Average):
    """``y += (x - y) (1 - exp(-dt / tau))`` at every step, which is tau dy/dt = x - y for an x that is constant over
    the step; it begins at the first x."""

    kind: Literal["Exponential"] = "Exponential"
    tau: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms")]

    def course(self, values: FloatArray, dt: float) -> FloatArray:
        array, share = np.array(numbers("values", values)), -np.expm1(-dt / self.tau)
        for step in range(1, len(array)):
            array[step] = array[step - 1] + (array[step] - array[step - 1]) * share
        return array


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
