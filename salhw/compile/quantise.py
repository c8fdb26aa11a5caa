"""Round weights to what the target can hold, and say by how much they moved."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from salhw.connectivity import Dense, count
from salhw.diagnostics import Diagnostic
from salhw.network import Network, Projection
from salhw.target import Range, Target


def quantise(net: Network, target: Target) -> tuple[Network, list[Diagnostic]]:
    """Weights on the target's grid; a finding per projection that moved, with the largest and the rms error over its
    synapses. Unquantised targets get the network as it is."""
    if target.weight_bits is None or not isinstance(target.projections.get("weights"), Range):
        return net, []
    rounded = [_round(net, projection, *_levels_on(target, projection.name)) for projection in net.projections]
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


def _levels_on(target: Target, projection: str) -> tuple[float, int, int]:
    weight_range = target.on(projection).projections["weights"]
    assert isinstance(weight_range, Range)
    assert target.weight_bits is not None
    return levels(weight_range, target.weight_bits)


def _round(
    net: Network, projection: Projection, step: float, low: int, high: int
) -> tuple[Projection, Diagnostic | None]:
    weights = projection.weights
    field = "values" if isinstance(weights, Dense) else "weight"
    exact = np.asarray(getattr(weights, field))
    on_grid = np.clip(np.rint(exact / step), low, high) * step + 0.0  # + 0.0, or small negative weights become -0.0
    if isinstance(weights, Dense) and projection.pre == projection.post:
        np.fill_diagonal(on_grid, 0.0)  # holds no synapses
    error = np.abs(on_grid - exact)
    synapses = count(weights, *net.ends(projection.name))
    if not synapses or error.max() <= 1e-12:
        return projection, None
    rms = np.sqrt(np.sum(error**2) / (synapses if error.ndim else 1))  # a single number stands for all synapses
    moved = Diagnostic(
        "SAL301",
        f"projections.{projection.name}.weights",
        f"steps of {step:.3g}",
        f"rounded by at most {error.max():.3g}, {rms:.3g} rms",
        "scale the weights onto the steps, or accept it",
        severity="approximation",
    )
    new = weights.replace(**{field: on_grid if on_grid.ndim else float(on_grid)})
    return projection.replace(weights=new), moved
