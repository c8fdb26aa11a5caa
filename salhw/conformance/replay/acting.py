"""At which steps stimuli act, and what of it is certain: forced spikes and clamps (docs/semantics.md, "Stimuli")."""

from __future__ import annotations

import numpy as np

from salhw.conformance.replay.trains import Bools
from salhw.description.fields import IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.stimuli import Clamp, Current, NoisyCurrent, Poisson, SpikeTimes


def acts(stimulus: Poisson | Clamp | Current | NoisyCurrent, step: int, dt: float) -> bool:
    """Whether a stimulus acts at a step: from its start until before its stop."""
    stop = np.inf if stimulus.stop is None else round(stimulus.stop / dt)
    return round(stimulus.start / dt) <= step < stop


def forced(net: Network, name: str, count: int) -> Bools:
    """Which neurons of a population are forced to spike at the first ``count`` steps, (step, neuron)."""
    spikes = np.zeros((count, net.population(name).size), dtype=np.bool_)
    for stimulus in only(net.stimuli, SpikeTimes):
        for neuron, train in enumerate(stimulus.times if stimulus.population == name else ()):
            at = np.rint(train / net.dt).astype(np.int64)
            spikes[at[at < count], neuron] = True
    return spikes


def clamps(net: Network, name: str, step: int) -> tuple[Bools, IntArray]:
    """Which neurons of a population are clamped at a step, and to which state."""
    size = net.population(name).size
    clamped, state = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.int64)
    for clamp in only(net.stimuli, Clamp):
        if clamp.population == name and acts(clamp, step, net.dt):
            who = np.arange(size) if clamp.neurons is None else clamp.neurons
            clamped[who], state[who] = True, clamp.state
    return clamped, state
