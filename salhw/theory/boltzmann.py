"""Exact Boltzmann distributions over binary neurons (paper Eqs 3, 29-31) and what is compared with them.

A state z of n neurons has the index sum_i z_i 2^i: bit i is neuron i, neuron 0 the least significant. z_i = 1 stands
for a neuron that is refractory, i.e. has spiked within the last tau_ref.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._checks import FloatArray, finite_array, whole

MAX_NEURONS = 20
_SUM_TOLERANCE = 1e-9
_SYMMETRY_TOLERANCE = 1e-9


def _size(name: str, n: int) -> int:
    number = whole(name, n, 1)
    if number > MAX_NEURONS:
        raise ValueError(f"{name} = {number}: must be <= {MAX_NEURONS}, the number of states is 2^{name}")
    return number


def _probabilities(name: str, p: npt.ArrayLike, states: bool) -> FloatArray:
    """Checked distribution: (2^n,) if `states`, else any length >= 1; not negative, sum 1 within 1e-9."""
    array = finite_array(name, p, (None,))
    if states and (array.size < 2 or array.size & (array.size - 1) or array.size > 2**MAX_NEURONS):
        raise ValueError(f"{name} has length {array.size}: must be 2^n with n in 1..{MAX_NEURONS}")
    if array.min() < 0:
        raise ValueError(f"{name} has the entry {array.min():.6g}: probabilities must be >= 0")
    if abs(array.sum() - 1) > _SUM_TOLERANCE:
        raise ValueError(f"{name} sums to {array.sum():.12g}: must be 1 within {_SUM_TOLERANCE}")
    return array


def states(n: int) -> npt.NDArray[np.uint8]:
    """All states of n neurons, (2^n, n) of 0 and 1: row `index` holds the bits of the index, least significant first.

    Raises ValueError unless 1 <= n <= 20.
    """
    number = _size("n", n)
    return ((np.arange(2**number)[:, None] >> np.arange(number)) & 1).astype(np.uint8)


def distribution(weights: npt.ArrayLike, bias: npt.ArrayLike) -> FloatArray:
    """P(z) = exp(z.W.z / 2 + b.z) / Z of all 2^n states (paper Eqs 3, 29, 30), shape (2^n,), ordered as in `states`.

    Args:
        weights: W, (n, n), symmetric with zero diagonal within 1e-9 (absolute), 1 <= n <= 20.
        bias: b, (n,).
    Raises: ValueError.
    """
    b = finite_array("bias", bias, (None,))
    n = _size("n", b.size)
    w = finite_array("weights", weights, (n, n))
    if np.abs(np.diag(w)).max() > _SYMMETRY_TOLERANCE:
        raise ValueError(f"weights has the diagonal {np.diag(w).tolist()}: must be 0 (no self-connections)")
    asymmetry = np.abs(w - w.T)
    if asymmetry.max() > _SYMMETRY_TOLERANCE:
        i, j = (int(k) for k in np.unravel_index(np.argmax(asymmetry), w.shape))
        raise ValueError(
            f"weights[{i}, {j}] = {w[i, j]:.9g} but weights[{j}, {i}] = {w[j, i]:.9g}: must be symmetric within "
            f"{_SYMMETRY_TOLERANCE}, only then is there an energy"
        )
    w = 0.5 * (w + w.T)
    # By doubling: the states with neuron i on are those without it, shifted by b_i plus the input from neurons 0..i-1.
    log_p = np.zeros(1)
    for i in range(n):
        field = np.full(1, b[i])
        for j in range(i):
            field = np.concatenate([field, field + w[i, j]])
        log_p = np.concatenate([log_p, log_p + field])
    p: FloatArray = np.exp(log_p - log_p.max())
    p /= p.sum()
    return p


def kl_divergence(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """D_KL(p || q) = sum p ln(p / q) in nats (paper Eq 31; the paper's network is p, its target q).

    States with p = 0 contribute nothing; the value is inf if q = 0 anywhere p > 0. Rounding below 0 is cut off.

    Args: p, q: distributions of the same length, each sum 1 within 1e-9.
    Raises: ValueError.
    """
    first, second = _probabilities("p", p, False), _probabilities("q", q, False)
    if first.shape != second.shape:
        raise ValueError(f"p, q have lengths {first.size}, {second.size}: must be equal")
    some = first > 0
    if (second[some] == 0).any():
        return float("inf")
    # ln p - ln q, not ln(p / q): the ratio may overflow.
    return max(0.0, float(first[some] @ (np.log(first[some]) - np.log(second[some]))))


def marginal(p: npt.ArrayLike, neurons: Sequence[int] | npt.NDArray[np.integer]) -> FloatArray:
    """Distribution of some of the neurons, (2^k,): bit i of its index is neuron neurons[i], in the order given.

    Args: p: distribution over 2^n states. neurons: k >= 1 different indices in 0..n-1.
    Raises: ValueError.
    """
    joint = _probabilities("p", p, True)
    n = joint.size.bit_length() - 1
    chosen = [whole("neurons", k, 0) for k in neurons]
    if not chosen or len(set(chosen)) != len(chosen) or max(chosen) >= n:
        raise ValueError(f"neurons = {chosen}: must be at least one index, all different, in 0..{n - 1}")
    # As an n-dimensional array the least significant bit is the last axis.
    kept = sorted(chosen, reverse=True)
    rest = tuple(n - 1 - k for k in range(n) if k not in set(chosen))
    summed = joint.reshape((2,) * n).sum(axis=rest)
    return np.ascontiguousarray(summed.transpose([kept.index(k) for k in reversed(chosen)])).reshape(-1)


def moments(p: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """(<z_i>, <z_i z_j>) of a distribution over 2^n states (paper Eqs 32, 33), shapes (n,) and (n, n).

    The second is symmetric with <z_i> on its diagonal. Raises ValueError.
    """
    joint = _probabilities("p", p, True)
    n = joint.size.bit_length() - 1
    mean = np.array([joint.reshape(-1, 2, 2**i)[:, 1].sum() for i in range(n)])
    pair = np.diag(mean)
    for j in range(n):
        for i in range(j):
            pair[i, j] = pair[j, i] = joint.reshape(-1, 2, 2 ** (j - i - 1), 2, 2**i)[:, 1, :, 1].sum()
    return mean, pair
