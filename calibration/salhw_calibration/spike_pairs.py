"""The pairs of two spike trains, listed, as docs/semantics.md defines them under "Pairs"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.plasticity import Pairing


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of one branch, one entry each: the ``lag`` in steps, the ``share`` with which it counts (simultaneous
    spikes halve it), and the step ``at`` which it is complete."""

    lag: IntArray
    share: FloatArray
    at: IntArray


def spike_pairs(pre: IntArray, post: IntArray, pairing: Pairing, longest: int) -> tuple[Pairs, Pairs]:
    """The causal and the anti-causal pairs of two trains of ascending steps.

    Args:
        longest: lag in steps beyond which ``all`` forgets pairs; the nearest ones are all kept.
    """
    together = np.intersect1d(pre, post, assume_unique=True)
    at_once = Pairs(np.zeros(len(together), dtype=np.int64), np.full(len(together), 0.5), together)
    if pairing == "nearest_restricted":
        branches = _restricted(pre, post)
    elif pairing == "nearest_symmetric":
        branches = _latest(pre, post), _latest(post, pre)
    else:
        branches = _all(pre, post, longest), _all(post, pre, longest)
    return _joined(branches[0], at_once), _joined(branches[1], at_once)


def _joined(a: Pairs, b: Pairs) -> Pairs:
    return Pairs(*(np.concatenate([getattr(x, name) for x in (a, b)]) for name in ("lag", "share", "at")))


def _restricted(pre: IntArray, post: IntArray) -> tuple[Pairs, Pairs]:
    """Neighbours in the merged train; half for each end that is a coincidence."""
    step: IntArray = np.union1d(pre, post)
    is_pre, is_post = np.isin(step, pre, assume_unique=True), np.isin(step, post, assume_unique=True)
    half = np.where(is_pre & is_post, 0.5, 1.0)
    lag, share = np.diff(step), half[:-1] * half[1:]
    causal, anticausal = is_pre[:-1] & is_post[1:], is_post[:-1] & is_pre[1:]
    return (
        Pairs(lag[causal], share[causal], step[1:][causal]),
        Pairs(lag[anticausal], share[anticausal], step[1:][anticausal]),
    )


def _latest(first: IntArray, second: IntArray) -> Pairs:
    """Each spike of ``second`` with the latest earlier one of ``first``; half if another one is simultaneous."""
    before = np.searchsorted(first, second) - 1
    some = before >= 0
    at = second[some]
    share = np.where(np.isin(at, first, assume_unique=True), 0.5, 1.0)
    return Pairs(at - first[before[some]], share, at)


def _all(first: IntArray, second: IntArray, longest: int) -> Pairs:
    low, high = np.searchsorted(first, second - longest), np.searchsorted(first, second)
    many = high - low
    end = np.repeat(second, many)
    index = np.arange(len(end)) - np.repeat(np.cumsum(many) - many, many) + np.repeat(low, many)
    return Pairs(end - first[index], np.ones(len(end)), end)
