"""What traces say of potentials and rates, and what rules and teachers make of that; (instance, neuron) throughout.

``LEARNERS`` are the rules that read traces, as a host works them out beside a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity import ModulatedSTDP, PredictiveRule
from salhw.session.host_plasticity import HostRule, places
from salhw.session.recorder import Raster

HIGHEST = 700.0
"""Of a potential in a rate: beyond, the exponential is no number any more (docs/semantics.md)."""


def _logistic(potential: FloatArray, tau_ref: float | FloatArray, dt: float) -> FloatArray:
    return np.asarray(1.0 / ((1.0 + tau_ref / dt * np.exp(np.minimum(-potential, HIGHEST))) * dt))


def _exponential(potential: FloatArray, tau_ref: float | FloatArray, dt: float) -> FloatArray:
    return np.asarray(np.exp(np.minimum(potential, HIGHEST)) / tau_ref)


LINKS: Mapping[str, Callable[[FloatArray, float | FloatArray, float], FloatArray]] = {
    "logistic": _logistic, "exponential": _exponential
}  # fmt: skip
"""phi(u) in spikes per ms, of a potential, the refractory period and dt (docs/semantics.md)."""


@dataclass(frozen=True)
class Reading:
    """What a network's traces say at one time.

    Args:
        means: the traces, by name, (instance, neuron).
        biases: as a session holds them, by population, without what teachers add.
        gains: of named inputs, by population and name, (instance,).
    """

    net: Network
    means: Mapping[str, FloatArray]
    biases: Mapping[str, FloatArray]
    gains: Mapping[tuple[str, str], FloatArray]

    def potential(self, name: str) -> FloatArray:
        """The potential that a trace of the membrane or of inputs stands for."""
        trace, mean = self.net.trace(name), self.means[name]
        if trace.quantity == "membrane":
            return mean
        gain = 1.0 if trace.input is None else self.gains[trace.population, trace.input][:, None]
        return np.asarray(self.biases[trace.population] + gain * mean)

    def rate(self, name: str, link: str) -> FloatArray:
        """The spikes per ms that a trace stands for."""
        trace = self.net.trace(name)
        if trace.quantity == "spikes":
            return self.means[name]
        tau_ref = self.net.population(trace.population).neuron.refractory_periods
        tau_ref = self.net.dt if tau_ref is None else tau_ref
        return LINKS[link](self.potential(name), tau_ref, self.net.dt)

    def error(self, rule: PredictiveRule) -> FloatArray:
        """How much faster the postsynaptic neurons spike by the rule's teacher than by its prediction, per ms."""
        return np.asarray(self.rate(rule.teacher, rule.link) - self.rate(rule.prediction, rule.link))

    def modulator(self, rule: ModulatedSTDP) -> FloatArray:
        """The mean of the rule's trace over all neurons, less the baseline, (instance, 1)."""
        return np.asarray(self.means[rule.modulator].mean(axis=1, keepdims=True) - rule.baseline)


class Learner(Protocol):
    """A rule of a projection, beside a target.

    Args:
        amplitudes: of its windows, in their order, each one number or (instance, synapse); none of a rule without.
    """

    amplitudes: list[FloatArray]

    def see(self, pre: Raster, post: Raster) -> None:
        """Take in the spikes of both populations in a piece of a run."""
        ...

    def change(self, reading: Reading) -> FloatArray:
        """What an update changes, (instance, synapse), without the learning rate: of all that was seen since the last
        one."""
        ...


class _Predictive:
    """Presynaptic spikes, times an error of the postsynaptic neurons."""

    def __init__(self, net: Network, p: Projection, rule: PredictiveRule, instances: int) -> None:
        self.rule, (self.post, self.pre, _) = rule, synapses(p.weights, *net.ends(p.name))
        self.amplitudes: list[FloatArray] = []
        self.sent = np.zeros((instances, net.ends(p.name)[1]))

    def see(self, pre: Raster, post: Raster) -> None:
        """See Learner."""
        np.add.at(self.sent, (pre.instance, pre.neuron), 1.0)

    def change(self, reading: Reading) -> FloatArray:
        """See Learner."""
        sent, self.sent = self.sent, np.zeros_like(self.sent)
        return np.asarray(reading.error(self.rule)[:, self.post] * sent[:, self.pre])


class _Modulated:
    """Pairs of spikes, times a modulator."""

    def __init__(self, net: Network, p: Projection, rule: ModulatedSTDP, instances: int) -> None:
        self.rule, self.pairs = rule, HostRule(rule, *places(net, p, instances))
        self.amplitudes = self.pairs.amplitudes

    def see(self, pre: Raster, post: Raster) -> None:
        """See Learner."""
        self.pairs.see(pre, post)

    def change(self, reading: Reading) -> FloatArray:
        """See Learner."""
        return np.asarray(reading.modulator(self.rule) * self.pairs.take())


LEARNERS: ByKind[Callable[[Network, Projection, Any, int], Learner]] = ByKind(
    "the host", {PredictiveRule: _Predictive, ModulatedSTDP: _Modulated}
)
"""The learner of a rule that reads traces, from the network, the projection, the rule and the number of instances."""
