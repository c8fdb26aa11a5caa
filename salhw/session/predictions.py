"""What traces say of potentials and rates, and what rules and teachers make of that; (instance, neuron) throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.plasticity import PredictiveRule


def _logistic(potential: FloatArray, tau_ref: float | FloatArray, dt: float) -> FloatArray:
    return np.asarray(1.0 / ((1.0 + tau_ref / dt * np.exp(-potential)) * dt))


def _exponential(potential: FloatArray, tau_ref: float | FloatArray, dt: float) -> FloatArray:
    return np.asarray(np.exp(potential) / tau_ref)


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
