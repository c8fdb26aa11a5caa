"""The exact states of a few neurons with rectangular PSPs as long as their refractory period."""

from __future__ import annotations

from itertools import product

import numpy as np

from salhw.description.fields import FloatArray
from salhw.theory import spike_probability

SETTLED = 1e-8
"""How little the distribution moves in a refractory period once it counts as stationary."""
FORGOTTEN = 0.01
"""How near, in total variation, the states are to stationary when their beginning counts as forgotten."""


def stationary(
    weights: FloatArray, bias: FloatArray, tau: int, discretisation: str, patience: int = 10_000
) -> tuple[FloatArray, int]:
    """The stationary distribution of the states z of n neurons, (2^n,), as ``theory.states`` orders them, and after how
    many steps neurons that were at rest have come near to it: ``patience`` or more if that cannot be told in so many,
    and then the distribution is not the stationary one.

    A neuron is active (z = 1) for ``tau`` steps after a spike: it is refractory, and its PSP acts. The chain lives on
    the ages of the last spikes, 1 .. tau and "older": below tau a neuron is refractory. What cannot happen is left out.
    """
    n = len(bias)
    ages = np.stack(np.meshgrid(*[np.arange(1, tau + 2)] * n, indexing="ij"), axis=-1).reshape(-1, n)
    p = np.where(ages >= tau, spike_probability(bias + (ages <= tau) @ weights.T, tau, discretisation), 0.0)
    place = (tau + 1) ** np.arange(n)[::-1]
    older = np.minimum(ages, tau)  # as an index, one step later
    parts = []
    for spikes in product([False, True], repeat=n):
        able = np.flatnonzero((ages >= tau)[:, [*np.flatnonzero(spikes)]].all(axis=1))
        chance = np.prod(np.where(spikes, p[able], 1.0 - p[able]), axis=1)
        parts.append((able, np.where(spikes, 0, older[able]) @ place, chance))
    before, after, chance = (np.concatenate(column) for column in zip(*parts, strict=True))
    active = (ages <= tau) @ (1 << np.arange(n))  # ages one step later: z = 1 at the ages 0 .. tau - 1
    x: FloatArray = np.zeros(len(ages))
    x[-1] = 1.0
    seen: list[FloatArray] = []
    while len(seen) < 2 * tau or np.abs(seen[-1] - seen[-1 - tau]).sum() > SETTLED:
        if len(seen) >= patience:
            return seen[-1], patience
        x = np.bincount(after, chance * x[before], len(ages)).astype(np.float64)
        seen.append(np.bincount(active, x, minlength=2**n).astype(np.float64))
    far = np.flatnonzero(0.5 * np.abs(np.array(seen) - seen[-1]).sum(axis=1) > FORGOTTEN)
    return seen[-1], int(far.max(initial=0)) + 1
