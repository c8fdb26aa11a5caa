"""The compiled kernel: stationary state of two coupled neurons, watched only at their spikes. Imports numba."""

from __future__ import annotations

import numpy as np

from salhw.jit import cached

from ._checks import FloatArray


@cached(nogil=True)
def spike_chain(
    p: FloatArray, q: FloatArray, tau_ref: int, t_max: int
) -> tuple[FloatArray, FloatArray, FloatArray, bool]:
    """Nearest-neighbour pair rates and spike rates of the two-neuron chain (paper Eqs 14-20).

    Args:
        p: spike probability per step, (2, Z + 1): p[i, a] of a non-refractory neuron i when the other neuron's last
            spike is a steps old at the end of the previous step; the last entry also holds for every older spike.
        q: 1 - p, the same shape, given separately so that neither loses digits where the other is close to 1.
        tau_ref: smallest inter-spike interval, steps; Z >= tau_ref - 1 so that nobody is refractory from age Z on.
        t_max: largest lag, steps (0: spike rates only).
    Returns:
        pair rates per step at the lags -t_max..t_max; spikes per step of both neurons; visits per step of the states
        below, (2 Z + 1,); whether the stationary state could be computed (False: the chain falls apart in double
        precision, the arrays are meaningless).

    Between two spikes the ages (a_0, a_1) of the last spikes just grow, so the chain has only to be known right after a
    spike, when one age is 0: state 0 is "both have spiked", states side * Z + d "only neuron `side` has, the other's
    last spike is d steps old", d = 1..Z with Z standing for everything older. All sums are over positive terms only.
    """
    z = p.shape[1] - 1
    n = 2 * z + 1
    # Beyond age Z nothing changes any more: per step one of the two spikes with probability 1 - q_0 q_1.
    rest = np.array([p[0, z] * q[1, z], p[1, z] * q[0, z], p[0, z] * p[1, z]])
    leave = rest[0] + rest[1] + rest[2]
    if not leave > 0.0:
        return np.zeros(2 * t_max + 1), np.zeros(2), np.zeros(n), False

    # Transitions from one spike to the next, and the mean number of steps they take.
    jump = np.zeros((n, n))
    steps = np.zeros(n)
    for side in range(2):
        other = 1 - side
        for d in range(side, z + 1):  # d = 0, both have spiked, is the same state from either side
            start = side * z + d if d > 0 else 0
            alive = 1.0
            for k in range(z):  # k steps of silence, then step k + 1
                steps[start] += alive
                age = min(d + k, z)
                own_ready = k + 1 >= tau_ref
                other_ready = age + 1 >= tau_ref
                p_own, q_own = (p[side, age], q[side, age]) if own_ready else (0.0, 1.0)
                p_other, q_other = (p[other, k], q[other, k]) if other_ready else (0.0, 1.0)
                jump[start, side * z + min(d + k + 1, z)] += alive * p_own * q_other
                jump[start, other * z + k + 1] += alive * p_other * q_own
                jump[start, 0] += alive * p_own * p_other
                alive *= q_own * q_other
            steps[start] += alive / leave
            jump[start, z] += alive * rest[0] / leave
            jump[start, 2 * z] += alive * rest[1] / leave
            jump[start, 0] += alive * rest[2] / leave

    # Stationary distribution by Grassmann-Taksar-Heyman elimination: no subtraction, so every entry, however small,
    # is accurate to rounding.
    for m in range(n - 1, 0, -1):
        out = 0.0
        for j in range(m):
            out += jump[m, j]
        if not out > 0.0:
            return np.zeros(2 * t_max + 1), np.zeros(2), np.zeros(n), False
        for i in range(m):
            share = jump[i, m] / out
            jump[i, m] = share
            if share != 0.0:
                for j in range(m):
                    jump[i, j] += share * jump[m, j]
    state = np.zeros(n)
    state[0] = 1.0
    time = steps[0]
    for m in range(1, n):
        for i in range(m):
            state[m] += state[i] * jump[i, m]
        time += state[m] * steps[m]
    state /= time  # now per step instead of per visit to state 0

    both = state[0]
    spikes = np.array([both, both])
    pairs = np.zeros((2, t_max + 1))
    for side in range(2):
        other = 1 - side
        old = 0.0  # weight of the pairs still open when both last spikes have become older than Z
        for d in range(z + 1):
            # A pair that starts or ends with a coincidence counts one half for each such end (mean of both orders).
            alive = 0.5 * both if d == 0 else state[side * z + d]
            if d > 0:
                spikes[side] += alive
            for k in range(min(z, t_max)):
                age = min(d + k, z)
                p_own, q_own = (p[side, age], q[side, age]) if k + 1 >= tau_ref else (0.0, 1.0)
                p_other, q_other = (p[other, k], q[other, k]) if age + 1 >= tau_ref else (0.0, 1.0)
                pairs[side, k + 1] += alive * p_other * (q_own + 0.5 * p_own)
                alive *= q_own * q_other
            old += alive
        for k in range(z, t_max):
            pairs[side, k + 1] = old * (rest[other] + 0.5 * rest[2])
            old *= q[0, z] * q[1, z]
    lags = np.zeros(2 * t_max + 1)
    lags[t_max] = both
    for k in range(1, t_max + 1):
        lags[t_max + k] = pairs[0, k]
        lags[t_max - k] = pairs[1, k]
    sound = True
    for value in lags:
        sound &= np.isfinite(value)
    return lags, spikes, state, sound


@cached(nogil=True)
def later_spikes(
    p: FloatArray, q: FloatArray, tau_ref: int, state: FloatArray, side: int, t_max: int, latest: bool
) -> FloatArray:
    """Rate of spikes of the other neuron at 0..t_max steps (0 at 0) after a spike of neuron ``side``.

    ``latest``: only until ``side`` spikes again, and half if it does so in the same step (nearest_symmetric); else all
    of them. ``p``, ``q`` and ``state`` as in `spike_chain`.
    """
    z = p.shape[1] - 1
    other = 1 - side
    pairs = np.zeros(t_max + 1)
    mass = np.zeros((z + 1, z + 1))  # by the ages of the last spikes of `side` and of `other`
    mass[0, 0] = state[0]
    for d in range(1, z + 1):
        mass[0, d] = state[side * z + d]
    for lag in range(1, t_max + 1):
        after = np.zeros((z + 1, z + 1))
        first = min(lag - 1, z) if latest else 0  # it has not spiked since
        for a in range(first, z + 1):
            for b in range(z + 1):
                here = mass[a, b]
                if here == 0.0:
                    continue
                p_own, q_own = (p[side, b], q[side, b]) if a + 1 >= tau_ref else (0.0, 1.0)
                p_other, q_other = (p[other, a], q[other, a]) if b + 1 >= tau_ref else (0.0, 1.0)
                older, other_older = min(a + 1, z), min(b + 1, z)
                after[older, other_older] += here * q_own * q_other
                after[older, 0] += here * q_own * p_other
                if latest:
                    pairs[lag] += here * p_other * (q_own + 0.5 * p_own)
                else:
                    pairs[lag] += here * p_other
                    after[0, other_older] += here * p_own * q_other
                    after[0, 0] += here * p_own * p_other
        mass = after
    return pairs
