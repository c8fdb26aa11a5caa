"""PSPs on the chip: what each kernel becomes there, how many PSPs may overlap, and what their decay loses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import ceil, exp, expm1

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kernels import Exponential, Kernel, Rectangular
from salhw.description.kinds import ByKind
from salhw_lava.arithmetic import BACKEND

FRACTION = 24  # bits behind the point of an exponential PSP: a second word
DECAY = 15  # bits of the mantissa of its decay


@dataclass(frozen=True)
class Psp(ABC):
    """A PSP of weight 1 on the chip; ``tau`` is its time constant in steps."""

    tau: float

    @abstractmethod
    def of_regular_spikes(self, interval: float) -> float:
        """The largest sum of the PSPs of endless spikes, ``interval`` steps apart."""

    @abstractmethod
    def of_spikes(self, steps: FloatArray) -> float:
        """The largest sum of the PSPs of spikes at these steps, of which there is at least one."""

    @abstractmethod
    def parameters(self, fixed: bool) -> tuple[int, float, int]:
        """(length of a rectangle in steps, or 0; the share that a step keeps, or in fixed point the mantissa of what it
        loses; the shift of that mantissa)."""

    @abstractmethod
    def error(self) -> tuple[float, float] | None:
        """How far fixed point is from the kernel: (a share of the weight, an amount in steps of the weights, from
        rounding up what is lost in each step); None if it is exact."""


class RectangularPsp(Psp):
    """Counted steps, and so exact."""

    def of_regular_spikes(self, interval: float) -> float:
        return ceil(self.tau / interval - 1e-9)

    def of_spikes(self, steps: FloatArray) -> float:
        return float((np.arange(len(steps)) - np.searchsorted(steps, steps - self.tau + 0.5, "right")).max() + 1)

    def parameters(self, fixed: bool) -> tuple[int, float, int]:
        return round(self.tau), 0 if fixed else 1.0, 0

    def error(self) -> None:
        return None


class ExponentialPsp(Psp):
    """A current that loses the same share of itself in every step."""

    def of_regular_spikes(self, interval: float) -> float:
        return 1.0 / (1.0 - exp(-interval / self.tau))

    def of_spikes(self, steps: FloatArray) -> float:
        trace = most = 0.0
        for interval in np.diff(steps, prepend=steps[0]):
            trace = trace * exp(-float(interval) / self.tau) + 1.0
            most = max(most, trace)
        return most

    def decay(self) -> tuple[int, int]:
        """(mantissa, shift) of the share that a step loses: mantissa 2^-shift."""
        share, shift = -expm1(-1.0 / self.tau), DECAY
        while share * 2.0**shift < 2 ** (DECAY - 1):
            shift += 1
        return round(share * 2.0**shift), shift

    def parameters(self, fixed: bool) -> tuple[int, float, int]:
        mantissa, shift = self.decay()
        return 0, mantissa if fixed else float(np.exp(-1.0 / self.tau)), shift

    def error(self) -> tuple[float, float]:
        mantissa, shift = self.decay()
        keep, steps = 1.0 - mantissa * 2.0**-shift, np.array([1.0, *np.geomspace(1.0, 4.0, 13) * max(1.0, self.tau)])
        off = np.abs(keep**steps - np.exp(-steps / self.tau))
        return float(off.max()), 1.0 / (1.0 - exp(-1.0 / self.tau)) * 2.0**-FRACTION


PSPS = ByKind[type[Psp]](BACKEND, {Rectangular: RectangularPsp, Exponential: ExponentialPsp})


def psp(kernel: Kernel, dt: float) -> Psp:
    """What a kernel becomes on the chip, with steps of ``dt`` ms."""
    return PSPS[kernel](kernel.tau_syn / dt)
