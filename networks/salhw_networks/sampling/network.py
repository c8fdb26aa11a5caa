"""A spiking sampling network (paper sections 2.4.1 and 4.3)."""

from __future__ import annotations

import numpy as np

from salhw import GLM, SAL, Network, Population, Projection, Rectangular, StateOccupancy, WakeSleep, Weights


def network(
    size: int = 7,
    seed: int = 0,
    noise: float = 0.0,
    dt: float = 0.2,
    tau_ref: float = 10.0,
    sal_rate: float = 0.0,
    wake_sleep_rate: float = 0.0,
    update: str = "run end",
    sample: float | None = None,
) -> Network:
    """A recurrent network whose refractory states sample a Boltzmann distribution (Eq 3), all to all.

    Args:
        size: neurons.
        seed: of the biases and symmetric weights (normal, sd 0.5).
        noise: standard deviation of the asymmetric part added to every weight (the synaptic noise scenario).
        sal_rate, wake_sleep_rate: learning rates per spike pair; 0 leaves the rule out.
        sample: record the weights every so many ms.
    """
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.normal(0.0, 0.5, (size, size)), 1)
    weights = weights + weights.T
    bias = rng.normal(0.0, 0.5, size)
    weights = weights + noise * rng.normal(0.0, 1.0, (size, size))
    np.fill_diagonal(weights, 0.0)
    rules = []
    if wake_sleep_rate:
        rules.append(WakeSleep(learning_rate=wake_sleep_rate, tau_ref=tau_ref, phase="sleep", update=update))
    if sal_rate:
        rules.append(SAL(learning_rate=sal_rate, tau=tau_ref, update=update))
    return Network(
        name="sampling",
        dt=dt,
        populations=[Population(name="neurons", size=size, neuron=GLM(bias=bias, tau_ref=tau_ref))],
        projections=[
            Projection(
                name="recurrent",
                pre="neurons",
                post="neurons",
                weights=weights,
                kernel=Rectangular(tau_syn=tau_ref),
                plasticity=rules,
            )
        ],
        probes=[StateOccupancy("neurons")] + ([Weights("recurrent", every=sample)] if sample else []),
    )
