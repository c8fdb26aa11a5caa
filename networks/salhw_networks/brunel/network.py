"""Brunel's network of sparsely connected excitatory and inhibitory neurons (2000, J. Comput. Neurosci. 8:183)."""

from __future__ import annotations

from math import expm1

from salhw import LIF, FixedIndegree, Network, OneToOne, Poisson, Population, Projection, Rectangular, Source, Spikes
from salhw_networks.background import background

TAU_M, TAU_REF, THRESHOLD, RESET = 20.0, 2.0, 20.0, 10.0  # ms, mV
REGIMES = {"SR": (3.0, 2.0), "SI fast": (6.0, 4.0), "AI": (5.0, 2.0), "SI slow": (4.5, 0.9)}
"""Relative inhibition g and drive of the states of his Figure 8: synchronous or asynchronous, regular or irregular."""


def jump(tau_m: float, dt: float) -> Rectangular:
    """The PSP that moves the potential of a LIF neuron by the weight, in one step: delta-shaped, as the grid has it."""
    return Rectangular(tau_syn=dt, area=dt / -expm1(-dt / tau_m))


def network(
    inhibition: float = 5.0,
    drive: float = 2.0,
    size: int = 10_000,
    connectivity: float = 0.1,
    weight: float = 0.1,
    delay: float = 1.5,
    input_rate: float = 1000.0,
    dt: float = 0.1,
) -> Network:
    """A sparse random network of excitatory and inhibitory LIF neurons, whose PSPs are jumps (Brunel 2000).

    Four fifths are excitatory; each has input from the same number of others, and from a source of its own.

    Args:
        inhibition: g, the size of inhibitory weights in units of the excitatory one.
        drive: the mean input from outside in units of the threshold (the paper's nu_ext / nu_thr).
        size: the number of neurons.
        connectivity: the share of all neurons that each has input from.
        weight: J, of excitatory synapses, in mV.
        delay: from a spike to the jump, in ms; whole steps.
        input_rate: of the source of each neuron, in Hz; with its larger jumps and a constant drive it has the mean and
            the variance of jumps of ``weight`` that together make ``drive``.
    """
    excitatory = round(0.8 * size)
    sizes = {"excitatory": excitatory, "inhibitory": size - excitatory}
    arriving = drive * THRESHOLD / (weight * TAU_M)  # jumps per ms
    outside = background(weight, 1000.0 * arriving, dt, -expm1(-input_rate * dt / 1000.0))
    neuron = LIF(
        bias=outside.rest / -expm1(-dt / TAU_M), tau_m=TAU_M, tau_ref=TAU_REF, v_thresh=THRESHOLD, v_reset=RESET
    )
    kernel, late = jump(TAU_M, dt), delay - dt  # what arrives at a step acts at the next; short delays make NEST slow

    def from_to(pre: str, post: str, seed: int) -> Projection:
        size_of = weight if pre == "excitatory" else -inhibition * weight
        connector = FixedIndegree(n=round(connectivity * sizes[pre]), weight=size_of, seed=seed)
        name = f"{pre}_{post}"
        return Projection(name=name, pre=pre, post=post, weights=connector, kernel=kernel, delay=late)

    def input_to(post: str) -> Projection:
        one = OneToOne(weight=outside.weight)
        return Projection(name=f"input_{post}", pre=f"input_{post}", post=post, weights=one, kernel=kernel, delay=late)

    pairs = [(pre, post) for post in sizes for pre in sizes]
    return Network(
        name="brunel",
        dt=dt,
        populations=[
            *(Population(name=name, size=count, neuron=neuron) for name, count in sizes.items()),
            *(Population(name=f"input_{name}", size=count, neuron=Source()) for name, count in sizes.items()),
        ],
        projections=[
            *(from_to(pre, post, seed) for seed, (pre, post) in enumerate(pairs)),
            *(input_to(post) for post in sizes),
        ],
        stimuli=[Poisson(population=f"input_{name}", rate=outside.rate) for name in sizes],
        probes=[Spikes(population=name) for name in sizes],
    )
