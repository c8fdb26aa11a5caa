"""What rules make of spikes, one learner for each rule of a projection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np

from salhw.conformance.replay.cells import HIGHEST, as_chance
from salhw.conformance.replay.trains import near_coincidences, own_sums, pair_sums
from salhw.description.fields import FloatArray
from salhw.description.kinds import ByKind
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import ModulatedSTDP, PairSTDP, PerSpike, PredictiveRule, TripletSTDP


class Learner(Protocol):
    """One rule of a projection in one session."""

    def see(self, step: int) -> None:
        """Take in the spikes of a step."""
        ...

    def change(self) -> FloatArray:
        """What an update adds to the weights, (instance, synapse): of all that was seen since the last one."""
        ...


RULES: ByKind[Callable[[Any, Projection, int], Learner]] = ByKind("the replay oracle")
"""The learner of a rule, from the oracle, the projection and the rule's number in it."""


@RULES.register(PairSTDP)
class Pairs:
    """Sums of pairs, which take their learning rate and amplitudes when the weights change."""

    def __init__(self, oracle: Any, p: Projection, k: int) -> None:
        self.oracle, self.projection, self.path = oracle, p.name, f"projections.{p.name}.{rule_name(p, k)}"
        pre, post = oracle.at_ends(p)
        rule = cast(PairSTDP | ModulatedSTDP | TripletSTDP, p.plasticity[k])
        self.sums = pair_sums(rule, pre, post, oracle.dt)
        if p.name in oracle.disputes.loose:
            near = near_coincidences(pre.trains, post.trains)
            self.around = [near * sums for sums in pair_sums(rule, pre, post, oracle.dt, whole=True)]
        self.waiting = [np.zeros_like(sums[:, 0]) for sums in self.sums]

    def see(self, step: int) -> None:
        self.waiting = [waiting + sums[:, step] for waiting, sums in zip(self.waiting, self.sums, strict=True)]

    def factors(self) -> tuple[FloatArray, FloatArray]:
        """What sums of causal and of anticausal pairs are multiplied by."""
        rate, first, second = (
            self.oracle.per_synapse(f"{self.path}.{field}", self.projection)
            for field in ("learning_rate", "causal.amplitude", "anticausal.amplitude")
        )
        return np.asarray(rate * first), np.asarray(rate * second)

    def change(self) -> FloatArray:
        causal, anticausal = self.waiting
        self.waiting = [np.zeros_like(sums) for sums in self.waiting]
        first, second = self.factors()
        return np.asarray(first * causal + second * anticausal)

    def disputed(self, step: int) -> FloatArray:
        """What all pairs at and after coincidences may add to the weights at a step, without sign, each in full."""
        each = zip(self.factors(), self.around, strict=True)
        return np.asarray(sum(np.abs(factor) * sums[:, step] for factor, sums in each))


@RULES.register(PredictiveRule)
class _Predictions:
    """Presynaptic spikes, counted until the weights change."""

    def __init__(self, oracle: Any, p: Projection, k: int) -> None:
        self.oracle, self.projection, self.rule = oracle, p, cast(PredictiveRule, p.plasticity[k])
        self.path = f"projections.{p.name}.{rule_name(p, k)}"
        self.sent = np.zeros((oracle.instances, oracle.net.population(p.pre).size))

    def see(self, step: int) -> None:
        self.sent = self.sent + self.oracle.spikes[self.projection.pre][:, step]

    def change(self) -> FloatArray:
        oracle, rule, name = self.oracle, self.rule, self.projection.name
        post, pre, _ = oracle.ends[name]
        error = self._rate(rule.teacher) - self._rate(rule.prediction)
        sent, self.sent = self.sent, np.zeros_like(self.sent)
        rate = oracle.per_synapse(f"{self.path}.learning_rate", name)
        return np.asarray(rate * error[:, post] * sent[:, pre])

    def _rate(self, name: str) -> FloatArray:
        """What a trace says of the rate of its neurons, per ms."""
        oracle, trace = self.oracle, self.oracle.net.trace(name)
        if trace.quantity == "spikes":
            return np.asarray(oracle.means[name])
        tau_ref = np.asarray(oracle.net.population(trace.population).neuron.refractory_periods)
        odds = np.exp(np.minimum(oracle.says(trace), HIGHEST)) * oracle.dt / tau_ref
        return np.asarray({"exponential": odds, "logistic": as_chance(odds)}[self.rule.link] / oracle.dt)


@RULES.register(PerSpike)
class _Single:
    """Spikes at either end of each synapse, counted until the weights change."""

    def __init__(self, oracle: Any, p: Projection, k: int) -> None:
        self.oracle, self.projection, rule = oracle, p.name, cast(PerSpike, p.plasticity[k])
        self.path = f"projections.{p.name}.{rule_name(p, k)}.learning_rate"
        pre, post = oracle.at_ends(p)
        self.counts = rule.pre * pre.trains + rule.post * post.trains
        self.waiting = np.zeros_like(self.counts[:, 0])

    def see(self, step: int) -> None:
        self.waiting = self.waiting + self.counts[:, step]

    def change(self) -> FloatArray:
        counted, self.waiting = self.waiting, np.zeros_like(self.waiting)
        return np.asarray(self.oracle.per_synapse(self.path, self.projection) * counted)


@RULES.register(TripletSTDP)
class _Triplets(Pairs):
    """The same of pairs that count the more, the more the neuron of the later spike has spiked before."""

    def __init__(self, oracle: Any, p: Projection, k: int) -> None:
        super().__init__(oracle, p, k)
        rule, (pre, post) = cast(TripletSTDP, p.plasticity[k]), oracle.at_ends(p)
        own = (
            end.per_synapse(own_sums(rule.pairing, end.spikes, tau, oracle.dt))
            for end, tau in ((post, rule.tau_post), (pre, rule.tau_pre))
        )
        causal, anticausal = (sums * times for sums, times in zip(self.sums, own, strict=True))
        self.sums = causal, anticausal


@RULES.register(ModulatedSTDP)
class _Modulated(Pairs):
    """The same of rules whose changes the modulator scales, as it is when the weights change."""

    def __init__(self, oracle: Any, p: Projection, k: int) -> None:
        super().__init__(oracle, p, k)
        self.rule = cast(ModulatedSTDP, p.plasticity[k])

    def change(self) -> FloatArray:
        mean = self.oracle.means[self.rule.modulator].mean(axis=1, keepdims=True)
        return np.asarray((mean - self.rule.baseline) * super().change())
