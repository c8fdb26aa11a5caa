"""The semantics of docs/semantics.md once more, slowly and obviously, from recorded spikes."""

from __future__ import annotations

import numpy as np

from salhw import Network, Recording
from salhw.description.connectivity import values
from salhw.description.plasticity import PairSTDP


def trains(recording: Recording, population: str, dt: float, instance: int = 0) -> list[list[int]]:
    """Spike steps of every neuron."""
    spikes = recording.spikes[population]
    return [[round(t / dt) for t in spikes.times(k, instance)] for k in range(spikes.size)]


def pair_sums(rule: PairSTDP, pre: list[int], post: list[int], dt: float) -> list[tuple[int, float, float]]:
    """(step, causal, anticausal): what each step adds to the window sums of one synapse, in order of time."""

    def window(branch: str, lag: int) -> float:
        return float(getattr(rule, branch).shape(np.array(lag * dt)))

    together = set(pre) & set(post)
    events: list[tuple[int, float, float]] = []
    for t in sorted(set(pre) | set(post)):
        causal = anticausal = 0.0
        share = 0.5 if t in together and rule.pairing != "all" else 1.0
        if t in post:
            causal += share * _partners(rule.pairing, t, pre, post, lambda lag: window("causal", lag))
        if t in pre:
            anticausal += share * _partners(rule.pairing, t, post, pre, lambda lag: window("anticausal", lag))
        if t in together:
            causal, anticausal = causal + 0.5, anticausal + 0.5
        events.append((t, causal, anticausal))
    return events


def _partners(pairing: str, t: int, partner: list[int], own: list[int], window) -> float:  # type: ignore[no-untyped-def]
    before = [s for s in partner if s < t]
    if pairing == "all":
        return sum(window(t - s) for s in before)
    if not before:
        return 0.0
    s = before[-1]
    if pairing == "nearest_restricted":
        if any(s < r < t for r in own):
            return 0.0
        if s in own:
            return 0.5 * window(t - s)
    return float(window(t - s))


def weight_course(
    net: Network, spikes: dict[str, list[list[int]]], steps: int, start: int = 0
) -> dict[str, np.ndarray]:
    """W[p][t]: weights (post, pre) in force at step t (t = start .. start + steps; the last is the end of the run)."""
    course = {}
    for p in net.projections:
        n_post, n_pre = net.population(p.post).size, net.population(p.pre).size
        w = np.array(values(p.weights, n_post, n_pre, p.pre == p.post), dtype=float)
        out = np.zeros((steps + 1, n_post, n_pre))
        if p.weights.kind == "OneToOne":
            w = np.diag(w)
        exists = np.ones((n_post, n_pre), bool)
        if p.pre == p.post:
            np.fill_diagonal(exists, False)
        if p.weights.kind == "OneToOne":
            exists = np.eye(n_post, dtype=bool)
        low = max([r.bounds[0] for r in p.plasticity if r.bounds], default=-np.inf)
        high = min([r.bounds[1] for r in p.plasticity if r.bounds], default=np.inf)
        change = np.zeros((len(p.plasticity), steps, n_post, n_pre))
        for r, rule in enumerate(p.plasticity):
            rate = np.broadcast_to(rule.learning_rate, (n_post, n_pre))
            causal_rate = rate * rule.causal.amplitude
            anticausal_rate = rate * rule.anticausal.amplitude
            for i, j in zip(*np.nonzero(exists), strict=True):
                for t, causal, anticausal in pair_sums(rule, spikes[p.pre][j], spikes[p.post][i], net.dt):
                    change[r, t - start, i, j] += causal_rate[i, j] * causal + anticausal_rate[i, j] * anticausal
        waiting = np.zeros((len(p.plasticity), n_post, n_pre))
        for t in range(steps):
            out[t] = w
            for r, rule in enumerate(p.plasticity):
                if rule.update == "spike":
                    w = np.where(change[r, t] != 0, np.clip(w + change[r, t], low, high), w)
                else:
                    waiting[r] += change[r, t]
                    period = rule.period and round(rule.period / net.dt)
                    if period and (start + t + 1) % period == 0:
                        w = np.where(exists, np.clip(w + waiting[r], low, high), w)
                        waiting[r] = 0.0
        for r, rule in enumerate(p.plasticity):
            if rule.update == "run end":
                w = np.where(exists, np.clip(w + waiting[r], low, high), w)
        out[steps] = w
        course[p.name] = out
    return course


def inputs(net: Network, spikes: dict[str, list[list[int]]], course: dict[str, np.ndarray], steps: int, name: str):  # type: ignore[no-untyped-def]
    """Bias plus synaptic input (steps, neuron) of a population, Eq 8 with the weights in force at each step."""
    population = net.population(name)
    u = np.zeros((steps, population.size)) + np.asarray(population.neuron.bias)  # type: ignore[union-attr]
    for p in net.projections:
        if p.post != name:
            continue
        delay = round(p.delay / net.dt)
        kappa = p.kernel.sample(net.dt, steps)
        g = np.zeros((steps, net.population(p.pre).size))
        for j, train in enumerate(spikes[p.pre]):
            for k, s in enumerate(train):
                arrival = s + 1 + delay
                until = steps
                if p.kernel.superposition == "last" and k + 1 < len(train):
                    until = min(steps, train[k + 1] + 1 + delay)
                if arrival < until:
                    g[arrival:until, j] += kappa[: until - arrival]
        gain = 1.0 if p.into is None else population.neuron.inputs[p.into]  # type: ignore[union-attr]
        u += gain * np.einsum("tij,tj->ti", course[p.name][:steps], g)
    return u
