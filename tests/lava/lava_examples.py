"""Networks for the tests of the Loihi target."""

from __future__ import annotations

from typing import Any

import numpy as np

from salhw import (
    GLM,
    LIF,
    SAL,
    Exponential,
    Membrane,
    Network,
    PairSTDP,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
    Target,
)
from salhw_lava import backend

LOIHI = backend.targets()["loihi2"]
QUICK = LOIHI.with_options(execution="in-process")
MODELS = {"fixed": LOIHI, "floating": LOIHI.ideal()}


def in_process(target: Target) -> Target:
    return target.with_options(execution="in-process")


def pairs(
    count: int, weights: tuple[float, float] = (1.5, 0.0), rule: PairSTDP | None = None, **fields: Any
) -> Network:
    """Reciprocal pairs: W[2k, 2k + 1] and W[2k + 1, 2k], in this order: all of the former, then all of the latter."""
    even, odd = np.arange(0, 2 * count, 2), np.arange(1, 2 * count, 2)
    synapses = Sparse(
        post=np.concatenate([even, odd]),
        pre=np.concatenate([odd, even]),
        weight=np.repeat(weights, count).astype(float),
    )
    rule = rule or SAL(learning_rate=0.03, tau=10.0, pairing="all")
    return Network(
        name="pairs", dt=1.0,
        populations=[Population(name="a", size=2 * count, neuron=GLM(bias=-0.25, tau_ref=10.0))],
        projections=[
            Projection(name="p", pre="a", post="a", weights=synapses, kernel=Rectangular(tau_syn=10.0), plasticity=rule)
        ],
        probes=[Spikes("a")],
    ).replace(**fields)  # fmt: skip


def unconnected() -> Network:
    """LIF and GLM neurons without a synapse."""
    return Network(
        name="unconnected", dt=1.0,
        populations=[
            Population(name="a", size=2, neuron=LIF(bias=1.5, tau_ref=2.0)),
            Population(name="b", size=1, neuron=GLM()),
            Population(name="c", size=1, neuron=LIF(bias=2.5, tau_ref=5.0)),
        ],
        probes=[Spikes("a"), Spikes("b"), Membrane("c")],
    )  # fmt: skip


def everything() -> Network:
    """One of each thing that the target has: sources, both PSPs, delays, learning, probes."""
    rng = np.random.default_rng(5)
    trains = [np.sort(rng.choice(200, 12, replace=False)).astype(float) for _ in range(3)]
    return Network(
        name="everything", dt=1.0,
        populations=[
            Population(name="x", size=4, neuron=Source()),
            Population(name="y", size=3, neuron=GLM(bias=[-0.5, 0.0, 0.5], tau_ref=5.0)),
            Population(name="z", size=2, neuron=GLM(bias=0.25, tau_ref=8.0, discretisation="exact")),
            Population(name="l", size=2, neuron=LIF(bias=[0.9, 1.2], tau_m=12.0, tau_ref=3.0, v_rest=-0.25)),
        ],
        projections=[
            Projection(
                name="xy", pre="x", post="y", weights=rng.uniform(-1, 2, (3, 4)), kernel=Exponential(tau_syn=6.0)
            ),
            Projection(
                name="yz", pre="y", post="z", weights=rng.uniform(-1, 2, (2, 3)), kernel=Rectangular(tau_syn=7.0),
                delay=3.0,
            ),
            Projection(
                name="zy", pre="z", post="y", weights=rng.uniform(-1, 1, (3, 2)), kernel=Rectangular(tau_syn=4.0),
                plasticity=SAL(learning_rate=0.05, tau=8.0, pairing="all"),
            ),
            Projection(
                name="yl", pre="y", post="l", weights=rng.uniform(0, 2, (2, 3)), kernel=Exponential(tau_syn=5.0),
                plasticity=SAL(learning_rate=0.02, tau=5.0, pairing="all"),
            ),
        ],
        stimuli=[Poisson("x", rate=80.0, start=20.0, stop=150.0), SpikeTimes("y", trains)],
        probes=[*(Spikes(name) for name in "xyzl"), Membrane("z"), Membrane("l", every=3.0)],
    )  # fmt: skip
