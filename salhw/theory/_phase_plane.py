"""What SAL does to two reciprocal weights on average: drift field, attractor, stability (paper Figs 2e, 10, 11).

Weights are W[post, pre]; "the synapse" is W[1, 0], for which positive lags t_1 - t_0 are causal, "its partner" is
W[0, 1], which sees the same spikes with time reversed. Times in steps, learning rate 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._checks import FloatArray, IntArray, finite_array, known_discretisation, pair_weights, positive, whole
from ._stdd import STDD, stdd

_ORIGIN = 1e-9  # weights this close to zero are the origin: an order above what the root finder leaves


def drifts(stdd: STDD, causal: npt.ArrayLike, anticausal: npt.ArrayLike) -> FloatArray:
    """Expected weight change per step of the synapse and of its partner (paper Eqs 2, 23), order (W[1, 0], W[0, 1]).

    Coincident spikes give the mean of the two branches.

    Args:
        stdd: rate of spike pairs at the lags -t_max..t_max.
        causal: weight change, sign and amplitude included, of a pair in which post follows pre by k = 0..t_max steps.
        anticausal: the same for pre following post by k = 0..t_max steps.
    Returns: shape (2,), dimensionless per step.
    Raises: ValueError if a window has not length t_max + 1 or is not finite.
    """
    after = finite_array("causal", causal, (stdd.t_max + 1,))
    before = finite_array("anticausal", anticausal, (stdd.t_max + 1,))
    coincident = 0.5 * (after[0] + before[0]) * stdd.coincident
    synapse = coincident + after[1:] @ stdd.causal + before[1:] @ stdd.anticausal
    partner = coincident + after[1:] @ stdd.anticausal + before[1:] @ stdd.causal
    return np.array([synapse, partner])


def drift(stdd: STDD, causal: npt.ArrayLike, anticausal: npt.ArrayLike) -> float:
    """Expected weight change per step of the synapse W[1, 0]: the first entry of `drifts`."""
    return float(drifts(stdd, causal, anticausal)[0])


def sal_window(tau: float, t_max: int) -> FloatArray:
    """Exponential window exp(-k / tau) at k = 0..t_max steps (paper Eq 2), shape (t_max + 1,). Raises ValueError."""
    return np.exp(-np.arange(whole("t_max", t_max, 0) + 1) / positive("tau", tau))


def _window(tau: float | None, t_max: int | None, tau_ref: int) -> tuple[float, FloatArray]:
    """Defaults of SAL's window: tau = tau_ref, cut where it has fallen below half a rounding error of 1."""
    constant = positive("tau", float(whole("tau_ref", tau_ref, 1)) if tau is None else tau)
    return constant, sal_window(constant, math.ceil(37 * constant) if t_max is None else whole("t_max", t_max, 1))


def _sal_drift(
    w10: float,
    w01: float,
    bias: npt.ArrayLike,
    kappa: npt.ArrayLike,
    tau_ref: int,
    window: FloatArray,
    discretisation: str,
) -> float:
    """SAL's drift of W[1, 0] (causal -1, anticausal +1); that of W[0, 1] is its negative."""
    return drift(stdd([[0.0, w01], [w10, 0.0]], bias, kappa, tau_ref, window.size - 1, discretisation), -window, window)


@dataclass(frozen=True, eq=False)
class PhasePlane:
    """Drift field of SAL over the plane of two reciprocal weights (paper Fig 2e).

    Attributes:
        w: grid of both weights, (n,).
        drift: expected weight change per step, (n, n, 2): drift[i, j] is that of (W[1, 0], W[0, 1]) at W[1, 0] = w[i],
            W[0, 1] = w[j]. The two are opposite, because SAL's window is odd: the sum of the weights is conserved.
        tau: time constant of the window, steps.
        t_max: largest lag taken into account, steps.
    """

    w: FloatArray
    drift: FloatArray
    tau: float
    t_max: int

    @property
    def magnitude(self) -> FloatArray:
        """Length of the drift vector at each grid point, (n, n)."""
        return np.asarray(np.hypot(self.drift[..., 0], self.drift[..., 1]))


def phase_plane(
    w_grid: npt.ArrayLike,
    bias: npt.ArrayLike,
    kappa: npt.ArrayLike,
    tau_ref: int,
    tau: float | None = None,
    t_max: int | None = None,
    discretisation: str = "logistic",
) -> PhasePlane:
    """SAL's drift (causal -1, anticausal +1, exponential window) at every (W[1, 0], W[0, 1]) of a grid (Fig 2e).

    Args:
        w_grid: values of both weights, (n,); Fig 2e has -2, -1.75, .. 2.
        bias, kappa, tau_ref, discretisation: as for `stdd`.
        tau: time constant of the window, steps; default tau_ref.
        t_max: largest lag, steps; default 37 tau, where the window is below 1e-16.
    Raises: ValueError.
    """
    grid = finite_array("w_grid", w_grid, (None,))
    constant, window = _window(tau, t_max, tau_ref)
    first = np.array([[_sal_drift(a, b, bias, kappa, tau_ref, window, discretisation) for b in grid] for a in grid])
    return PhasePlane(grid, np.stack([first, -first], axis=-1), constant, window.size - 1)


def attractor(
    w10_values: npt.ArrayLike,
    bias: npt.ArrayLike,
    kappa: npt.ArrayLike,
    tau_ref: int,
    tau: float | None = None,
    t_max: int | None = None,
    discretisation: str = "logistic",
    reach: float = 4.0,
    missing: str = "raise",
) -> FloatArray:
    """For every W[1, 0] the partner W[0, 1] at which SAL's drift vanishes (paper Figs 2e, 10c; g of section 4.7).

    From the diagonal the drift is followed in steps of .25 to both sides until it changes sign, at most as far as
    `reach`; the root in that bracket, the one nearest to the diagonal, is found by Brent's method to about 1e-14.

    The diagonal is the attractor for equal biases, whatever the PSP. For unequal biases it is so to rounding (measured:
    4e-14 over tau_ref 3..100, |W| <= 1.5) only for "logistic" and a rectangular PSP of tau_ref - 1 steps: a spike at t
    acts from t + 1, so such a PSP ends just when its sender can spike again, and the two neurons' joint history is as
    probable backwards as forwards. One step more breaks this, and "exact" does at any length, each by O(1 / tau_ref).
    Mean relative deviation (Eq 40) at biases (1, -1), W[1, 0] = -1.5 .. 1.5 at 10 points:

        tau_ref                           3      10     30     100
        logistic, tau_ref - 1 steps       0      0      0      0
        logistic, tau_ref steps           .206   .102   .041   .013
        exact,    tau_ref - 1 steps       .179   .061   .021   .007
        exact,    tau_ref steps           .441   .174   .063   .020

    Other PSPs deviate in continuous time, too. Alpha PSPs (Eq 6) have the deviations of Fig 10d if their age is counted
    from the spike, kappa[m] = alpha(m + 1): at 10 steps per tau_ref and biases in {-1, 0, 1} the short one (tau_syn =
    tau_ref / 3) stays below 10 % (measured 7.6 %, and 6.5 % where both |W| <= 1.5), the long one (tau_ref / 2) reaches
    51 %, and all signs match. With kappa[m] = alpha(m), one step of delay, the short one reaches 39 % and the long one
    pairs weights of opposite sign. For strongly unequal biases such an attractor can bend back, so that some W[1, 0]
    have no partner at all.

    A vanishing drift need not be stable: for alpha PSPs with tau_syn = tau_ref (and tau = tau_ref) SAL drives equal
    biases' weights *away* from the diagonal. `phase_plane` shows which way it goes.

    Args:
        w10_values: weights, (n,).
        bias, kappa, tau_ref, tau, t_max, discretisation: as for `phase_plane`.
        reach: largest |W[0, 1] - W[1, 0]| tried.
        missing: what to do if the drift does not change sign within reach: "raise", or "nan" as the partner.
    Returns: partners, (n,).
    Raises: ValueError on bad arguments, and for a missing partner unless missing = "nan".
    """
    from scipy.optimize import brentq  # not at the top: importing it takes longer than solving the whole plane

    values = finite_array("w10_values", w10_values, (None,))
    _, window = _window(tau, t_max, tau_ref)
    widest = positive("reach", reach)
    known_discretisation(discretisation)
    if missing not in ("raise", "nan"):
        raise ValueError(f"missing = {missing!r}: must be one of raise, nan")
    partners = np.full_like(values, np.nan)
    for i, w10 in enumerate(values.tolist()):

        def slip(w01: float, w10: float = w10) -> float:
            return _sal_drift(w10, w01, bias, kappa, tau_ref, window, discretisation)

        bracket = _bracket(slip, w10, widest)
        if bracket is not None:
            partners[i] = brentq(slip, *bracket, xtol=1e-14, rtol=8.9e-16)
        elif missing == "raise":
            raise ValueError(
                f"w10_values[{i}] = {w10}: SAL's drift of W[1, 0] is {slip(w10):.3g} on the diagonal and changes sign "
                f"for no partner within reach = {widest}; allow a larger reach, or missing='nan' if the attractor ends"
            )
    return partners


def _bracket(f: Callable[[float], float], centre: float, reach: float) -> tuple[float, float] | None:
    """The interval nearest to `centre`, at most `reach` away, over which f changes sign; None if there is none."""
    step = 0.25
    below = above = f(centre)
    for k in range(math.ceil(reach / step)):
        near, far = k * step, min((k + 1) * step, reach)
        last, above = above, f(centre + far)
        if last == 0 or (last > 0) != (above > 0):
            return centre + near, centre + far
        last, below = below, f(centre - far)
        if (last > 0) != (below > 0):
            return centre - far, centre - near
    return None


def relative_deviation(w10: npt.ArrayLike, w01: npt.ArrayLike) -> FloatArray:
    """(W[1, 0] - W[0, 1]) / (W[1, 0] + W[0, 1]) at every point of an attractor (paper Eq 39).

    At the origin, where it is 0 / 0 (both weights within 1e-9 of zero), the value is 0: equal weights do not deviate.
    Where the weights are opposite it is infinite, with the sign of W[1, 0].

    Args: w10, w01: weights of the same shape. Returns: array of that shape. Raises: ValueError.
    """
    first = finite_array("w10", w10)
    second = finite_array("w01", w01, first.shape)
    total, difference = first + second, first - second
    infinite = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    value = np.divide(difference, total, out=infinite, where=total != 0)
    return np.where(_at_origin(first, second), 0.0, value)


def mean_relative_deviation(w10: npt.ArrayLike, w01: npt.ArrayLike) -> float:
    """Mean of |relative deviation| over the range of W[1, 0] (paper Eq 40), by the trapezoid rule.

    A point at the origin is left out and the line drawn between its neighbours, because the value 0 there is a
    convention and not the limit of Eq 39. So are points whose partner is NaN (the attractor has no point there).

    Args: w10: increasing weights, (n,) with n >= 2 besides those left out. w01: their partners, (n,), NaN allowed.
    Raises: ValueError.
    """
    first = finite_array("w10", w10, (None,))
    there = ~np.isnan(np.asarray(w01, dtype=np.float64))
    second = finite_array("w01", np.where(there, w01, 0.0), first.shape)
    if (np.diff(first) <= 0).any():
        raise ValueError(f"w10 = {first.tolist()}: must be increasing")
    kept = there & ~_at_origin(first, second)
    if np.count_nonzero(kept) < 2:
        raise ValueError(
            f"w10 = {first.tolist()}: must have at least two points besides the origin and missing partners"
        )
    at, size = first[kept], np.abs(relative_deviation(first, second))[kept]
    return float(np.diff(at) @ (size[1:] + size[:-1]) / 2 / (at[-1] - at[0]))


def _at_origin(w10: FloatArray, w01: FloatArray) -> npt.NDArray[np.bool_]:
    return np.asarray((np.abs(w10) <= _ORIGIN) & (np.abs(w01) <= _ORIGIN))


@dataclass(frozen=True, eq=False)
class Deviation:
    """How the STDD of symmetric weights changes when one of them grows (paper Eqs 21, 22, Fig 11).

    Attributes:
        lag: steps 0..t_max.
        delta: change of the causal minus change of the anticausal half, pairs per step, (t_max + 1,); 0 at lag 0,
            because coincidences belong to both halves alike.
        integral: Delta(t), the sum of delta over 0..t, (t_max + 1,).
    """

    lag: IntArray
    delta: FloatArray
    integral: FloatArray


def deviation(
    weights: npt.ArrayLike,
    epsilon: float,
    bias: npt.ArrayLike,
    kappa: npt.ArrayLike,
    tau_ref: int,
    t_max: int,
    discretisation: str = "logistic",
) -> Deviation:
    """delta(t) = p_eps+ - p_0+ - (p_eps- - p_0-) of Eq 21 and its running sum Delta(t) (Fig 11).

    p_0 belongs to `weights`, p_eps to W[1, 0] = W[0, 1] + epsilon. Both are pair *rates* (not normalised), so that
    minus the sum of window * delta is the drift of W[1, 0] that epsilon causes under SAL (Eq 27).

    Args:
        weights: W[post, pre], (2, 2), zero diagonal, symmetric.
        epsilon: change of W[1, 0].
        bias, kappa, tau_ref, t_max, discretisation: as for `stdd`. Choose t_max so large that no pair is longer, or the
            sum of delta is not 0 yet.
    Raises: ValueError.
    """
    base = pair_weights(weights)
    if base[0, 1] != base[1, 0]:
        raise ValueError(f"weights = {base.tolist()}: must be symmetric, epsilon breaks the symmetry")
    changed = base + np.array([[0.0, 0.0], [float(finite_array("epsilon", epsilon, ())), 0.0]])
    before = stdd(base, bias, kappa, tau_ref, t_max, discretisation)
    after = stdd(changed, bias, kappa, tau_ref, t_max, discretisation)
    change = after.causal - before.causal - (after.anticausal - before.anticausal)
    delta = np.concatenate([[0.0], change])
    return Deviation(np.arange(delta.size, dtype=np.int64), delta, np.cumsum(delta))
