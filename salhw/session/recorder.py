"""A Recording from the spikes of a run: for backends whose simulator or chip returns spikes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from importlib.metadata import version
from itertools import groupby
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.probes import Spikes, StateOccupancy, Weights
from salhw.session.executable import Executable
from salhw.session.recording import Recording, SpikeTrains, Trace
from salhw.substrate.chip import Chip


@dataclass(frozen=True)
class Raster:
    """The spikes of one population: ``step`` of session time, ``instance`` (its position) and ``neuron``."""

    instance: IntArray
    neuron: IntArray
    step: IntArray

    @classmethod
    def joined(cls, rasters: Sequence[Raster]) -> Raster:
        """All of them, in the order of instance, step and neuron."""
        names = ("instance", "neuron", "step")
        empty: list[IntArray] = [np.zeros(0, dtype=np.int64)]
        instance, neuron, step = (np.concatenate(empty + [getattr(r, name) for r in rasters]) for name in names)
        order = np.lexsort((neuron, step, instance))
        return cls(instance[order], neuron[order], step[order])

    def since(self, step: int) -> Raster:
        """Those from ``step`` on."""
        late = self.step >= step
        return Raster(self.instance[late], self.neuron[late], self.step[late])


@dataclass(frozen=True)
class Samples:
    """The steps of a run at which weights are sampled: its start, and whole multiples of the probes' periods.
    ``samples[step]`` are the projections that are sampled at a step, none at most of them."""

    start: int
    stop: int
    periods: tuple[tuple[str, int], ...]

    def __getitem__(self, step: int) -> list[str]:
        return [name for name, every in self.periods if step in (self.start, step // every * every)]

    def __contains__(self, step: int) -> bool:
        return bool(self[step])

    def __bool__(self) -> bool:
        return bool(self.periods)

    def __iter__(self) -> Iterator[int]:
        """All of them in their order."""
        yield from (self.start,) if self.periods else ()
        each = (range((self.start // every + 1) * every, self.stop + 1, every) for _, every in self.periods)
        yield from (step for step, _ in groupby(merge(*each)))

    def after(self, step: int) -> int:
        """The next sample later than ``step``, or the end of the run."""
        return min([self.stop, *((step // every + 1) * every for _, every in self.periods)])


def sample_steps(net: Network, start: int, stop: int) -> Samples:
    """The samples of a run."""
    periods = ((probe.projection, in_steps(probe.every, net.dt) or 1) for probe in only(net.probes, Weights))
    return Samples(start, stop, tuple(periods))


def stops(start: int, stop: int, *cuts: Iterable[int]) -> Iterator[int]:
    """The steps after ``start`` at which a run has to stop, each once and in order, ``stop`` the last of them; each of
    ``cuts`` ascends. Never more than one of them exists at a time: a long run has more than fit into memory."""
    for step in merge(*cuts, (stop,)):
        if start < step:
            yield step
            start = step
        if step == stop:
            return


def provenance(executable: Executable, chips: Sequence[Chip], seed: int, packages: Sequence[str]) -> dict[str, Any]:
    """Where a recording comes from."""
    return {
        "network": executable.source.name,
        "network_hash": executable.source.content_hash,
        "target": executable.target.name,
        "target_hash": executable.target.content_hash,
        "chips": [chip.id for chip in chips],
        "wafer": chips[0].seed,
        "seed": seed,
        "versions": {name: version(name) for name in ("salhw", "numpy", *packages)},
    }


def occupancy(raster: Raster, size: int, instances: int, tau_ref: int, start: int, stop: int) -> IntArray:
    """For how many steps of start..stop the state took each of its 2**size values, (instance, state). ``raster`` holds
    the spikes since ``start - tau_ref``."""
    counts = np.zeros((instances, 2**size), dtype=np.int64)
    for k in range(instances):
        mine = raster.instance == k
        # The steps at which a neuron's state begins (up) or ends (down), and how long what follows lasts: a run of any
        # length takes as much memory as its spikes do.
        step = np.clip(np.concatenate([raster.step[mine], raster.step[mine] + tau_ref]), start, stop)
        sign = np.repeat([1, -1], np.count_nonzero(mine))
        order = np.argsort(step, kind="stable")
        code = np.zeros(len(step) + 1, dtype=np.int64)
        for neuron in range(size):
            own = np.tile(raster.neuron[mine] == neuron, 2)[order]
            code[1:] += (np.cumsum(sign[order] * own) > 0).astype(np.int64) << neuron
        lasts = np.diff(np.concatenate([[start], step[order], [stop]]))
        np.add.at(counts[k], code, lasts)
    return counts


def recording(
    net: Network,
    ids: tuple[int, ...],
    start: int,
    stop: int,
    rasters: Mapping[str, Raster],
    *,
    before: Mapping[str, Raster],
    weights: Mapping[int, Mapping[str, FloatArray]],
    membranes: Mapping[str, Trace],
    provenance: Mapping[str, Any],
) -> Recording:
    """The recording of steps start..stop.

    Args:
        rasters: per population, the spikes of the run.
        before: per population with a StateOccupancy probe, its spikes in the tau_ref before the run.
        weights: step -> projection -> weights with the leading dimension "instance".
        membranes: per population with a Membrane probe.
    """
    counts, spikes, traces, occupied = {}, {}, {}, {}
    for p in net.populations:
        raster = rasters[p.name]
        flat = np.bincount(raster.instance * p.size + raster.neuron, minlength=len(ids) * p.size)
        counts[p.name] = flat.reshape(len(ids), p.size).astype(np.int64)
    for sampled in only(net.probes, Weights):
        times = [step for step in sorted(weights) if sampled.projection in weights[step]]
        stack = np.stack([weights[step][sampled.projection] for step in times], axis=1)
        traces[sampled.projection] = Trace(np.array(times, dtype=np.float64) * net.dt, stack)
    for probe in only(net.probes, Spikes):
        r, size = rasters[probe.population], net.population(probe.population).size
        ends = start * net.dt, stop * net.dt
        when = r.step.astype(np.float64) * net.dt
        spikes[probe.population] = SpikeTrains(ids, size, *ends, r.instance, r.neuron, when)
    for state in only(net.probes, StateOccupancy):
        population = net.population(state.population)
        tau_ref = in_steps(population.neuron.refractory_period or 0.0, net.dt) or 0
        every = Raster.joined([before[population.name], rasters[population.name]]).since(start - tau_ref)
        occupied[population.name] = occupancy(every, population.size, len(ids), tau_ref, start, stop)
    return Recording(
        ids=ids,
        start=start * net.dt,
        duration=(stop - start) * net.dt,
        counts=counts,
        spikes=spikes,
        membrane_traces=membranes,
        weight_traces=traces,
        occupancy_counts=occupied,
        provenance=provenance,
    )
