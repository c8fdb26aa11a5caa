"""PSP kernels: what one spike does to the postsynaptic input, as a function of the time since it arrived."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from salhw.description.fields import FloatArray, Milliseconds
from salhw.description.kinds import Kind
from salhw.description.markers import Mark
from salhw.diagnostics.arguments import numbers, whole, wrong
from salhw.diagnostics.wording import shown

Superposition = Literal["sum", "last"]
TAU_SYN = Mark(10, 12, -1, unit="ms")


class Kernel(Kind):
    """A PSP kernel.

    Args:
        tau_syn: time constant in ms.
        area: integral in ms; ``tau_syn`` by default. Eq 6's alpha kernel has ``area=tau_ref``.
        superposition: ``sum``: overlapping PSPs of one synapse add up (Eq 1); ``last``: a new spike replaces the PSP of
            the one before ("renewing" synapses, and the Markov chain of section 4.2.1).
    """

    section = "kernels"
    tau_syn: Annotated[Milliseconds, TAU_SYN] = 10.0
    area: Annotated[Milliseconds | None, Mark(None, 5, -1, unit="ms")] = None
    superposition: Annotated[Superposition, Mark("sum", "last", "first", nearness=("sum", "last"))] = "sum"

    @property
    def height(self) -> float:
        """area / tau_syn: the factor on the kernel whose area is tau_syn."""
        return (self.tau_syn if self.area is None else self.area) / self.tau_syn

    def shape(self, s: FloatArray) -> FloatArray:
        """kappa(s) at s > 0 ms after the spike (plus delay); dimensionless."""
        raise NotImplementedError

    def sample(self, dt: float, steps: int) -> FloatArray:
        """kappa(dt), kappa(2 dt), ...: entry m is what a spike at step t adds per unit weight to the input at step
        t + 1 + m (plus delay)."""
        whole("steps", steps, 0, 2**40)
        if numbers("dt", dt).ndim or not 0.0 < dt < np.inf:
            raise wrong("dt", shown(dt), "a number of ms", "give one number")
        return self.shape(np.arange(1, steps + 1, dtype=np.float64) * dt)


class Rectangular(Kernel):
    """1 for exactly tau_syn (paper Eq 9), which is a whole number of steps."""

    kind: Literal["Rectangular"] = "Rectangular"
    tau_syn: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms", grid=1)] = 10.0

    def shape(self, s: FloatArray) -> FloatArray:
        return np.where(numbers("s", s) < self.tau_syn * (1 + 1e-9), self.height, 0.0)


class Exponential(Kernel):
    """exp(-s / tau_syn)."""

    kind: Literal["Exponential"] = "Exponential"

    def shape(self, s: FloatArray) -> FloatArray:
        return self.height * np.exp(-numbers("s", s) / self.tau_syn)


class Alpha(Kernel):
    """(s / tau_syn) exp(-s / tau_syn) (paper Eq 6 for area=tau_ref)."""

    kind: Literal["Alpha"] = "Alpha"

    def shape(self, s: FloatArray) -> FloatArray:
        age = numbers("s", s) / self.tau_syn
        return self.height * age * np.exp(-age)
