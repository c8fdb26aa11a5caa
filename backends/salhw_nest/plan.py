"""What a network becomes in NEST: cells and synapses as plain data, on a grid of ticks.

A plan is built without NEST, travels to the process in which NEST runs, and is what an exported script spells out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray

Steps = int | IntArray
"""A number of steps or ticks: one for all synapses of a projection, or one for each."""
Values = Mapping[str, Any]
"""NEST's names -> one number, or one per node or connection; ``spike_ticks`` of generators: an array per node."""


@dataclass(frozen=True)
class Cells:
    """Nodes of one NEST model, as a PyNN population.

    Args:
        name: the population's, or the relay's (``neurons_after_2``).
        model: NEST's name.
        parameters: as they are created, silent; one value or one per node.
        active: what is set when the lead-in is over.
    """

    name: str
    model: str
    size: int
    parameters: Values
    active: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Synapses:
    """Connections ``pre[k]`` -> ``post[k]`` with ``weight[k]`` in NEST's units, delayed by ``delay`` ticks, one number
    for all or one for each.

    ``parameters`` are those of NEST's ``model``, one number or one per connection. ``tau_minus`` is the postsynaptic
    cells'; synapses without it do not learn.
    """

    name: str
    source: str
    target: str
    pre: IntArray
    post: IntArray
    weight: FloatArray
    delay: Steps
    model: str = "static_synapse"
    parameters: Values = field(default_factory=dict)
    tau_minus: float | None = None

    @property
    def shortest(self) -> int:
        """The shortest delay in ticks, of connections that there are."""
        return int(np.min(self.delay))

    @property
    def longest(self) -> int:
        """The longest delay in ticks."""
        return int(np.max(self.delay, initial=1))


@dataclass(frozen=True)
class Meter:
    """What is sampled of cells, every so many steps: NEST's names of it, at the tick at which the step is decided, or
    ``early`` ticks before. At the end of a run the cells are asked for what is ``last``, if the meter is not early."""

    name: str
    cells: str
    every: int
    quantities: tuple[str, ...] = ("V_m",)
    early: int = 0
    last: tuple[str, ...] = ("V_m",)


@dataclass(frozen=True)
class Grid:
    """NEST's time in the description's steps.

    Args:
        tick: NEST's resolution in ms; ``per_step`` ticks make a step of the description.
        lead_in: ticks before step 0, in which nothing spikes: step t is NEST's tick lead_in + per_step (t + 1).
        min_delay: in ticks; NEST exchanges spikes at its whole multiples.
    """

    tick: float
    per_step: int
    lead_in: int
    min_delay: int

    def stamp(self, step: IntArray | int) -> Any:
        """NEST's tick of a step."""
        return self.lead_in + self.per_step * (step + 1)

    def before(self, step: int) -> float:
        """When a generator has to begin, in NEST's ms, whose spikes at a step take the shortest delay to arrive. NEST
        has it begin a tick after the time that it is given."""
        return (self.lead_in + self.per_step * step - self.min_delay - 1) * self.tick

    def delivered(self, stamp: IntArray, steps: int) -> Any:
        """Whether spikes of these ticks have reached the synapses when ``steps`` steps are over: those of NEST's last
        exchange interval wait for the next."""
        now = self.lead_in + self.per_step * steps
        return ((stamp - 1) // self.min_delay + 1) * self.min_delay < now


@dataclass(frozen=True)
class Plan(Grid):
    """A whole NEST network.

    Args:
        recorded: cells whose spikes are recorded.
        meters: what is sampled of cells.
    """

    max_delay: int
    cells: tuple[Cells, ...]
    synapses: tuple[Synapses, ...]
    recorded: tuple[str, ...]
    meters: tuple[Meter, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Dictionaries, lists, numbers and arrays."""
        return vars(self) | {
            "cells": [vars(c) for c in self.cells],
            "synapses": [vars(s) for s in self.synapses],
            "recorded": [*self.recorded],
            "meters": [vars(m) | {"quantities": [*m.quantities]} for m in self.meters],
        }


def tiled(values: FloatArray | float, size: int, instances: int) -> FloatArray:
    """Values of one instance, or one for all of its ``size`` places -> of all instances."""
    return np.tile(np.broadcast_to(np.asarray(values, dtype=np.float64), (size,)), instances)
