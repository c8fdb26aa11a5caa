"""Inputs with gains, traces, predictive rules, teachers and ties of docs/semantics.md once more, step by step in plain
numpy, for spikes that are given. Of GLM neurons and sources, PSPs that add up, and predictive rules."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import oracle

from salhw import Boxcar, Network, PredictiveRule, Teacher, Tie
from salhw.description.connectivity import synapses, values
from salhw.description.traces import Trace

Array = np.ndarray[Any, Any]


def dense(net: Network, name: str, given: Array | None = None) -> tuple[Array, Array]:
    """Weights W[post, pre] of a projection, and where there is a synapse."""
    p, (n_post, n_pre, recurrent) = net.projection(name), net.ends(name)
    post, pre, position = synapses(p.weights, n_post, n_pre, recurrent)
    w, there = np.zeros((n_post, n_pre)), np.zeros((n_post, n_pre), dtype=bool)
    w[post, pre] = np.ravel(values(p.weights, n_post, n_pre, recurrent) if given is None else given)[position]
    there[post, pre] = True
    return w, there


@dataclass
class Replay:
    """One instance. ``membrane``, ``traces``: (step, neuron) of what has been stepped through; ``weights``: those in
    force at each step, the last those after it."""

    net: Network
    gains: dict[tuple[str, str | None], float] = field(default_factory=dict)
    membrane: dict[str, list[Array]] = field(default_factory=dict)
    traces: dict[str, list[Array]] = field(default_factory=dict)
    weights: dict[str, list[Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        net = self.net
        for p in net.populations:
            self.gains |= {(p.name, name): gain for name, gain in p.neuron.input_gains.items()}
        self.there = {p.name: dense(net, p.name)[1] for p in net.projections}
        self.w = {p.name: dense(net, p.name)[0] for p in net.projections}
        self.sent = {p.name: [np.zeros(net.ends(p.name)[1]) for _ in p.plasticity] for p in net.projections}
        self.spikes: dict[str, list[Array]] = {p.name: [] for p in net.populations}
        self.last = {trace.name: np.zeros(net.population(trace.population).size) for trace in net.traces}
        self.rings = {
            trace.name: deque[Array](maxlen=round(trace.window.duration / net.dt))
            for trace in net.traces
            if isinstance(trace.window, Boxcar)
        }
        self.membrane = {p.name: [] for p in net.populations}
        self.traces = {trace.name: [] for trace in net.traces}
        self.copy()
        self.weights = {name: [w.copy()] for name, w in self.w.items()}
        self.targets = {k: s.target for k, s in enumerate(net.stimuli) if isinstance(s, Teacher)}
        self.nudging = {k: s.gain for k, s in enumerate(net.stimuli) if isinstance(s, Teacher)}

    def copy(self, step: int | None = None) -> None:
        """Copies of weights; of those with a period, if it is over before ``step``, or at the start."""
        for tie in self.net.ties:
            if step is None or tie.every is None or step % round(tie.every / self.net.dt) == 0:
                self.copy_one(tie)

    def copy_one(self, tie: Tie) -> None:
        w = tie.scale * (self.w[tie.to].T if tie.transpose else self.w[tie.to])
        self.w[tie.projection] = np.where(self.there[tie.projection], w, 0.0)

    def bias(self, population: str) -> Array:
        neuron = self.net.population(population).neuron
        return np.zeros(self.net.population(population).size) + getattr(neuron, "bias", 0.0)

    def through(self, population: str) -> dict[str | None, Array]:
        """What each input of a population adds up to now, before gains."""
        t = len(self.spikes[population])
        total: dict[str | None, Array] = {None: np.zeros(self.net.population(population).size)}
        total |= {name: np.zeros_like(total[None]) for who, name in self.gains if who == population}
        for p in self.net.projections:
            if p.post == population:
                before = np.array(self.spikes[p.pre]).reshape(t, self.net.ends(p.name)[1])[::-1]  # the latest first
                delay = round(p.delay / self.net.dt)
                kappa = p.kernel.sample(self.net.dt, t)[: max(0, t - delay)]
                total[p.into] += self.w[p.name] @ (kappa @ before[delay : delay + len(kappa)])
        return total

    def potential(self, trace: Trace) -> Array:
        """What a trace says of the potential of its neurons."""
        mean = self.last[trace.name]
        if trace.of == "membrane":
            return mean
        gain = 1.0 if trace.of == "inputs" else self.gains[trace.population, trace.of.removeprefix("inputs.")]
        return self.bias(trace.population) + gain * mean

    def rate(self, rule: PredictiveRule, name: str) -> Array:
        """The rate that a trace stands for, per ms."""
        trace, dt = self.net.trace(name), self.net.dt
        if trace.of == "spikes":
            return self.last[name]
        u, tau_ref = self.potential(trace), self.net.population(trace.population).neuron.refractory_period
        odds = np.exp(u) * dt / tau_ref
        return (odds / (1 + odds) if rule.link == "logistic" else odds) / dt

    def step(self, spiking: dict[str, Array]) -> None:
        """One step, with the spikes that it has, a number 0 or 1 for each neuron."""
        net, dt, t = self.net, self.net.dt, len(next(iter(self.spikes.values())))
        through = {p.name: self.through(p.name) for p in net.populations}
        added = {
            name: sum((self.gains.get((name, into), 1.0) * v for into, v in parts.items()), np.zeros(len(parts[None])))
            for name, parts in through.items()
        }
        u = {name: self.bias(name) + inputs for name, inputs in added.items()}
        for k, s in enumerate(net.stimuli):
            if isinstance(s, Teacher):
                u[s.population] = u[s.population] + self.nudging[k] * (
                    self.targets[k] - self.potential(net.trace(s.trace))
                )
        for trace in net.traces:
            who = trace.population
            now = {"membrane": u[who], "inputs": added[who], "spikes": spiking[who] / dt}
            now |= {f"inputs.{name}": value for name, value in through[who].items()}
            x = now[trace.of]
            if isinstance(trace.window, Boxcar):
                self.rings[trace.name].append(x)
                self.last[trace.name] = np.mean(self.rings[trace.name], axis=0)
            elif t == 0:
                self.last[trace.name] = x
            else:
                old = self.last[trace.name]
                self.last[trace.name] = old + (x - old) * (1 - np.exp(-dt / trace.window.tau))  # type: ignore[attr-defined]
            self.traces[trace.name].append(self.last[trace.name])
        for name in u:
            self.membrane[name].append(u[name])
            self.spikes[name].append(np.asarray(spiking[name], dtype=float))
        self.learn(t, spiking)

    def learn(self, t: int, spiking: dict[str, Array]) -> None:
        for p in self.net.projections:
            for k, rule in enumerate(p.plasticity):
                if isinstance(rule, PredictiveRule):
                    self.sent[p.name][k] += spiking[p.pre]
                    period = round(rule.period / self.net.dt) if rule.period else 0
                    if rule.update == "spike" or (period and (t + 1) % period == 0):
                        self.update(p.name, k, rule)
        self.copy(t + 1)
        for name, w in self.w.items():
            self.weights[name].append(w.copy())

    def update(self, name: str, k: int, rule: PredictiveRule) -> None:
        error = self.rate(rule, rule.teacher) - self.rate(rule, rule.prediction)
        low, high = rule.bounds or (-np.inf, np.inf)
        due = self.there[name] & ((self.sent[name][k] > 0) | (rule.update != "spike"))
        rate = np.asarray(rule.learning_rate)
        rate = rate if rate.ndim != 1 else dense(self.net, name, rate)[0]
        change = rate * np.outer(error, self.sent[name][k])
        self.w[name] = np.where(due, np.clip(self.w[name] + change, low, high), self.w[name])
        self.sent[name][k][:] = 0.0

    def end_of_run(self) -> None:
        """The updates of ``run end``."""
        for p in self.net.projections:
            for k, rule in enumerate(p.plasticity):
                if isinstance(rule, PredictiveRule) and rule.update == "run end":
                    self.update(p.name, k, rule)
        for tie in self.net.ties:
            if tie.every is None:
                self.copy_one(tie)
        for name, w in self.w.items():
            self.weights[name][-1] = w.copy()

    def run(self, recording: Any) -> Replay:
        """Through the spikes of a recording of all populations, of one instance."""
        steps, dt = round(recording.duration / self.net.dt), self.net.dt
        trains = {p.name: oracle.trains(recording, p.name, dt) for p in self.net.populations}
        start = round(recording.start / dt)
        for t in range(start, start + steps):
            self.step({name: np.array([float(t in train) for train in each]) for name, each in trains.items()})
        self.end_of_run()
        return self
