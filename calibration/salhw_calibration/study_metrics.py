"""Metrics of studies that measure what synapses really do. The core finds them by entry point."""

from __future__ import annotations

import numpy as np

from salhw.comparison.measures import reciprocal
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.study.metrics import Finished, paired_projection
from salhw_calibration.effective import effective_weights


def effective_asymmetry(
    finished: Finished,
    duration: float = 100_000.0,
    method: str = "likelihood",
    projection: str | None = None,
    relative: bool = False,
) -> FloatArray:
    """Mean |W_ij - W_ji| over reciprocal synapses of effective weights, measured from spikes at the end; dimensionless.

    Its standard error is part of it: of weights that are equal it measures the mean absolute error.

    Args:
        duration: ms of biological time of the measurement.
        method: one of ``salhw_calibration.METHODS``.
        relative: over the mean absolute weight of each pair.
    """
    exe = finished.executable
    net = exe.source
    name = paired_projection(net, projection)
    measured = effective_weights(
        exe, chips=finished.chips, duration=duration, seed=finished.seed ^ 1, method=method, weights=finished.session
    ).weights[name]
    post, pre, place = synapses(net.projection(name).weights, *net.ends(name))
    first, second = reciprocal(post, pre)
    weights = measured.reshape(len(finished.chips), -1)[:, place]
    apart = np.abs(weights[:, first] - weights[:, second])
    if relative:
        apart = apart / (0.5 * np.abs(weights[:, first]) + 0.5 * np.abs(weights[:, second]))
    return np.asarray(apart.mean(axis=1))
