"""What NEST owes: plastic synapses learn when the next presynaptic spike reaches them, so that between spikes the
weights that NEST holds lack the latest pairs. Here these are worked out from the spikes.

Times are ticks as the synapse sees them: a presynaptic spike at its stamp plus the axonal delay, a postsynaptic one at
its stamp plus the dendritic delay; NEST pairs what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np

from salhw.fields import IntArray
from salhw.jit import cached

FORGOTTEN = 40.0  # time constants after which a pair adds less than rounding does


@dataclass(frozen=True)
class Trains:
    """Spikes by cell: those of cell k are ``stamp[first[k] : first[k + 1]]``, in ascending order."""

    first: IntArray
    stamp: IntArray

    @classmethod
    def of(cls, cell: IntArray, stamp: IntArray, size: int) -> Trains:
        """From spikes in any order."""
        order = np.lexsort((stamp, cell))
        return cls(np.searchsorted(cell[order], np.arange(size + 1)), stamp[order])

    def counted(self, chosen: IntArray) -> IntArray:
        """How many of each cell's spikes are ``chosen`` (a truth value per spike)."""
        return np.diff(np.concatenate([[0], np.cumsum(chosen)])[self.first])


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
    """What a presynaptic spike at ``spike`` finds of the postsynaptic ones ``first`` to ``n``; ``since`` is the
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
def owed(
    scheme, pre, post, causal, anticausal, tau_causal, tau_anticausal, pre_first, pre_at, post_first, post_at, seen,
    begun,
):  # fmt: skip
    """Per synapse: what all pairs still add; and of the PSPs that have begun and not ended (spikes ``seen`` to
    ``begun``), how many there are, and the sum of what has been added when each ends.

    ``causal`` and ``anticausal`` per synapse, ``tau_*`` in ticks; ``seen``: how many spikes of each presynaptic cell
    have reached the synapse.
    """
    change = np.zeros(pre.size)
    active = np.zeros(pre.size)
    ended = np.zeros(pre.size)
    for k in range(pre.size):
        j, i = pre[k], post[k]
        low, high = pre_first[j], pre_first[j + 1]
        now, trace, at = low + seen[j], 0.0, 0
        if now > low:
            at = pre_at[now - 1]
            trace = _trace(pre_at, low, now, tau_causal, scheme)
        first, end = post_first[i], post_first[i + 1]
        n = first + np.searchsorted(post_at[first:end], at, side="right")
        total, fresh = 0.0, True
        while True:
            spike = pre_at[now] if now < high else -1
            while n < end and (spike < 0 or post_at[n] <= spike):
                if fresh or scheme != RESTRICTED:
                    total += causal[k] * trace * exp(-(post_at[n] - at) / tau_causal)
                fresh = False
                n += 1
            if spike < 0:
                break
            total += anticausal[k] * _after(post_at, first, n, spike, at, tau_anticausal, scheme)
            trace = trace * exp(-(spike - at) / tau_causal) + 1.0 if scheme == ALL else 1.0
            at, fresh = spike, True
            if now - low < begun[j]:
                active[k] += 1.0
                ended[k] += total
            now += 1
        change[k] = total
    return change, active, ended
