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

    Of these on average n = ``rate`` dt spike in a step, which has the mean ``weight`` n and the variance ``weight``^2 n;
    a source that spikes with the probability p and the weight a has a p and a^2 p (1 - p). With p = n / (n + 1), the
    default, both agree; with a smaller ``probability`` there are fewer and larger spikes, and a rest of the mean.
    """
    count = rate * dt / 1000.0
    p = count / (count + 1.0) if probability is None else probability
    stronger = weight * sqrt(count / (p * (1.0 - p)))
    return Background(-log1p(-p) / dt * 1000.0, stronger, weight * count - stronger * p)
