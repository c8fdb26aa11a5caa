"""What theory knows of the network that is compared: its states, and the spike timing of two neurons."""

from __future__ import annotations

from dataclasses import replace
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
from salhw.theory import distribution, stdd

MOMENTS = 5
"""Moments of a run at which the theory of two learning neurons is evaluated."""


def closed(net: Network, population: str) -> list[Projection] | None:
    """The projections of a population of GLM neurons that nothing else drives, if theory knows it: rectangular PSPs as
    long as the refractory period and all as strong, without delay. None for all others."""
    neuron, inside = net.population(population).neuron, [p for p in net.projections if p.post == population]
    driven = any(getattr(stimulus, "population", None) == population for stimulus in net.stimuli)
    if driven or not isinstance(neuron, GLM) or not all(p.recurrent for p in inside):
        return None
    tau_ref = neuron.tau_ref
    if isinstance(tau_ref, np.ndarray):
        return None
    plain = all(not p.longest_delay(net.dt) and p.short_term is None for p in inside)
    known = plain and all(p.kernel == Rectangular(tau_syn=tau_ref) for p in inside)
    return inside if known else None


def _matrix(net: Network, p: Projection, weights: FloatArray | None = None) -> FloatArray:
    """W[post, pre] of a recurrent projection; ``weights`` (synapse) instead of those that are described."""
    post, pre, place = synapses(p.weights, *net.ends(p.name))
    full = np.zeros(net.ends(p.name)[:2])
    each = values(p.weights, *net.ends(p.name)).ravel()[place] if weights is None else weights
    np.add.at(full, (post, pre), each)
    np.fill_diagonal(full, 0.0)  # what a neuron does to itself is over when it can spike again
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
    tau_ref, lags = in_steps(float(neuron.tau_ref), net.dt) or 1, np.array(pair.lags)
    t_max = round(20 * lags[-1] / net.dt)
    kappa, bias = p.kernel.sample(net.dt, tau_ref), np.broadcast_to(neuron.bias, (2,))
    order = [pair.pre[1], pair.post[1]]  # the theory's lags are those of neuron 1 after neuron 0
    rates = [
        stdd(w[np.ix_(order, order)], bias[order], kappa, tau_ref, t_max, neuron.discretisation).rate for w in matrices
    ]
    shares = np.bincount(binned(np.arange(-t_max, t_max + 1) * net.dt, lags), np.mean(rates, axis=0), len(lags))
    return np.asarray(shares / shares.sum())


def beside_theory(net: Network, sample: list[Measure]) -> tuple[list[Measure], list[Measure]]:
    """The states of every small group of which theory has the distribution, and that distribution, to be compared."""
    found, known = [], []
    for m in sample:
        exact = boltzmann(net, m.path.removeprefix("populations.")) if m.quantity == "states" else None
        if exact is not None:
            found.append(replace(m, quantity="theory_divergence"))
            known.append(replace(m, quantity="theory_divergence", values=exact[None], exact=True))
    return found, known
