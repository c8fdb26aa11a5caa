"""Biases, clamps and currents: what NEST's cells have to hold at a step."""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.neurons import GLM
from salhw.description.stimuli import Clamp, Current, SpikeTimes
from salhw.session.paths import described_at
from salhw.substrate.target import Target
from salhw_nest.circuit import bias_parameters


def driven(net: Network) -> list[str]:
    """Populations whose drive changes over time."""
    return list(dict.fromkeys(s.population for s in net.stimuli if isinstance(s, Clamp | Current)))


def cuts(net: Network) -> set[int]:
    """The steps at which clamps and currents begin and end."""
    ends = [t for s in net.stimuli if isinstance(s, Clamp | Current) for t in (s.start, s.stop) if t is not None]
    return {in_steps(t, net.dt) or 0 for t in ends}


def drive_of(net: Network, population: str, step: int, bias: FloatArray) -> tuple[FloatArray, IntArray]:
    """(instance, neuron): ``bias`` with the currents of a step; and the state where a clamp holds a neuron, else -1."""
    total, state = bias.copy(), np.full(bias.shape, -1, dtype=np.int64)
    for s in net.stimuli:
        if not isinstance(s, Clamp | Current) or s.population != population:
            continue
        stop = np.inf if s.stop is None else in_steps(s.stop, net.dt) or 0
        if not (in_steps(s.start, net.dt) or 0) <= step < stop:
            continue
        if isinstance(s, Current):
            total += s.amplitude
        else:
            state[:, np.arange(bias.shape[1]) if s.neurons is None else s.neurons] = s.state
    return total, state


def drive(
    net: Network, target: Target, population: str, step: int, instances: int, per_step: int, bias: FloatArray | None
) -> dict[str, FloatArray]:
    """NEST's parameters for a population at a step; ``bias`` (instance, neuron), or None for the description's."""
    p = net.population(population)
    if bias is None:
        nominal = described_at(net, f"populations.{population}.bias")
        bias = np.array(np.broadcast_to(nominal, (instances, p.size)))
    total, state = drive_of(net, population, step, bias)
    clamped = state.ravel() if isinstance(p.neuron, GLM) and (state >= 0).any() else None
    return bias_parameters(net, target, p, total.ravel(), per_step, clamped)


def forced_at(net: Network, population: str, steps: IntArray) -> FloatArray:
    """1 where a neuron is forced to spike at one of ``steps``, else 0, (time, neuron)."""
    found = np.zeros((len(steps), net.population(population).size))
    for s in net.stimuli:
        if isinstance(s, SpikeTimes) and s.population == population:
            for neuron, train in enumerate(s.times):
                found[np.isin(steps, np.rint(train / net.dt).astype(np.int64)), neuron] += 1.0
    return found
