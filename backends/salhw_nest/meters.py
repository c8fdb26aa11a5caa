"""Membranes and variables as the description means them, from what NEST's meters show of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.probes import Membrane, Variable
from salhw.session.recorder import Raster
from salhw.session.recording import TimeSeries
from salhw.session.strengths import Strengths
from salhw.substrate.target import Target
from salhw_nest.circuit import NestCircuit, meter_name
from salhw_nest.drive import drive_of, forced_at
from salhw_nest.neurons import nest_neuron
from salhw_nest.neurons.neuron import Potential
from salhw_nest.plan import Meter, Plan
from salhw_nest.probes import PROBES

Samples = Mapping[str, Sequence[Mapping[str, Any]]]
"""What NEST's meters returned in a run, by meter, call by call."""


def _at_steps(
    samples: Sequence[Mapping[str, Any]],
    plan: Plan,
    meter: Meter,
    steps: IntArray,
    shape: tuple[int, int],
    quantity: str,
) -> FloatArray:
    """A quantity at ``steps``, (instance, time, neuron). NEST has not given that of the last step to the meter yet: it
    is what the cells hold."""
    values = np.full((len(steps), shape[0] * shape[1]), np.nan)
    for events in samples:
        if quantity in events["now"] and len(steps):
            values[steps == events["last"]] = events["now"][quantity]
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


def metering(
    net: Network, target: Target, circuit: NestCircuit, probe: Membrane | Variable, samples: Samples, spikes: Raster,
    bias: FloatArray, strengths: Strengths, start: int, stop: int,
) -> TimeSeries:  # fmt: skip
    """What a probe shows of a population in the steps start..stop: what entered the decision, without what this backend
    adds to it.

    Args:
        spikes: of the population in these steps.
        bias: that it has, (instance, neuron).
        strengths: of stimuli.
    """
    plan, name, every = circuit.plan, probe.population, PROBES[probe](probe, net.dt)
    seen, shape = nest_neuron(net, target, name).seen(probe), (circuit.instances, net.population(name).size)
    steps = np.arange(-(-start // every) * every, stop, every)
    shown = {
        meter.name: {
            quantity: _at_steps(samples[meter_name(probe, meter)], plan, meter, steps, shape, quantity)
            for quantity in meter.quantities
        }
        for meter in seen.meters(every)
    }
    drives = [drive_of(net, name, int(k), bias, strengths)[0] for k in steps]
    drive = np.stack(drives, axis=1) if drives else np.zeros((shape[0], 0, shape[1]))
    known = Potential(shown, drive, forced_at(net, name, steps, strengths), _spiked(spikes, steps, shape))
    values = np.broadcast_to(seen.value(known, plan.tick), drive.shape)
    return TimeSeries((steps * net.dt).astype(np.float64), np.ascontiguousarray(values))
