"""Networks that the tests of the target nest share."""

from __future__ import annotations

from typing import Any

import numpy as np

import salhw
from salhw import GLM, SAL, Network, PairSTDP, Population, Projection, Rectangular, Spikes
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.session.host_plasticity import HostRule


def pair(weights: tuple[float, float], *, dt: float = 1.0, delay: float = 0.0, **options: Any) -> Network:
    """Two exact GLM neurons with two-sided SAL over all pairs."""
    rule = SAL(**({"learning_rate": 0.005, "tau": 10.0, "pairing": "all"} | options))
    return Network(
        name="pair",
        dt=dt,
        populations=[Population(name="n", size=2, neuron=GLM(tau_ref=10.0, discretisation="exact"))],
        projections=[
            Projection(
                name="p", pre="n", post="n", weights=[[0.0, weights[0]], [weights[1], 0.0]], delay=delay,
                kernel=Rectangular(tau_syn=10.0), plasticity=rule,
            )
        ],
        probes=[Spikes("n")],
    )  # fmt: skip


def crowd(rule: PairSTDP | None, kernel: Any, delay: float, *, size: int = 5, seed: int = 0) -> Network:
    """A handful of busy neurons, all connected to all; coincidences are frequent."""
    weights = np.random.default_rng(seed).normal(0.0, 0.5, (size, size))
    np.fill_diagonal(weights, 0.0)
    neuron = GLM(bias=0.3, tau_ref=5.0, discretisation="exact")
    return Network(
        name="crowd",
        dt=1.0,
        populations=[Population(name="a", size=size, neuron=neuron)],
        projections=[
            Projection(name="p", pre="a", post="a", weights=weights, kernel=kernel, delay=delay, plasticity=rule)
        ],
        probes=[Spikes("a")],
    )


class Ledger:
    """What a rule's pairs add up to, from recorded spikes alone."""

    def __init__(self, net: Network, instances: int) -> None:
        (p,) = net.projections
        self.ends = net.ends(p.name)
        self.post, self.pre, position = synapses(p.weights, *self.ends)
        self.rule = HostRule(p.plasticity[0], self.post, self.pre, position, self.ends[:2], instances, net.dt)
        self.net, self.instances = net, instances

    def add(self, recording: salhw.Recording) -> FloatArray:
        """The change by the pairs that a run has closed, (instance, synapse), without the learning rate."""
        (p,) = self.net.projections
        trains = [recording.spikes[name] for name in (p.pre, p.post)]
        steps = [np.rint(train.time / self.net.dt).astype(int) for train in trains]
        for step in np.union1d(*steps):
            who = []
            for train, at, size in zip(trains, steps, self.ends[1::-1], strict=True):
                spiked = np.zeros((self.instances, size), dtype=np.bool_)
                now = at == step
                spiked[train.instance[now], train.neuron[now]] = True
                who.append(spiked)
            self.rule.advance(int(step), *who)
        return self.rule.take()
