"""How spikes tell feedback weights about forward ones: rules of the feedback synapses, and what is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, expm1
from typing import ClassVar, Protocol

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.plasticity import Pairing, PairSTDP
from salhw.description.windows import ExponentialWindow


class SpikePairs(Protocol):
    """A method whose feedback synapses add up spike pairs. Its change in one update is eta (c (W - B) + s noise).

    Each update sets the learning rate of the ``rules``. ``acts``: the neurons receive the feedback
    weights, which bring -c B about; without it they are silent, and -c B is taken off as a decay. ``covariance``: what
    the neurons' rates alone would bring is subtracted. ``memory`` in ms: how far back pairs reach.
    """

    @property
    def acts(self) -> bool: ...
    @property
    def covariance(self) -> bool: ...
    @property
    def memory(self) -> float: ...
    @property
    def update(self) -> str: ...
    def rules(self) -> tuple[PairSTDP, ...]:
        """The rules of the feedback synapses."""
        ...


def pairs_by_chance(tau: float) -> float:
    """What a window exp(-lag / tau) of one branch adds up per spike of one neuron and spike probability per ms of the
    other, if they are independent, on a grid of 1 ms; a coincidence counts half."""
    return 1.0 / expm1(1.0 / tau) + 0.5


BETWEEN: Mapping[Pairing, float] = {"all": 0.0, "nearest_symmetric": 0.5, "nearest_restricted": 1.0}
"""The share of both neurons' hazards that may not strike between the spikes of a pair: nobody's, that of one of them
(the higher one's in one branch, the lower one's in the other: their mean), or both."""


def branch_pairs(
    low: FloatArray, high: FloatArray, pairing: Pairing, tau: float, smallest_interval: float
) -> FloatArray:
    """What one branch adds up per ms, exp(-lag / tau) for each pair, between independent neurons of rates ``low`` and
    ``high``, in spikes per ms: (n of low, n of high).

    A neuron is silent for the ``smallest_interval`` d after a spike, then has a constant hazard h = r / (1 - r d). A
    lag t begins and ends with a spike of either neuron, with density r r', and no other spike lies between with
    probability exp(-H (t - d)) beyond d, 1 up to there; H is the sum of the hazards of those that may end it
    (BETWEEN). So there are r r' tau (1 - exp(-d / tau) H tau / (1 + H tau)). On ``reference`` what synapses' branches
    differ by goes with it within .4 % over rates of half to one and a half times .05, restricted pairs with the power
    .88 to .91 of the product of both rates (docs/deep.md).
    """
    hazards = [rate / (1.0 - np.minimum(rate * smallest_interval, 0.999)) for rate in (low, high)]
    ended = BETWEEN[pairing] * tau * np.add.outer(*hazards)
    return np.asarray(np.outer(low, high) * tau * (1.0 - exp(-smallest_interval / tau) * ended / (1.0 + ended)))


def _pairs(causal: float, anticausal: float, tau: float, pairing: Pairing, update: str) -> PairSTDP:
    """Windows of one time constant; targets without the rule leave it to their host."""
    windows = [ExponentialWindow(amplitude=a, tau=tau) for a in (causal, anticausal)]
    return PairSTDP(
        causal=windows[0], anticausal=windows[1], pairing=pairing, learning_rate=0.01, update=update, execution="host"
    )


@dataclass(frozen=True)
class SAL:
    """Spike-based alignment learning (paper Eqs 2, 13): causal pairs weaken feedback, anti-causal ones strengthen it.

    Args:
        tau: of the window in ms.
        pairing, update: of the rule; for chips whose own rule has others (``update="every 3000 ms"``).
    """

    tau: float = 10.0
    pairing: Pairing = "all"
    update: str = "run end"
    acts: ClassVar[bool] = True
    covariance: ClassVar[bool] = False

    @property
    def memory(self) -> float:
        """Five time constants."""
        return 5.0 * self.tau

    def rules(self) -> tuple[PairSTDP, ...]:
        """One rule."""
        return (_pairs(-1.0, 1.0, self.tau, self.pairing, self.update),)


@dataclass(frozen=True)
class WeightMirror:
    """Weight mirroring (Akrout et al. 2019) by spikes: noise that goes forward is correlated with its consequences.

    Feedback is silent meanwhile; pairs of a lower spike and a later higher one count, less those that the rates alone
    would make. The neurons' own noise takes the place of the noise that is injected there.

    Args:
        tau: how long after the lower spike a higher one counts, in ms (exponentially).
    """

    tau: float = 10.0
    update: ClassVar[str] = "run end"
    acts: ClassVar[bool] = False
    covariance: ClassVar[bool] = True

    @property
    def memory(self) -> float:
        """Five time constants."""
        return 5.0 * self.tau

    def rules(self) -> tuple[PairSTDP, ...]:
        """One rule."""
        return (_pairs(0.0, 1.0, self.tau, "all", self.update),)


@dataclass(frozen=True)
class STDWI:
    """Spike-timing-dependent weight inference (Ahmad et al. 2020): a higher spike sees a fast and a slow trace of the
    lower ones, and their difference tells what it owes to them.

    The traces have one integral, so that rates alone bring about nothing. Feedback is silent meanwhile. The neurons'
    own noise takes the place of the bursts of input there.

    Args:
        fast, slow: time constants of the traces in ms.
    """

    fast: float = 10.0
    slow: float = 200.0
    update: ClassVar[str] = "run end"
    acts: ClassVar[bool] = False
    covariance: ClassVar[bool] = False

    @property
    def memory(self) -> float:
        """Five of the slow time constants."""
        return 5.0 * self.slow

    def rules(self) -> tuple[PairSTDP, ...]:
        """Two, which add up."""
        balance = pairs_by_chance(self.fast) / pairs_by_chance(self.slow)
        fast = _pairs(0.0, 1.0, self.fast, "all", self.update)
        return (fast, _pairs(0.0, -balance, self.slow, "all", self.update))
