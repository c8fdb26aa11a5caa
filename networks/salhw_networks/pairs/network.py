"""Two reciprocally connected neurons (paper Fig 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from salhw import GLM, SAL, Network, Population, Projection, Rectangular, Spikes, Weights
from salhw.description.kernels import Kernel
from salhw.description.plasticity import Pairing


def network(
    weights: Sequence[float] = (1.5, 0.5),
    bias: Sequence[float] = (-0.5, -0.2),
    learning_rate: float | Sequence[Sequence[float]] = 5e-4,
    tau_ref: float = 10.0,
    dt: float = 0.4,
    update: str = "spike",
    sample: float | None = None,
    spikes: bool = True,
    kernel: Kernel | None = None,
    pairing: Pairing = "nearest_restricted",
    execution: Literal["chip", "host"] = "chip",
) -> Network:
    """A pair with two-sided SAL; the defaults are Fig 2d's.

    Args:
        weights: (W from neuron 1 to 0, W from neuron 0 to 1).
        bias: of the two neurons.
        learning_rate: per spike pair; a matrix [post, pre] makes it differ (0 switches one side off). Fig 2d's eta of
            .03 for an update after T = 1500 steps, averaged over its T / tau_ref = 60 refractory periods, is
            .03 / 60 = 5e-4 per pair.
        sample: record the weights every so many ms.
        spikes: record every spike.
        kernel: the PSP; by default rectangular and tau_ref long.
        pairing: which spike pairs SAL sees.
        execution: ``host`` lets a target without such a rule work it out outside.
    """
    probes = ([Spikes("neurons")] if spikes else []) + ([Weights("pair", every=sample)] if sample else [])
    return Network(
        name="pair",
        dt=dt,
        populations=[Population(name="neurons", size=2, neuron=GLM(bias=bias, tau_ref=tau_ref))],
        projections=[
            Projection(
                name="pair",
                pre="neurons",
                post="neurons",
                weights=[[0.0, weights[0]], [weights[1], 0.0]],
                kernel=kernel or Rectangular(tau_syn=tau_ref),
                plasticity=SAL(
                    learning_rate=learning_rate, tau=tau_ref, update=update, pairing=pairing, execution=execution
                ),
            )
        ],
        probes=probes,
    )
