"""What each kind of neuron, kernel and rule is in plain numpy; another kind is one more entry in these tables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import salhw
from salhw.plugin import ByKind, FloatArray

Bools = npt.NDArray[np.bool_]
NEURONS, KERNELS, RULES = (ByKind[Callable[..., Any]]("the target plain") for _ in range(3))
STIMULI = ByKind("the target plain", {salhw.Poisson: None, salhw.SpikeTimes: None})
KNOWN = {"neurons": NEURONS, "kernels": KERNELS, "plasticity": RULES, "stimuli": STIMULI}


@dataclass(frozen=True)
class Cells:
    """For how many steps neurons are refractory, and how likely they spike in one: of potential, and expected spikes of
    stimuli."""

    refractory: int
    chance: Callable[[FloatArray, FloatArray], FloatArray]


@NEURONS.register(salhw.GLM)
def glm(neuron: salhw.GLM, dt: float) -> Cells:
    def chance(u: FloatArray, expected: FloatArray) -> FloatArray:
        x = np.exp(np.minimum(u, 500.0)) * dt / neuron.tau_ref
        return x / (1.0 + x) if neuron.discretisation == "logistic" else -np.expm1(-x)

    return Cells(round(neuron.tau_ref / dt), chance)


@NEURONS.register(salhw.Source)
def source(neuron: salhw.Source, dt: float) -> Cells:
    return Cells(0, lambda u, expected: -np.expm1(-expected))


class Window:
    """The PSPs of a rectangular kernel: how many spikes are in each synapse's window."""

    def __init__(self, kernel: salhw.Rectangular, dt: float, shape: tuple[int, int]) -> None:
        self.lasts, self.most = round(kernel.tau_syn / dt), 1.0 if kernel.superposition == "last" else np.inf
        self.psp = np.zeros(shape)

    def act(self, arrived: Bools, over: Bools) -> FloatArray:
        """The PSPs of a step at which spikes arrive, and those of ``lasts`` steps ago are over."""
        self.psp += arrived
        self.psp -= over
        return np.minimum(self.psp, self.most)


class Decay:
    """The PSPs of an exponential kernel."""

    lasts = 0

    def __init__(self, kernel: salhw.Exponential, dt: float, shape: tuple[int, int]) -> None:
        self.fade, self.renewed, self.psp = (
            np.exp(-dt / kernel.tau_syn),
            kernel.superposition == "last",
            np.zeros(shape),
        )

    def act(self, arrived: Bools, over: Bools) -> FloatArray:
        self.psp = (self.psp * ~(arrived & self.renewed) + arrived) * self.fade
        return np.minimum(self.psp, 1.0) if self.renewed else self.psp


KERNELS.register(salhw.Rectangular)(Window)
KERNELS.register(salhw.Exponential)(Decay)


class Pairs:
    """The spike pairs of one rule: what they add up to since the last update, (branch, instance, synapse)."""

    def __init__(self, rule: salhw.PairSTDP, position: Any, dt: float, shape: tuple[int, int]) -> None:
        self.rule, windows = rule, (rule.causal, rule.anticausal)
        self.fade = np.exp([[[-dt / window.tau]] for window in windows])
        of_all = [np.ravel(w.amplitude)[position if np.ndim(w.amplitude) else 0] for w in windows]  # per synapse
        self.amplitude = np.array([np.broadcast_to(a, shape) for a in of_all])
        self.rate, self.sum, self.trace = np.zeros((3, 2, *shape))  # traces are left by a pair's first spike

    def teach(self, learning_rate: FloatArray) -> None:
        self.rate = self.amplitude * learning_rate

    def take(self) -> FloatArray:
        """The weight change of an update: with the learning rates of now."""
        change, self.sum = (self.rate * self.sum).sum(axis=0), np.zeros_like(self.sum)
        return change

    def see(self, pre: Bools, post: Bools, last_pre: FloatArray, last_post: FloatArray) -> None:
        """The pairs that the spikes of this step form with earlier ones and with each other."""
        every, trace = self.rule.pairing == "all", self.trace * self.fade
        own, partner = np.array([post, pre]), np.array([pre, post])  # causal, anti-causal
        if own.any():
            value = trace
            if self.rule.pairing == "nearest_restricted":  # no other spike between; a half if undefined
                last_own, last_partner = np.array([last_post, last_pre]), np.array([last_pre, last_post])
                value = trace * (0.5 * (last_partner > last_own) + 0.5 * (last_partner >= last_own))
            together = (1.0 if every else 0.5) * value + 0.5  # simultaneous spikes: the mean over both orders
            self.sum += own * np.where(partner, together, value)
            trace = trace * (every | ~partner) + partner
        self.trace = trace


RULES.register(salhw.PairSTDP)(Pairs)
