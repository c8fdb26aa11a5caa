"""The networks that all simulators run, as numbers and arrays: numpy is all that this file needs.

Neurons spike at random with the hazard exp(u) / TAU ms outside a refractory period of TAU ms, in a step of dt with the
probability 1 - exp(-hazard dt). u is a bias plus the weights of all inputs whose rectangular PSPs of TAU ms are under
way; a PSP begins DELAY steps after the step that follows the spike. With learning, SAL changes each weight by -RATE
exp(-lag / TAU) for each pair of a presynaptic spike and a later postsynaptic one, and by the opposite for the other
order; all pairs count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

TAU = 10.0  # ms: refractory period, PSP, learning window
DELAY = 1  # steps
RATE = 1e-6  # so small that learning leaves the activity as it is
LEAD = 200.0  # ms that nobody measures, after which no neuron remembers the start
SPREAD = 0.5  # standard deviation of the summed weights of a neuron, whatever its in-degree

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A network, and for how long it is run: ``instances`` disjoint copies of ``size`` neurons with ``inputs`` synapses
    each. ``panel`` names the quantity that its neighbours in the figure differ in."""

    panel: str
    size: int = 1000
    inputs: int = 100
    bias: float = 0.0
    dt: float = 0.2
    instances: int = 1
    learning: bool = False
    steps: int = 0

    @property
    def neurons(self) -> int:
        """Of all instances."""
        return self.size * self.instances

    @property
    def neuron_steps(self) -> int:
        """What a time is divided by."""
        return self.neurons * self.steps

    @property
    def label(self) -> str:
        """A name of one line."""
        copies = f"{self.instances} x " if self.instances > 1 else ""
        rule = ", SAL" if self.learning else ""
        return f"{copies}{self.size} neurons, in-degree {self.inputs}, bias {self.bias:g}, dt {self.dt:g} ms{rule}"


@dataclass(frozen=True)
class Synapses:
    """Those of one instance, (S,), sorted by ``post``."""

    post: Integers
    pre: Integers
    weight: Floats

    def copied(self, case: Case) -> Synapses:
        """Those of all instances, numbered through."""
        first = (np.arange(case.instances) * case.size)[:, None]
        post, pre = ((first + end).ravel() for end in (self.post, self.pre))
        return Synapses(post, pre, np.tile(self.weight, case.instances))


def synapses(case: Case) -> Synapses:
    """Every neuron has as many inputs, from different neurons and never from itself; weights are normal around zero."""
    random, size, inputs = np.random.default_rng(case.size + case.inputs), case.size, case.inputs
    # distinct numbers below size - 1: sorted numbers with room for it, each moved by its place
    drawn = np.sort(random.integers(0, size - inputs, (size, inputs)), axis=1) + np.arange(inputs)
    own = np.arange(size)[:, None]
    pre = drawn + (drawn >= own)
    weight = random.normal(0.0, SPREAD / np.sqrt(inputs), size * inputs)
    return Synapses(np.repeat(np.arange(size), inputs), pre.ravel(), weight)


def cases(quick: bool) -> list[Case]:
    """Neighbours of a network of 1,000 neurons in each direction, and the same with learning."""
    base, learning = Case("size"), Case("size", learning=True)
    varied = [replace(each, size=size) for each in (base, learning) for size in (300, 1000, 3000, 10_000)]
    varied += [Case("in-degree", inputs=inputs) for inputs in (10, 30, 300)]
    varied += [Case("rate", bias=bias) for bias in (-3.0, -1.5, 2.0)]
    varied += [Case("dt", dt=dt) for dt in (1.0, 0.05)]
    varied += [Case("batch", size=100, inputs=50, instances=instances) for instances in (1, 8, 64)]
    if quick:
        varied = [base, learning, Case("size", size=10_000), Case("batch", size=100, inputs=50, instances=64)]
    return [replace(case, steps=steps(case, quick)) for case in varied]


def steps(case: Case, quick: bool) -> int:
    """So many that the slowest takes some seconds and the fastest 20 ms, beside which it costs little that a processor
    wakes up: whole multiples of 100 ms, in which rules may be updated."""
    wanted = (2e6 if quick else 8e6) / case.neurons
    period = round(100.0 / case.dt)
    return period * max(1, round(wanted / period))
