"""Round weights to what the target can hold, and say by how much they moved."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target


def quantise(net: Network, target: Target) -> tuple[Network, list[Diagnostic]]:
    """Weights on the target's grid, and within the bounds of their rules; a finding per projection that moved, with the
    largest and the rms error over its synapses, or an error where no weight of the grid is within the bounds.
    Unquantised targets get the network as it is."""
    if target.weight_bits is None or not isinstance(target.projections.get("weights"), Range):
        return net, []
    rounded = [
        _round(net, projection, *weight_levels(target.scaled_for(projection.name))) for projection in net.projections
    ]
    findings = [finding for _, finding in rounded if finding is not None]
    return (net.replace(projections=tuple(p for p, _ in rounded)) if findings else net), findings


def levels(weight_range: Range, bits: int) -> tuple[float, int, int]:
    """(step, lowest, highest): the weights that the target holds are step times the whole numbers from lowest to
    highest. At most 2**bits of them, zero among them, none outside the range.

    A range that is symmetric about zero has 2**bits - 1 levels, so that both its ends are levels (sign and magnitude);
    others have 2**bits, so that [0, 63] and [-128, 127] are stepped by 1.
    """
    symmetric = weight_range.min == -weight_range.max
    step = (weight_range.max - weight_range.min) / (2**bits - (2 if symmetric else 1))
    return step, ceil(weight_range.min / step - 1e-9), floor(weight_range.max / step + 1e-9)


def weight_levels(target: Target, bits: int | None = None) -> tuple[float, int, int]:
    """(step, lowest, highest) of the weights that a target with a range of them holds, as ``levels`` has them; ``bits``
    where it declares none. The synapses that a weight may take together hold the sums of their levels."""
    limits, count = target.projections["weights"], target.max_synapses_per_weight
    assert isinstance(limits, Range)
    bits = target.weight_bits or bits
    assert bits is not None
    step, low, high = levels(Range(min=limits.min / count, max=limits.max / count), bits)
    return step, count * low, count * high


def _round(
    net: Network, projection: Projection, step: float, low: int, high: int
) -> tuple[Projection, Diagnostic | None]:
    weights = projection.weights
    least, most = narrowest_bounds(projection.plasticity)
    if np.isfinite(least):
        low, high = max(low, ceil(least / step - 1e-9)), min(high, floor(most / step + 1e-9))
    if low > high:
        path, asked = f"projections.{projection.name}.plasticity.bounds", f"{number(least)}..{number(most)}"
        supported = f"bounds with a multiple of {step:.3g} between them"
        return projection, Diagnostic("SAL104", path, asked, supported, "widen the bounds")
    exact = np.asarray(weights.stored)
    on_grid = np.clip(np.rint(exact / step), low, high) * step + 0.0  # + 0.0, or small negative weights become -0.0
    within = np.clip(on_grid, least, most)  # which a multiple of a step may miss by rounding
    moved = weights.synaptic(within, projection.recurrent)
    error = np.abs(moved - exact)
    synapses = count(weights, *net.ends(projection.name))
    if not synapses or error.max() <= 1e-12:
        return projection, None
    rms = np.sqrt(np.sum(error**2) / (synapses if error.ndim else 1))  # a single number stands for all synapses
    finding = Diagnostic(
        "SAL301",
        f"projections.{projection.name}.weights",
        f"steps of {step:.3g}",
        f"rounded by at most {error.max():.3g}, {rms:.3g} rms",
        "scale the weights onto the steps, or accept it",
        severity="approximation",
    )
    return projection.replace(weights=weights.with_weights(moved)), finding
