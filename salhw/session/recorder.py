"""From what an engine has recorded to the Recording that a run returns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.probes import Membrane, Rates, Spikes, StateOccupancy, SynapseVariable, Weights, sampling
from salhw.session.executable import Executable
from salhw.session.recording import Recording, SpikeTrains, TimeSeries
from salhw.substrate.chip import Chip


def ascending(*keys: IntArray) -> IntArray:
    """The order in which whole numbers ascend by the first key, equal ones by the next, and so on.

    One number that stands for all keys is sorted, where 64 bits hold it: spikes come nearly in order, which makes that
    thirty times as fast as sorting by one key after the other.
    """
    if not len(keys[0]):
        return np.zeros(0, dtype=np.int64)
    lowest = [int(key.min()) for key in keys]
    lengths = [int(key.max()) - low + 1 for key, low in zip(keys, lowest, strict=True)]
    if math.prod(lengths) > np.iinfo(np.int64).max:
        return np.lexsort(keys[::-1])
    together = np.zeros(len(keys[0]), dtype=np.int64)
    for key, low, length in zip(keys, lowest, lengths, strict=True):
        together = together * length + (key - low)
    return np.argsort(together, kind="stable")


def presynaptic(net: Network, probe: SynapseVariable) -> IntArray:
    """The presynaptic neuron of each synapse that a probe looks at."""
    pre = synapses(net.projection(probe.projection).weights, *net.ends(probe.projection))[1]
    return pre if probe.synapses is None else pre[probe.synapses]


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
        order = ascending(instance, step, neuron)
        return cls(instance[order], neuron[order], step[order])

    def since(self, step: int) -> Raster:
        """Those from ``step`` on."""
        return self.chosen(self.step >= step)

    def chosen(self, which: npt.NDArray[np.bool_]) -> Raster:
        """Some of them, by a truth value per spike."""
        return Raster(self.instance[which], self.neuron[which], self.step[which])


def following(step: int, every: int, origin: int = 0) -> int:
    """The first step after ``step`` that is a whole multiple of ``every`` after ``origin``."""
    return step + every - (step - origin) % every


@dataclass(frozen=True)
class Recorded:
    """What an engine recorded in one run.

    Args:
        rasters: the spikes of each population; of all, unless ``counts`` are given: then of those with a Spikes probe,
            or of the neurons that it names.
        membranes: per population with a Membrane probe, of all neurons or of those that it names.
        counts: spikes per population, (instance, neuron), where the engine counts them itself (``CountingEngine``).
        occupancy: steps per state, (instance, state), of each population with a StateOccupancy probe, where the engine
            counts them itself.
        samples: of all other probes, by ``Probe.label``.
        provenance: what else there is to say about the run.
    """

    rasters: Mapping[str, Raster]
    membranes: Mapping[str, TimeSeries] = field(default_factory=dict)
    counts: Mapping[str, IntArray] | None = None
    occupancy: Mapping[str, IntArray] | None = None
    samples: Mapping[str, TimeSeries] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """The steps of a run at which the session samples: its start, and whole multiples of the probes' periods.
    ``samples[step]`` are the probes that sample at a step, none at most of them."""

    start: int
    stop: int
    periods: tuple[tuple[Weights | Rates, int], ...]

    def __getitem__(self, step: int) -> list[Weights | Rates]:
        return [probe for probe, every in self.periods if step in (self.start, step // every * every)]

    def __bool__(self) -> bool:
        return bool(self.periods)

    def after(self, step: int) -> int:
        """The next sample later than ``step``, or the end of the run."""
        return min([self.stop, *(following(step, every) for _, every in self.periods)])


def sample_steps(net: Network, start: int, stop: int, *, counting: bool) -> Samples:
    """The samples of a run: of weights, and of spike counts where the engine is ``counting`` them."""
    probes = [*only(net.probes, Weights), *(only(net.probes, Rates) if counting else ())]
    return Samples(start, stop, tuple((probe, in_steps(probe.every, net.dt) or 1) for probe in probes))


@cache
def version(package: str) -> str:
    """The version of an installed package; its metadata are read once, since every session tells them."""
    return metadata.version(package)


def provenance(executable: Executable, chips: Sequence[Chip], seed: int, versions: Mapping[str, str]) -> dict[str, Any]:
    """Where a recording comes from; ``versions`` of what the backend uses. Of a network that was fitted or has drawn
    synapses, the hash of what was written, too, and what was changed."""
    written, changes = executable.written, executable.report.changes
    fitted = {"written_hash": written.content_hash, "changes": [str(change) for change in changes]} if written else {}
    states = {name: [getattr(chip, name) for chip in chips] for name in ("age", "temperature")}
    aged = {name: values for name, values in states.items() if any(values)}
    return {
        **fitted,
        **aged,
        "network": executable.source.name,
        "network_hash": executable.source.content_hash,
        "target": executable.target.name,
        "target_hash": executable.target.content_hash,
        "chips": [chip.id for chip in chips],
        "wafer": chips[0].wafer,
        "seed": seed,
        "versions": {name: version(name) for name in ("salhw", "numpy")} | dict(versions),
    }


def occupancy(raster: Raster, size: int, instances: int, tau_ref: int | IntArray, start: int, stop: int) -> IntArray:
    """For how many steps of start..stop the state took each of its 2**size values, (instance, state). ``raster`` holds
    the spikes since ``start - tau_ref``, which is one number or one per neuron."""
    ends = raster.step + np.broadcast_to(tau_ref, size)[raster.neuron]
    counts = np.zeros((instances, 2**size), dtype=np.int64)
    for k in range(instances):
        mine = raster.instance == k
        # The steps at which a neuron's state begins (up) or ends (down), and how long what follows lasts: a run of any
        # length takes as much memory as its spikes do.
        step = np.clip(np.concatenate([raster.step[mine], ends[mine]]), start, stop)
        sign = np.repeat([1, -1], np.count_nonzero(mine))
        order = np.argsort(step, kind="stable")
        code = np.zeros(len(step) + 1, dtype=np.int64)
        for neuron in range(size):
            own = np.tile(raster.neuron[mine] == neuron, 2)[order]
            code[1:] += (np.cumsum(sign[order] * own) > 0).astype(np.int64) << neuron
        lasts = np.diff(np.concatenate([[start], step[order], [stop]]))
        np.add.at(counts[k], code, lasts)
    return counts


def counted(raster: Raster, size: int, instances: int) -> IntArray:
    """How many spikes each neuron has in a raster, (instance, neuron)."""
    flat = np.bincount(raster.instance * size + raster.neuron, minlength=instances * size)
    return flat.reshape(instances, size).astype(np.int64)


def refractory_steps(net: Network, population: str) -> IntArray:
    """For how many steps a spike shows in the state of its neuron, of each neuron."""
    group = net.population(population)
    periods = group.neuron.refractory_periods
    steps = np.rint(np.asarray(0.0 if periods is None else periods) / net.dt).astype(np.int64)
    return np.broadcast_to(steps, group.size)


def recording(
    net: Network,
    ids: tuple[int, ...],
    start: int,
    stop: int,
    recorded: Recorded,
    *,
    before: Mapping[str, Raster],
    sampled: Mapping[int, Mapping[str, FloatArray]],
    provenance: Mapping[str, Any],
) -> Recording:
    """The recording of steps start..stop.

    Args:
        recorded: by the engine.
        before: per population with a StateOccupancy probe, its spikes in the tau_ref before the run.
        sampled: by the session: step -> label of the probe -> weights, or spikes since the start, with the leading
            dimension "instance".
    """
    rasters, counts, occupied = recorded.rasters, recorded.counts, dict(recorded.occupancy or {})
    spikes, traces, rates = {}, {}, {}
    for weights in only(net.probes, Weights):
        times = [step for step in sorted(sampled) if weights.label in sampled[step]]
        stack = np.stack([sampled[step][weights.label] for step in times], axis=1)
        traces[weights.projection] = TimeSeries(
            np.array(times, dtype=np.float64) * net.dt, stack, weights.synapses, "synapse"
        )
    for rate in only(net.probes, Rates):
        size, every = net.population(rate.population).size, in_steps(rate.every, net.dt) or 1
        edges = np.array([start, *range(following(start, every), stop + 1, every)])
        seen = {step: each[rate.label] for step, each in sorted(sampled.items()) if rate.label in each}
        if not seen and len(edges) > 1:  # the engine counts none under way
            total = _counts_until(rasters[rate.population], edges, size, len(ids))
        else:
            edges, total = np.array([start, *seen]), np.stack([np.zeros((len(ids), size)), *seen.values()], axis=1)
        per_second = np.diff(total, axis=1) / (np.diff(edges) * net.dt / 1000.0)[:, None]
        rates[rate.label] = TimeSeries(edges[1:] * net.dt, per_second)
    for probe in only(net.probes, Spikes):
        r, size = rasters[probe.population], net.population(probe.population).size
        r = r if probe.neurons is None else r.chosen(np.isin(r.neuron, probe.neurons))
        ends = start * net.dt, stop * net.dt
        when = r.step.astype(np.float64) * net.dt
        spikes[probe.population] = SpikeTrains(ids, size, *ends, r.instance, r.neuron, when, probe.neurons)
    membranes, samples = dict(recorded.membranes), dict(recorded.samples)
    for each in sampling(net.probes):
        where, name = (membranes, each.population) if isinstance(each, Membrane) else (samples, each.label)
        if each.neurons is not None:
            where[name] = _chosen(where[name], each.neurons)
    for seen_of in only(net.probes, SynapseVariable):
        samples[seen_of.label] = replace(samples[seen_of.label], places=seen_of.synapses, of="synapse")
    for state in only(net.probes, StateOccupancy) if recorded.occupancy is None else ():
        name, size = state.population, net.population(state.population).size
        tau_ref = refractory_steps(net, name)
        since = Raster.joined([before[name], rasters[name]]).since(start - int(tau_ref.max()))
        occupied[name] = occupancy(since, size, len(ids), tau_ref, start, stop)
    if counts is None:
        counts = {p.name: counted(rasters[p.name], p.size, len(ids)) for p in net.populations}
    return Recording(
        ids=ids,
        start=start * net.dt,
        duration=(stop - start) * net.dt,
        counts=counts,
        spikes=spikes,
        membrane_traces=membranes,
        weight_traces=traces,
        occupancy_counts=occupied,
        samples={**samples, **rates},
        provenance=provenance,
    )


def _counts_until(raster: Raster, edges: IntArray, size: int, instances: int) -> FloatArray:
    """How many spikes each neuron has had before each of some steps, (instance, step, neuron)."""
    counts = np.zeros((instances, len(edges), size))
    inside = raster.chosen(raster.step < edges[-1])
    np.add.at(counts, (inside.instance, np.searchsorted(edges, inside.step, side="right"), inside.neuron), 1.0)
    return np.cumsum(counts, axis=1)


def _chosen(trace: TimeSeries, neurons: IntArray) -> TimeSeries:
    """Of samples those of the neurons that are probed, which some engines record alone."""
    every = trace.values.shape[2] == len(neurons)
    return TimeSeries(trace.time, trace.values if every else trace.values[:, :, neurons], neurons)
