"""A 7-neuron sampling network whose weights carry asymmetric noise: SAL takes it out again (paper section 2.4.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw import Recording, compile
from salhw.description.fields import FloatArray
from salhw.theory import distribution, kl_divergence, moments
from salhw_networks.demo.common import Grid, Row, grid
from salhw_networks.demo.pairs import LEARNING_RATE, PERIOD, SAMPLE, SIGMAS, gap_spread
from salhw_networks.sampling.network import network

NOISE = 0.5  # standard deviation added to every weight, as large as that of the weights themselves
DT = 0.1  # ms: 100 steps per refractory period, so that updating all neurons at once hardly biases the distribution
DURATION = 5000 * PERIOD
MEASURE = 2_000_000.0
SEED = 3
NETWORK_SEED = 0
WEIGHTS = "projections.recurrent.weights"
RATE = "projections.recurrent.plasticity.learning_rate"


@dataclass(frozen=True)
class Sampling:
    """What the network did. ``gaps`` (time, pair) are W_ij - W_ji, i < j, at ``time`` s while SAL was on.

    ``sampled`` are the state distributions before and after learning and of the exactly symmetric network, (3, state);
    ``exact`` is the Boltzmann distribution of the symmetrised weights, the same before and after. ``independent`` is
    the number of refractory periods over which each was sampled, ``floor`` the asymmetry that SAL itself makes.
    """

    recording: Recording
    time: FloatArray
    gaps: FloatArray
    sampled: FloatArray
    exact: FloatArray
    floor: float
    independent: float
    report: dict[str, object]

    @property
    def asymmetry(self) -> FloatArray:
        """Root mean square of W_ij - W_ji over time."""
        return np.asarray(np.sqrt((self.gaps**2).mean(axis=1)))

    @property
    def divergence(self) -> tuple[float, float, float]:
        """D_KL(sampled || exact) in nats: before, after, and of the exactly symmetric network."""
        before, after, symmetric = (kl_divergence(p, self.exact) for p in self.sampled)
        return before, after, symmetric

    @property
    def asymmetry_within(self) -> float:
        """The limit of SAL's own jitter, plus four standard errors of a root mean square over so many pairs."""
        return self.floor * (1.0 + SIGMAS / float(np.sqrt(2.0 * self.gaps.shape[1])))

    @property
    def divergence_within(self) -> float:
        """What the asymmetry that is left may cost (D_KL grows with its square), plus four standard deviations of the
        difference of two sampled D_KL (2 n D_KL is chi-squared, for n independent states).
        """
        before, _, symmetric = self.divergence
        left = (before - symmetric) * (self.asymmetry_within / self.asymmetry[0]) ** 2
        sampled = np.sqrt(2.0 * (self.exact.size - 1)) / (2.0 * self.independent)
        return float(left + SIGMAS * np.sqrt(2.0) * sampled)

    def rows(self) -> list[Row]:
        """The asymmetry is gone, and the network samples what its symmetric twin samples."""
        rms, (before, after, symmetric) = self.asymmetry, self.divergence
        limit, allowed = self.asymmetry_within, self.divergence_within
        first, last = float(rms[0]), float(rms[-1])
        good = abs(after - symmetric) <= allowed
        return [
            Row("sampling: RMS of W_ij - W_ji", [first], [last], [0.0], limit, last <= limit),
            Row("sampling: D_KL to Boltzmann, nats", [before], [after], [symmetric], allowed, good),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        before, after, symmetric = self.divergence
        return {
            "learning_rate": LEARNING_RATE,
            "update_ms": PERIOD,
            "duration_ms": DURATION,
            "measured_ms": MEASURE,
            "seed": SEED,
            "network_seed": NETWORK_SEED,
            "noise": NOISE,
            "asymmetry_start": float(self.asymmetry[0]),
            "asymmetry_end": float(self.asymmetry[-1]),
            "asymmetry_of_sal_alone_at_most": self.floor,
            "divergence_before": before,
            "divergence_after": after,
            "divergence_of_symmetric_weights": symmetric,
            "report": self.report,
            "provenance": dict(self.recording.provenance),
        }


def run(target: str, progress: Callable[[float], None] | None = None) -> Sampling:
    """Sample with noisy weights, let SAL act, sample again, and once more with the weights made symmetric by hand."""
    update = f"every {PERIOD:g} ms"
    net = network(seed=NETWORK_SEED, noise=NOISE, dt=DT, sal_rate=LEARNING_RATE, update=update, sample=SAMPLE)
    executable = compile(net, target)
    shares = _shares(progress, (MEASURE, DURATION, MEASURE, MEASURE))
    with executable.open(seed=SEED) as session:
        session.set(RATE, 0.0)
        before = session.run(MEASURE, progress=shares[0])
        session.set(RATE, LEARNING_RATE)
        recording = session.run(DURATION, progress=shares[1])
        session.set(RATE, 0.0)
        after = session.run(MEASURE, progress=shares[2])
        trace = recording.weight_traces["recurrent"]
        symmetric = 0.5 * (trace.values[0, 0] + trace.values[0, 0].T)
        session.set(WEIGHTS, symmetric)
        twin = session.run(MEASURE, progress=shares[3])
    g = grid(net)
    exact = distribution(symmetric, g.bias)
    values = trace.values[0]
    i, j = np.triu_indices(len(symmetric), 1)
    return Sampling(
        recording=recording,
        time=(trace.time - trace.time[0]) / 1000.0,
        gaps=values[:, i, j] - values[:, j, i],
        sampled=np.array([_shares_of_states(r) for r in (before, after, twin)]),
        exact=exact,
        floor=_floor(g, symmetric, exact),
        independent=MEASURE / (g.tau_ref * g.dt),
        report=executable.report.as_dict(),
    )


def _shares(
    progress: Callable[[float], None] | None, durations: Sequence[float]
) -> list[Callable[[float], None] | None]:
    """A callback per run that reports to ``progress`` in the whole."""
    if progress is None:
        return [None] * len(durations)
    whole, done = sum(durations), np.cumsum([0.0, *durations])

    def of(start: float, length: float) -> Callable[[float], None]:
        return lambda share: progress((start + share * length) / whole)

    return [of(float(start), length) for start, length in zip(done, durations, strict=False)]


def _shares_of_states(recording: Recording) -> FloatArray:
    counts = recording.occupancy_counts["neurons"][0]
    return np.asarray(counts / counts.sum())


def _floor(g: Grid, weights: FloatArray, exact: FloatArray) -> float:
    """Root mean square over pairs of ``gap_spread``; the other neurons count as their mean input."""
    mean = moments(exact)[0]
    spreads = []
    for i, j in zip(*np.triu_indices(len(weights), 1), strict=True):
        others = np.delete(np.arange(len(weights)), (i, j))
        bias = g.bias[[i, j]] + weights[np.ix_((i, j), others)] @ mean[others]
        pair = np.array([[0.0, weights[i, j]], [weights[j, i], 0.0]])
        spreads.append(gap_spread(g, pair, bias))
    return float(np.sqrt(np.mean(np.square(spreads))))
