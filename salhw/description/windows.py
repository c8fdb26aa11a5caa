"""The windows of spike-pair rules: how much a pair counts, by the time between its spikes."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from salhw.description.fields import FloatArray, Model, PerSynapse
from salhw.description.neurons import Milliseconds
from salhw.diagnostics.arguments import numbers


class ExponentialWindow(Model):
    """``amplitude * exp(-|dt| / tau)``; tau in ms, amplitude signed, one number or one per synapse."""

    kind: Literal["Exponential"] = "Exponential"
    amplitude: PerSynapse = 1.0
    tau: Milliseconds

    def shape(self, lag: FloatArray) -> FloatArray:
        """The window without its amplitude at lags |dt| in ms."""
        return np.exp(-numbers("lag", lag) / self.tau)


class TriangularWindow(Model):
    """``amplitude * max(0, 1 - |dt| / tau)``; tau in ms, amplitude signed, one number or one per synapse."""

    kind: Literal["Triangular"] = "Triangular"
    amplitude: PerSynapse = 1.0
    tau: Milliseconds

    def shape(self, lag: FloatArray) -> FloatArray:
        """The window without its amplitude at lags |dt| in ms."""
        return np.maximum(0.0, 1.0 - numbers("lag", lag) / self.tau)


Window = Annotated[ExponentialWindow | TriangularWindow, Field(discriminator="kind")]
