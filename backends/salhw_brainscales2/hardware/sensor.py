"""Correlation sensors: one per synapse, with a causal and an anti-causal branch that collect charge until reset.

What the sensor pairs is ``nearest_restricted`` (``plasticity``): a postsynaptic spike with the latest presynaptic one
since the postsynaptic spike before, and mirrored. Each pair adds ``amplitude exp(-|dt| / tau)``, in LSB of the
converter; the charge ends at ``capacity``. The readout *falls*: the converter reads ``baseline - charge`` plus noise,
as a whole number in 0..255. A reset clears the charge and forgets no spike.

On the chip no two spikes are simultaneous, but a simulator's time step hides their order. Like docs/semantics.md, a
coincidence therefore counts as the mean over both orders: half a pair at distance 0 on each branch, and half of every
nearest pair that ends in a coincidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.session.recorder import ascending
from salhw.substrate.chip import Chip, vary

NEVER = -(1 << 40)
READ_MAX = 255
READS = 64  # of the empty sensors, at a time


@dataclass(frozen=True)
class Sensors:
    """The sensors of a batch of chips; B chips, S synapses, N neurons.

    Args:
        pre, post: neurons 0..N - 1 of each synapse, (S,).
        neurons: N.
        dt: time step in ms.
        amplitude: LSB per pair at distance 0, (B, 2, S), branches in the order of ``BRANCHES``.
        tau: ms, (B, 2, S).
        baseline: LSB read without charge, (B, 2, S).
        capacity: LSB.
        read_noise: standard deviation of a read in LSB, (B,).
    """

    pre: IntArray
    post: IntArray
    neurons: int
    dt: float
    amplitude: FloatArray
    tau: FloatArray
    baseline: FloatArray
    capacity: float
    read_noise: FloatArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, 2, S)."""
        return len(self.read_noise), 2, len(self.pre)


@dataclass(frozen=True)
class Charge:
    """What sensors have seen: the step of each neuron's latest spike, (B, N), and the charge in LSB, (B, 2, S)."""

    last: IntArray
    charge: FloatArray


def of_chips(
    chips: Sequence[Chip],
    pre: npt.ArrayLike,
    post: npt.ArrayLike,
    location: npt.ArrayLike,
    *,
    neurons: int,
    dt: float,
    amplitude: float = 2.0,
    tau: float = 10.0,
    baseline: float = 180.0,
    capacity: float = 150.0,
) -> Sensors:
    """The sensors of ``chips`` with their fixed pattern.

    Args:
        location: physical location of each synapse (``Placement.synapses``), (S,).
        amplitude: LSB per pair at distance 0; calibration on chip reaches 0.2..2.
        tau: ms; calibration on chip reaches 2..30.
        baseline: LSB; at least 120 on chip.
        capacity: LSB; converters are reliable over 30..210, which leaves 150 below the baseline.

    The patterns are ``causal_amplitude``, ``causal_tau``, ``causal_offset`` and the same for ``anticausal``; the noise
    of a read is ``read_noise`` (profile.toml has them all). A quantity that a chip does not vary is nominal.
    """
    where = np.asarray(location, dtype=np.int64)

    def pattern(quantity: str, nominal: float) -> FloatArray:
        return np.stack([vary(chips, f"{branch}_{quantity}", nominal, where) for branch in BRANCHES], axis=1)

    return Sensors(
        np.asarray(pre, dtype=np.int64),
        np.asarray(post, dtype=np.int64),
        neurons,
        dt,
        np.maximum(pattern("amplitude", amplitude), 0.0),
        np.maximum(pattern("tau", tau), 1e-3 * tau),
        pattern("offset", baseline),
        capacity,
        np.array([chip.spread("read_noise") for chip in chips]),
    )


def fresh(sensors: Sensors) -> Charge:
    """Before the first spike."""
    return Charge(np.full((sensors.shape[0], sensors.neurons), NEVER), np.zeros(sensors.shape))


def reset(charge: Charge) -> Charge:
    """No charge; spikes are remembered, so that a pair across a reset counts in the new period."""
    return replace(charge, charge=np.zeros_like(charge.charge))


def accumulate(
    sensors: Sensors, charge: Charge, instance: npt.ArrayLike, neuron: npt.ArrayLike, step: npt.ArrayLike
) -> Charge:
    """The charge after one more chunk of spikes.

    Args:
        instance: chip of each spike, 0..B - 1.
        neuron: 0..N - 1.
        step: time of each spike in steps of ``dt``, after all spikes of earlier chunks; in any order, and rounded
            to whole steps.
    """
    b, n, t = (np.rint(x).astype(np.int64) for x in (instance, neuron, step))
    order = ascending(b, t)
    b, n, t = b[order], n[order], t[order]
    first = np.searchsorted(b, np.arange(sensors.shape[0] + 1))
    new = Charge(charge.last.copy(), charge.charge.copy())
    decay = np.ascontiguousarray(sensors.dt / sensors.tau)
    amplitude = np.ascontiguousarray(sensors.amplitude)
    wiring = (
        sensors.pre,
        sensors.post,
        *_by_neuron(sensors.post, sensors.neurons),
        *_by_neuron(sensors.pre, sensors.neurons),
    )
    spiking = np.zeros(sensors.neurons, dtype=np.bool_)
    _compiled()(first, n, t, *wiring, amplitude, decay, sensors.capacity, new.last, new.charge, spiking)
    return new


def read(sensors: Sensors, charge: Charge, noise: npt.ArrayLike = 0.0) -> IntArray:
    """What the converter says, 0..255, (..., B, 2, S). ``noise``: a standard normal number for each read, of one or of
    several times."""
    level = sensors.baseline - charge.charge + sensors.read_noise[:, None, None] * np.asarray(noise, dtype=np.float64)
    return np.clip(np.rint(level), 0, READ_MAX).astype(np.int64)


def read_noise(sensors: Sensors, generators: Sequence[np.random.Generator]) -> FloatArray:
    """Standard normal numbers for one ``read``, (B, 2, S), each chip's from its own generator."""
    return np.array([generator.standard_normal(sensors.shape[1:]) for generator in generators])


def measured_baseline(
    sensors: Sensors, generators: Sequence[np.random.Generator], error: float = 0.05
) -> tuple[FloatArray, int]:
    """The mean of repeated reads without charge, (B, 2, S), and how many that took.

    As many as bring the standard error of the mean down to ``error`` in LSB: an offset of 0.1 LSB between the branches
    moves a weight by 1.5 codes per minute if a rule takes 0.05 codes per LSB five times per second.
    """
    reads = max(1, ceil((float(sensors.read_noise.max()) / error) ** 2))
    empty = fresh(sensors)
    total = np.zeros(sensors.shape)
    for begin in range(0, reads, READS):
        size = (min(READS, reads - begin), *sensors.shape[1:])
        noise = np.stack([generator.standard_normal(size) for generator in generators], axis=1)
        total += read(sensors, empty, noise).sum(axis=0)
    return total / reads, reads


def _by_neuron(end: IntArray, neurons: int) -> tuple[IntArray, IntArray]:
    """Synapses sorted by one of their ends, and where each neuron's begin."""
    order = np.argsort(end, kind="stable")
    return order, np.searchsorted(end[order], np.arange(neurons + 1))


@cache
def _compiled() -> Callable[..., Any]:
    from salhw.jit import cached

    compiled: Callable[..., Any] = cached(nogil=True)(_accumulate)
    return compiled


def _accumulate(
    first: Any, neuron: Any, step: Any, pre: Any, post: Any, into: Any, into_first: Any, out: Any, out_first: Any,
    amplitude: Any, decay: Any, capacity: Any, last: Any, charge: Any, spiking: Any,
) -> None:  # fmt: skip
    for b in range(last.shape[0]):
        low = first[b]
        while low < first[b + 1]:
            t, high = step[low], low  # the spikes low..high - 1 are simultaneous
            while high < first[b + 1] and step[high] == t:
                spiking[neuron[high]] = True
                high += 1
            for k in range(low, high):
                n = neuron[k]
                for side in range(2):
                    begin, end = (into_first[n], into_first[n + 1]) if side == 0 else (out_first[n], out_first[n + 1])
                    for i in range(begin, end):
                        s = into[i] if side == 0 else out[i]
                        partner = pre[s] if side == 0 else post[s]
                        latest, own = last[b, partner], last[b, n]
                        share = 1.0 if latest > own else (0.5 if latest == own else 0.0)
                        if spiking[partner]:
                            share *= 0.5
                        value = 0.5 if spiking[partner] else 0.0
                        if share > 0.0:
                            value += share * np.exp((latest - t) * decay[b, side, s])
                        charge[b, side, s] = min(charge[b, side, s] + amplitude[b, side, s] * value, capacity)
            for k in range(low, high):
                last[b, neuron[k]] = t
                spiking[neuron[k]] = False
            low = high
