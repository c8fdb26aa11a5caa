"""What a study measures of each run: the core's metrics, those that packages bring, and functions of a user's.

A metric is a function of a ``Finished`` batch and its own options, which returns a number for each chip. Packages bring
theirs under the entry point group ``salhw.metrics``; a user's is named ``package.module:function``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salhw.comparison.measures import Run, measures, paired, reciprocal
from salhw.compiler.pipeline import compile
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.arguments import known_name
from salhw.session.backend import Session
from salhw.session.executable import Executable
from salhw.session.recording import Recording
from salhw.study.named import brought, chosen
from salhw.substrate.chip import Chip
from salhw.theory import distribution, kl_divergence

GROUP = "salhw.metrics"
IDEAL_INSTANCES = 16
"""Instances of the ideal target, over which the rates that ``rate_error`` compares with are averaged."""


@dataclass(frozen=True)
class Finished:
    """A batch that has run, its session still open: what a metric is given.

    Args:
        described: the network as the study describes it; ``executable.network`` is what the target made of it.
        recording: of the study's ``duration``, after ``settle``.
        session: still open: what the chips hold.
        chips: one for each instance.
        seed: of the session; take one of your own (``seed ^ 1``) for further runs.
    """

    described: Network
    executable: Executable
    recording: Recording
    session: Session
    chips: tuple[Chip, ...]
    seed: int


Measuring = Callable[..., npt.ArrayLike]


def rate(finished: Finished, population: str | None = None) -> FloatArray:
    """Mean rate of a population's neurons in Hz; of the network's first, by default."""
    return np.asarray(_rates(finished.recording, population).mean(axis=1))


def rate_error(finished: Finished, population: str | None = None) -> FloatArray:
    """Root mean square over neurons of how far rates are from those of the ideal target, in Hz.

    The ideal rates are means over IDEAL_INSTANCES runs of the same duration, so that their own noise adds little.
    """
    exe, recording = finished.executable, finished.recording
    ideal = _ideal_rates(finished.described, exe.target.name, exe, recording.duration, population)
    off = _rates(recording, population) - ideal
    return np.asarray(np.sqrt((off**2).mean(axis=1)))


def asymmetry(finished: Finished, projection: str | None = None) -> FloatArray:
    """Mean |W_ij - W_ji| over reciprocal synapses of what the chip nominally holds at the end; dimensionless."""
    there, back = _reciprocal_weights(finished, projection)
    return np.asarray(np.abs(there - back).mean(axis=1))


def pair_drift(finished: Finished, projection: str | None = None) -> FloatArray:
    """Root mean square over pairs of reciprocal synapses of how far the mean of both weights has moved from what is
    described, of what the chip nominally holds; dimensionless. SAL with equal sensors moves none."""
    now = np.mean(_reciprocal_weights(finished, projection), axis=0)
    then = np.mean(_reciprocal_weights(finished, projection, described=True), axis=0)
    return np.asarray(np.sqrt(((now - then) ** 2).mean(axis=1)))


def alignment_angle(finished: Finished, projection: str | None = None) -> FloatArray:
    """Angle in degrees between the weights of reciprocal synapses and those of their partners, as the chip nominally
    holds them at the end: 0 where they are symmetric (up to a factor)."""
    there, back = _reciprocal_weights(finished, projection)
    length = np.linalg.norm(there, axis=1) * np.linalg.norm(back, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (there * back).sum(axis=1) / length
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def state_divergence(finished: Finished, population: str | None = None) -> FloatArray:
    """D_KL(sampled || exact) in nats (paper Eq 31), between the states that a population with a StateOccupancy probe
    takes, and the Boltzmann distribution (Eq 3) of its described biases and symmetrised weights."""
    net, sampled = finished.described, finished.recording.occupancy_counts
    name = known_name("population", population or next(iter(sampled), None), sampled)
    size = net.population(name).size
    weights = np.zeros((size, size))
    for p in net.projections:
        if p.pre == p.post == name:
            listed = net.synapses(p.name)
            np.add.at(weights, (listed.post, listed.pre), listed.weight)
    np.fill_diagonal(weights, 0.0)  # what a neuron does to itself is over when it can spike again
    bias = np.broadcast_to(net.population(name).neuron.bias, size)  # type: ignore[attr-defined]  # has states, so has one
    exact = distribution(0.5 * (weights + weights.T), bias)
    shares = sampled[name] / sampled[name].sum(axis=1, keepdims=True)
    return np.array([kl_divergence(share, exact) for share in shares])


def accuracy(finished: Finished, labels: Sequence[int], population: str | None = None, skip: float = 0.0) -> FloatArray:
    """The share of presentations for which the neuron that spikes most is that of the label.

    Where several neurons spike most they share the answer: of two, the right one among them counts for a half.

    Args:
        labels: the right neuron of each presentation. They follow each other, all equally long, over the recording.
        population: with a Spikes probe; by default the network's first that has one.
        skip: ms at the beginning of each presentation that do not count.

    Raises:
        DescriptionError: SAL904 no labels, or such as are no neurons.
    """
    recording = finished.recording
    name = known_name("population", population or next(iter(recording.spikes), None), recording.spikes)
    spikes, count = recording.spikes[name], len(labels)
    if not count or not all(0 <= label < spikes.size for label in labels):
        supported = f"a neuron of {name!r}, 0..{spikes.size - 1}, for each presentation"
        finding = Diagnostic("SAL904", "metrics.accuracy.labels", f"{list(labels)}"[:60], supported, "mend the labels")
        raise DescriptionError("DescriptionError: nothing to compare answers with", [finding])
    length = recording.duration / count
    shown, since = np.divmod(spikes.time - spikes.start, length)
    counted = since >= skip
    counts = np.zeros((len(recording.ids), count, spikes.size))
    np.add.at(counts, (spikes.instance[counted], shown[counted].astype(np.int64), spikes.neuron[counted]), 1.0)
    most = counts == counts.max(axis=2, keepdims=True)
    right = np.take_along_axis(most, np.asarray(labels, dtype=np.int64)[None, :, None], axis=2)[..., 0]
    return np.asarray((right / most.sum(axis=2)).mean(axis=1))


def compared(finished: Finished, quantity: str, path: str | None = None) -> FloatArray:
    """A quantity of ``salhw compare`` (rate, cv, lv, correlation, weights, drift ...), its mean over elements.

    Args:
        quantity: one that the recording lets be measured: of spikes with a Spikes probe, of weights with Weights.
        path: of which population or projection, where there are several.
    """
    net, recording = finished.executable.network, finished.recording
    learned = [p.name for p in net.projections if p.plasticity and p.name in recording.weight_traces]
    final = {name: finished.session.get(f"projections.{name}.weights", form="synapses") for name in learned}
    found = {
        (m.quantity, m.path): m.values for m in measures(Run(net, recording, final), finished.described.explicit, 1)
    }
    known_name("quantity", quantity, dict.fromkeys(name for name, _ in found))
    paths = [where for name, where in found if name == quantity]
    values = found[quantity, known_name("path", path or paths[0], paths)]
    if len(values) != len(finished.chips):
        finding = Diagnostic("SAL904", f"metrics.{quantity}", "", "spikes enough for it", "run longer")
        raise DescriptionError(f"DescriptionError: {quantity} has no value for some of these chips", [finding])
    return np.asarray(values.mean(axis=1))


CORE: Mapping[str, Measuring] = {
    "rate": rate,
    "rate_error": rate_error,
    "asymmetry": asymmetry,
    "pair_drift": pair_drift,
    "alignment_angle": alignment_angle,
    "state_divergence": state_divergence,
    "accuracy": accuracy,
    "compared": compared,
}


def _rates(recording: Recording, population: str | None) -> FloatArray:
    name = known_name("population", population or next(iter(recording.counts), None), recording.counts)
    return np.asarray(recording.counts[name] * (1000.0 / recording.duration))


_ideal: dict[tuple[str, ...], FloatArray] = {}


def _ideal_rates(net: Network, target: str, exe: Executable, duration: float, population: str | None) -> FloatArray:
    """Kept while the process lives: every batch of a study asks for the same."""
    ideal = exe.target.ideal()
    key = (net.content_hash, ideal.content_hash, target, f"{duration:.17g}", population or "")
    if key not in _ideal:
        static = exe.source.replace(projections=tuple(p.replace(plasticity=()) for p in exe.source.projections))
        with compile(static, ideal).open(instances=IDEAL_INSTANCES, seed=0) as session:
            _ideal[key] = _rates(session.run(duration), population).mean(axis=0)
    return _ideal[key]


def paired_projection(net: Network, projection: str | None) -> str:
    """The projection whose reciprocal synapses are compared; by default the first that may have some.

    Raises:
        UnknownNameError: it is none of these, or there is none.
    """
    names = paired(net)
    fix = "a recurrent projection, one synapse a pair"
    return known_name("projection", projection or next(iter(names), None), names, fix=fix)


def _reciprocal_weights(
    finished: Finished, projection: str | None, described: bool = False
) -> tuple[FloatArray, FloatArray]:
    """What the chip holds of both synapses of each reciprocal pair, (chip, pair) each, or what is ``described``,
    (1, pair)."""
    net = finished.executable.network
    name = paired_projection(net, projection)
    first, second = reciprocal(*synapses(net.projection(name).weights, *net.ends(name))[:2])
    if described:
        weights = finished.described.synapses(name).weight[None]
    else:
        weights = finished.session.get(f"projections.{name}.weights", form="synapses")
    return weights[:, first], weights[:, second]


def known_metrics() -> Mapping[str, Measuring]:
    """Every metric that is installed, by name.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
    """
    return {**brought(GROUP, "metric"), **CORE}


def metric(name: str, path: str = "metrics.of") -> Measuring:
    """The metric of this name, installed or a user's.

    Raises:
        DescriptionError: SAL904 no such metric, or a module without it.
    """
    return chosen(name, CORE, path, known_metrics)
