"""What compiling makes of a network: plain data, which executables, calibrations and placements speak about."""

from __future__ import annotations

from dataclasses import dataclass

from salhw.description.network import Network
from salhw.session.placement import Placement
from salhw.substrate.target import Target


@dataclass(frozen=True)
class Compiled:
    """A network lowered to one target: ``network`` is the lowered one, ``source`` the description as given."""

    network: Network
    source: Network
    target: Target
    placement: Placement
