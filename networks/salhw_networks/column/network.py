"""The cortical microcircuit of Potjans and Diesmann (2014, Cerebral Cortex 24:785), at a share of its size.

Numbers are those of their Tables 4 and 5, and the rates of the whole network, which a smaller one has to know, those
that NEST's own implementation of it has.
"""

from __future__ import annotations

from math import exp, expm1, log

import numpy as np

from salhw import (
    LIF,
    Exponential,
    FixedTotalNumber,
    Network,
    Normal,
    OneToOne,
    Poisson,
    Population,
    Projection,
    Source,
    Spikes,
)
from salhw.description.fields import FloatArray
from salhw_networks.background import background

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
INPUTS = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])  # synapses from outside onto each neuron
CONNECTED = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)  # the probability that a pair (post, pre) has a synapse or more
RATES = np.array([0.943, 3.026, 4.368, 5.882, 7.733, 8.664, 1.096, 7.851])  # Hz, of the network in full
TAU_M, TAU_REF, TAU_SYN, REST, THRESHOLD = 10.0, 2.0, 0.5, -65.0, -50.0  # ms, mV
PSP, INHIBITION, SPREAD = 0.15, -4.0, 0.1  # mV; inhibitory weights, and the spread of weights, relative
DELAYS = {"E": (1.5, 0.75), "I": (0.75, 0.375)}  # mean and standard deviation in ms
OUTSIDE = 8.0  # Hz, of each synapse from outside


def indegrees() -> FloatArray:
    """How many synapses a neuron has from each population in full, (post, pre): their number is the one at which pairs
    that are drawn one after the other, with repetition, are connected with the probability CONNECTED (Eq 1)."""
    pairs = np.outer(SIZES, SIZES)
    return np.asarray(np.log1p(-CONNECTED) / np.log1p(-1.0 / pairs) / SIZES[:, None])


def amplitudes() -> FloatArray:
    """The mean size of synaptic inputs in mV, (post, pre): such that a PSP reaches PSP, of L4E in L23E twice that."""
    peak = log(TAU_M / TAU_SYN) / (1.0 / TAU_SYN - 1.0 / TAU_M)
    highest = (exp(-peak / TAU_M) - exp(-peak / TAU_SYN)) * TAU_SYN / (TAU_M - TAU_SYN)
    sizes = np.where([name.endswith("E") for name in POPULATIONS], 1.0, INHIBITION) * np.ones((8, 8)) * PSP / highest
    sizes[0, 2] *= 2.0
    return np.asarray(sizes)


def network(
    neurons: float = 0.1, synapses: float = 0.1, dt: float = 0.1, seed: int = 1, repeated: bool = False
) -> Network:
    """A cortical column: excitatory and inhibitory LIF neurons of four layers (Potjans and Diesmann 2014).

    Each neuron has a source of its own, for what comes from outside.
    With fewer ``synapses`` onto a neuron weights are larger by the square root of that share, and a constant drive
    replaces what is then missing of the mean input: its mean and variance are those of the network in full (van Albada
    et al. 2015, PLoS Comput. Biol. 11:e1004490).

    Args:
        neurons: the share of the 77,169 neurons.
        synapses: the share of each neuron's inputs.
        seed: of synapses, weights and delays.
        repeated: draw pairs as the paper does, with repetition, where a target has autapses and multapses; otherwise
            each of two neurons has one synapse at most.
    """
    sizes = dict(zip(POPULATIONS, np.rint(neurons * SIZES).astype(int).tolist(), strict=True))
    inputs, stronger = indegrees(), amplitudes() / np.sqrt(synapses)
    mean = (amplitudes() * inputs * RATES).sum(axis=1) + amplitudes()[0, 0] * INPUTS * OUTSIDE
    missing = (1.0 - np.sqrt(synapses)) * mean * TAU_SYN / 1000.0
    # such that the values of the PSP at the ends of steps add up to its integral
    kernel = Exponential(tau_syn=TAU_SYN, area=TAU_SYN**2 / dt * expm1(dt / TAU_SYN))
    outside = [background(stronger[0, 0], synapses * each * OUTSIDE, dt) for each in INPUTS]
    missing += [each.rest * TAU_SYN / dt for each in outside]

    def from_to(i: int, j: int) -> Projection:
        post, pre = POPULATIONS[i], POPULATIONS[j]
        weight = Normal(mean=float(stronger[i, j]), std=SPREAD * abs(float(stronger[i, j])))
        (late, spread), count = DELAYS[pre[-1]], round(synapses * inputs[i, j] * sizes[post])
        return Projection(
            name=f"{pre}_{post}", pre=pre, post=post, kernel=kernel, delay=Normal(mean=late, std=spread, low=dt),
            weights=FixedTotalNumber(n=count, weight=weight, seed=seed, autapses=repeated, multapses=repeated),
        )  # fmt: skip

    def neuron(bias: float) -> LIF:
        return LIF(bias=bias, tau_m=TAU_M, tau_ref=TAU_REF, v_rest=REST, v_reset=REST, v_thresh=THRESHOLD)

    return Network(
        name="column",
        dt=dt,
        populations=[
            *(Population(name=n, size=sizes[n], neuron=neuron(float(m))) for n, m in zip(sizes, missing, strict=True)),
            *(Population(name=f"to_{n}", size=sizes[n], neuron=Source()) for n in sizes),
        ],
        projections=[
            *(from_to(i, j) for i in range(8) for j in range(8) if CONNECTED[i, j]),
            *(
                Projection(
                    name=f"to_{n}", pre=f"to_{n}", post=n, kernel=kernel, delay=DELAYS["E"][0],
                    weights=OneToOne(weight=each.weight),
                )
                for n, each in zip(sizes, outside, strict=True)
            ),
        ],
        stimuli=[Poisson(population=f"to_{n}", rate=each.rate) for n, each in zip(sizes, outside, strict=True)],
        probes=[Spikes(population=n) for n in sizes],
    )  # fmt: skip
