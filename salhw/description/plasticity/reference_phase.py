"""A reference phase: what a rule changes while all weights are silent, which is then subtracted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from salhw.description.fields import Milliseconds, Model
from salhw.description.markers import Structure
from salhw.diagnostics.wording import number


class ReferencePhase(Model):
    """A time before the first run in which all weights of the network are zero. Neurons that nothing couples make
    causal and anti-causal pairs alike, so that what SAL changes then is the error of its sensors; from then on each
    update subtracts it, in proportion to the numbers of spikes of both neurons.

    The phase takes a time of its own: it is in no run and no recording. Of a rule whose branches differ by design, it
    also takes away what the rule makes of uncoupled neurons.

    Args:
        duration: ms that the weights are silent; the noise of what is subtracted falls with its square root. The phase
            ends with an update, the first one that is not earlier.
        every: ms of the session's time after which the phase is repeated, and replaces the one before, as for sensors
            that drift. None for once.
    """

    duration: Annotated[Milliseconds, Structure(unit="ms")]
    every: Annotated[Milliseconds | None, Structure(unit="ms")] = None

    if TYPE_CHECKING:

        def __init__(self, duration: float, every: float | None = ...) -> None: ...

    def __str__(self) -> str:
        return f"{number(self.duration)} ms" + (f" every {number(self.every)} ms" if self.every is not None else "")
