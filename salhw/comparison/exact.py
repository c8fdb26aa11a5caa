"""What theory knows of the network that is compared: its states, and the spike timing of two neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw.comparison.measures import GROUP, Measure, Pair, Run, trajectory
from salhw.comparison.spiking import binned
from salhw.description.connectivity import synapses, values
from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.kernels import Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM
from salhw.description.parts import Projection
from salhw.theory import distribution, kl_divergence, stdd

MOMENTS = 5
"""Moments of a run at which the theory of two learning neurons is evaluated."""


@dataclass(frozen=True)
class Divergence:
    """D_KL in nats of the states that a group of neurons takes, from the ``against`` ones: ``Boltzmann``, or those on
    the ``reference``; with its standard error. The bias of finite data is taken off (jackknife over replicates)."""

    path: str
    against: str
    value: float
    error: float


def closed(net: Network, population: str) -> list[Projection] | None:
    """The projections of a population of GLM neurons that nothing else drives, if theory knows it: rectangular PSPs as
    long as the refractory period, without delay. None for all others."""
    neuron, inside = net.population(population).neuron, [p for p in net.projections if p.post == population]
    driven = any(getattr(stimulus, "population", None) == population for stimulus in net.stimuli)
    if driven or not isinstance(neuron, GLM) or not all(p.recurrent for p in inside):
        return None
    return inside if all(p.kernel == Rectangular(tau_syn=neuron.tau_ref) and not p.delay for p in inside) else None


def _matrix(net: Network, p: Projection, weights: FloatArray | None = None) -> FloatArray:
    """W[post, pre] of a recurrent projection; ``weights`` (synapse) instead of those that are described."""
    post, pre, place = synapses(p.weights, *net.ends(p.name))
    full = np.zeros(net.ends(p.name)[:2])
    full[post, pre] = values(p.weights, *net.ends(p.name)).ravel()[place] if weights is None else weights
    return full


def boltzmann(net: Network, population: str) -> FloatArray | None:
    """The distribution of a group's states (paper Eq 3) where theory has it: weights that are symmetric and stay."""
    group, inside = net.population(population), closed(net, population)
    if inside is None or group.size > GROUP or any(p.plasticity for p in inside):
        return None
    weights = sum((_matrix(net, p) for p in inside), np.zeros((group.size, group.size)))
    if np.abs(weights - weights.T).max() > 1e-9:
        return None
    neuron: Any = group.neuron
    return distribution(weights, np.broadcast_to(neuron.bias, (group.size,)))


def exact_timing(net: Network, run: Run, pair: Pair) -> FloatArray | None:
    """The shares of spike-timing differences (paper Eqs 14-20) of two neurons that are a population of their own, in
    the bins of a pair. Where they learn, it is the mean over MOMENTS moments of their mean weights in ``run``."""
    population = net.population(pair.post[0])
    inside = closed(net, population.name)
    if inside is None or population.size != 2 or len(inside) != 1 or pair.pre[0] != population.name:
        return None
    (p,), neuron = inside, population.neuron
    matrices = [_matrix(net, p)]
    if p.name in run.final:
        weights = trajectory(run, p.name)[1].mean(axis=0)
        moments = ((np.arange(MOMENTS) + 0.5) / MOMENTS * (len(weights) - 1)).round().astype(int)
        matrices = [_matrix(net, p, weights[k]) for k in moments]
    assert isinstance(neuron, GLM)
    tau_ref, lags = in_steps(neuron.tau_ref, net.dt) or 1, np.array(pair.lags)
    t_max = round(20 * lags[-1] / net.dt)
    kappa, bias = p.kernel.sample(net.dt, tau_ref), np.broadcast_to(neuron.bias, (2,))
    order = [pair.pre[1], pair.post[1]]  # the theory's lags are those of neuron 1 after neuron 0
    rates = [
        stdd(w[np.ix_(order, order)], bias[order], kappa, tau_ref, t_max, neuron.discretisation).rate for w in matrices
    ]
    shares = np.bincount(binned(np.arange(-t_max, t_max + 1) * net.dt, lags), np.mean(rates, axis=0), len(lags))
    return np.asarray(shares / shares.sum())


def divergences(net: Network, sample: list[Measure], reference: list[Measure] | None) -> list[Divergence]:
    """How far the states of every small group are from the Boltzmann distribution and from those on the reference."""
    known = {m.path: m.values.mean(axis=0) for m in reference or () if m.quantity == "states"}
    found = []
    for m in sample:
        if m.quantity != "states" or len(m.values) < 2:
            continue
        exact = boltzmann(net, m.path.removeprefix("populations."))
        for against, other in (("Boltzmann", exact), ("reference", known.get(m.path))):
            if other is not None and np.all(other > 0):
                found.append(Divergence(m.path, against, *_jackknifed(m.values, other)))
    return found


def _jackknifed(rows: FloatArray, other: FloatArray) -> tuple[float, float]:
    n, total = len(rows), rows.sum(axis=0)

    def divergence(shares: FloatArray) -> float:
        p = np.maximum(shares, 0.0)  # a linearised row may be a little below 0
        return kl_divergence(p / p.sum(), other / other.sum())

    whole = divergence(total / n)
    without = np.array([divergence((total - row) / (n - 1)) for row in rows])
    value = n * whole - (n - 1) * without.mean()
    return float(value), float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
