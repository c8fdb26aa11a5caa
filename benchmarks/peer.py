"""What one would write for the sleep phase without salhw: a loop over steps and neurons in numba, ``np.random``, a
sigmoid.

The same network and the same outcome as salhw's sleep phase: spike counts, time spent in each network state, the pair
sums of SAL (exponential window, nearest neighbours without a spike between) and of wake-sleep (triangular window).
Straightforward, not tuned: input from who is refractory (the PSP is as long), decided anew at every step.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def sleep_phase(weights, bias, tau_ref, steps, seed):
    """(counts (n,), state occupancy (2**n,), SAL's sums (n, n), wake-sleep's sums (n, n))."""
    np.random.seed(seed)  # noqa: NPY002 (what numba compiles)
    n = len(bias)
    last = np.full(n, -(10**9))
    counts, occupancy = np.zeros(n, np.int64), np.zeros(2**n, np.int64)
    sal, wake_sleep = np.zeros((n, n)), np.zeros((n, n))
    spiking, active = np.zeros(n, np.bool_), np.zeros(n)
    shift = np.log(tau_ref)
    for t in range(steps):
        for i in range(n):
            active[i] = 1.0 if t - last[i] <= tau_ref else 0.0
        for i in range(n):
            spiking[i] = False
            if t - last[i] >= tau_ref:
                u = bias[i]
                for j in range(n):
                    u += weights[i, j] * active[j]
                spiking[i] = np.random.random() < 1.0 / (1.0 + np.exp(shift - u))  # noqa: NPY002
        for i in range(n):
            if not spiking[i]:
                continue
            counts[i] += 1
            for j in range(n):
                if j == i:
                    continue
                lag = t - last[j]
                if spiking[j]:
                    wake_sleep[i, j] += 1.0
                    continue
                if last[j] > last[i]:
                    change = np.exp(-lag / tau_ref)
                    sal[i, j] -= change
                    sal[j, i] += change
                if lag < tau_ref:
                    wake_sleep[i, j] += 1.0 - lag / tau_ref
                    wake_sleep[j, i] += 1.0 - lag / tau_ref
        state = 0
        for i in range(n):
            if spiking[i]:
                last[i] = t
            if t - last[i] < tau_ref:
                state |= 1 << i
        occupancy[state] += 1
    return counts, occupancy, sal, wake_sleep
