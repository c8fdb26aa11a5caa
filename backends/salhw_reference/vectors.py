"""What the vectorised algorithm holds beside the arrays of the others: see vectorised.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw_reference.arrays import NetworkArrays
from salhw_reference.jit import inlined
from salhw_reference.rng import streams

CLOSED = -1e9  # added to the input of who cannot spike


class Vectors(NamedTuple):
    """Of a batch, each array with the instance in front; of one instance, without."""

    random: npt.NDArray[np.uint32]  # (4, N) xoshiro128++ of each neuron
    input: FloatArray  # (N,)
    base: FloatArray  # (N,) bias and stimuli, less the logarithm of the refractory period in steps
    gate: npt.NDArray[np.float32]  # (N,) 0, or CLOSED while refractory
    drawn: npt.NDArray[np.uint32]  # (N,) this step's draw
    bits: npt.NDArray[np.int32]  # (N,) of ``bound``
    bound: npt.NDArray[np.float32]  # (N,) on the spike probability
    hit: npt.NDArray[np.uint8]  # (N,) 1: the draw is below the bound; padded to whole words
    hits: npt.NDArray[np.uint64]  # the words
    trace: FloatArray  # (R, 2, N) exponential traces, as of the latest whole multiple of their epoch
    varied: IntArray  # (1,) 0: all gains are 1


@inlined
def vectors_of(batch, b):
    """The arrays of one instance, sharing memory with the batch's."""
    return Vectors(
        batch.random[b], batch.input[b], batch.base[b], batch.gate[b], batch.drawn[b], batch.bits[b], batch.bound[b],
        batch.hit[b], batch.hits[b], batch.trace[b], batch.varied[b],
    )  # fmt: skip


def vectors_at_rest(net: NetworkArrays, seed: int, ids: Sequence[int], *, varied: bool) -> Vectors:
    """The vectors of a batch of networks at rest; ``varied``: the chips' synapses differ."""
    n, batch = len(net.kind), len(ids)
    bits, hit = np.zeros((batch, n), np.int32), np.zeros((batch, -(-n // 8) * 8), np.uint8)
    return Vectors(
        random=_random(streams(seed, ids), n),
        input=np.zeros((batch, n)),
        base=np.zeros((batch, n)),
        gate=np.zeros((batch, n), np.float32),
        drawn=np.zeros((batch, n), np.uint32),
        bits=bits,
        bound=bits.view(np.float32),
        hit=hit,
        hits=hit.view(np.uint64),
        trace=np.zeros((batch, len(net.rule), 2, n)),
        varied=np.full((batch, 1), varied, np.int64),
    )


def _random(keys: npt.NDArray[np.uint64], neurons: int) -> npt.NDArray[Any]:
    """A generator state for each instance and neuron, (instance, 4, neuron): SplitMix64 (Steele, Lea & Flood 2014) of
    the instance's key and the neuron's number."""
    index = np.arange(neurons, dtype=np.uint64)
    halves = [_split_mix(keys[:, k, None] + (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)) for k in (0, 1)]
    words = np.stack(halves, axis=1)
    return np.ascontiguousarray(
        np.concatenate([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=1).astype(np.uint32)
    )


def _split_mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
