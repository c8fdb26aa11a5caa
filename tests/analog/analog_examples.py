"""Networks and targets for the tests of the analog chip."""

from __future__ import annotations

from typing import Any

import numpy as np

import salhw
from salhw import GLM, SAL, Exponential, Network, PairSTDP, Population, Projection, Rectangular, Spikes
from salhw.description.connectivity import Sparse

CHIP = salhw.target("brainscales2")
QUIET = CHIP.with_noise(mismatch=False, trial=False, plasticity=False)
"""Without noise, with the chip's bits."""
IDEAL = CHIP.ideal()
RATE = 0.05 * 0.04 * 2.0  # .05 codes per LSB, 2 LSB per pair
DEFAULT: Any = object()


def pairs(
    weights: Any,
    *,
    bias: Any = 0.0,
    dt: float = 1.0,
    rule: PairSTDP | None = DEFAULT,
    kernel: Any = None,
    **neuron: Any,
) -> Network:
    """Neurons 2 k and 2 k + 1 connected to each other; ``weights[k]`` is onto neuron k."""
    w = np.asarray(weights, dtype=np.float64)
    post = np.arange(len(w))
    rule = SAL(RATE, update="every 200 ms") if rule is DEFAULT else rule
    return Network(
        name="pairs", dt=dt,
        populations=[Population(name="n", size=len(w), neuron=GLM(bias=bias, tau_ref=10.0, **neuron))],
        projections=[Projection(name="p", pre="n", post="n", weights=Sparse(post=post, pre=post ^ 1, weight=w),
                                kernel=kernel or Rectangular(tau_syn=10.0), plasticity=rule)],
        probes=[Spikes("n")],
    )  # fmt: skip


def exponential(tau: float = 5.0) -> Exponential:
    return Exponential(tau_syn=tau)
