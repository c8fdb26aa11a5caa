"""Membranes as the description means them, from what NEST's meters show of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF
from salhw.session.recorder import Raster
from salhw.session.recording import Trace
from salhw.substrate.target import Target
from salhw_nest.circuit import NestCircuit, before, noise_of
from salhw_nest.drive import drive_of, forced_at
from salhw_nest.inputs import jump, strength_of
from salhw_nest.neurons import next_potential
from salhw_nest.plan import Meter, Plan

Samples = Mapping[str, Sequence[Mapping[str, Any]]]
"""What NEST's meters returned in a run, by meter, call by call."""


def _at_steps(
    found: Samples, plan: Plan, meter: Meter, steps: IntArray, shape: tuple[int, int], quantity: str
) -> FloatArray:
    """A quantity at ``steps``, (instance, time, neuron). NEST has not given the last step's potential to the meter
    yet: it is what the cells hold."""
    values = np.full((len(steps), shape[0] * shape[1]), np.nan)
    for events in found[meter.name]:
        if quantity == "V_m" and not meter.early and len(steps):
            values[steps == events["last"]] = events["now"]
        step = (events["stamp"] + meter.early - plan.lead_in) // plan.per_step - 1
        place = np.searchsorted(steps, step)
        inside = np.isin(step, steps)
        values[place[inside], events["cell"][inside]] = events[quantity][inside]
    return np.ascontiguousarray(values.reshape(len(steps), *shape).transpose(1, 0, 2))


def _spiked(spikes: Raster, steps: IntArray, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Whether there was a spike at each of the steps, (instance, time, neuron)."""
    seen = np.zeros((shape[0], len(steps), shape[1]), dtype=np.bool_)
    inside = np.isin(spikes.step, steps)
    seen[spikes.instance[inside], np.searchsorted(steps, spikes.step[inside]), spikes.neuron[inside]] = True
    return seen


def membrane(
    net: Network, target: Target, circuit: NestCircuit, name: str, found: Samples, spikes: Raster, bias: FloatArray,
    start: int, stop: int,
) -> Trace:  # fmt: skip
    """The membrane trace of a population in the steps start..stop: the potential that entered the decision, without
    what this backend adds to it.

    Args:
        spikes: of the population in these steps.
        bias: that it has, (instance, neuron).
    """
    plan, population = circuit.plan, net.population(name)
    shape = circuit.instances, population.size
    meter = next(m for m in plan.meters if m.name == name)
    steps = np.arange(-(-start // meter.every) * meter.every, stop, meter.every)
    values = _at_steps(found, plan, meter, steps, shape, "V_m")
    drives = [drive_of(net, name, int(k), bias)[0] for k in steps]
    drive = np.stack(drives, axis=1) if drives else np.zeros_like(values)
    forced = forced_at(net, name, steps)
    if isinstance(population.neuron, GLM):
        if bare := next((m for m in plan.meters if m.name == noise_of(name)), None):
            values = values - _at_steps(found, plan, bare, steps, shape, "V_m")
        lift = strength_of(net, target, population)
        values = values - lift * forced + drive
    elif isinstance(population.neuron, LIF):
        early = next(m for m in plan.meters if m.name == before(name))
        was, *currents = (_at_steps(found, plan, early, steps, shape, q) for q in early.quantities)
        current = sum(currents) - forced * jump(net, population, plan.tick)
        crossed = next_potential(population.neuron, circuit.tau_syn(name), plan.tick, was, current, drive)
        values = np.where(_spiked(spikes, steps, shape), crossed, values)
    return Trace((steps * net.dt).astype(np.float64), np.ascontiguousarray(values))
