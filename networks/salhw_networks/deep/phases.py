"""The phase of each method."""

from __future__ import annotations

from typing import Any

from salhw_networks.deep.discontinuity import DiscontinuityPhase
from salhw_networks.deep.network import Chain
from salhw_networks.deep.phase import Offset, Phase, Setting, SpikingPhase
from salhw_networks.deep.rdd import RDD


def opened(chain: Chain, setting: Setting, *, offset: Offset | None = None, **where: Any) -> Phase:
    """The phase of the setting's method; ``where``: target, seed, chips and calibration."""
    if isinstance(setting.method, RDD):
        return DiscontinuityPhase(setting.method, chain, setting, **where)
    return SpikingPhase(chain, setting, offset=offset, **where)
