"""What SAL leaves of a difference of reciprocal weights where sensors differ and are noisy, with a reference phase
(docs/semantics.md) or without: the noise in closed form, and the course of pairs with any sensors.

Times in steps, weights W[post, pre]; (into 1, into 0) is the order of synapses, as of `drifts`. Nearest pairs
alternate: after a causal one comes an anti-causal one. So both are equally many, and what scatters is their lags,
which are taken to be independent of each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._checks import FloatArray, finite_array, positive, whole
from ._phase_plane import sal_window
from ._stdd import solve


@dataclass(frozen=True, eq=False)
class PairField:
    """Nearest pairs and spikes of two neurons over the difference of their biases and the plane of both weights.

    Attributes:
        apart: increasing values of the bias of neuron 1 less that of neuron 0, (m,).
        w: increasing values of both weights, (n,).
        pairs: pairs per step at the lags -t_max..t_max, (m, n, n, 2 t_max + 1), at apart[k], W[1, 0] = w[i] and
            W[0, 1] = w[j].
        spikes: spikes per step of both neurons, (m, n, n, 2).
    """

    apart: FloatArray
    w: FloatArray
    pairs: FloatArray
    spikes: FloatArray

    def at(self, weights: FloatArray, apart: npt.ArrayLike = 0.0) -> tuple[FloatArray, FloatArray]:
        """Pairs and spikes at weights (pair, 2) and differences of biases (pair,), or one for all: between the grid's
        points by linear interpolation in each of them, and beyond its ends as at the end."""
        from scipy.interpolate import RegularGridInterpolator  # not at the top: importing it takes longer than its use

        axes = (self.apart, self.w, self.w)
        at = np.column_stack([np.broadcast_to(np.asarray(apart, dtype=np.float64), len(weights)), weights])
        within = np.clip(at, [axis[0] for axis in axes], [axis[-1] for axis in axes])
        return RegularGridInterpolator(axes, self.pairs)(within), RegularGridInterpolator(axes, self.spikes)(within)


def pair_field(
    w_grid: npt.ArrayLike, bias: npt.ArrayLike, kappa: npt.ArrayLike, tau_ref: int, t_max: int,
    discretisation: str = "logistic", apart: npt.ArrayLike = (0.0,),
) -> PairField:  # fmt: skip
    """The exact pairs and spikes (`stdd`, `rates`) at every point of a grid of both weights.

    Args:
        w_grid: increasing values, (n,), 0 among them. bias, kappa, tau_ref, t_max, discretisation: as for `stdd`.
        apart: increasing values of what neuron 1's bias is higher by than neuron 0's, (m,), 0 among them: half of it is
            added to the one of `bias`, and taken off the other.
    Raises: ValueError.
    """
    grid, between = finite_array("w_grid", w_grid, (None,)), finite_array("apart", apart, (None,))
    for name, values, least in (("w_grid", grid, 2), ("apart", between, 1)):
        if values.size < least or (np.diff(values) <= 0).any() or values[0] > 0 or values[-1] < 0:
            raise ValueError(f"{name} = {values.tolist()}: must be {least} or more increasing values around 0")
    middle, signs, longest = finite_array("bias", bias, (2,)), np.array([-1.0, 1.0]), whole("t_max", t_max, 1)
    chains = [
        solve([[0.0, b], [a, 0.0]], middle + 0.5 * d * signs, kappa, tau_ref, longest, discretisation)
        for d in between for a in grid for b in grid
    ]  # fmt: skip
    shape = (between.size, grid.size, grid.size, -1)
    pairs, spikes = (np.reshape(values, shape) for values in zip(*((c.lags, c.spikes) for c in chains), strict=True))
    return PairField(between, grid, pairs, spikes)


@dataclass(frozen=True)
class SALNoise:
    """How SAL with equal sensors moves two equal weights: per step, at learning rate 1 per pair.

    Attributes:
        relaxation: the share of a small difference of both weights that goes away.
        difference: variance that pairs add to their difference.
        ratio: product of both neurons' spikes over that of uncoupled ones.
    """

    relaxation: float
    difference: float
    ratio: float


def sal_noise(field: PairField, weight: float, tau: float) -> SALNoise:
    """What moves a pair at W[1, 0] = W[0, 1] = `weight`, by an exponential window with the time constant `tau` (steps).

    Raises: ValueError.
    """
    small, middle = 0.05, float(finite_array("weight", weight, ()))
    window = sal_window(tau, field.pairs.shape[-1] // 2)
    pairs, spikes = field.at(np.array([[middle, middle], [middle + small, middle - small], [0.0, 0.0]]))
    causal, anticausal = _branches(pairs)
    drift = (anticausal - causal) @ window  # of the synapse; that of its partner is the opposite
    scatter = sum(float(rate[0] @ window**2 - (rate[0] @ window) ** 2 / rate[0].sum()) for rate in (causal, anticausal))
    product = spikes.prod(axis=1)
    return SALNoise(-2.0 * float(drift[1] - drift[0]) / (2.0 * small), 4.0 * scatter, float(product[0] / product[2]))


def _branches(pairs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Causal and anti-causal pairs per step at the lags 0..t_max, (..., t_max + 1): coincidences are half of each."""
    middle = pairs.shape[-1] // 2
    causal, anticausal = pairs[..., middle:].copy(), pairs[..., middle::-1].copy()
    causal[..., 0] *= 0.5
    anticausal[..., 0] *= 0.5
    return causal, anticausal


def reference_noise(
    noise: SALNoise, learning_rate: float, run: float, reference: float | None = None, read: float = 0.0
) -> tuple[float, float]:
    """Standard deviations of the difference and of the mean of two weights after `run` steps of SAL on equal sensors.

    The difference D relaxes at the rate k = learning_rate * relaxation, and each step adds a variance v to it. What a
    phase of R steps finds has the variance v R, and acts as a constant drift of ratio / R times that:
    var D = v (1 - exp(-2 k T)) / (2 k) + ratio^2 v / R ((1 - exp(-k T)) / k)^2. Nothing pulls the mean back, and each
    pair leaves it alone: converters add v_m to it, var m = v_m (T + ratio^2 T^2 / R).

    Args:
        reference: steps of the phase; None for none.
        read: variance per step of what the converters add to the change of one weight, at this learning rate.
    Raises: ValueError.
    """
    rate, time = positive("learning_rate", learning_rate), positive("run", run)
    k, added = rate * noise.relaxation, rate**2 * noise.difference + 2.0 * read
    if not k > 0:
        raise ValueError(f"relaxation = {noise.relaxation}: must be > 0, or differences grow")
    difference, mean = added * -math.expm1(-2.0 * k * time) / (2.0 * k), 0.5 * read * time
    if reference is not None:
        share = noise.ratio**2 / positive("reference", reference)
        difference += share * added * (math.expm1(-k * time) / k) ** 2
        mean += share * 0.5 * read * time**2
    return math.sqrt(difference), math.sqrt(mean)


def _counted(expected: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Numbers of pairs at each lag, (pair, lag): as many in all as are expected, up to rounding."""
    total = expected.sum(axis=1)
    many = np.floor(total + rng.random(total.shape)).astype(np.int64)
    return rng.multinomial(many, expected / total[:, None]).astype(np.float64)


def sal_course(
    field: PairField, start: npt.ArrayLike, learning_rate: float, amplitude: npt.ArrayLike, tau: npt.ArrayLike,
    *, run: int, update: int, reference: int | None = None, read: float = 0.0, apart: npt.ArrayLike = 0.0,
    bounds: tuple[float, float] = (-2.52, 2.52), seed: int = 0,
) -> FloatArray:  # fmt: skip
    """Weights of pairs after SAL with sensors that differ: in each period the mean numbers of pairs at the present
    weights at lags that scatter, weighed by the sensors.

    What a reference at weight 0 cannot see is in it: a sensor's error is subtracted as it is for uncoupled neurons,
    while coupled ones make other numbers of causal and anti-causal pairs; and neurons of unequal biases whose PSPs are
    not rectangular come to rest at unequal weights, whatever their sensors are (`attractor`, paper Fig 10).

    Args:
        start: (pair, 2). amplitude, tau: of each sensor, (pair, 2, 2): synapse, then causal and anti-causal branch; 1
            and the rule's time constant in steps are nominal.
        run, update, reference: steps of the run, between two updates, of the phase (None for none).
        read: as for `reference_noise`. apart: of the biases of each pair's neurons, as in `PairField`, (pair,).
    Returns: (pair, 2).
    Raises: ValueError.
    """
    weights = finite_array("start", start, (None, 2)).copy()
    shape, period = (len(weights), 2, 2), whole("update", update, 1)
    strength, constants = finite_array("amplitude", amplitude, shape), finite_array("tau", tau, shape)
    rng, lags = np.random.default_rng(seed), np.arange(field.pairs.shape[-1] // 2 + 1)
    sensed = positive("learning_rate", learning_rate) * strength[..., None] * np.exp(-lags / constants[..., None])

    def changes(pairs: FloatArray, steps: int) -> FloatArray:
        scatter = math.sqrt(read * steps) * rng.standard_normal(weights.shape)
        # What is causal for the synapse into 1 is anti-causal for the one into 0.
        first, second = (_counted(rate * steps, rng) for rate in _branches(pairs))
        into_1 = (second * sensed[:, 0, 1] - first * sensed[:, 0, 0]).sum(axis=1)
        into_0 = (first * sensed[:, 1, 1] - second * sensed[:, 1, 0]).sum(axis=1)
        return np.stack([into_1, into_0], axis=1) + scatter

    error = np.zeros_like(weights)
    silent, spikes_then = field.at(np.zeros_like(weights), apart)
    if reference is not None:
        error = changes(silent, reference) / reference / spikes_then.prod(axis=1, keepdims=True)
    for _ in range(whole("run", run, 1) // period):
        pairs, spikes = field.at(weights, apart)
        expected = error * spikes.prod(axis=1, keepdims=True) * period
        weights = np.clip(weights + changes(pairs, period) - expected, *bounds)
    return weights
