"""Probes in NEST: Membrane and Variable probes are meters; the others see what every session returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from salhw.description.grid import in_steps
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.probes import (
    Membrane,
    Probe,
    Rates,
    Spikes,
    StateOccupancy,
    SynapseVariable,
    Variable,
    Weights,
    sampling,
)
from salhw_nest.kernels import NEST


def _unmetered(probe: Probe, dt: float) -> int:
    return 0


def _metered(probe: Membrane | Variable, dt: float) -> int:
    return in_steps(probe.every or dt, dt) or 1


PROBES: ByKind[Callable[[Any, float], int]] = ByKind(
    NEST,
    {
        Spikes: _unmetered, Rates: _unmetered, Membrane: _metered, Variable: _metered, Weights: _unmetered,
        StateOccupancy: _unmetered, SynapseVariable: _unmetered,
    },
)  # fmt: skip
"""The steps between two samples of cells; 0 for probes that take none."""


def metered(net: Network) -> list[tuple[Membrane | Variable, int]]:
    """The probes that sample cells, with the steps between two samples."""
    return [(probe, PROBES[probe](probe, net.dt)) for probe in sampling(net.probes)]


def sampled(net: Network) -> set[str]:
    """The populations whose potential is sampled, or what their synapses add up to."""
    own = {p.name: p.neuron.variables for p in net.populations}
    every = sampling(net.probes)
    return {probe.population for probe in every if getattr(probe, "of", "") not in own[probe.population]}
