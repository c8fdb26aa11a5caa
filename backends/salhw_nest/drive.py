"""Biases, clamps and currents: what NEST's cells have to hold at a step."""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.stimuli import Poisson, SpikeTimes
from salhw.session.paths import described_at
from salhw.session.strengths import Strengths
from salhw.substrate.target import Target
from salhw_nest.neurons import nest_neuron
from salhw_nest.stimuli import nest_stimuli


def driven(net: Network) -> list[str]:
    """Populations whose drive changes over time."""
    return list(dict.fromkeys(s.population for s in nest_stimuli(net) if s.changes))


def cuts(net: Network) -> set[int]:
    """The steps at which clamps and currents begin, change and end."""
    return {step for s in nest_stimuli(net) for step in s.changes}


def drive_of(
    net: Network, population: str, step: int, bias: FloatArray, strengths: Strengths
) -> tuple[FloatArray, IntArray]:
    """(instance, neuron): ``bias`` with the currents of a step; and the state where a clamp holds a neuron, else -1."""
    total, state = bias.copy(), np.full(bias.shape, -1, dtype=np.int64)
    for k, s in enumerate(nest_stimuli(net)):
        if s.population == population and s.stimulus.acts(step, net.dt):
            s.act(total, state, strengths.present(k, step))
    return total, state


def drive(
    net: Network,
    target: Target,
    population: str,
    step: int,
    instances: int,
    per_step: int,
    bias: FloatArray | None,
    strengths: Strengths,
) -> dict[str, FloatArray]:
    """NEST's parameters for a population at a step; ``bias`` (instance, neuron), or None for the description's."""
    if bias is None:
        nominal = described_at(net, f"populations.{population}.bias")
        bias = np.array(np.broadcast_to(nominal, (instances, *nominal.shape)))
    total, state = drive_of(net, population, step, bias, strengths)
    neuron, bias = nest_neuron(net, target, population), total.ravel()
    return neuron.holds(bias, state.ravel(), per_step) | (neuron.begins(bias) if step == 0 else {})


def forced_at(net: Network, population: str, steps: IntArray, strengths: Strengths) -> FloatArray:
    """1 where a neuron is forced to spike at one of ``steps``, which ascend, else 0, (instance, time, neuron); with one
    entry for all instances where they have the same."""
    size = net.population(population).size
    forced = np.zeros((1, len(steps), size))
    for k, s in enumerate(net.stimuli):
        if isinstance(s, SpikeTimes) and s.population == population:
            times = strengths.trains(k)
            own = np.zeros((len(times), len(steps), size))
            instance, neuron, place = np.nonzero(~np.isnan(times))
            at = np.rint(times[instance, neuron, place] / net.dt).astype(np.int64)
            seen = np.isin(at, steps)
            np.add.at(own, (instance[seen], np.searchsorted(steps, at[seen]), neuron[seen]), 1.0)
            forced = forced + own
    return forced


def triggered(
    net: Network, population: str, step: int, instances: int, strengths: Strengths, random: np.random.Generator
) -> IntArray:
    """Which sources spike (1) at a step or do not (0), as their rates are now, (instance, neuron)."""
    rates = np.zeros((instances, net.population(population).size))
    for k, s in enumerate(nest_stimuli(net)):
        if s.population == population and isinstance(s.stimulus, Poisson) and s.stimulus.acts(step, net.dt):
            rates += strengths.course(k, step)
    spiked = random.random(rates.shape) < -np.expm1(-rates * net.dt / 1000.0)
    forced = forced_at(net, population, np.array([step]), strengths)[:, 0] > 0.0
    return np.asarray(spiked | forced, dtype=np.int64)
