"""Pairs of spikes that NEST has not added to its weights yet: plastic synapses learn when the next presynaptic spike
reaches them, so that in between they lack the latest pairs. Here these are worked out from the spikes.

Times are ticks as the synapse sees them: a presynaptic spike at its stamp plus the axonal delay, a postsynaptic one at
its stamp plus the dendritic delay; NEST pairs what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.jit import cached
from salhw.session.recorder import ascending
from salhw_nest.encoding import TINY

FORGOTTEN = 40.0  # time constants after which a pair adds less than rounding does


@dataclass(frozen=True)
class PendingTrains:
    """Spikes by cell: those of cell k are ``stamp[first[k] : first[k + 1]]``, in ascending order."""

    first: IntArray
    stamp: IntArray

    @classmethod
    def of(cls, cell: IntArray, stamp: IntArray, size: int) -> PendingTrains:
        """From spikes in any order."""
        order = ascending(cell, stamp)
        return cls(np.searchsorted(cell[order], np.arange(size + 1)), stamp[order])

    def counted(self, chosen: IntArray) -> IntArray:
        """How many of each cell's spikes are ``chosen`` (a truth value per spike)."""
        return np.diff(np.concatenate([[0], np.cumsum(chosen)])[self.first])


def within(cell: IntArray, stamp: IntArray, of: IntArray, begin: IntArray, end: IntArray) -> npt.NDArray[np.bool_]:
    """Which spikes (``cell`` and ``stamp`` per spike) lie in one of many intervals: of the cell ``of``, from ``begin``
    to ``end``."""
    span = int(stamp.max(initial=0)) + 2
    key = cell * span + stamp
    order = np.argsort(key, kind="stable")
    low = np.searchsorted(key[order], of * span + np.clip(begin, 0, span - 1))
    high = np.searchsorted(key[order], of * span + np.clip(end, -1, span - 1), side="right")
    opened = np.bincount(low, minlength=len(key) + 1) - np.bincount(np.maximum(low, high), minlength=len(key) + 1)
    inside = np.empty(len(key), dtype=np.bool_)
    inside[order] = np.cumsum(opened)[:-1] > 0
    return inside


@dataclass(frozen=True)
class Pending:
    """What the pending pairs make of the values that NEST holds, per synapse of all instances (see ``pending``)."""

    change: FloatArray
    low: FloatArray
    high: FloatArray
    ended: FloatArray

    def after(self, held: FloatArray) -> FloatArray:
        """The values once they are added."""
        return np.minimum(self.high, np.maximum(self.low, held + self.change))

    def until(self, wanted: FloatArray) -> FloatArray:
        """The values, TINY at least, that become ``wanted``."""
        return np.maximum(wanted - self.change, TINY)

    def reachable(self, wanted: FloatArray) -> FloatArray:
        """``wanted``, or the nearest that any value becomes."""
        return np.clip(wanted, self.after(np.full_like(wanted, TINY)), self.high)


ALL, SYMMETRIC, RESTRICTED = range(3)
SCHEMES = {"all": ALL, "nearest_symmetric": SYMMETRIC, "nearest_restricted": RESTRICTED}


@cached()
def _trace(spikes, low, now, tau, scheme):
    """The trace of the spikes ``low`` to ``now`` at the last of them."""
    if scheme != ALL:
        return 1.0
    total = 0.0
    for m in range(now - 1, low - 1, -1):
        age = spikes[now - 1] - spikes[m]
        if age > FORGOTTEN * tau:
            break
        total += exp(-age / tau)
    return total


@cached()
def _after(spikes, first, n, spike, since, tau, scheme):
    """The trace of the postsynaptic spikes ``first`` to ``n`` at a presynaptic one at ``spike``; ``since`` is the
    presynaptic one before it."""
    total = 0.0
    for m in range(n - 1, first - 1, -1):
        lag = spike - spikes[m]
        if lag > FORGOTTEN * tau or (scheme == RESTRICTED and spikes[m] <= since):
            break
        if lag > 0:
            total += exp(-lag / tau)
            if scheme != ALL:
                break
    return total


@cached()
def pending(
    scheme, pre, post, held, reach, causal, anticausal, tau_causal, tau_anticausal, pre_first, pre_at, post_first,
    post_at, since, seen, begun,
):  # fmt: skip
    """What the pending pairs make of each synapse's value v, which NEST holds: the steps that it will take, each
    clipped as it clips them, after a causal pair at ``reach`` and after an anti-causal one at 0. Together they are
    ``min(high, max(low, v + change))``.

    ``held`` (v), ``causal`` and ``anticausal`` per synapse, ``tau_*`` in ticks; ``seen``: how many spikes of each
    presynaptic cell have reached the synapse; pairs whose later spike comes at ``since`` or before are left out.

    Returns:
        change, low, high, and ``ended``: of the PSPs that have begun and not ended (spikes ``seen`` to ``begun``), the
        sum of the values at which they end; all per synapse.
    """
    change = np.zeros(pre.size)
    low, high = np.full(pre.size, -np.inf), np.full(pre.size, np.inf)
    ended = np.zeros(pre.size)
    for k in range(pre.size):
        j, i, least, most = pre[k], post[k], -np.inf, np.inf
        begin, stop = pre_first[j], pre_first[j + 1]
        now, trace, at = begin + seen[j], 0.0, 0
        if now > begin:
            at = pre_at[now - 1]
            trace = _trace(pre_at, begin, now, tau_causal, scheme)
        first, end = post_first[i], post_first[i + 1]
        n = first + np.searchsorted(post_at[first:end], at, side="right")
        total, fresh = 0.0, True
        while True:
            spike = pre_at[now] if now < stop else -1
            while n < end and (spike < 0 or post_at[n] <= spike):
                if post_at[n] > since and (fresh or scheme != RESTRICTED):
                    step = causal[k] * trace * exp(-(post_at[n] - at) / tau_causal)
                    total, least, most = total + step, min(least + step, reach[k]), min(most + step, reach[k])
                fresh = False
                n += 1
            if spike < 0:
                break
            step = anticausal[k] * _after(post_at, first, n, spike, at, tau_anticausal, scheme)
            total, least, most = total + step, max(least + step, 0.0), max(most + step, 0.0)
            trace = trace * exp(-(spike - at) / tau_causal) + 1.0 if scheme == ALL else 1.0
            at, fresh = spike, True
            if now - begin < begun[j]:
                ended[k] += min(most, max(least, held[k] + total))
            now += 1
        change[k], low[k], high[k] = total, least, most
    return change, low, high, ended
