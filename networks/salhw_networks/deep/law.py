"""The law of the spiking phase: one update of rate eta is dB = eta (c (W - B) + s N(0, 1)), for each layer.

Found by measurement: c is what the pairs of a replica tell about a weight, s the noise that is left after the mean over
the replicas. It holds for weights as small as those of wide layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salhw import Calibration, Chip, Target
from salhw.description.fields import FloatArray
from salhw_networks.deep.network import Chain
from salhw_networks.deep.phase import Phase, Setting
from salhw_networks.deep.phases import opened

APART = 0.5


@dataclass(frozen=True)
class Law:
    """c and s of one layer, and their standard errors."""

    c: float
    s: float
    c_error: float = 0.0
    s_error: float = 0.0

    def after(self, state: Alignment, eta: float, *, continuous: bool = False) -> Alignment:
        """Where an update leads. ``continuous``: the weights change during it, so that -c B acts at once."""
        pull = 1.0 - np.exp(-eta * self.c) if continuous else eta * self.c
        fraction = pull / (eta * self.c) if continuous and eta * self.c > 0 else 1.0
        noise = (eta * self.s) ** 2 * (fraction * (1.0 - pull / 2.0) if continuous else 1.0)
        return Alignment(
            state.size, state.scale + pull * (1.0 - state.scale), float(np.hypot((1.0 - pull) * state.rest, noise**0.5))
        )


@dataclass(frozen=True)
class Alignment:
    """Feedback weights as ``scale`` times the forward ones and a rest without correlation to them: standard deviations
    ``size`` of W and ``rest`` (about 0)."""

    size: float
    scale: float
    rest: float

    @classmethod
    def of(cls, weights: FloatArray, feedback: FloatArray) -> Alignment:
        """Of W (n of layer l + 1, n of layer l) and B, its transpose's shape."""
        w, b = weights.ravel(), feedback.T.ravel()
        scale = float(w @ b / (w @ w))
        return cls(float(np.sqrt(np.mean(w**2))), scale, float(np.sqrt(np.mean((b - scale * w) ** 2))))

    @property
    def angle(self) -> float:
        """Between W and B, in degrees."""
        return float(np.rad2deg(np.arctan2(self.rest, self.scale * self.size)))


def measured_law(
    chain: Chain, setting: Setting, *, target: Target | str = "reference", seed: int = 0, updates: int = 1,
    eta: float | None = None, chips: Sequence[Chip] | None = None, calibration: Calibration | None = None,
    silent: bool = False, run: list[Phase] | None = None,
) -> list[Law]:  # fmt: skip
    """c and s of each layer by a short run on the target: ``updates``, with the weights of ``chain`` shuffled, so that
    nothing is learned about the weights themselves.

    Both depend on how neurons drive one another: in loops, where feedback weights are aligned. So those of the run are
    the shuffled weights themselves, less others half as large, which tell c.

    Args:
        eta: of the measurement; by default 1, and .5 for rules that change weights continuously.
        silent: with feedback weights of 0 instead, as where a running mean begins.
        run: is given the phase that was run, which counts spikes and time.
    """
    eta = eta or (0.5 if setting.continuous else 1.0)
    random = np.random.default_rng([seed, 0x1A3])
    other = chain.shuffled(random)
    feedback = [np.zeros(w.T.shape) for w in other.weights]
    if setting.method.acts and not silent:
        apart = chain.shuffled(random).weights
        feedback = [(w - APART * d).T for w, d in zip(other.weights, apart, strict=True)]
    with opened(other, setting, target=target, seed=seed, chips=chips, calibration=calibration) as phase:
        held = phase.limited(feedback)
        changes = [phase.change(held, [eta] * len(held)) for _ in range(updates)]
    if run is not None:
        run.append(phase)
    differences = [w - b.T for w, b in zip(other.weights, held, strict=True)]
    return [_law(d, np.array([c[l].T for c in changes]), eta, setting) for l, d in enumerate(differences)]


def _law(apart: FloatArray, changes: FloatArray, eta: float, setting: Setting) -> Law:
    """Regress changes (update, n of layer l + 1, n of layer l) on W - B."""
    d = apart.ravel()
    slope = float(d @ changes.mean(axis=0).ravel() / (d @ d))
    left = float(np.sqrt(np.mean((changes - slope * apart) ** 2)))
    c, s = slope / eta, left / eta
    if setting.continuous:
        c = -np.log1p(-slope) / eta
    count = changes.size
    return Law(c, s, s / float(np.sqrt((d @ d) * len(changes))), s / float(np.sqrt(2.0 * count)))
