"""How much memory sessions and recordings take, and how much this machine has: what certainly does not fit is refused
before it begins, with both numbers, and a run whose recording outgrows the machine ends with what it has.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from salhw import machine
from salhw.description.connectivity import count, shape_of
from salhw.description.grid import in_steps
from salhw.description.kinds import only
from salhw.description.probes import (
    Membrane,
    Rates,
    Spikes,
    StateOccupancy,
    SynapseVariable,
    Traces,
    Variable,
    Weights,
    sampling,
)
from salhw.description.stimuli import SpikeTimes
from salhw.diagnostics import Diagnostic, SessionError
from salhw.diagnostics.wording import number
from salhw.machine import RESERVE, Memory, amount, rounded

if TYPE_CHECKING:
    from salhw.description.network import Network
    from salhw.description.parts import Population
    from salhw.session.recording import Recording

CERTAIN = 10.0  # a run is refused for its spikes if a tenth of those that are expected would not fit
SAMPLE = 500  # bytes of one sample of weights beside its numbers: an array, an entry of a dictionary
GLANCE = 0.05  # s between two looks at how much memory is left


def assumed(net: Network) -> Memory:
    """What a backend that says nothing about it is taken to need: 20 numbers for a synapse, 100 for a neuron."""
    neurons, static, plastic = sizes(net)
    synapses = static + plastic
    return Memory(once=160 * synapses + 800 * neurons, each=160 * synapses + 800 * neurons)


def sizes(net: Network) -> tuple[int, int, int]:
    """How many neurons, static synapses and plastic ones (once for each rule) a network has."""
    static = plastic = 0
    for p in net.projections:
        synapses = count(p.weights, *net.ends(p.name))
        static, plastic = (
            (static, plastic + synapses * len(p.plasticity)) if p.plasticity else (static + synapses, plastic)
        )
    return sum(p.size for p in net.populations), static, plastic


# the machine --------------------------------------------------------------------------------------------------------


# sessions -----------------------------------------------------------------------------------------------------------


def too_large(net: Network, memory: Memory) -> list[Diagnostic]:
    """A finding if not even one instance of a network fits, at what is largest in it."""
    need = memory.of(1)
    if need <= RESERVE or need <= (there := machine.available()):  # looking takes as long as all other checks
        return []
    if memory.longest is not None:
        path, time = memory.longest
        most = rounded(0.2 * there / need * time / net.dt) * net.dt
        asked = f"{number(time)} ms, for which spikes are kept: {amount(need)} of memory"
        fix = f"{path.rpartition('.')[2]} <= {number(most)} ms"
        return [Diagnostic("SAL221", path, asked, f"{amount(there)} available on this machine", fix)]
    items = {f"populations.{p.name}": (p.size, "neurons") for p in net.populations}
    items |= {f"projections.{p.name}": (count(p.weights, *net.ends(p.name)), "synapses") for p in net.projections}
    path = max(items, key=lambda name: items[name][0])
    many, what = items[path]
    asked = f"{many:,} {what}, {amount(need)} of memory in all"
    fix = f"fewer or sparser {what}, or a machine with more memory"
    return [Diagnostic("SAL221", path, asked, f"{amount(there)} available on this machine", fix)]


# recordings ---------------------------------------------------------------------------------------------------------


def exact(net: Network, memory: Memory, instances: int, start: int, stop: int) -> int:
    """The bytes that a recording of steps start..stop takes beside its spikes, until it is made."""
    size = {p.name: p.size for p in net.populations}
    total = 16 * instances * sum(size.values())
    for seen in sampling(net.probes):
        kept = stop - start if memory.every_step else _samples(seen, net.dt, start, stop)
        looked_at = size[seen.population] if seen.neurons is None else len(seen.neurons)
        total += memory.sample * kept * looked_at * instances
    for rate in only(net.probes, Rates):
        total += 3 * SAMPLE * _samples(rate, net.dt, start, stop) * size[rate.population] * instances
    for probe in only(net.probes, Traces):
        columns = size[net.trace(probe.trace).population]
        total += memory.sample * _samples(probe, net.dt, start, stop) * columns * instances
    for weights in only(net.probes, Weights):
        p = net.projection(weights.projection)
        shape = shape_of(p.weights, *net.ends(p.name)[:2])
        numbers = int(np.prod(shape, dtype=object)) if weights.synapses is None else len(weights.synapses)
        total += _samples(weights, net.dt, start, stop) * (SAMPLE + 16 * instances * numbers)
    for variable in only(net.probes, SynapseVariable):
        p = net.projection(variable.projection)
        many = count(p.weights, *net.ends(p.name)) if variable.synapses is None else len(variable.synapses)
        kept = memory.sample * (many + size[p.pre])  # an engine may sample the presynaptic neurons first
        total += kept * _samples(variable, net.dt, start, stop) * instances
    for state in only(net.probes, StateOccupancy):
        total += 16 * instances * 2 ** size[state.population]
    return total


def _samples(
    probe: Membrane | Rates | SynapseVariable | Traces | Variable | Weights, dt: float, start: int, stop: int
) -> int:
    """How often a probe looks within a run, at most."""
    every = in_steps(probe.every or dt, dt) or 1
    return stop // every - start // every + 1


def expected_spikes(net: Network, every_spike: bool, start: int, stop: int) -> float:
    """How many spikes of an instance a run is expected to keep, if no synapse has an effect."""
    asked = {probe.population: probe.neurons for probe in only(net.probes, Spikes)}
    kept = [p for p in net.populations if every_spike or p.name in asked]
    spikes = 0.0
    for p in kept:
        chosen = None if every_spike else asked[p.name]
        share = 1.0 if chosen is None else len(chosen) / p.size
        spikes += share * (_rate(net, p) * (stop - start) * net.dt + _given(net, p, start, stop))
    return spikes


def _rate(net: Network, p: Population) -> float:
    """Spikes per ms of a population by its bias and what drives it all along; what ends drives nobody here."""
    drive = np.zeros(p.size)
    for stimulus in net.stimuli:
        drive = drive + stimulus.steady_drive(net.dt) if stimulus.population == p.name else drive
    return float(np.sum(p.neuron.steady_rate(drive, net.dt)))


def _given(net: Network, p: Population, start: int, stop: int) -> int:
    """Forced spikes within a run."""
    trains = [train for s in only(net.stimuli, SpikeTimes) if s.population == p.name for train in s.times]
    return sum(int(np.diff(np.searchsorted(train, (start * net.dt, stop * net.dt)))[0]) for train in trains)


class Room:
    """The memory that one run may use; made before it begins, asked between its stretches.

    Args:
        start, stop: its steps, of session time.

    Raises:
        SessionError: SAL411 the recording certainly does not fit: its traces and samples alone, or a tenth of the
            spikes that are expected.
    """

    def __init__(self, net: Network, memory: Memory, instances: int, start: int, stop: int) -> None:
        self._memory, self._dt, self._start, self._stop = memory, net.dt, start, stop
        self._looked, self.ended = time.monotonic(), False
        sure = exact(net, memory, instances, start, stop)
        spikes = memory.spike * instances * expected_spikes(net, memory.every_spike, start, stop)
        need = max(sure, spikes / CERTAIN)
        # Looking how much there is takes as long as a short run.
        if need > RESERVE and need > (there := machine.available()):
            share = min(1.0, there / max(sure, 1), CERTAIN * there / max(spikes, 1.0))
            asked = f"{number((stop - start) * net.dt)} ms"
            supported = f"{amount(sure)} of samples and some {amount(spikes)} of spikes, {amount(there)} available"
            fit = rounded(0.9 * share * (stop - start)) * net.dt
            fix = f"runs of {number(fit)} ms at most, fewer probes, or longer times between samples"
            finding = Diagnostic("SAL411", "duration", asked, supported, fix)
            raise SessionError("SessionError: the recording does not fit into this machine's memory", [finding])

    def full(self, spikes: int) -> bool:
        """Whether the run has to end here, because what it has recorded, ``spikes`` among it, needs the memory that is
        left to become a recording."""
        now = time.monotonic()
        if now - self._looked < GLANCE:
            return False
        self._looked = now
        self.ended = machine.available() < self._memory.spike * spikes + RESERVE
        return self.ended

    def checked(self, recording: Recording) -> Recording:
        """``recording``, if the run came to its end.

        Raises:
            SessionError: SAL411 it had to end before; the error's ``recording`` holds what there is.
        """
        if not self.ended:
            return recording
        asked = f"{number((self._stop - self._start) * self._dt)} ms"
        supported = f"memory ran out after {number(recording.duration)} ms"
        fix = f"runs of {number(recording.duration)} ms at most, fewer probes, or fewer instances"
        finding = Diagnostic("SAL411", "duration", asked, supported, fix)
        error = SessionError("SessionError: the recording has filled this machine's memory", [finding])
        error.recording = recording
        raise error
