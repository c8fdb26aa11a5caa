"""Two excitatory neurons that inhibit each other through interneurons: Dale's law (paper sections 2.5, 4.6, Fig 9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw import GLM, SAL, Network, OneToOne, Population, Projection, Rectangular, Sparse
from salhw.description.fields import FloatArray

INTO, FROM = (0, 1), (1, 0)  # synapse 0 ends at neuron 0 and comes from 1


def network(
    excitation: Sequence[float] = (1.0, 1.0),
    drive: Sequence[float] = (4.0, 4.0),
    inhibition: Sequence[float] = (-1.0, -1.0),
    bias: Sequence[float] = (0.0, 0.0),
    inhibitory_bias: Sequence[float] = (-2.0, -2.0),
    learning_rate: float = 5e-4,
    inhibitory_rate: float = 0.0,
    tau_ref: float = 10.0,
    dt: float = 0.4,
    update: str = "every 600 ms",
    limit: float = 4.0,
) -> Network:
    """Two excitatory neurons, each with an interneuron that repeats its spikes with the other sign.

    All weights and biases are Table 4's means. The effective weight from excitatory neuron j to i is about
    W_ij^EE + W_ij^EI (Eq 38).

    Args:
        excitation: W^EE (from neuron 1 to 0, from 0 to 1), >= 0.
        drive: W^IE of the two interneurons, each from its own excitatory neuron.
        inhibition: W^EI (from interneuron 1 to neuron 0, from 0 to 1), <= 0.
        learning_rate, inhibitory_rate: of SAL per pair of spikes, on W^EE and on W^EI.
        limit: W^EE stays in [0, limit], W^EI in [-limit, 0].
    """
    kernel = Rectangular(tau_syn=tau_ref)

    def rule(rate: float, bounds: tuple[float, float]) -> Any:
        return SAL(learning_rate=rate, tau=tau_ref, update=update, bounds=bounds, execution="host")

    def glm(values: Sequence[float]) -> GLM:
        return GLM(bias=values, tau_ref=tau_ref)

    return Network(
        name="dale",
        dt=dt,
        populations=[
            Population(name="excitatory", size=2, neuron=glm(bias)),
            Population(name="inhibitory", size=2, neuron=glm(inhibitory_bias)),
        ],
        projections=[
            Projection(
                name="EE",
                pre="excitatory",
                post="excitatory",
                weights=[[0.0, excitation[0]], [excitation[1], 0.0]],
                kernel=kernel,
                plasticity=rule(learning_rate, (0.0, limit)),
            ),
            Projection(name="IE", pre="excitatory", post="inhibitory", weights=OneToOne(weight=drive), kernel=kernel),
            Projection(
                name="EI",
                pre="inhibitory",
                post="excitatory",
                weights=Sparse(post=INTO, pre=FROM, weight=inhibition),
                kernel=kernel,
                plasticity=rule(inhibitory_rate, (-limit, 0.0)),
            ),
        ],
    )


def effective_weight(
    excitation: npt.ArrayLike,
    inhibition: npt.ArrayLike,
    drive: npt.ArrayLike,
    inhibitory_bias: npt.ArrayLike,
    activity: npt.ArrayLike,
) -> FloatArray:
    """Eq 38: W^EE + W^EI sigmoid(W^IE r + b^I) / r of the path from one excitatory neuron to the other.

    Args:
        drive, inhibitory_bias: of the presynaptic neuron's interneuron.
        activity: r, the presynaptic neuron's rate times tau_ref, in (0, 1).
    """
    r = np.asarray(activity, dtype=np.float64)
    interneuron = 1.0 / (1.0 + np.exp(-(np.asarray(drive) * r + np.asarray(inhibitory_bias))))
    return np.asarray(np.asarray(excitation) + np.asarray(inhibition) * interneuron / r)
