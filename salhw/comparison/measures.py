"""From what a target has recorded to samples of every quantity: one row for each instance, chip or stretch of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from salhw.comparison.spiking import Trains, correlations, timing_differences, trains, variations
from salhw.conformance.differences import shares
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.session.recorder import occupancy, refractory_steps
from salhw.session.recording import Recording

GROUP = 8
"""The most neurons of a group whose states, and the correlations of whose pairs, are told one by one."""
EACH = 100
"""The most neurons or synapses that are told one by one, and the most quantiles of a distribution over them."""
FEWEST = 10
"""The fewest neurons or synapses over which there is a distribution."""
PAIRS = 4
"""How many coupled pairs have their spike-timing differences measured: those with the strongest synapses."""
REACH = 25
"""Bins of spike-timing differences on either side of 0."""
STRETCHES = 16
"""Into how many stretches of time a run is cut where an instance is alone."""


@dataclass(frozen=True)
class Run:
    """What a target made of a network.

    Args:
        network: the one that it ran.
        final: the weights of plastic projections at the end, (instance, synapse).
        start: the weights of all projections but the largest, before anything ran.
    """

    network: Network
    recording: Recording
    final: Mapping[str, FloatArray] = field(default_factory=dict)
    start: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """A sample of one quantity: ``values`` (replicate, element) with a name for each element. ``scale`` is what the
    margin is a share of, and ``support`` the places of the elements of a distribution: lags in ms, or states. What is
    ``exact`` is one row that is known without error."""

    quantity: str
    path: str
    values: FloatArray
    labels: tuple[str, ...]
    scale: float = 1.0
    support: tuple[float, ...] = ()
    exact: bool = False


def stretches(runs: Sequence[Run]) -> int:
    """Into how many stretches the instances are cut, the same for all runs: 1, unless one run has a single instance."""
    return STRETCHES if min(len(run.recording.ids) for run in runs) == 1 else 1


def measures(run: Run, described: Network, cut: int) -> list[Measure]:
    """Everything that a comparison measures of a run.

    Args:
        described: the network as it was written, which says what is measured and in which bins.
        cut: see ``stretches``.
    """
    every = {name: trains(spikes, run.network.dt, cut) for name, spikes in run.recording.spikes.items()}
    found = [m for name in run.recording.counts for m in _population(run, name, every.get(name))]
    found += [m for pair in coupled_pairs(described) for m in _pair(pair, every, described)]
    found += [m for name in run.final for m in _plastic(run, name)]
    return [m for m in found if m.values.size]


def usable(values: FloatArray) -> FloatArray:
    """The replicates in which everything is a number."""
    return values[np.isfinite(values).all(axis=1)]


def _population(run: Run, name: str, spikes: Trains | None) -> Iterator[Measure]:
    path, size = f"populations.{name}", run.recording.counts[name].shape[1]
    counts, seconds = run.recording.counts[name], run.recording.duration / 1000.0
    rates = counts / seconds if spikes is None else spikes.rates
    scale = float(rates.mean())
    yield Measure("rate", path, rates.mean(axis=1, keepdims=True), ("mean",), scale)
    if 1 < size <= EACH:
        yield Measure("neuron_rates", path, rates, tuple(f"neuron {k}" for k in range(size)), scale)
    if size >= FEWEST:
        yield Measure("rate_distribution", path, quantiles(rates), (), scale)
    if spikes is None:
        return
    cv, lv = variations(spikes)
    for quantity, each in (("cv", cv), ("lv", lv)):
        told = np.isfinite(each)
        with np.errstate(invalid="ignore"):
            mean = np.where(told, each, 0.0).sum(axis=1, keepdims=True) / told.sum(axis=1, keepdims=True)
        yield Measure(quantity, path, usable(mean), ("mean",))
    if size >= FEWEST:
        yield Measure("cv_distribution", path, quantiles(usable(cv)), ())
    if size > 1:
        yield _correlation(spikes, path)
    if size <= GROUP and "state" in run.network.population(name).neuron.offers:
        tau_ref = refractory_steps(run.network, name)
        taken = shares(occupancy(spikes.raster, size, spikes.replicates, tau_ref, 0, spikes.steps))
        for quantity in ("states", "divergence"):
            yield Measure(quantity, path, taken, (), support=tuple(map(float, range(2**size))))


def _correlation(spikes: Trains, path: str) -> Measure:
    each, pairs = correlations(spikes, EACH // 2)
    if spikes.size <= GROUP:
        return Measure("correlation", path, usable(each), tuple(f"neurons {i} and {j}" for i, j in pairs))
    told = np.isfinite(each)
    with np.errstate(invalid="ignore"):
        mean = np.where(told, each, 0.0).sum(axis=1, keepdims=True) / told.sum(axis=1, keepdims=True)
    return Measure("correlation", path, usable(mean), (f"mean over {len(pairs)} pairs",))


def quantiles(values: FloatArray) -> FloatArray:
    """The distribution over elements in each replicate: sorted values, of many elements EACH of their quantiles."""
    if values.shape[1] <= EACH or not len(values):
        return np.sort(values, axis=1)
    return np.quantile(values, (np.arange(EACH) + 0.5) / EACH, axis=1).T


@dataclass(frozen=True)
class Pair:
    """Two neurons that a synapse connects, and the bins (ms) of the differences between their spike times; positive:
    ``post`` after ``pre``."""

    projection: str
    pre: tuple[str, int]
    post: tuple[str, int]
    lags: tuple[float, ...]

    @property
    def path(self) -> str:
        """The synapse."""
        return f"projections.{self.projection}[{self.post[1]}, {self.pre[1]}]"


def coupled_pairs(net: Network) -> list[Pair]:
    """The PAIRS pairs of neurons with the strongest synapses, each pair once, those of different projections first."""
    known: dict[frozenset[tuple[str, int]], tuple[int, float, Pair]] = {}
    for p in net.projections:
        post, pre, place = synapses(p.weights, *net.ends(p.name))
        strength = np.abs(np.broadcast_to(p.weights.stored, p.weights.shape(*net.ends(p.name)[:2])).ravel()[place])
        for k in np.argsort(-strength, kind="stable")[: 2 * PAIRS]:
            ends = (p.pre, int(pre[k])), (p.post, int(post[k]))
            rank = sum(pair.projection == p.name for _, _, pair in known.values())
            if frozenset(ends) not in known:
                known[frozenset(ends)] = rank, -float(strength[k]), Pair(p.name, *ends, _lags(net, p.post))
    ordered = sorted(known.values(), key=lambda entry: entry[:2])
    return [pair for _, _, pair in ordered[:PAIRS]]


def _lags(net: Network, population: str) -> tuple[float, ...]:
    """Bins of a tenth of the refractory period, and of an odd number of steps, so that 0 is the middle of one."""
    tau = net.population(population).neuron.refractory_period or 10.0
    odd = 2 * round(tau / net.dt / 10 / 2 - 0.5) + 1
    return tuple((np.arange(-REACH, REACH + 1) * max(odd, 1) * net.dt).tolist())


def _pair(pair: Pair, every: Mapping[str, Trains], described: Network) -> Iterator[Measure]:
    if pair.pre[0] in every and pair.post[0] in every:
        first, second = every[pair.pre[0]], every[pair.post[0]]
        trains_of = first.of(pair.pre[1]), second.of(pair.post[1])
        counts = timing_differences(*trains_of, first.steps, first.dt, np.array(pair.lags))
        if counts.sum():
            yield Measure("stdd", pair.path, shares(counts), (), support=pair.lags)


def reciprocal(post: IntArray, pre: IntArray) -> tuple[IntArray, IntArray]:
    """The positions of synapses i <- j and of their partners j <- i, each pair once."""
    place = {(i, j): k for k, (i, j) in enumerate(zip(post.tolist(), pre.tolist(), strict=True))}
    both = [(k, place[j, i]) for (i, j), k in place.items() if i < j and (j, i) in place]
    first, second = np.array(both, dtype=np.int64).reshape(-1, 2).T
    return first, second


def paired(net: Network) -> list[str]:
    """The projections in which synapses may be reciprocal: within a population, and one at most for each pair."""
    return [p.name for p in net.projections if p.recurrent and "multapses" not in p.weights.beyond]


def _reciprocal_of(net: Network, name: str) -> tuple[IntArray, IntArray] | None:
    """The ``reciprocal`` synapses of a projection; None without any."""
    if name not in paired(net):
        return None
    first, second = reciprocal(*synapses(net.projection(name).weights, *net.ends(name))[:2])
    return (first, second) if len(first) else None


def trajectory(run: Run, name: str) -> tuple[FloatArray, FloatArray]:
    """(time in ms, weights (instance, time, synapse)) of a plastic projection, its end included."""
    trace, final, recording = run.recording.weight_traces[name], run.final[name], run.recording
    place = synapses(run.network.projection(name).weights, *run.network.ends(name))[2]
    sampled = trace.values.reshape(*trace.values.shape[:2], -1)[:, :, place]
    before = trace.time < recording.start + recording.duration - 1e-9
    time = np.append(trace.time[before], recording.start + recording.duration)
    return time, np.concatenate([sampled[:, before], final[:, None]], axis=1)


def asymmetry(run: Run, name: str, weights: FloatArray) -> FloatArray | None:
    """mean |W_ij - W_ji| over the reciprocal synapses of a projection, of ``weights`` (..., synapse); None without."""
    if (both := _reciprocal_of(run.network, name)) is None:
        return None
    first, second = both
    return np.asarray(np.abs(weights[..., first] - weights[..., second]).mean(axis=-1))


def signed_gaps(run: Run, name: str, weights: FloatArray, sign: FloatArray | None = None) -> FloatArray | None:
    """The mean distance W_ij - W_ji of reciprocal synapses, (instance, time), of ``weights`` (instance, time, synapse),
    each pair with its ``sign``: that of the mean over instances at the start by default. None without such synapses."""
    if (both := _reciprocal_of(run.network, name)) is None:
        return None
    first, second = both
    apart = weights[..., first] - weights[..., second]
    return np.asarray((apart * (np.sign(apart[:, 0].mean(axis=0)) if sign is None else sign)).mean(axis=-1))


def pair_signs(run: Run, name: str, values: FloatArray) -> FloatArray:
    """1 where the first synapse of a reciprocal pair, in the order of ``reciprocal``, leads into the neuron with the
    larger of ``values`` (neuron,), else -1."""
    post, pre, _ = synapses(run.network.projection(name).weights, *run.network.ends(name))
    first, _ = reciprocal(post, pre)
    return np.where(values[post[first]] >= values[pre[first]], 1.0, -1.0)


def _plastic(run: Run, name: str) -> Iterator[Measure]:
    path, seconds = f"projections.{name}", run.recording.duration / 1000.0
    post, pre, _ = synapses(run.network.projection(name).weights, *run.network.ends(name))
    if not len(post):
        return
    weights = trajectory(run, name)[1]
    start, end = weights[:, 0], weights[:, -1]
    drift, rest = (end - start) / seconds, [*_of_learning(run, name, weights)]
    labels = tuple(f"[{i}, {j}]" for i, j in zip(post.tolist(), pre.tolist(), strict=True))
    if len(post) > EACH:
        yield Measure("weight_distribution", path, quantiles(end), ())
        end, drift, labels = end.mean(axis=1, keepdims=True), drift.mean(axis=1, keepdims=True), ("mean",)
    yield Measure("weights", path, end, labels)
    if (gap := asymmetry(run, name, weights)) is not None:
        scale = float(gap[:, 0].mean()) or 1.0
        yield Measure("asymmetry", path, gap[:, -1:], ("mean over reciprocal synapses",), scale)
    yield Measure("drift", path, drift, labels, _rms(drift))
    yield from rest


def _of_learning(run: Run, name: str, weights: FloatArray) -> Iterator[Measure]:
    """How reciprocal weights approach each other, and how weights walk around their drift, of ``weights`` (instance,
    time, synapse)."""
    path, time = f"projections.{name}", trajectory(run, name)[0] / 1000.0
    if (gap := signed_gaps(run, name, weights)) is not None:
        closing = (gap[:, -1:] - gap[:, :1]) / (time[-1] - time[0])
        yield Measure("gap_drift", path, closing, ("mean over reciprocal synapses",), _rms(closing))
    if len(time) > 2:
        length = np.diff(time)[:, None]
        steps = np.diff(weights, axis=1) - length * ((weights[:, -1:] - weights[:, :1]) / (time[-1] - time[0]))
        share = (len(time) - 2) / (len(time) - 1)  # one degree of freedom went into the drift
        noise = np.sqrt((steps**2 / length).mean(axis=(1, 2)) / share)[:, None]
        yield Measure("weight_noise", path, noise, ("rms over synapses",), float(noise.mean()))


def _rms(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean()))
