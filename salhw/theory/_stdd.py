"""Spike-timing difference distribution (STDD) of two reciprocally connected GLM neurons: exact, and measured.

Everything is in steps. Neuron i has the potential u_i = b_i + W_ij kappa[m], m steps after the last spike of its
partner j has arrived; a spike at step t arrives at t + 1. Only the partner's *last* spike acts (paper Eq 14): the same
as the GLM of Eq 1 for PSPs that end before that of the next spike can begin (at most tau_ref steps). A neuron that
spiked at t can spike again at t + tau_ref and not earlier. Both neurons are updated in parallel.

A nearest-neighbour pair (Morrison et al. 2008: nearest_restricted; paper section 2.2) is a spike of one neuron and the
next spike of the other with no spike of either in between. The other pairings count every pair (all), or each spike
with the latest earlier one of the partner (nearest_symmetric). Two spikes in the same step have no order, so pairs are
averaged over both orders: a pair counts one half for each of its ends at which both neurons spike, and every such
coincidence is itself a pair of lag 0 with weight 1, half of it causal and half of it anticausal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._checks import (
    FloatArray,
    IntArray,
    finite_array,
    known_discretisation,
    known_pairing,
    pair_weights,
    spike_steps,
    whole,
)


@dataclass(frozen=True, eq=False)
class STDD:
    """Rate of spike pairs at each lag t_1 - t_0, nearest ones by default; positive is causal for the synapse W[1, 0].

    Compared by identity (arrays have no single truth value).

    Attributes:
        lag: steps, int array -t_max..t_max.
        rate: pairs per step at each lag, float array of the same shape (2 t_max + 1,).
    """

    lag: IntArray
    rate: FloatArray

    def __post_init__(self) -> None:
        lag, rate = np.asarray(self.lag), np.asarray(self.rate)
        if lag.ndim != 1 or lag.shape != rate.shape or lag.size % 2 == 0:
            raise ValueError(f"lag, rate have shapes {lag.shape}, {rate.shape}: must both be (2 t_max + 1,)")
        if lag[0] != -(lag.size // 2) or (np.diff(lag) != 1).any():
            raise ValueError(f"lag = {lag!r}: must be -t_max..t_max in steps of 1")

    @property
    def t_max(self) -> int:
        """Largest lag, steps."""
        return self.lag.size // 2

    @property
    def probability(self) -> FloatArray:
        """`rate` normalised to sum 1 over the lags given. Raises ValueError if there is no pair at all."""
        total = float(self.rate.sum())
        if total <= 0:
            raise ValueError("rate sums to 0: without a single pair there is no distribution")
        return self.rate / total

    @property
    def causal(self) -> FloatArray:
        """Rate at the lags 1, 2, .. t_max (neuron 1 after neuron 0), pairs per step, shape (t_max,)."""
        return self.rate[self.t_max + 1 :]

    @property
    def anticausal(self) -> FloatArray:
        """Rate at the lags -1, -2, .. -t_max (neuron 0 after neuron 1), pairs per step, shape (t_max,)."""
        return self.rate[: self.t_max][::-1]

    @property
    def coincident(self) -> float:
        """Rate at lag 0, coincidences per step."""
        return float(self.rate[self.t_max])


def _probabilities(u: FloatArray, tau_ref: int, discretisation: str) -> tuple[FloatArray, FloatArray]:
    """Spike probability per step and its complement, both to full relative precision."""
    v = u - math.log(tau_ref)
    if known_discretisation(discretisation) == "logistic":
        small = np.exp(-np.abs(v))
        large, small = 1.0 / (1.0 + small), small / (1.0 + small)
        return np.where(v >= 0, large, small), np.where(v >= 0, small, large)
    x = np.exp(np.minimum(v, 700.0))  # e^700 spikes per step is certainty; beyond, exp would overflow
    return -np.expm1(-x), np.exp(-x)


def spike_probability(u: npt.ArrayLike, tau_ref: int, discretisation: str = "logistic") -> FloatArray:
    """Spike probability per step of a non-refractory neuron with potential u (paper Eqs 10, 15).

    With x = exp(u) / tau_ref spikes per step it is x / (1 + x) = sigmoid(u - ln tau_ref) for "logistic" and
    1 - exp(-x) for "exact". Accurate to rounding for any finite u.

    Args:
        u: potential, dimensionless, any shape.
        tau_ref: refractory period, steps, >= 1.
        discretisation: "logistic" or "exact".
    Returns: array of the shape of u.
    Raises: ValueError.
    """
    return _probabilities(finite_array("u", u), whole("tau_ref", tau_ref, 1), discretisation)[0]


def rate_of_constant_input(u: npt.ArrayLike, tau_ref: int, discretisation: str = "logistic") -> FloatArray:
    """Spikes per step of one neuron at constant potential u: p / (1 + (tau_ref - 1) p).

    The mean inter-spike interval is tau_ref - 1 steps of silence plus a geometric waiting time 1 / p. For "logistic"
    this is sigmoid(u) / tau_ref exactly.

    Args and Raises: as `spike_probability`. Returns: array of the shape of u.
    """
    steps = whole("tau_ref", tau_ref, 1)
    p = spike_probability(u, steps, discretisation)
    return p / (1.0 + (steps - 1) * p)


@dataclass(frozen=True, eq=False)
class _Chain:
    """The solved chain: spike probabilities and their complements by age, nearest_restricted pair rates at the lags
    -t_max..t_max, spikes per step, and visits per step of its states, see `_chain.spike_chain`."""

    p: FloatArray
    q: FloatArray
    lags: FloatArray
    spikes: FloatArray
    state: FloatArray


def solve(
    weights: npt.ArrayLike, bias: npt.ArrayLike, kappa: npt.ArrayLike, tau_ref: int, t_max: int, discretisation: str
) -> _Chain:
    """Check the arguments and solve the chain."""
    from ._chain import spike_chain  # numba only when it is needed

    w = pair_weights(weights)
    b = finite_array("bias", bias, (2,))
    kernel = finite_array("kappa", kappa, (None,))
    steps = whole("tau_ref", tau_ref, 1)
    used = int(np.flatnonzero(kernel)[-1]) + 1 if kernel.any() else 1
    psp = np.zeros(max(steps - 1, used) + 1)  # one entry more than anything lasts: its last one is the state at rest
    psp[:used] = kernel[:used]
    u = np.stack([b[0] + w[0, 1] * psp, b[1] + w[1, 0] * psp])
    p, q = _probabilities(u, steps, discretisation)
    problem = (
        f"bias = {b.tolist()}, weights = {w.tolist()}: the potential runs over {u.min():.4g}..{u.max():.4g}, where the "
        f"spike probability ({discretisation}) is 0 at rest or 1 to double precision and the stationary state is not "
        "defined; use smaller values"
    )
    # A neuron that is silent for ever, or one that always spikes at once, would make the stationary state ambiguous.
    if p[:, -1].min() < 1e-300 or q.min() < 1e-300:
        raise ValueError(problem)
    lags, spikes, state, sound = spike_chain(p, q, steps, t_max)
    if not sound:
        raise ValueError(problem)
    return _Chain(p, q, lags, spikes, state)


def stdd(
    weights: npt.ArrayLike,
    bias: npt.ArrayLike,
    kappa: npt.ArrayLike,
    tau_ref: int,
    t_max: int,
    discretisation: str = "logistic",
    pairing: str = "nearest_restricted",
) -> STDD:
    """Exact stationary STDD of two neurons (paper Eqs 14-20, section 4.2.1), in spike pairs per step.

    Instead of the transition matrix over all pairs of ages only the states right after a spike are solved for, which is
    exact at any age: see `_chain.spike_chain`. The cost grows as max(tau_ref, len(kappa))^3, hardly with t_max; that of
    the other pairings also as t_max max(tau_ref, len(kappa))^2, see `_chain.later_spikes`.

    Args:
        weights: W[post, pre], (2, 2), zero diagonal, dimensionless.
        bias: (2,).
        kappa: PSP after m = 0, 1, .. steps from arrival, zero after its end, any length >= 1 (rectangular: ones).
        tau_ref: smallest inter-spike interval, steps, >= 1.
        t_max: largest lag, steps, >= 1.
        discretisation: "logistic" or "exact", see `spike_probability`.
        pairing: which pairs count: "nearest_restricted", "nearest_symmetric" or "all"; coincidences are always pairs of
            lag 0, each once.
    Raises: ValueError on bad arguments, and where a neuron spikes with probability 0 at rest or 1 at any time, to
        double precision (for "exact" that is u > ln(690 tau_ref)).
    """
    largest = whole("t_max", t_max, 1)
    chain = solve(weights, bias, kappa, tau_ref, largest, discretisation)
    lags = chain.lags
    if known_pairing(pairing) != "nearest_restricted":
        from ._chain import later_spikes

        latest = pairing == "nearest_symmetric"
        causal, anticausal = (
            later_spikes(chain.p, chain.q, int(tau_ref), chain.state, side, largest, latest)[1:] for side in (0, 1)
        )
        lags = np.concatenate([anticausal[::-1], lags[largest : largest + 1], causal])
    return STDD(np.arange(-largest, largest + 1, dtype=np.int64), lags)


def rates(
    weights: npt.ArrayLike,
    bias: npt.ArrayLike,
    kappa: npt.ArrayLike,
    tau_ref: int,
    discretisation: str = "logistic",
) -> FloatArray:
    """Exact stationary spikes per step of the two neurons, shape (2,), of the chain of `stdd`. Raises: as `stdd`."""
    return solve(weights, bias, kappa, tau_ref, 0, discretisation).spikes


def measured_stdd(steps_0: npt.ArrayLike, steps_1: npt.ArrayLike, t_max: int, duration: int) -> STDD:
    """STDD of two recorded spike trains, with the same pairing and the same rule for coincidences as `stdd`.

    Args:
        steps_0, steps_1: spike steps of neurons 0 and 1, strictly increasing integers in [0, duration); may be empty.
        t_max: largest lag, steps, >= 1; longer pairs are left out.
        duration: recorded steps, >= 1; rates are per step.
    Raises: ValueError.
    """
    largest, length = whole("t_max", t_max, 1), whole("duration", duration, 1)
    first, second = spike_steps("steps_0", steps_0, length), spike_steps("steps_1", steps_1, length)
    # Two sorted runs: the stable sort merges them in linear time. A coincidence shows as two equal neighbours.
    merged = np.sort(np.concatenate([first, second]), kind="stable")
    events = merged[np.diff(merged, prepend=-1) > 0]
    by_0, by_1 = np.zeros(events.size, dtype=bool), np.zeros(events.size, dtype=bool)
    by_0[np.searchsorted(events, first)] = True
    by_1[np.searchsorted(events, second)] = True
    # Nearest neighbours are consecutive events; each end at which both neurons spike halves the weight.
    halves = np.where(by_0 & by_1, 0.5, 1.0)
    gap, weight = np.diff(events), halves[:-1] * halves[1:]
    near = gap <= largest
    causal, anticausal = near & by_0[:-1] & by_1[1:], near & by_1[:-1] & by_0[1:]
    count = np.zeros(2 * largest + 1)  # bincount alone would give integers for no pairs
    count += np.bincount(largest + gap[causal], weight[causal], 2 * largest + 1)
    count += np.bincount(largest - gap[anticausal], weight[anticausal], 2 * largest + 1)
    count[largest] += np.count_nonzero(by_0 & by_1)
    return STDD(np.arange(-largest, largest + 1, dtype=np.int64), count / length)
