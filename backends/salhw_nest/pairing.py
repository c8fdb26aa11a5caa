"""How NEST is made to pair the spikes that a PairSTDP pairs: delays before and after the synapse.

NEST's plastic synapses see a postsynaptic spike ``dendritic`` ticks after it happened; a relay (a parrot neuron) lets
them see the presynaptic one ``axonal`` ticks after it happened. With both alike the pairs are the description's. NEST
leaves simultaneous spikes out, which is right where the branches cancel (SAL); otherwise two synapses learn half each,
one of which sees the presynaptic spike of a coincidence first, and one the postsynaptic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import expm1

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PairSTDP, PlasticityRule
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_nest.encoding import Amplitudes
from salhw_nest.findings import together
from salhw_nest.kernels import NEST, psp
from salhw_nest.neurons import nest_neuron

MODELS = {
    "all": "stdp_synapse",
    "nearest_symmetric": "stdp_nn_symm_synapse",
    "nearest_restricted": "stdp_nn_restr_synapse",
}
TICKS = (1, 2, 4)  # per step: the last is enough for every rule
WIDE = 500.0  # bounds that no weight of a description reaches


@dataclass(frozen=True)
class Part:
    """One of the synapses that together learn a rule, the projection's ``index``-th: its delays in ticks, and its share
    of the amplitudes."""

    index: int
    rule: PairSTDP
    axonal: int
    dendritic: int
    share: float

    @property
    def model(self) -> str:
        """NEST's name of the synapse."""
        return MODELS[self.rule.pairing]

    @property
    def taus(self) -> tuple[float, float]:
        """The time constants in ms of causal and anti-causal pairs."""
        return self.rule.causal.tau, self.rule.anticausal.tau

    def amplitudes(self, tick: float, shape: tuple[int, ...]) -> Amplitudes:
        """NEST's, per synapse. Of exponential windows a shift in time is a factor."""
        shift = (self.axonal - self.dendritic) * tick
        causal = self.share * np.exp(-shift / self.rule.causal.tau) * self.rule.causal.amplitude
        anticausal = self.share * np.exp(shift / self.rule.anticausal.tau) * self.rule.anticausal.amplitude
        return np.broadcast_to(causal, shape), np.broadcast_to(anticausal, shape)


def learned(projection: Projection, target: Target) -> list[tuple[int, PairSTDP]]:
    """The rules by which NEST itself learns, with their places among the projection's."""
    rules = enumerate(projection.plasticity)
    return [(k, of_kind(rule, PairSTDP, NEST)) for k, rule in rules if on_chip(rule, target)]


def hosted(projection: Projection, target: Target) -> dict[int, PlasticityRule]:
    """The rules that are worked out beside NEST, by their places among the projection's."""
    return {k: rule for k, rule in enumerate(projection.plasticity) if not on_chip(rule, target)}


def cancels(rule: PairSTDP) -> bool:
    """Whether coincidences change nothing: all pairs count, and the branches are equal and opposite."""
    return rule.pairing == "all" and bool(
        np.all(np.asarray(rule.causal.amplitude) == -np.asarray(rule.anticausal.amplitude))
    )


def halved(net: Network, target: Target, projection: Projection, rule: PairSTDP) -> bool:
    """Whether a rule takes two synapses: NEST cannot clip their sum, nor see them apart without ticks."""
    return nest_neuron(net, target, projection.post).divisible and not (cancels(rule) or rule.bounds)


def parts(net: Network, target: Target, projection: Projection, per_step: int) -> tuple[Part, ...]:
    """The plastic synapses of a projection; empty if nothing on the chip learns."""
    total = per_step * (projection.longest_delay(net.dt) + nest_neuron(net, target, projection.post).latency)
    made: list[Part] = []
    for k, rule in learned(projection, target):
        if halved(net, target, projection, rule):
            shift = 2 - total % 2
            made += [Part(k, rule, (total + s) // 2, (total - s) // 2, 0.5) for s in (shift, -shift)]
        else:
            made.append(Part(k, rule, total // 2, total // 2, 1.0))
    return tuple(made)


def largest_step(rule: PairSTDP, rate: FloatArray, tick: float) -> float:
    """The largest change of a weight by one spike, at learning rates ``rate``."""
    largest = 0.0
    for window in (rule.causal, rule.anticausal):
        trace = 1.0 if rule.pairing != "all" else 1.0 / -expm1(-tick / window.tau)
        largest = max(largest, float(np.abs(rate).max() * np.abs(window.amplitude).max(initial=0.0)) * trace)
    return largest


def undivided(net: Network, target: Target, per_step: int) -> Iterator[Diagnostic]:
    """What does not go into ``per_step`` ticks per step: a neuron with the shortest refractory period; or a projection
    whose rule takes two synapses, with a delay or a rectangular PSP that cannot be halved."""
    for population in net.populations:
        refractory = in_steps(population.neuron.refractory_period or 0.0, net.dt) or 1
        if per_step * refractory < nest_neuron(net, target, population.name).least_refractory:
            least = f"{number(2.0 * net.dt)} ms"
            path = f"populations.{population.name}.tau_ref"
            yield together(path, f"{number(net.dt)} ms", f">= 2 dt = {least}", f"tau_ref >= {least}")
    for p in net.projections:
        total = per_step * (p.longest_delay(net.dt) + nest_neuron(net, target, p.post).latency)
        learning = parts(net, target, p, per_step)
        if apart := [part for part in learning if abs(part.axonal - part.dendritic) >= per_step]:
            yield _halves(p, apart[0])
        elif any(x.axonal + x.dendritic != total or min(x.axonal, x.dendritic) < 1 for x in learning):
            steps = p.longest_delay(net.dt)
            asked, fix = f"{number(steps * net.dt)} ms", f"delay = {_neighbour(net, steps * net.dt)} ms"
            supported = f"{'an even' if steps % 2 else 'an odd'} number of steps for delays of plastic projections"
            yield together(f"projections.{p.name}.delay", asked, supported, fix)
        length = psp(p.kernel).steps(net.dt)
        if learning and per_step * length % 2:
            tau, fix = f"{number(p.kernel.tau_syn)} ms", f"tau_syn = {_neighbour(net, p.kernel.tau_syn)} ms"
            supported = "an even number of steps for rectangular PSPs of plastic projections"
            yield together(f"projections.{p.name}.kernel.tau_syn", tau, supported, fix)


def _halves(p: Projection, part: Part) -> Diagnostic:
    path, several = f"projections.{p.name}.{rule_name(p, part.index)}", len(p.plasticity) > 1
    supported = "rules with bounds, or over all pairs with equal and opposite branches,"
    if several:
        return together(path, "no bounds", supported, "leave it out")
    return together(f"{path}.bounds", "no bounds", supported, f"bounds = [{-WIDE}, {WIDE}]")


def _neighbour(net: Network, time: float) -> str:
    """The nearest time in ms of an even number of steps for an odd one, and the other way around, one step at least."""
    steps = in_steps(time, net.dt) or 0
    return number((steps + (1 if steps < 2 else -1)) * net.dt)


def ticks_per_step(net: Network, target: Target) -> int | None:
    """The fewest ticks per step with which the network can be run; None if there is no such number."""
    return next((k for k in TICKS if not any(undivided(net, target, k))), None)
