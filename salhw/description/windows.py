"""The windows of spike-pair rules: how much a pair counts, by the time between its spikes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from salhw.description.fields import FloatArray, Milliseconds, PerSynapse
from salhw.description.kinds import Kind
from salhw.description.markers import Mark
from salhw.diagnostics.arguments import numbers

AMPLITUDE = Mark(1.0, 0.5, np.inf, per="synapse", settable="declared")
TAU = Mark(10, 12, -1, unit="ms")


class Window(Kind):
    """A window: how much a pair of spikes counts, ``amplitude * shape(|dt|)``, with a time constant ``tau`` in ms. The
    amplitude is signed, one number or one per synapse."""

    section = "windows"
    common = ("amplitude", "tau")
    memoryless: ClassVar[bool] = False
    """Whether the shape at a sum of two lags is the product of its values at both: the pairs of a spike with all
    earlier ones then follow from one trace."""

    if TYPE_CHECKING:
        amplitude: float | FloatArray
        tau: float

    @property
    def extent(self) -> float:
        """The lag in ms from which on no pair counts; infinite for windows that only fade."""
        return np.inf

    def shape(self, lag: FloatArray) -> FloatArray:
        """The window without its amplitude at lags |dt| in ms."""
        raise NotImplementedError


class ExponentialWindow(Window):
    """``amplitude * exp(-|dt| / tau)``; tau in ms, amplitude signed, one number or one per synapse."""

    memoryless: ClassVar[bool] = True
    kind: Literal["Exponential"] = "Exponential"
    amplitude: Annotated[PerSynapse, AMPLITUDE] = 1.0
    tau: Annotated[Milliseconds, TAU]

    def shape(self, lag: FloatArray) -> FloatArray:
        return np.exp(-numbers("lag", lag) / self.tau)


class TriangularWindow(Window):
    """``amplitude * max(0, 1 - |dt| / tau)``; tau in ms, amplitude signed, one number or one per synapse."""

    kind: Literal["Triangular"] = "Triangular"
    amplitude: Annotated[PerSynapse, AMPLITUDE] = 1.0
    tau: Annotated[Milliseconds, TAU]

    @property
    def extent(self) -> float:
        return self.tau

    def shape(self, lag: FloatArray) -> FloatArray:
        return np.maximum(0.0, 1.0 - numbers("lag", lag) / self.tau)
