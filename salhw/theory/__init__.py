"""Exact results for small networks: the ground truth that simulations, chips and studies are measured against.

Plain arrays, times in steps, weights W[post, pre]; nothing here knows the description of a network. Importing this
package loads neither numba nor scipy: the functions that need them do.
"""

from ._phase_plane import (
    Deviation,
    PhasePlane,
    attractor,
    deviation,
    drift,
    drifts,
    mean_relative_deviation,
    phase_plane,
    relative_deviation,
    sal_window,
)
from ._reference_phase import PairField, SALNoise, pair_field, reference_noise, sal_course, sal_noise
from ._stdd import STDD, measured_stdd, rate_of_constant_input, rates, spike_probability, stdd
from .boltzmann import distribution, kl_divergence, marginal, moments, states

__all__ = [
    "STDD",
    "Deviation",
    "PairField",
    "PhasePlane",
    "SALNoise",
    "attractor",
    "deviation",
    "distribution",
    "drift",
    "drifts",
    "kl_divergence",
    "marginal",
    "mean_relative_deviation",
    "measured_stdd",
    "moments",
    "pair_field",
    "phase_plane",
    "rate_of_constant_input",
    "rates",
    "reference_noise",
    "relative_deviation",
    "sal_course",
    "sal_noise",
    "sal_window",
    "spike_probability",
    "states",
    "stdd",
]
