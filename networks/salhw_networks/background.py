"""One source per neuron that stands for many: what reaches a neuron from outside of a network."""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p, sqrt


@dataclass(frozen=True)
class Background:
    """A source that spikes in a step with one probability, in the place of many Poisson ones.

    Args:
        rate: of its ``Poisson`` stimulus in Hz.
        weight: of its synapse.
        rest: what it leaves of the mean: weights per step, to be added as a constant drive.
    """

    rate: float
    weight: float
    rest: float


def background(weight: float, rate: float, dt: float, probability: float | None = None) -> Background:
    """A source with the mean and the variance, in each step, of independent Poisson sources of ``rate`` Hz together
    that act with ``weight`` each.

    Of these on average n = ``rate`` dt spike in a step; the mean, the variance and the third central moment of what
    they do are ``weight`` n, ``weight``^2 n and ``weight``^3 n. A source that spikes with the probability p and the
    weight a has a p, a^2 p (1 - p) and a^3 p (1 - p) (1 - 2 p). By default all three agree, by p (1 - p) = n /
    (1 + 4 n) and a constant rest of the mean; with a ``probability`` that is given, the first two.
    """
    count = rate * dt / 1000.0
    p = 0.5 - 0.5 / sqrt(1.0 + 4.0 * count) if probability is None else probability
    stronger = weight * sqrt(count / (p * (1.0 - p)))
    return Background(-log1p(-p) / dt * 1000.0, stronger, weight * count - stronger * p)
