"""Probes in NEST: a Membrane probe is a meter; the others see what every session returns."""

from __future__ import annotations

from collections.abc import Callable

from salhw.description.grid import in_steps
from salhw.description.kinds import ByKind, of_kind
from salhw.description.network import Network
from salhw.description.probes import Membrane, Probe, Rates, Spikes, StateOccupancy, Weights
from salhw_nest.kernels import NEST


def _unmetered(probe: Probe, dt: float) -> int:
    return 0


def _membrane(probe: Probe, dt: float) -> int:
    return in_steps(of_kind(probe, Membrane, NEST).every or dt, dt) or 1


PROBES: ByKind[Callable[[Probe, float], int]] = ByKind(
    NEST, {Spikes: _unmetered, Rates: _unmetered, Membrane: _membrane, Weights: _unmetered, StateOccupancy: _unmetered}
)
"""The steps between two samples of the potential; 0 for probes that take none."""


def sampled(net: Network) -> dict[str, int]:
    """The populations whose potential is sampled, with the steps between two samples."""
    return {probe.about: every for probe in net.probes if (every := PROBES[probe](probe, net.dt))}
