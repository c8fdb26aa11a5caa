"""Fully connected layers with forward and feedback weights, as a network of spiking neurons (paper section 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

import numpy as np

from salhw import GLM, AntiHebbian, Network, Population, Projection, Rectangular
from salhw.description.fields import FloatArray
from salhw.description.plasticity import PlasticityRule

TAU_REF = TAU_SYN = 10.0  # ms (Table 3)


@dataclass(frozen=True)
class Chain:
    """Layers one after the other: ``weights[l]`` (n of layer l + 1, n of layer l) from layer l on, and the ``biases``
    of every layer, the lowest included."""

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer, from the lowest."""
        return tuple(len(bias) for bias in self.biases)

    def scaled(self, gain: float) -> Chain:
        """The same with all weights times ``gain``."""
        return Chain(tuple(gain * w for w in self.weights), self.biases)

    def shuffled(self, random: np.random.Generator) -> Chain:
        """The same numbers in another order: weights of the same distribution that say nothing about these."""
        return Chain(tuple(random.permuted(w.ravel()).reshape(w.shape) for w in self.weights), self.biases)


def initial_chain(sizes: Sequence[int], random: np.random.Generator) -> Chain:
    """Weights and biases uniform within +- 1 / sqrt(fan-in), as torch initialises them; the lowest layer's biases
    within +- 1 / sqrt(its size)."""

    def uniform(fan_in: int, *shape: int) -> FloatArray:
        return np.asarray(random.uniform(-1.0, 1.0, shape) / np.sqrt(fan_in))

    pairs = list(pairwise(sizes))
    weights = tuple(uniform(below, above, below) for below, above in pairs)
    return Chain(weights, (uniform(sizes[0], sizes[0]), *(uniform(below, above) for below, above in pairs)))


def network(
    sizes: Sequence[int] = (64, 48, 24, 10),
    chain: Chain | None = None,
    rules: Sequence[PlasticityRule] | None = None,
    smallest_interval: float = TAU_REF,
) -> Network:
    """Layers of GLM neurons in both directions; feedback weights learn to equal the forward ones (paper section 4.5).

    The projection ``forward_l`` goes from ``layer_l`` to the next and has the weights W[post, pre] of the chain;
    ``feedback_l`` comes back, begins with weights of 0, and learns. Nothing drives the lowest layer but feedback and
    its neurons' noise. dt is 1 ms.

    Args:
        sizes: neurons of each layer; initial weights are drawn for them.
        chain: weights and biases, instead of ``sizes``.
        rules: of the feedback weights; by default SAL's window over all pairs, 320 s worth of the paper's eta of .04.
        smallest_interval: between two spikes of a neuron, in ms. The authors' code has 11 ms beside PSPs of 10 ms.
    """
    chain = chain or initial_chain(sizes, np.random.default_rng(0))
    rules = [AntiHebbian(learning_rate=0.04 / 20.0, tau=TAU_SYN, update="run end")] if rules is None else rules
    shift = log(smallest_interval / TAU_REF)  # a hazard of exp(u) / 10 ms, whatever the refractory period
    projections = []
    for l, weights in enumerate(chain.weights):
        above, below = f"layer_{l + 1}", f"layer_{l}"
        kernel = Rectangular(tau_syn=TAU_SYN)
        projections += [
            Projection(name=f"forward_{l}", pre=below, post=above, weights=weights, kernel=kernel),
            Projection(
                name=f"feedback_{l}", pre=above, post=below, weights=np.zeros(weights.T.shape), kernel=kernel,
                plasticity=tuple(rules),
            ),
        ]  # fmt: skip
    return Network(
        name="deep",
        dt=1.0,
        populations=[
            Population(name=f"layer_{l}", size=len(bias), neuron=GLM(bias=bias + shift, tau_ref=smallest_interval))
            for l, bias in enumerate(chain.biases)
        ],
        projections=projections,
    )
