"""What all neuron models have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from salhw.description.fields import FloatArray, Number
from salhw.description.kinds import Kind
from salhw.description.markers import Mark, marks
from salhw.diagnostics import LENGTH

InputName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=LENGTH)]
Inputs = Annotated[dict[InputName, Number], Mark({}, {"apical": 0.5}, 3, per="input", settable="always")]
"""Named groups of projections onto a population (dendrites), each with a gain: what its synapses add up to is
multiplied by it. Projections that go into no group have the gain 1."""

SYNAPTIC = frozenset({"inputs", "conductance"})
"""What synapses add up to, which a Variable probe sees of any neuron that has it."""


class Neuron(Kind):
    """A neuron model: a class of this group, with its parameters as marked fields.

    Raises:
        TypeError: when a class is made that offers ``state``, and does not define ``refractory_periods``; or with a
            variable whose name is taken.
    """

    section = "neurons"
    offers: ClassVar[frozenset[str]] = frozenset({"spikes"})
    """What stimuli can act on and probes can see, as their ``needs`` name it: ``spikes`` (of every model), ``membrane``
    (a potential), ``state`` (a refractory state z), ``bias`` (an input that adds to it), ``decision`` (a random choice
    whether to spike, which can be clamped), ``conductance`` (a leak, beside which synapses can be others), ``rate``
    (spikes only as a stimulus says)."""

    variables: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a Variable probe can see of it beside its membrane and what synapses add up to: the name of each number that
    it remembers from step to step, with its unit."""

    longest_dt: ClassVar[float] = np.inf
    """The longest time step in ms that its equations are meant to be integrated with."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        if taken := sorted(SYNAPTIC & cls.variables.keys()):
            raise TypeError(f"{cls.__name__}: variables called {', '.join(taken)}, which synapses add up to")
        if "state" in cls.offers and cls.refractory_periods is Neuron.refractory_periods:
            raise TypeError(f"{cls.__name__}: neurons that offer 'state' define refractory_periods, how long it lasts")

    @property
    def refractory_periods(self) -> float | FloatArray | None:
        """The absolute refractory period in ms, one number or one per neuron; None for models without one."""
        return None

    @property
    def refractory_period(self) -> float | None:
        """The shortest of ``refractory_periods``."""
        periods = self.refractory_periods
        return None if periods is None else float(np.min(periods))

    @property
    def input_gains(self) -> Mapping[str, float]:
        """The gain of each named input; none for models without a field that is marked ``per="input"``."""
        tables = [getattr(self, name) for name, mark in marks(type(self)) if mark.per == "input"]
        return {name: gain for table in tables for name, gain in table.items()}

    def steady_rate(self, drive: FloatArray, dt: float) -> FloatArray:
        """Spikes per ms under a constant ``drive`` (that of its stimuli, beside the bias) and no synaptic input, for
        estimates of how much a run records; 0 where nobody knows."""
        return np.zeros_like(drive)

    def moved_before(self, field: str, low: float, high: float) -> str:
        """What has to change before ``field`` can be moved into ``low``..``high``, as a fix says it; empty if nothing
        has."""
        return ""
