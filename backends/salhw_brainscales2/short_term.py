"""Short-term plasticity by the chip's synapse drivers: depression, one setting for a driver's row pair.

A driver makes the pulses of its synapses shorter, the fewer resources are left of its source's spikes. Its utilisation
and its recovery are numbers of 4 bits (haldls, SynapseDriverConfig); what they are worth is not public, and assumed
here: whole sixteenths, and times at equal ratios. Nor is it whether a driver keeps a state for each of its sources, so
each row pair has a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import values
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.short_term import ShortTerm, TsodyksMarkram
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.chip import Chip, vary
from salhw.substrate.target import Target
from salhw_brainscales2.codes import code
from salhw_brainscales2.psp import CHIP

STEPS = 16.0
"""Of utilisation: U is a whole number of sixteenths below 1."""
FASTEST, SLOWEST, CODES = 5.0, 500.0, 15
"""Recovery in ms: CODES + 1 times at equal ratios."""
INTERVALS = np.geomspace(1.0, 1e4, 50)
"""ms between regular spikes at which a setting is compared with another."""


class Depression:
    """Resources that spikes use and that recover, without facilitation."""

    model = "tsodyks2_synapse"

    def __init__(self, described: TsodyksMarkram) -> None:
        self.described = described

    def held(self) -> TsodyksMarkram:
        """What a driver's codes are nearest to."""
        utilisation = np.clip(np.rint(STEPS * self.described.U), 1.0, STEPS - 1.0) / STEPS
        ratio = np.log(SLOWEST / FASTEST) / CODES
        nearest = np.clip(np.rint(np.log(self.described.tau_rec / FASTEST) / ratio), 0.0, CODES)
        recovery = round(FASTEST * float(np.exp(ratio * nearest)), 3)
        return self.described.replace(U=float(utilisation), tau_rec=recovery)

    def __str__(self) -> str:
        return f"U = {number(self.described.U)}, tau_rec = {number(self.described.tau_rec)} ms"

    def regular(self) -> FloatArray:
        """The strengths of spikes at regular INTERVALS, in the long run."""
        kept = np.exp(-INTERVALS / self.described.tau_rec)
        return np.asarray(self.described.U * (1.0 - kept) / (1.0 - (1.0 - self.described.U) * kept))

    def parameters(self, chips: Sequence[Chip], driver: IntArray) -> dict[str, FloatArray]:
        """Those of NEST's synapses, of all synapses of all chips: each has what its ``driver`` makes of it, (S,)."""
        utilisation = np.minimum(vary(chips, "utilisation", self.described.U, driver), 1.0).ravel()
        recovery = vary(chips, "recovery", self.described.tau_rec, driver).ravel()
        return {
            "U": utilisation, "u": utilisation, "x": np.ones_like(utilisation),
            "tau_rec": recovery, "tau_fac": np.zeros_like(recovery),
        }  # fmt: skip


class Resources:
    """What the spikes of sources have left of the resources, (copy, neuron), in steps of ``dt``."""

    def __init__(self, driver: Depression, shape: tuple[int, int], dt: float) -> None:
        self.left, self.share = np.ones(shape), driver.described.U
        self.kept = float(np.exp(-dt / driver.described.tau_rec))

    def strengths(self, spiked: FloatArray | npt.NDArray[np.bool_]) -> FloatArray:
        """How strong the PSPs of this step's spikes are."""
        strong = self.share * self.left * spiked
        self.left = 1.0 - (1.0 - self.left + strong) * self.kept
        return np.asarray(strong)


DRIVERS: ByKind[Callable[[Any], Depression]] = ByKind(CHIP, {TsodyksMarkram: Depression})


def driver(short_term: ShortTerm) -> Depression:
    """What a driver does for a projection.

    Raises:
        UnsupportedNetworkError: SAL101 a kind that it does not know.
    """
    return DRIVERS[short_term](short_term)


def as_held(net: Network, target: Target) -> Network:
    """The network with the short-term plasticity that drivers can be set to; as it is on the ideal target."""
    behind = [p for p in net.projections if p.short_term is not None]
    if target.weight_bits is None or not behind:
        return net
    held = {p.name: driver(p.short_term).held() for p in behind if p.short_term is not None}
    return net.replace(
        projections=[p.replace(short_term=held[p.name]) if p.name in held else p for p in net.projections]
    )


def rounded(net: Network, held: Network) -> Iterator[tuple[str, str, str]]:
    """(path, what was asked, the size) of settings that drivers round."""
    for asked, made in zip(net.projections, held.projections, strict=True):
        if asked.short_term is not None and made.short_term is not None and asked.short_term != made.short_term:
            wanted, has = driver(asked.short_term), driver(made.short_term)
            off = np.abs(has.regular() / wanted.regular() - 1.0).max()
            size = f"codes of 4 bits, {has}: PSPs of regular spikes are off by up to {off:.2g} of themselves"
            yield f"projections.{asked.name}.short_term", str(wanted), size


def several_rows(net: Network, target: Target) -> Iterator[Diagnostic]:
    """Weights of several row pairs would have several drivers, whose resources run out differently."""
    for p in net.projections:
        if p.short_term is not None and (count := target.synapses_per_weight.get(p.name, 1)) > 1:
            supported = "one row pair for each weight behind short-term plasticity"
            reach, held = 63 * code(target.scaled_for(p.name)), values(p.weights, *net.ends(p.name))
            fix = f"bounds within {number(reach)}, and rows_per_weight = 1"
            if np.any(held > reach):
                fix = f"weights <= {number(reach)}"
            elif np.any(held < -reach):
                fix = f"weights >= {number(-reach)}"
            yield Diagnostic("SAL107", f"projections.{p.name}.weights", f"{count} row pairs", supported, fix)
