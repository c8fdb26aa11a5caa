"""How NEST is made to pair the spikes that the description pairs: delays before and after the synapse.

NEST's plastic synapses see a postsynaptic spike ``dendritic`` ticks after it happened; a relay (a parrot neuron) lets
them see the presynaptic one ``axonal`` ticks after it happened. With both alike the pairs are the description's. NEST
leaves simultaneous spikes out, which is right where the branches cancel (SAL); otherwise two synapses learn half each,
one of which sees the presynaptic spike of a coincidence first, and one the postsynaptic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from salhw.description.grid import in_steps
from salhw.description.kernels import Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import PairSTDP
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_nest.encoding import Amplitudes
from salhw_nest.neurons import latency

MODELS = {
    "all": "stdp_synapse",
    "nearest_symmetric": "stdp_nn_symm_synapse",
    "nearest_restricted": "stdp_nn_restr_synapse",
}
TICKS = (1, 2, 4)  # per step: the last is enough for every rule


@dataclass(frozen=True)
class Part:
    """One of the synapses that together learn a rule: its delays in ticks, and its share of the amplitudes."""

    rule: int
    axonal: int
    dendritic: int
    share: float

    def amplitudes(self, rule: PairSTDP, tick: float, shape: tuple[int, ...]) -> Amplitudes:
        """What NEST has to be told. Of exponential windows a shift in time is a factor."""
        shift = (self.axonal - self.dendritic) * tick
        causal = self.share * np.exp(-shift / rule.causal.tau) * rule.causal.amplitude
        anticausal = self.share * np.exp(shift / rule.anticausal.tau) * rule.anticausal.amplitude
        return np.broadcast_to(causal, shape), np.broadcast_to(anticausal, shape)


def cancels(rule: PairSTDP) -> bool:
    """Whether coincidences change nothing: all pairs count, and the branches are equal and opposite."""
    return rule.pairing == "all" and bool(
        np.all(np.asarray(rule.causal.amplitude) == -np.asarray(rule.anticausal.amplitude))
    )


def halved(net: Network, projection: Projection, rule: PairSTDP) -> bool:
    """Whether a rule takes two synapses: clipping their sum is beyond NEST, and LIF neurons know whole steps only."""
    return not (cancels(rule) or rule.bounds or isinstance(net.population(projection.post).neuron, LIF))


def parts(net: Network, target: Target, projection: Projection, per_step: int) -> tuple[Part, ...]:
    """The plastic synapses of a projection; empty if nothing on the chip learns."""
    total = per_step * latency(net.population(projection.post), net.dt, projection.delay)
    found: list[Part] = []
    for k, rule in enumerate(projection.plasticity):
        if not on_chip(rule, target):
            continue
        if halved(net, projection, rule):
            shift = 2 - total % 2
            found += [Part(k, (total + s) // 2, (total - s) // 2, 0.5) for s in (shift, -shift)]
        else:
            found.append(Part(k, total // 2, total // 2, 1.0))
    return tuple(found)


Need = Literal["refractory", "halves", "delay", "length"]
"""Why a network needs several ticks per step: a neuron with the shortest refractory period; or a projection whose rule
takes two synapses, with a delay or a rectangular PSP that cannot be halved."""


def needs(net: Network, target: Target, per_step: int) -> Iterator[tuple[Need, Population | Projection]]:
    """What does not go into ``per_step`` ticks per step."""
    for population in net.populations:
        if isinstance(population.neuron, GLM) and per_step * (in_steps(population.neuron.tau_ref, net.dt) or 1) < 2:
            yield "refractory", population  # NEST lets a neuron without dead time spike several times per tick
    for projection in net.projections:
        total = per_step * latency(net.population(projection.post), net.dt, projection.delay)
        learning = parts(net, target, projection, per_step)
        if any(abs(part.axonal - part.dendritic) >= per_step for part in learning):
            yield "halves", projection
        elif any(p.axonal + p.dendritic != total or min(p.axonal, p.dendritic) < 1 for p in learning):
            yield "delay", projection
        length = in_steps(projection.kernel.tau_syn, net.dt)
        if learning and isinstance(projection.kernel, Rectangular) and length is not None and per_step * length % 2:
            yield "length", projection


def ticks_per_step(net: Network, target: Target) -> int | None:
    """The fewest ticks per step with which the network can be run; None if there is no such number."""
    return next((k for k in TICKS if not any(needs(net, target, k))), None)
