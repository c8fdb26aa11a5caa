"""The phase of each method: a session in which feedback weights learn, update by update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

from salhw.description.fields import FloatArray
from salhw_networks.deep.discontinuity import DiscontinuityPhase
from salhw_networks.deep.network import Chain
from salhw_networks.deep.phase import Offset, Setting, SpikingPhase
from salhw_networks.deep.rdd import RDD


class Phase(Protocol):
    """What SpikingPhase and DiscontinuityPhase have in common. ``spikes`` and ``time`` (ms, one replica after the
    other) count what has been run."""

    chain: Chain
    setting: Setting
    spikes: int
    time: float

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: Any) -> None: ...
    def change(self, feedback: Sequence[FloatArray], eta: Sequence[float]) -> list[FloatArray]:
        """By how much one update changes feedback weights that are ``feedback``, with the rate ``eta`` of each layer,
        (n of layer l, n of layer l + 1) each."""
        ...

    def limited(self, feedback: Sequence[FloatArray]) -> list[FloatArray]:
        """Feedback weights within the target's range."""
        ...


def opened(chain: Chain, setting: Setting, *, offset: Offset | None = None, **where: Any) -> Phase:
    """The phase of the setting's method; ``where``: target, seed, chips and calibration."""
    if isinstance(setting.method, RDD):
        return DiscontinuityPhase(setting.method, chain, setting, **where)
    return SpikingPhase(chain, setting, offset=offset, **where)
