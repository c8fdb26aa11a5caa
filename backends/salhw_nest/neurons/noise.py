"""The noise that makes NEST's neurons logistic ones.

The logistic law is the exact one averaged over hazards with an exponential distribution: 1 / (1 + x) = E[exp(-x Y)].
Here Y is exp(-K) over its mean, K a sum of Poisson numbers times the sizes of NOISE.
"""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray

NOISE = {-1: 0.08592, 1: 1.199076, 3: 0.027745, 5: 0.004233}
"""Random steps of a logistic neuron's potential, and how many of each a time step has in the mean. The sizes are whole,
so that adding and taking away again is exact; the rates minimise the largest relative error of both probabilities, to
spike and not to."""


def noise_error() -> float:
    """Largest relative error of the firing probability of a logistic neuron with noise, whatever its potential; up to a
    probability of .98 that of not firing is off by no more."""
    x = np.exp(np.linspace(-12.0, 12.0, 481))
    level, chance = _levels()
    got = -np.expm1(-x[:, None] * np.exp(-level)) @ chance
    off = np.abs(got * (1.0 + x) / x - 1.0), np.abs((1.0 - got) * (1.0 + x) - 1.0)[x < np.exp(4.0)]
    return float(max(o.max() for o in off))


def _levels() -> tuple[FloatArray, FloatArray]:
    """The values of the noise, so that the mean of exp(-value) is 1, and their probabilities."""
    size = 128
    value = (np.arange(size) + size // 4) % size - size // 4
    spectrum = sum(rate * (np.exp(-2j * np.pi * jump * np.arange(size) / size) - 1.0) for jump, rate in NOISE.items())
    chance = np.fft.ifft(np.exp(spectrum)).real
    value, chance = value[chance > 1e-13], chance[chance > 1e-13]
    return np.asarray(value + np.log(chance @ np.exp(-value)), dtype=np.float64), chance
