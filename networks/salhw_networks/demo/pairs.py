"""A batch of reciprocal pairs under two-sided SAL (paper Figs 2d, 2e), from several starting points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw import Recording, compile
from salhw.description.fields import FloatArray
from salhw.theory import drift, sal_window, stdd
from salhw_networks.demo.common import Grid, Row, grid
from salhw_networks.pairs.network import network as pair

LEARNING_RATE = 5e-4  # per pair of spikes: Fig 2d's
PERIOD = 600.0  # ms: the 1500 steps of Fig 2d between updates
DURATION = 3000 * PERIOD  # seven relaxation times of the slowest pair
SAMPLE = 10 * PERIOD
SEED = 1
REPEATS = 8
FIG_2D = (1.5, 0.5)
STARTS = (FIG_2D, (0.2, 1.8), (1.3, -0.3), (-0.2, 1.2), (1.0, -1.0), (-0.9, 0.9), (0.4, -1.4), (-1.2, 0.2))
"""(W from neuron 1 to 0, W from neuron 0 to 1)."""
SIGMAS = 4.0


@dataclass(frozen=True)
class Pairs:
    """What the batch did: ``weights`` (start, repeat, time, 2) at ``time`` s; ``expected`` is the gap between the two
    weights that the exact drift leads to (start, time), ``within`` the tolerance of the mean weights per start."""

    recording: Recording
    time: FloatArray
    weights: FloatArray
    expected: FloatArray
    within: FloatArray
    report: dict[str, object]

    @property
    def gap(self) -> FloatArray:
        """W[0, 1] - W[1, 0], (start, repeat, time)."""
        return np.asarray(self.weights[..., 0] - self.weights[..., 1])

    def end_of(self, start: int) -> tuple[float, float]:
        """Both weights at the end, mean over the repeats."""
        first, second = self.weights[start, :, -1].mean(axis=0)
        return float(first), float(second)

    def rows(self) -> list[Row]:
        """A row per starting point: both weights must be at their mean."""
        rows = []
        for k, start in enumerate(STARTS):
            end, middle = self.end_of(k), sum(start) / 2
            good = max(abs(w - middle) for w in end) <= self.within[k]
            what = f"pair {k + 1}: W01, W10 (mean of {REPEATS})"
            rows.append(Row(what, list(start), list(end), [middle, middle], float(self.within[k]), bool(good)))
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        gap = self.gap
        return {
            "learning_rate": LEARNING_RATE,
            "update_ms": PERIOD,
            "duration_ms": DURATION,
            "instances": len(STARTS) * REPEATS,
            "seed": SEED,
            "starts": [list(start) for start in STARTS],
            "gap_mean": gap[:, :, -1].mean(axis=1).tolist(),
            "gap_sd": gap[:, :, -1].std(axis=1, ddof=1).tolist(),
            "gap_expected": self.expected[:, -1].tolist(),
            "largest_change_of_the_sum": float(np.abs(np.diff(self.weights.sum(axis=-1), axis=-1)).sum(axis=-1).max()),
            "report": self.report,
            "provenance": dict(self.recording.provenance),
        }


def run(target: str, progress: Callable[[float], None] | None = None) -> Pairs:
    """Let the batch learn on ``target``."""
    net = pair(learning_rate=LEARNING_RATE, update=f"every {PERIOD:g} ms", sample=SAMPLE, spikes=False)
    executable = compile(net, target)
    with executable.open(instances=len(STARTS) * REPEATS, seed=SEED) as session:
        initial = np.zeros((len(STARTS), REPEATS, 2, 2))
        initial[..., 0, 1], initial[..., 1, 0] = np.moveaxis(np.array(STARTS)[:, None], -1, 0)
        session.set("projections.pair.weights", initial.reshape(-1, 2, 2))
        recording = session.run(DURATION, progress=progress)
    trace = recording.weight_traces["pair"]
    values = trace.values.reshape(len(STARTS), REPEATS, len(trace.time), 2, 2)
    g = grid(net)
    expected = np.array([expected_gap(g, start, len(trace.time)) for start in STARTS])
    return Pairs(
        recording=recording,
        time=trace.time / 1000.0,
        weights=np.stack([values[..., 0, 1], values[..., 1, 0]], axis=-1),
        expected=expected,
        within=np.array([tolerance(g, *case) for case in zip(STARTS, expected[:, -1], strict=True)]),
        report=executable.report.as_dict(),
    )


def _gap_drift(g: Grid, middle: float, gap: float, window: FloatArray) -> float:
    """Expected change of W01 - W10 per step at learning rate 1."""
    weights = [[0.0, middle + gap / 2], [middle - gap / 2, 0.0]]
    return -2.0 * drift(stdd(weights, g.bias, g.kappa, g.tau_ref, window.size - 1), -window, window)


def expected_gap(g: Grid, start: tuple[float, float], samples: int) -> FloatArray:
    """The gap at every sample if each update changed the weights by the exact expectation."""
    window = sal_window(g.tau, int(20 * g.tau))
    gap, middle = start[0] - start[1], sum(start) / 2
    # The drift is smooth in the gap: a polynomial through 17 points repeats it to 1e-6 of its size.
    nodes = np.linspace(-1.1, 1.1, 17) * abs(gap)
    field = np.polynomial.Polynomial.fit(nodes, [_gap_drift(g, middle, x, window) for x in nodes], 8)
    gain = LEARNING_RATE * PERIOD / g.dt
    path = [gap]
    for update in range(1, (samples - 1) * round(SAMPLE / PERIOD) + 1):
        gap += gain * float(field(gap))
        if update % round(SAMPLE / PERIOD) == 0:
            path.append(gap)
    return np.array(path)


def tolerance(g: Grid, start: tuple[float, float], left: float) -> float:
    """How far the mean weights of all repeats may be from their mean: half of the gap that the drift leaves, plus half
    of four standard errors of the gap's mean."""
    middle = sum(start) / 2
    spread = gap_spread(g, np.array([[0.0, middle], [middle, 0.0]]), g.bias)
    return 0.5 * abs(left) + 0.5 * SIGMAS * spread / math.sqrt(REPEATS)


def gap_spread(g: Grid, weights: FloatArray, bias: FloatArray) -> float:
    """An upper limit of the standard deviation of one pair's gap around its fixed point, from the exact STDD.

    Each pair of spikes moves the gap by 2 eta w(lag), the drift pulls it back at a constant rate. Were the spike pairs
    independent, this would be the spread; in truth causal and anticausal pairs alternate (nearest neighbours), so
    their sum varies less (measured: about half of this).
    """
    window = sal_window(g.tau, int(20 * g.tau))
    pairs = stdd(weights, bias, g.kappa, g.tau_ref, window.size - 1)
    diffusion = float(pairs.rate @ (2.0 * LEARNING_RATE * window[np.abs(pairs.lag)]) ** 2)
    middle, step = 0.5 * (weights[0, 1] + weights[1, 0]), 0.01
    local = Grid(g.dt, g.tau_ref, g.tau, g.kappa, bias)
    rise = _gap_drift(local, middle, step, window) - _gap_drift(local, middle, -step, window)
    return float(np.sqrt(diffusion / (2.0 * LEARNING_RATE * -rise / (2.0 * step))))
