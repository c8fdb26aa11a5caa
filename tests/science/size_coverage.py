"""Sizes that were predicted, beside what long runs show: every kind of change on seven networks.

``python tests/science/size_coverage.py [KIND ...]`` prints all cases and how many hold. What is measured shares the
simulator with what predicts, but no random numbers: pairs are counted in recorded spikes, attractors are where learning
ends up.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, t
from size_changes import KINDS, Floats, cases, edited, learner, ruled

import salhw
from salhw import (
    Network,
    Population,
    Projection,
    Source,
    Spikes,
    SpikeTimes,
    Weights,
)  # fmt: skip
from salhw.compiler.sizes import sizes
from salhw.description.connectivity import synapses, values
from salhw.session.changes import Size
from salhw.session.recording import SpikeTrains
from salhw_calibration.spike_pairs import spike_pairs

SEED = 90_210
INSTANCES, SECONDS = 64, 40
SETTLING = 500.0
LEARNING = 100_000.0
"""ms after which learning is where it ends; five time constants of the gap where two of them are longer than that."""


# --------------------------------------------------------------------------------------------------------- measured


@dataclass(frozen=True)
class Observed:
    """Samples by instance of one network."""

    rates: dict[str, Floats]
    drift: Floats
    gap: Floats
    square: Floats


def _rules(net: Network) -> Network:
    return net.replace(probes=())


def _steady(net: Network) -> Network:
    """Without rules, every spike recorded."""
    bare = tuple(p.replace(plasticity=()) for p in net.projections)
    return net.replace(projections=bare, probes=tuple(Spikes(p.name) for p in net.populations))


@lru_cache(maxsize=6)
def _recorded(net: Network, instances: int, seconds: int, seed: int) -> salhw.Recording:
    with salhw.compile(net, "reference").open(instances=instances, seed=seed) as session:
        session.run(SETTLING)
        return session.run(1000.0 * seconds)


def _amount(net: Network) -> tuple[int, int]:
    """Instances, seconds."""
    return (32, 20) if sum(p.size for p in net.populations) > 10 else (INSTANCES, SECONDS)


@cache
def observed(net: Network, seed: int) -> Observed:
    """What the pairs of recorded spikes add up to, second by second, with the weights as they are."""
    instances, seconds = _amount(net)
    recording = _recorded(_steady(net), instances, seconds, seed)
    projection = learner(net)
    ends = net.ends(projection.name)
    post, pre, position = synapses(projection.weights, *ends)
    weights = values(projection.weights, *ends).ravel()[position]
    span = round(1000.0 * seconds / net.dt)
    before, after = (
        _trains(recording.spikes[name], net.dt, span) for name in (projection.pre, projection.post)
    )  # fmt: skip
    changes = np.zeros((instances, len(post), seconds))
    for s in range(len(post)):
        for rule in projection.plasticity:
            sums = _sums(rule, before[pre[s]], after[post[s]], net.dt, span, instances * seconds, int(position[s]))
            changes[:, s] += sums.reshape(instances, seconds)
    where = {(int(i), int(j)): s for s, (i, j) in enumerate(zip(post, pre, strict=True))}
    pairs = [(s, where[j, i]) for (i, j), s in where.items() if i > j and (j, i) in where and projection.recurrent]
    sign = np.array([np.sign(weights[a] - weights[b]) for a, b in pairs])
    mean = changes.mean(axis=2)
    gap = np.array([mean[:, a] - mean[:, b] for a, b in pairs]).T * sign if pairs else np.zeros((instances, 0))
    return Observed(
        {name: recording.counts[name].mean(axis=1) / seconds for name in recording.counts},
        mean.mean(axis=1),
        gap,
        changes.var(axis=2, ddof=1).mean(axis=1),
    )


def _trains(spikes: SpikeTrains, dt: float, span: int) -> list[npt.NDArray[np.int64]]:
    """The steps of each neuron's spikes, those of one instance ``span`` steps after those of the one before."""
    at = np.rint((spikes.time - SETTLING) / dt).astype(np.int64) + spikes.instance * span
    order = np.lexsort((at, spikes.neuron))
    return np.split(at[order], np.searchsorted(spikes.neuron[order], np.arange(1, spikes.size)))


def _sums(  # type: ignore[no-untyped-def]
    rule, pre, post, dt: float, span: int, seconds: int, position: int
) -> Floats:
    """What a rule adds to one weight in each second, all instances one after the other; no pair has its spikes in two
    of them."""
    total = np.zeros(seconds)
    rate = np.ravel(rule.learning_rate)[position if np.ndim(rule.learning_rate) else 0]
    longest = round(12 * max(rule.causal.tau, rule.anticausal.tau) / dt)
    for window, pairs in zip(
        (rule.causal, rule.anticausal), spike_pairs(pre, post, rule.pairing, longest), strict=True
    ):
        weight = rate * window.amplitude * window.shape(pairs.lag * dt) * pairs.share
        within = pairs.at // span == (pairs.at - pairs.lag) // span
        total += np.bincount((pairs.at[within] * dt // 1000.0).astype(int), weight[within], seconds)[:seconds]
    return total


def _difference(a: Floats, b: Floats) -> tuple[float, float, float]:
    """Means and the standard error of the difference, instances in pairs."""
    return float(a.mean()), float(b.mean()), float((b - a).std(ddof=1) / np.sqrt(len(a)))


def _rate(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    name = size.path.split(".")[1]
    return _difference(observed(before, seed).rates[name], observed(after, seed).rates[name])


def _drift(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    return _difference(observed(before, seed).drift, observed(after, seed).drift)


def _gap_drift(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    return _difference(observed(before, seed).gap.mean(axis=1), observed(after, seed).gap.mean(axis=1))


def _noise(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    each = [observed(net, seed).square for net in (before, after)]
    roots = [np.sqrt(e.mean()) for e in each]
    _, _, error = _difference(*(e / (2 * r) for e, r in zip(each, roots, strict=True)))
    return float(roots[0]), float(roots[1]), error


def _faster(net: Network, seed: int) -> list[tuple[int, int]]:
    """The reciprocal pairs, the neuron that is faster first."""
    p = learner(net)
    post, pre, _ = synapses(p.weights, *net.ends(p.name))
    there = set(zip(post.tolist(), pre.tolist(), strict=True))
    instances, seconds = _amount(net)
    rates = _recorded(_steady(net), instances, seconds, seed).counts[p.post].mean(axis=0)
    return [(i, j) if rates[i] >= rates[j] else (j, i) for i, j in sorted(there) if i > j and (j, i) in there]


def _apart(net: Network, gap: float, pairs: list[tuple[int, int]]) -> Network:
    """With that gap between the weights of every pair."""
    p = learner(net)
    ends = net.ends(p.name)
    post, pre, position = synapses(p.weights, *ends)
    w = np.array(values(p.weights, *ends), dtype=np.float64)
    at = {(int(i), int(j)): k for i, j, k in zip(post, pre, position, strict=True)}
    for i, j in pairs:
        half = 0.5 * (w.flat[at[i, j]] + w.flat[at[j, i]])
        w.flat[at[i, j]], w.flat[at[j, i]] = half + 0.5 * gap, half - 0.5 * gap
    return edited(net, weights=p.weights.with_weights(w))


def _decay(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    pairs = _faster(before, seed)
    return _difference(*(_decays(net, pairs, seed) for net in (before, after)))


def _decays(net: Network, pairs: list[tuple[int, int]], seed: int) -> Floats:
    """The decay of a gap per second, by instance: of distances, which shrink from both sides."""
    low, high = (observed(_apart(net, gap, pairs), seed).gap.mean(axis=1) for gap in (-0.5, 0.5))
    return -low - high


@lru_cache(maxsize=64)
def _settled_cached(
    net: Network, pairs: tuple[tuple[int, int], ...], quick: float, settling: float, seed: int
) -> Floats:
    p = learner(net)
    every = 1000.0
    w = Weights(p.name, every=every)
    learning = ruled(net.replace(probes=(w,)), bounds=None, update="spike").replace(probes=(w,))
    rules = tuple(r.replace(learning_rate=np.asarray(r.learning_rate) * quick) for r in learner(learning).plasticity)
    learning = edited(learning, plasticity=rules)
    learning = _apart(learning, 0.0, list(pairs))
    with salhw.compile(learning, "reference").open(instances=96, seed=seed + 1) as session:
        session.run(settling)
        trace = session.run(300_000.0).weight_traces[p.name].values
    gaps = np.mean([trace[..., i, j] - trace[..., j, i] for i, j in pairs], axis=0)
    return np.asarray(gaps.mean(axis=1))


def _settled(net: Network, pairs: list[tuple[int, int]], seed: int) -> tuple[Floats]:
    quick = 5e-3 / float(np.max(np.abs(learner(net).plasticity[0].learning_rate)))
    lasts = 1000.0 / (quick * float(_decays(net, pairs, seed).mean()))
    settling = LEARNING if 2.0 * lasts < LEARNING else round(5.0 * lasts, -3)
    return (_settled_cached(net.replace(probes=()), tuple(pairs), quick, settling, seed),)


def _attractor(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    pairs = _faster(before, seed)
    return _difference(_settled(before, pairs, seed)[0], _settled(after, pairs, seed)[0])


def _lag(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    """How far the weights that wait are behind those that do not, over the first period."""
    period = learner(after).plasticity[0].period or 1000.0
    p = learner(before)
    every = period / 50
    learning = before.replace(probes=(Weights(p.name, every=every),))
    instances = 256
    with salhw.compile(learning, "reference").open(instances=instances, seed=seed + 2) as session:
        trace = session.run(period).weight_traces[p.name].values
    ends = before.ends(p.name)
    position = synapses(p.weights, *ends)[2]
    flat = trace.reshape(*trace.shape[:2], -1)[..., position]
    moved = flat.mean(axis=1) - flat[:, 0]
    lag = _gaps(before, moved) if size.quantity == "gap lag" else moved.mean(axis=1)
    return _difference(np.zeros_like(lag), lag)


def _learned(net: Network, seed: int) -> Floats:
    p = learner(net)
    with salhw.compile(net.replace(probes=()), "reference").open(instances=256, seed=seed + 3) as session:
        session.run(10_000.0)
        weights = session.get(f"projections.{p.name}.weights")
    return weights.reshape(256, -1)[:, synapses(p.weights, *net.ends(p.name))[2]]


def _share(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    low, high = learner(before).plasticity[0].bounds or learner(after).plasticity[0].bounds  # type: ignore[misc]
    outside = [
        ((w < low - 1e-9) | (w > high + 1e-9)).mean(axis=1) for w in (_learned(net, seed) for net in (before, after))
    ]
    return _difference(*outside)


def _learned_gap(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    found = [_gaps(net, _learned(net, seed)) for net in (before, after)]
    return _difference(*found)


def _gaps(net: Network, weights: Floats) -> Floats:
    """The mean distance of reciprocal weights, by instance, with the signs that the network begins with."""
    p = learner(net)
    post, pre, position = synapses(p.weights, *net.ends(p.name))
    start = values(p.weights, *net.ends(p.name)).ravel()[position]
    where = {(int(i), int(j)): s for s, (i, j) in enumerate(zip(post, pre, strict=True))}
    pairs = [(s, where[j, i]) for (i, j), s in where.items() if i > j and (j, i) in where]
    return np.asarray(
        np.mean([(weights[:, a] - weights[:, b]) * np.sign(start[a] - start[b]) for a, b in pairs], axis=0)
    )


def _answers(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    """Whether one of many neurons that are ready answers one spike while the longer of both PSPs lasts."""
    found = []
    name = size.path.split(".")[1]
    projections = [net.projection(name) for net in (before, after)]
    w = values(projections[0].weights, *before.ends(name)).ravel()[
        synapses(projections[0].weights, *before.ends(name))[2]
    ]
    weight = float(np.sqrt(np.mean(w**2)) * (1 if w.mean() >= 0 else -1))
    span = max(_span(p, net.dt) for p, net in zip(projections, (before, after), strict=True))
    for net, p in zip((before, after), projections, strict=True):
        neuron = net.population(p.post).neuron.replace(bias=float(np.mean(net.population(p.post).neuron.bias)))
        probe = Network(
            name="answer", dt=net.dt,
            populations=[Population(name="x", size=1, neuron=Source()), Population(name="n", size=500, neuron=neuron)],
            projections=[Projection(name="p", pre="x", post="n", weights=np.full((500, 1), weight), kernel=p.kernel)],
            stimuli=[SpikeTimes("x", times=[[0.0]])],
        )  # fmt: skip
        with salhw.compile(probe, "reference").open(instances=400, seed=seed + 4) as session:
            ready = session.run(net.dt).counts["n"] == 0
            answered = ready & (session.run(max(1, round(span / net.dt)) * net.dt).counts["n"] > 0)
        found.append(answered.sum(axis=1) / ready.sum(axis=1))
    return _difference(*found)


def _span(p: Projection, dt: float) -> float:
    sample = np.abs(p.kernel.sample(dt, round(20 * p.kernel.tau_syn / dt)))
    return float(np.flatnonzero(sample > 0.01 * sample.max())[-1] + 1) * dt


def _mean_weight(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    w = [np.asarray(learner(net).weights.stored) for net in (before, after)]
    many = len(synapses(learner(before).weights, *before.ends(learner(before).name))[0])
    return float(w[0].sum() / many), float(w[1].sum() / many), 0.0


def _rms_change(before: Network, after: Network, size: Size, seed: int) -> tuple[float, float, float]:
    w = [np.asarray(learner(net).weights.stored) for net in (before, after)]
    many = len(synapses(learner(before).weights, *before.ends(learner(before).name))[0])
    return 0.0, float(np.sqrt(((w[1] - w[0]) ** 2).sum() / many)), 0.0


MEASURED: dict[str, Callable[[Network, Network, Size, int], tuple[float, float, float]]] = {
    "rate": _rate, "drift": _drift, "gap drift": _gap_drift, "weight noise": _noise, "gap decay": _decay,
    "attractor": _attractor, "gap lag": _lag, "weight lag": _lag, "share beyond bounds": _share,
    "learned gap": _learned_gap, "spike probability": _answers, "mean weight": _mean_weight,
    "rms weight change": _rms_change,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One predicted size and what was measured; ``covered`` if both agree within their 95 % intervals."""

    kind: str
    network: str
    size: Size
    written: float
    changed: float
    error: float

    @property
    def off(self) -> float:
        """By how much the measured difference differs from the predicted one, over the half width of both intervals."""
        predicted, measured = self.size.changed - self.size.written, self.changed - self.written
        width = float(np.hypot(self.size.error, t.ppf(0.975, INSTANCES - 1) * self.error))
        return abs(measured - predicted) / max(width, 1e-9 * max(abs(self.written), abs(self.changed), 1e-9))

    @property
    def covered(self) -> bool:
        return self.off <= 1.0

    @property
    def sharp(self) -> float:
        """The half width of the predicted interval over what would matter: the change, or a tenth of the quantity."""
        matters = max(abs(self.changed - self.written), 0.1 * abs(self.written))
        return self.size.error / matters if matters else 0.0


def measure(kind: str, only: list[str] | None = None) -> Iterator[Case]:
    """Every size of a kind, on every network or those named. Each kind has random numbers of its own: what is measured
    or predicted of a network as written would else be off in all kinds at once."""
    seed = 10 * list(KINDS).index(kind)
    for name, before, after in cases(kind):
        if only is None or name in only:
            for size in sizes(before, after, seed=1 + seed):
                own = size.path.split(".")[1] in (learner(before).name, *(p.name for p in before.populations))
                if own and size.quantity in MEASURED:  # distances of hazards are arithmetic, held by unit tests
                    yield Case(kind, name, size, *MEASURED[size.quantity](before, after, size, SEED + seed))


def main(kinds: list[str]) -> None:
    """Print the table, and the share that is covered."""
    found: list[Case] = []
    for kind in kinds or KINDS:
        begun = time.time()
        for case in measure(kind):
            found.append(case)
            size = case.size
            print(
                f"| {kind} | {case.network} | {size.quantity} | {size.written:.4g} -> {size.changed:.4g} "
                f"| {size.error:.2g} {size.origin} | {case.written:.4g} -> {case.changed:.4g} | {case.error:.2g} "
                f"| {case.off:.2f} |",
                flush=True,
            )
        print(f"  {kind}: {time.time() - begun:.0f} s", file=sys.stderr, flush=True)
    random = [case for case in found if case.size.origin != "exact" or case.error]
    good = sum(case.covered for case in random)
    p = binomtest(good, len(random), 0.95, alternative="less").pvalue
    print(f"\n{good} of {len(random)} within the interval; p = {p:.3g}; median sharpness "
          f"{np.median([c.sharp for c in random if c.size.error]):.2f}; exact: "
          f"{sum(c.covered for c in found if c not in random)} of {len(found) - len(random)}")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
