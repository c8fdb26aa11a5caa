"""Networks that are fitted, and what fit makes of them."""

from __future__ import annotations

from functools import partial

import numpy as np

import salhw
from salhw import (
    GLM,
    LIF,
    Alpha,
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
    Target,
    Weights,
)
from salhw.description.windows import ExponentialWindow

fit = partial(salhw.fit, sized=False)  # what changes, not how much it matters: that has tests of its own


def excitatory_and_inhibitory(neuron: str = "GLM", seed: int = 1) -> Network:
    """80 excitatory and 20 inhibitory neurons, a tenth of all synapses, 100 Poisson sources of 8 Hz, and additive STDP
    with bounds within the excitatory population."""
    rng = np.random.default_rng(seed)
    cell = GLM(bias=-3.0, tau_ref=10.0) if neuron == "GLM" else LIF(tau_m=20.0, tau_ref=2.0)
    sizes = {"E": 80, "I": 20, "input": 100}

    def synapses(pre: str, post: str, weight: float, plasticity: PairSTDP | None = None) -> Projection:
        there = rng.random((sizes[post], sizes[pre])) < 0.1
        np.fill_diagonal(there, there.diagonal() & (pre != post))
        rows, columns = np.nonzero(there)
        weights = Sparse(rows, columns, weight * rng.uniform(0.5, 1.5, len(rows)))
        kernel = Exponential(tau_syn=5.0)
        return Projection(f"{pre}_{post}", pre, post, weights, kernel=kernel, plasticity=plasticity)

    stdp = PairSTDP(
        causal=ExponentialWindow(1.0, 20.0),
        anticausal=ExponentialWindow(-1.05, 20.0),
        pairing="all",
        learning_rate=0.005,
        bounds=(0.0, 1.0),
    )
    return Network(
        name="excitatory_and_inhibitory",
        dt=0.2,
        populations=[
            Population("E", 80, cell), Population("I", 20, cell), Population("input", 100, Source()),
        ],
        projections=[
            synapses("input", "E", 0.5), synapses("E", "I", 0.3), synapses("I", "E", -0.6), synapses("I", "I", -0.4),
            synapses("E", "E", 0.3, stdp),
        ],
        stimuli=[Poisson("input", 8.0)],
        probes=[Spikes("E"), Spikes("I"), Weights("E_E", every=1000.0)],
    )  # fmt: skip


def of_everything() -> Network:
    """What no chip has as it is: alpha PSPs, delays, a step and times of its own, bounds, a membrane probe."""
    return Network(
        name="everything",
        dt=0.125,
        populations=[Population("a", 2, GLM(bias=[-1.0, 3.5], tau_ref=10.0)), Population("b", 2, GLM(tau_ref=10.0))],
        projections=[
            Projection(
                "ab", "a", "b", [[0.5, 4.5], [-5.0, 0.25]], kernel=Alpha(tau_syn=4.0), delay=1.0,
                plasticity=PairSTDP(
                    causal=ExponentialWindow(amplitude=[[2.0, 1.0], [1.0, 2.0]], tau=40.0),
                    anticausal=ExponentialWindow(amplitude=[[-2.0, -1.0], [-1.0, -2.0]], tau=40.0),
                    pairing="nearest_symmetric", learning_rate=0.01, update="every 30 ms", bounds=(-6.0, 6.0),
                ),
            ),
        ],
        probes=[Membrane("b"), Spikes("a"), Weights("ab", every=500.0)],
    )  # fmt: skip


def two(**fields: object) -> Network:
    """Two neurons, one projection with what is given."""
    projection = {"weights": [[0.0, 0.5], [0.5, 0.0]], "kernel": Rectangular(tau_syn=10.0)} | fields
    return Network(
        name="two",
        dt=0.5,
        populations=[Population("n", 2, GLM(bias=-1.0, tau_ref=10.0))],
        projections=[Projection(name="p", pre="n", post="n", **projection)],
    )


def changes(net: Network, target: str | Target, *keep: str) -> dict[str, tuple[str, str]]:
    """What fit changes, by path, below the projection p without it: as it was written, and as it is now."""
    made = fit(net, target, keep=keep)
    return {c.path.removeprefix("projections.p."): (c.written, c.changed) for c in made.changes}
