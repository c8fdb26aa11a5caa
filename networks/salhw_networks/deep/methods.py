"""How spikes tell feedback weights about forward ones: rules of the feedback synapses, and what is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1
from typing import ClassVar, Protocol

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
