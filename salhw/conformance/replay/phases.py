"""Reference phases, read from docs/semantics.md: what neurons do in one, and what is subtracted after it.

No recording has the spikes of a phase. So what can be worked out are phases in which nothing is random: of LIF neurons,
of clamped neurons and of silent sources.
"""

from __future__ import annotations

from math import ceil, lcm
from typing import Any

import numpy as np

from salhw.conformance.replay.cells import FREE, UNDECIDED
from salhw.conformance.replay.trains import latest
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.description.plasticity.rule import narrowest_bounds, reference_of
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError


class Phases:
    """The reference phases of one session, and what was found in the last one: ``errors`` by projection and number of
    the rule, (instance, synapse), per product of both numbers of spikes. ``oracle`` is the session's Oracle."""

    def __init__(self, oracle: Any) -> None:
        self.oracle, net = oracle, oracle.net
        rules = [(p.name, k, rule) for p in net.projections for k, rule in enumerate(p.plasticity)]
        found = [(name, k, rule, phase) for name, k, rule in rules if (phase := reference_of(rule)) is not None]
        self.periods = {(name, k): oracle.steps(rule.period or 0.0) for name, k, rule, _ in found}
        self.length = self.every = 0
        self.measured: int | None = None
        self.errors: dict[tuple[str, int], FloatArray] = {}
        for *_, phase in found[:1]:  # all rules share one
            common = _common_period(net)
            self.length = ceil(phase.duration / net.dt / common - 1e-9) * common
            self.every = 0 if phase.every is None else ceil(phase.every / net.dt / common - 1e-9) * common
            if net.traces:
                raise _beyond(net.traces[0].population, "traces beside a reference phase", "no traces beside it")

    def due(self, step: int) -> bool:
        """Whether a phase comes before a step of the session: the first, and the whole multiples of ``every``."""
        if not self.length:
            return False
        again = self.every and step % self.every == 0 and step != self.measured
        return self.measured is None or bool(again)

    def measure(self, step: int) -> None:
        """A phase before a step of the session: all weights are zero, and what rules change counts."""
        oracle, begin = self.oracle, step + self.oracle.ahead
        stop, self.measured = begin + self.length, step
        for name, spikes in oracle.spikes.items():
            silent = np.zeros((len(spikes), self.length, spikes.shape[2]), dtype=np.bool_)
            oracle.spikes[name] = np.concatenate([spikes[:, :begin], silent, spikes[:, begin:]], axis=1)
        self._spike(begin, stop)
        oracle.prepare()
        for t in range(begin):
            for learner in oracle.learners.values():
                learner.see(t)
        changes, products = dict.fromkeys(self.periods, np.zeros(())), dict.fromkeys(self.periods, np.zeros(()))
        for learner in oracle.learners.values():
            learner.change()  # what came before has been added up
        for t in range(begin, stop):
            for learner in oracle.learners.values():
                learner.see(t)
            for (name, k), period in self.periods.items():
                if (t + 1) % period == 0:
                    low, high = narrowest_bounds(oracle.net.projection(name).plasticity)
                    changes[name, k] = changes[name, k] + np.clip(oracle.learners[name, k].change(), low, high)
                    products[name, k] = products[name, k] + self._product(name, period, t + 1)
        for learner in oracle.learners.values():
            learner.change()
        for key, product in products.items():
            seen = self._rate(*key) * product
            self.errors[key] = np.where(seen == 0.0, 0.0, changes[key] / np.where(seen == 0.0, 1.0, seen))
        oracle.ahead += self.length
        oracle.doubts.silenced()

    def _spike(self, begin: int, stop: int) -> None:
        """What neurons that nothing couples do.

        Raises:
            UnsupportedNetworkError: SAL703 some of it is random.
        """
        oracle = self.oracle
        last = {name: latest(spikes)[:, begin] for name, spikes in oracle.spikes.items()}
        for t in range(begin, stop):
            for p in oracle.net.populations:
                free = oracle.recovered(p.name, last[p.name], t)
                unforced = np.zeros(p.size, dtype=np.bool_)  # lists of spikes do not go with a phase
                chance, decider = oracle.decide(p, t, oracle.nothing(p), free, unforced)
                if np.isin(decider, (FREE, UNDECIDED)).any():
                    supported = "reference phases of LIF and clamped neurons and of silent sources: others are random"
                    raise _beyond(p.name, f"{p.neuron.kind} neurons beside a reference phase", supported)
                spiked = np.broadcast_to(chance > 0.5, last[p.name].shape)
                oracle.reset(p, spiked)
                last[p.name] = np.where(spiked, t, last[p.name])
                oracle.spikes[p.name][:, t] = spiked

    def subtract(self, step: int) -> None:
        """After the updates before a step: ``learning_rate e n_i n_j`` of each rule that is due then."""
        oracle = self.oracle
        for (name, k), error in self.errors.items():
            if step % self.periods[name, k] == 0:
                wrong = self._rate(name, k) * error * self._product(name, self.periods[name, k], step)
                low, high = narrowest_bounds(oracle.net.projection(name).plasticity)
                oracle.rewrite(name, np.clip(oracle.weights[name] - wrong, low, high))

    def _rate(self, name: str, k: int) -> FloatArray:
        rule = rule_name(self.oracle.net.projection(name), k)
        return np.asarray(self.oracle.per_synapse(f"projections.{name}.{rule}.learning_rate", name))

    def _product(self, name: str, period: int, stop: int) -> FloatArray:
        """The spikes of the postsynaptic neuron times those of the presynaptic one, in the period that ends."""
        ends = self.oracle.at_ends(self.oracle.net.projection(name))
        both = [end.trains[:, stop - period : stop].sum(axis=1) for end in ends]
        return np.asarray(both[0] * both[1], dtype=np.float64)


def _common_period(net: Network) -> int:
    """The fewest steps that are whole multiples of all periods of a network."""
    times = [rule.period for p in net.projections for rule in p.plasticity]
    times += [getattr(item, "every", None) for item in (*net.stimuli, *net.probes, *net.ties)]
    return lcm(*(round(time / net.dt) for time in times if time is not None))


def _beyond(population: str, asked: str, supported: str) -> UnsupportedNetworkError:
    path, headline = f"populations.{population}", "UnsupportedNetworkError: replay cannot work out this network"
    return UnsupportedNetworkError(headline, [Diagnostic("SAL703", path, asked, supported, "leave the reference out")])
