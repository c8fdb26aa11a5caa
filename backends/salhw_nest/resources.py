"""What short-term plasticity remembers, between the spikes that NEST records: its synapses work it out at presynaptic
spikes alone, and hold until the next what the last one has found."""

from __future__ import annotations

import numpy as np

from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.probes import SynapseVariable
from salhw.session.recorder import Raster, presynaptic
from salhw.session.recording import TimeSeries


def remembered(
    net: Network, probe: SynapseVariable, spikes: Raster, instances: int, start: int, stop: int
) -> TimeSeries:
    """What a probe shows in the steps start..stop.

    Args:
        spikes: of the presynaptic population, of all steps that strengths in these depend on.
    """
    p, every = net.projection(probe.projection), in_steps(probe.every or net.dt, net.dt) or 1
    steps = np.arange(-(-start // every) * every, stop, every)
    moments = steps.astype(np.float64) * net.dt
    pre = presynaptic(net, probe)
    values = np.empty((instances, len(steps), len(pre)))
    for b, neuron in ((b, neuron) for b in range(instances) for neuron in np.unique(pre)):
        train = spikes.step[(spikes.instance == b) & (spikes.neuron == neuron)]
        found = {} if p.short_term is None else p.short_term.found(train.astype(np.float64) * net.dt, moments)
        values[b][:, pre == neuron] = found[probe.of][:, None]
    return TimeSeries(moments, values)
