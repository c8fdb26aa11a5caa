"""A reference phase in the plasticity processor: what it counts while the weights are silent, and takes from each
change afterwards, as data and element by element. What a phase means is in docs/semantics.md; the C++ of ppu_program.py
computes the same, bit for bit.

| quantity | format |
|---|---|
| spikes | 8 bit, of a neuron's counter since the last update; it saturates |
| sum of changes | 32 bit with sign, unit of a change; beside it 32 bit for the sum of the products of both counts |
| error | 32 bit with sign, 2^-8 units of a change per product: their quotient to the nearest, in the place of the sum |
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from salhw.description.fields import IntArray
from salhw_brainscales2.hardware import processor

ERROR_BITS = 8
"""Bits of an error below the unit of a change: over an hour of updates what they leave away stays below a code."""
COUNTER_MAX = 255
MOST_PRODUCTS = 1 << (32 - ERROR_BITS)
"""A sum of products below it can be divided by with 32 bits."""
LARGEST = (1 << 15) - 1
"""Whole units of an error, at most: a larger one takes all that a change can be."""
BYTES = 12
"""Of each synapse: the two sums, and its code while it is silent, in words of four."""
COUNTER_TIME, SYNAPSE_TIME = 0.0005, 0.0003
"""ms of hardware time to read and reset a neuron's counter, and for a synapse's product: estimates, which nobody has
measured on a chip."""


@dataclass(frozen=True)
class PhaseProgram:
    """When the processor measures its own error.

    Args:
        pre: column of each synapse's presynaptic neuron, (S,), in the hemisphere of the synapse.
        updates: of a phase.
        every: updates from the end of one phase to the beginning of the next; 0 for a single phase.
    """

    pre: IntArray
    updates: int
    every: int


@dataclass(frozen=True)
class PhaseMemory:
    """What the processor keeps of each synapse, (B, S): sums of ``change`` and ``products`` in a phase, the ``error``
    that the last one has found."""

    change: IntArray
    products: IntArray
    error: IntArray

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> PhaseMemory:
        """As before any phase."""
        return cls(*(np.zeros(shape, dtype=np.int64) for _ in range(3)))


def busy(neurons: int, synapses: int, speed_up: float = 1000.0) -> float:
    """ms of *biological* time that an update takes longer for so many neurons and synapses."""
    return (neurons * COUNTER_TIME + synapses * SYNAPSE_TIME) * speed_up


def spike_products(phase: PhaseProgram, column: IntArray, spikes: IntArray) -> IntArray:
    """The product of both neurons' spikes since the last update for each synapse, (B, S).

    Args:
        column: of the synapses, (S,).
        spikes: of the neuron of each column, (B, column).
    """
    counted = np.minimum(spikes, COUNTER_MAX)
    return np.asarray(counted[:, column] * counted[:, phase.pre])


def begun(memory: PhaseMemory) -> PhaseMemory:
    """Nothing is counted yet."""
    return replace(PhaseMemory.empty(memory.error.shape), error=memory.error)


def counted(memory: PhaseMemory, change: IntArray, products: IntArray) -> PhaseMemory:
    """After an update within a phase."""
    return PhaseMemory(memory.change + change, memory.products + products, memory.error)


def concluded(memory: PhaseMemory) -> PhaseMemory:
    """After a phase: the error is the sum of changes over that of products, to the nearest, halves away from zero; 0
    where there were no products. The sums begin anew."""
    size, products = np.abs(memory.change), np.maximum(memory.products, 1)
    whole, rest = np.minimum(size // products, LARGEST), size % products
    error = (whole << ERROR_BITS) + ((rest << ERROR_BITS) + products // 2) // products
    return begun(replace(memory, error=np.where(memory.products > 0, np.sign(memory.change) * error, 0)))


def correction(memory: PhaseMemory, products: IntArray) -> IntArray:
    """What an update takes from each change, 16 bit, to the nearest."""
    return processor.saturate((memory.error * products + (1 << ERROR_BITS >> 1)) >> ERROR_BITS, 16)
