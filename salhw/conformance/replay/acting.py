"""At which steps stimuli act, forced spikes and clamps, and the numbers of noise (docs/semantics.md, "Stimuli")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.stimuli import Clamp, Current, NoisyCurrent, Poisson, SpikeTimes, padded
from salhw.substrate.draws import normal

TOGETHER = 64
"""How many numbers of a neuron's noise are drawn at a time."""


def acts(stimulus: Poisson | Clamp | Current | NoisyCurrent, step: int, dt: float) -> bool:
    """Whether a stimulus acts at a step: from its start until before its stop."""
    stop = np.inf if stimulus.stop is None else round(stimulus.stop / dt)
    return round(stimulus.start / dt) <= step < stop


class Noise:
    """The standard normal numbers of the NoisyCurrents of a session, which follow from its ``seed`` and ``ids``."""

    def __init__(self, net: Network, seed: int, ids: Sequence[int]) -> None:
        self._net, self._who = net, [f"salhw/noise/{seed}/{identity}" for identity in ids]
        self._drawn: dict[tuple[int, int], FloatArray] = {}

    def at(self, number: int, step: int) -> FloatArray:
        """Those of a stimulus at a step at which it acts, (instance, neuron), drawn at its start and after each
        ``every``."""
        stimulus, dt = self._net.stimuli[number], self._net.dt
        assert isinstance(stimulus, NoisyCurrent)
        every = 1 if stimulus.every is None else round(stimulus.every / dt)
        block, place = divmod((step - round(stimulus.start / dt)) // every, TOGETHER)
        if (number, block) not in self._drawn:
            self._drawn[number, block] = self._draw(number, stimulus, block * TOGETHER)
        return self._drawn[number, block][:, place]

    def _draw(self, number: int, stimulus: NoisyCurrent, first: int) -> FloatArray:
        """Those of the draws from the ``first`` one on, (instance, draw, neuron)."""
        others = enumerate(self._net.stimuli)
        same = [k for k, s in others if (s.kind, s.population) == (stimulus.kind, stimulus.population)]
        draws = np.arange(first, first + TOGETHER, dtype=np.uint64)[:, None]
        neurons = np.arange(self._net.population(stimulus.population).size, dtype=np.uint64)
        places = np.asarray(draws * 2**32 + neurons, dtype=np.uint64)
        return normal(self._who, f"{stimulus.population}/{same.index(number)}", places)


def forced(net: Network, name: str, count: int, times: Mapping[str, FloatArray]) -> Bools:
    """Which neurons of a population are forced to spike at the first ``count`` steps, (instance, step, neuron);
    ``times`` are those of the stimuli that list some, by path, as a session reads them."""
    spikes = np.zeros((len(next(iter(times.values()), [0])), count, net.population(name).size), dtype=np.bool_)
    for k, stimulus in enumerate(net.stimuli):
        held = times.get(f"stimuli[{k}].times")
        if isinstance(stimulus, SpikeTimes) and stimulus.population == name and held is not None:
            instance, neuron, place = np.nonzero(~np.isnan(held))
            at = np.rint(held[instance, neuron, place] / net.dt).astype(np.int64)
            spikes[instance[at < count], at[at < count], neuron[at < count]] = True
    return spikes


def lists_times(path: str) -> bool:
    """Whether a session holds spike times at a path."""
    return path.endswith(".times")


def rewritten(held: FloatArray, value: FloatArray, now: float) -> FloatArray:
    """The times that a session holds at ``now`` ms to which others were given: what has passed stays."""
    instances, size = held.shape[:2]
    given = np.broadcast_to(value, (instances, *value.shape[-2:]))
    before, after = held.reshape(instances * size, -1), given.reshape(instances * size, -1)
    rows = padded([np.concatenate([a[a < now], b[b >= now]]) for a, b in zip(before, after, strict=True)])
    return rows.reshape(instances, size, rows.shape[1])


def clamps(net: Network, name: str, step: int) -> tuple[Bools, IntArray]:
    """Which neurons of a population are clamped at a step, and to which state."""
    size = net.population(name).size
    clamped, state = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.int64)
    for clamp in only(net.stimuli, Clamp):
        if clamp.population == name and acts(clamp, step, net.dt):
            who = np.arange(size) if clamp.neurons is None else clamp.neurons
            clamped[who], state[who] = True, clamp.state
    return clamped, state
