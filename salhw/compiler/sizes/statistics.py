"""Means and intervals of what runs on the reference show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salhw.description.fields import FloatArray


@dataclass(frozen=True)
class Compared:
    """A quantity as written and as changed, and half the width of the 95 % interval of the difference."""

    written: float
    changed: float
    error: float


def compared(written: FloatArray, changed: FloatArray) -> Compared:
    """Two means and the t interval of their difference, from samples (instance, block) of two networks.

    Instances with one id have the same random numbers in both networks, so that they are compared in pairs. Where all
    instances do the same, as those of a network without chance do, the blocks are the sample.
    """
    a, b = written, changed
    if _alike(a) and _alike(b):
        a, b = a[0], b[0]
    else:
        a, b = a.mean(axis=1), b.mean(axis=1)
    if len(a) != len(b):
        a, b = a[: min(len(a), len(b))], b[: min(len(a), len(b))]
    return Compared(float(a.mean()), float(b.mean()), half_width(b - a))


def compared_noise(written: FloatArray, changed: FloatArray) -> Compared:
    """The same for roots of mean squares, from samples (instance, block) of squares: to first order in the deviations
    of the instances."""
    roots = [float(np.sqrt(each.mean())) for each in (written, changed)]
    shares = [each / (2.0 * root) if root else each for each, root in zip((written, changed), roots, strict=True)]
    return Compared(roots[0], roots[1], compared(shares[0], shares[1]).error)


def half_width(sample: FloatArray) -> float:
    """Half the 95 % t interval of the mean of independent values; 0 where they are all the same."""
    from scipy.special import stdtrit  # not at the top: only sizes need it

    spread = float(sample.std(ddof=1)) if len(sample) > 1 else 0.0
    return float(stdtrit(len(sample) - 1, 0.975)) * spread / float(np.sqrt(len(sample))) if spread else 0.0


def _alike(sample: FloatArray) -> bool:
    return bool((sample == sample[:1]).all())
