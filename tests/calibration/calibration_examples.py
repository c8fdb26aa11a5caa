"""Networks to measure, with known weights, and the statistics of what was found."""

from __future__ import annotations

from typing import Any

import numpy as np

import salhw
from salhw import GLM, Network, Population, Projection, Rectangular
from salhw.description.fields import FloatArray
from salhw_calibration import EffectiveWeights


def recurrent(size: int = 6, *, seed: int = 1, sd: float = 0.7, bias: Any = None, **options: Any) -> Network:
    """GLM neurons, all to all, with normal weights; 1 ms steps."""
    random = np.random.default_rng(seed)
    weights = random.normal(0.0, sd, (size, size))
    np.fill_diagonal(weights, 0.0)
    neuron = GLM(
        bias=random.uniform(-1.0, 0.5, size) if bias is None else bias,
        discretisation=options.pop("discretisation", "logistic"),
    )
    return Network(
        name="recurrent",
        dt=1.0,
        populations=[Population(name="a", size=size, neuron=neuron)],
        projections=[
            Projection(
                name="p",
                pre="a",
                post="a",
                weights=weights,
                kernel=options.pop("kernel", Rectangular(tau_syn=10.0)),
                delay=options.pop("delay", 0.0),
                plasticity=options.pop("plasticity", ()),
            )
        ],
        **options,
    )


def compiled(net: Network, target: Any = "reference") -> salhw.Executable:
    return salhw.compile(net, target)


def errors_of(measured: EffectiveWeights, truth: FloatArray, projection: str = "p") -> tuple[FloatArray, FloatArray]:
    """(estimate - truth) and the standard errors of all synapses that were estimated, flat."""
    weights, errors = measured.weights[projection], measured.standard_errors[projection]
    known = np.isfinite(weights)
    return (weights - truth)[known], errors[known]


def coverage(deviation: FloatArray, error: FloatArray, z: float = 1.959964) -> float:
    """The share of 95 % intervals that hold the truth."""
    return float(np.mean(np.abs(deviation) < z * error))
