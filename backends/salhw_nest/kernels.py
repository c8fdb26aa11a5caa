"""PSPs as NEST makes them: two events begin and end a rectangular one, an exponential one decays by itself; and how
strong they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, exp, expm1
from typing import Any

from salhw.description.grid import in_steps
from salhw.description.kernels import Exponential, Kernel, Rectangular
from salhw.description.kinds import ByKind
from salhw.description.parts import Projection
from salhw.description.short_term import TsodyksMarkram

NEST = "the target nest"


@dataclass(frozen=True)
class PSP:
    """The PSP of one kernel.

    Args:
        name: in words.
        height: when it begins, per unit weight.
        decay: the time constant in ms with which it decays; None where it is constant until it ends.
        duration: ms until it ends; 0 where it only decays.
    """

    name: str
    height: float
    decay: float | None = None
    duration: float = 0.0

    def steps(self, dt: float) -> int:
        """From the event that begins it to the one that ends it; 0 where it only decays."""
        return in_steps(self.duration, dt) or 0

    def first(self, dt: float) -> float:
        """Its value at the first step, per unit weight."""
        return self.height * exp(-dt / self.decay) if self.decay else self.height

    def overlap(self, interval: float) -> float:
        """How many times its height one synapse gives at most, whose spikes are ``interval`` ms apart."""
        return 1.0 / -expm1(-interval / self.decay) if self.decay else float(ceil(self.duration / interval - 1e-9))


def _rectangular(kernel: Kernel) -> PSP:
    return PSP("rectangular", kernel.height, duration=kernel.tau_syn)


def _exponential(kernel: Kernel) -> PSP:
    return PSP("exponential", kernel.height, decay=kernel.tau_syn)


KERNELS: ByKind[Callable[[Kernel], PSP]] = ByKind(NEST, {Rectangular: _rectangular, Exponential: _exponential})


def psp(kernel: Kernel) -> PSP:
    """What a kernel becomes.

    Raises:
        UnsupportedNetworkError: SAL101 NEST has nothing for it.
    """
    return KERNELS[kernel](kernel)


Model = tuple[str, Mapping[str, float]]
"""NEST's name of a synapse, and its parameters."""


def _tsodyks_markram(s: TsodyksMarkram) -> Model:
    return "tsodyks2_synapse", {"U": s.U, "u": s.U, "x": 1.0, "tau_rec": s.tau_rec, "tau_fac": s.tau_facil}


SHORT_TERM: ByKind[Callable[[Any], Model]] = ByKind(NEST, {TsodyksMarkram: _tsodyks_markram})


def unlearning(p: Projection) -> Model:
    """The synapses of a projection that NEST itself does not let learn.

    Raises:
        UnsupportedNetworkError: SAL101 NEST has nothing for its short-term plasticity.
    """
    return ("static_synapse", {}) if p.short_term is None else SHORT_TERM[p.short_term](p.short_term)
