"""PSPs of the description and the synaptic currents of the chip that stand for them, which all decay exponentially."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from salhw.description.kernels import Exponential, Kernel, Rectangular
from salhw.description.kinds import ByKind

CHIP = "the target brainscales2"
"""Who refuses kinds that it does not know, in errors."""
TAU_SYN = 0.5
"""Time constant of the current that stands for a rectangular PSP, in lengths of the PSP; of a sampling neuron's
synaptic inputs in refractory periods."""


class PSP(ABC):
    """One PSP. ``tau`` (ms) and ``height`` are those of the synaptic current of equal area."""

    tau: float
    height: float

    @abstractmethod
    def __init__(self, kernel: Kernel) -> None: ...

    @abstractmethod
    def described_area(self, dt: float) -> float:
        """The area in ms that the description gives it: constant over each step."""

    @abstractmethod
    def recursion(self, dt: float) -> tuple[float, float, int]:
        """(start, decay, length): each step an input x becomes ``decay x + start s``, where s is the weight of the
        spikes in the step before; what came ``length`` steps earlier ends, unless that is 0."""


class _RectangularPSP(PSP):
    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.tau, self.height = kernel, TAU_SYN * kernel.tau_syn, kernel.height / TAU_SYN

    def described_area(self, dt: float) -> float:
        return self.kernel.tau_syn * self.kernel.height

    def recursion(self, dt: float) -> tuple[float, float, int]:
        return self.kernel.height, 1.0, max(1, round(self.kernel.tau_syn / dt))


class _ExponentialPSP(PSP):
    def __init__(self, kernel: Kernel) -> None:
        self.tau, self.height = kernel.tau_syn, kernel.height

    def described_area(self, dt: float) -> float:
        return self.height * dt / float(np.expm1(dt / self.tau))

    def recursion(self, dt: float) -> tuple[float, float, int]:
        decay = float(np.exp(-dt / self.tau))
        return self.height * decay, decay, 0


PSPS: ByKind[type[PSP]] = ByKind(CHIP, {Rectangular: _RectangularPSP, Exponential: _ExponentialPSP})


def psp(kernel: Kernel) -> PSP:
    """The PSP of a kernel.

    Raises:
        UnsupportedNetworkError: SAL101 a kind that the chip cannot make.
    """
    return PSPS[kernel](kernel)
