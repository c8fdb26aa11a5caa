"""A Recording from the spikes of a run: for backends whose simulator or chip returns spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.fields import FloatArray, IntArray, in_steps
from salhw.network import Network, tau_ref_of
from salhw.probes import Spikes, StateOccupancy, Weights
from salhw.recording import Recording, SpikeTrains, Trace


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


def sample_steps(net: Network, start: int, stop: int) -> dict[int, list[str]]:
    """The steps of a run at which weights are sampled, and of which projections: its start, and whole multiples of the
    probe's period."""
    chosen: dict[int, list[str]] = {}
    for probe in net.probes:
        if isinstance(probe, Weights):
            every = in_steps(probe.every, net.dt) or 1
            for step in {start, *range(-(-start // every) * every, stop + 1, every)}:
                chosen.setdefault(step, []).append(probe.projection)
    return chosen


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
        change = np.zeros((stop - start + 1, size), dtype=np.int64)
        for edge, sign in ((raster.step[mine], 1), (raster.step[mine] + tau_ref, -1)):
            np.add.at(change, (np.clip(edge, start, stop) - start, raster.neuron[mine]), sign)
        states = (np.cumsum(change[:-1], axis=0) > 0) @ (1 << np.arange(size))
        counts[k] = np.bincount(states, minlength=2**size)
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
    for probe in net.probes:
        if isinstance(probe, Weights):
            times = [step for step in sorted(weights) if probe.projection in weights[step]]
            stack = np.stack([weights[step][probe.projection] for step in times], axis=1)
            traces[probe.projection] = Trace(np.array(times, dtype=np.float64) * net.dt, stack)
        elif isinstance(probe, Spikes):
            r, size = rasters[probe.population], net.population(probe.population).size
            ends = start * net.dt, stop * net.dt
            when = r.step.astype(np.float64) * net.dt
            spikes[probe.population] = SpikeTrains(ids, size, *ends, r.instance, r.neuron, when)
        elif isinstance(probe, StateOccupancy):
            population = net.population(probe.population)
            tau_ref = in_steps(tau_ref_of(population) or 0.0, net.dt) or 0
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
