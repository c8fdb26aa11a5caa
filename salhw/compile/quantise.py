"""Round weights to what the target can hold, and say by how much they moved."""

from __future__ import annotations

import numpy as np

from salhw.connectivity import AllToAll, Dense, values
from salhw.diagnostics import Diagnostic
from salhw.network import Network, Projection
from salhw.target import Range, Target


def quantise(net: Network, target: Target) -> tuple[Network, list[Diagnostic]]:
    """Weights on the target's grid: 2**weight_bits levels over its weight range, 0 among them. Unquantised targets
    get the network as it is."""
    weight_range = target.projections.get("weights")
    if target.weight_bits is None or not isinstance(weight_range, Range):
        return net, []
    step = (weight_range.max - weight_range.min) / (2**target.weight_bits - 1)
    rounded = [_round(net, projection, step) for projection in net.projections]
    return net.replace(projections=[p for p, _ in rounded]), [d for _, d in rounded if d is not None]


def _round(net: Network, projection: Projection, step: float) -> tuple[Projection, Diagnostic | None]:
    weights = projection.weights
    if isinstance(weights, AllToAll):
        n_post, n_pre = net.population(projection.post).size, net.population(projection.pre).size
        weights = Dense(values=values(weights, n_post, n_pre, projection.pre == projection.post))
    field = "values" if isinstance(weights, Dense) else "weight"
    exact = np.asarray(getattr(weights, field))
    on_grid = np.rint(exact / step) * step
    error = np.abs(on_grid - exact)
    if not error.size or error.max() <= 1e-12:
        return projection, None
    moved = Diagnostic(
        "SAL301",
        f"projections.{projection.name}.weights",
        f"steps of {step:.3g}",
        f"rounded by at most {error.max():.3g}, {np.sqrt(np.mean(error**2)):.3g} rms",
        severity="approximation",
    )
    return projection.replace(weights=weights.replace(**{field: on_grid})), moved
