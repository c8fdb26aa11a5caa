"""Regress what weights did on the spike pairs that were recorded meanwhile, all synapses of a projection at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.plasticity import PairSTDP
from salhw.description.windows import Window
from salhw.session.recorder import ascending
from salhw.session.recording import Recording
from salhw_calibration.circuit import MeasuredCircuit
from salhw_calibration.spike_pairs import spike_pairs

FORGOTTEN = 20.0  # time constants after which a pair of ``all`` is left out
ROUNDS = 15  # of Gauss-Newton
LEAST = 0.05  # amplitude
WIDEST = 8.0  # factor on the time constant
STEP = 1e-4  # of log tau, for derivatives


class Trains:
    """The steps at which each neuron of each instance spiked in one session."""

    def __init__(self, c: MeasuredCircuit, recordings: Sequence[Recording]) -> None:
        self.instances, self._size = len(recordings[0].ids), c.size
        cells, steps = [], []
        for recording in recordings:
            for name, s in recording.spikes.items():
                cells.append(s.instance * c.size + c.first[name] + s.neuron)
                steps.append(np.rint(s.time / c.net.dt).astype(np.int64))
        cell, step = np.concatenate(cells), np.concatenate(steps)
        order = ascending(cell, step)
        self._of = np.split(step[order], np.searchsorted(cell[order], np.arange(1, self.instances * c.size)))

    def __call__(self, instance: int, neuron: int) -> IntArray:
        return self._of[instance * self._size + neuron]


@dataclass(frozen=True, eq=False)
class Listed:
    """The pairs of one branch of a projection's synapses on one instance: ``synapse`` counts them, ``lag`` is in ms,
    ``at``, when they are complete, in steps."""

    synapse: IntArray
    lag: FloatArray
    share: FloatArray
    at: IntArray


def of_projection(c: MeasuredCircuit, name: str) -> IntArray:
    """The synapses of a projection in a circuit."""
    return np.flatnonzero(c.projection == [p.name for p in c.net.projections].index(name))


def listed(c: MeasuredCircuit, trains: Trains, instance: int, name: str, rule: PairSTDP, branch: int) -> Listed:
    """All pairs of a branch, 0 the causal one."""
    longest = ceil(FORGOTTEN * max(rule.causal.tau, rule.anticausal.tau) / c.net.dt)
    groups = [
        spike_pairs(trains(instance, c.pre[s]), trains(instance, c.post[s]), rule.pairing, longest)[branch]
        for s in of_projection(c, name)
    ]
    synapse = np.repeat(np.arange(len(groups)), [len(pairs.lag) for pairs in groups])
    lag, share, at = (np.concatenate([getattr(pairs, part) for pairs in groups]) for part in ("lag", "share", "at"))
    return Listed(synapse, lag * c.net.dt, share, at)


def shape_and_slope(window: Window, lag: FloatArray, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The window without its amplitude at lags in ms, with a time constant for each, and its derivative with respect to
    log tau."""

    def shape(factor: float) -> FloatArray:  # a copy is not validated, so that tau may be an array
        return window.model_copy(update={"tau": tau * factor}).shape(lag)

    return shape(1.0), (shape(np.exp(STEP)) - shape(np.exp(-STEP))) / (2.0 * STEP)


@dataclass(frozen=True, eq=False)
class Fit:
    """Of one branch, one entry per synapse: ``errors`` (3, synapse) of amplitude, log tau and offset, ``covariance`` of
    log amplitude and log tau, ``noise`` the standard deviation of an update. NaN where the pairs do not tell."""

    amplitude: FloatArray
    tau: FloatArray
    offset: FloatArray
    errors: FloatArray
    covariance: FloatArray
    noise: FloatArray
    freedom: FloatArray


def fit(window: Window, change: FloatArray, session: IntArray, update: IntArray, pairs: Listed, room: float) -> Fit:
    """Gauss-Newton on ``change = amplitude * sum over pairs of share * shape(lag / tau) + offset``.

    Neighbouring updates may be correlated: where a chip keeps a rest below the weights that it shows, what one update
    is short of, the next one has. The errors allow for it; the correlation is one for all synapses.

    Args:
        window: the described one.
        change: (update, synapse), in pairs.
        session: of each update; within one they follow each other.
        update: of each pair.
        room: updates that are expected to change a weight by more than .9 of it do not count.
    """
    synapses = change.shape[1]
    where = update * synapses + pairs.synapse

    def total(values: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(where, pairs.share * values, minlength=change.size).astype(np.float64)
        return sums.reshape(change.shape)

    amplitude, log_tau, offset = np.ones(synapses), np.full(synapses, np.log(window.tau)), np.zeros(synapses)
    least, most = np.log(window.tau / WIDEST), np.log(window.tau * WIDEST)
    for left in range(ROUNDS, -1, -1):
        value, slope = (total(v) for v in shape_and_slope(window, pairs.lag, np.exp(log_tau)[pairs.synapse]))
        expected = amplitude * value + offset
        used = np.where(expected < 0.9 * room, 1.0, 0.0)
        design = np.stack([value, amplitude * slope, np.ones_like(value)], axis=-1) * used[..., None]
        residual = (change - expected) * used
        normal = np.einsum("ksi,ksj->sij", design, design)
        if left:
            step = _solved(normal, np.einsum("ksi,ks->si", design, residual)[..., None])[..., 0]
            amplitude = np.maximum(amplitude + np.clip(step[:, 0], -0.5, 0.5), LEAST)
            log_tau = np.clip(log_tau + np.clip(step[:, 1], -0.5, 0.5), least, most)
            offset = offset + step[:, 2]
    freedom = used.sum(axis=0) - 3.0
    noise = np.sqrt((residual**2).sum(axis=0) / np.maximum(freedom, 1.0))
    inverse = _solved(normal, np.broadcast_to(np.eye(3), normal.shape))
    inverse[freedom < 1] = np.nan
    next_to = np.diff(session) == 0
    cross = np.einsum("ksi,ksj->sij", design[:-1][next_to], design[1:][next_to])
    both = (used[:-1] * used[1:])[next_to].sum(axis=0)
    # Fitting alone makes residuals anti-correlated, by the trace.
    product = (residual[:-1] * residual[1:])[next_to].sum(axis=0) + noise**2 * np.einsum("sij,sji->s", inverse, cross)
    correlation = np.clip(np.nansum(product) / max(float(np.nansum(noise**2 * both)), 1e-300), -0.49, 0.49)
    spread = inverse @ (normal + correlation * (cross + cross.swapaxes(1, 2))) @ inverse * noise[:, None, None] ** 2
    unknown = np.isnan(spread).any(axis=(1, 2))
    amplitude, tau, offset = (np.where(unknown, np.nan, x) for x in (amplitude, np.exp(log_tau), offset))
    errors = np.sqrt(np.maximum(np.diagonal(spread, axis1=1, axis2=2).T, 0.0))
    return Fit(amplitude, tau, offset, errors, spread[:, 0, 1] / amplitude, noise, freedom)


def _solved(normal: FloatArray, right: FloatArray) -> FloatArray:
    """normal^-1 right, (synapse, 3, k); NaN where the updates do not determine the parameters."""
    scale = np.sqrt(np.maximum(np.diagonal(normal, axis1=1, axis2=2), 1e-300))[:, :, None]
    scaled = np.nan_to_num(normal / scale / scale.swapaxes(1, 2))
    known = (np.linalg.cond(scaled) < 1e10)[:, None, None]
    solution = np.linalg.solve(np.where(known, scaled, np.eye(3)), np.nan_to_num(right / scale)) / scale
    return np.where(known, solution, np.nan)
