"""PSPs of a list of inputs, step by step: what Neurons and Leaky make of the spikes that arrive."""

import numpy as np

FRACTION = 6  # bits behind the point of an exponential PSP, beyond those of a weight
DECAY = 12  # bits of its decay factor


class Psps:
    """Rectangular PSPs from a ring of what arrived, exponential ones by a factor per step; floats or integers.

    Args:
        p: ``input_length`` (steps of a rectangular PSP, 0 for an exponential one), ``input_decay`` and ``input_post``.
        kind: float, or np.int64 for fixed point.
        neurons: how many there are.
    """

    def __init__(self, p, kind, neurons: int) -> None:
        self.kind, self.neurons = kind, neurons
        self.length, self.decay, self.post = p["input_length"], p["input_decay"], p["input_post"]
        self.rectangular = self.length > 0
        self.any_rectangular, self.any_decaying = bool(self.rectangular.any()), not self.rectangular.all()
        self.ring = np.zeros((max(1, int(self.length.max(initial=1))), len(self.post)), kind)
        self.psp = np.zeros(len(self.post), kind)
        self.each = np.arange(len(self.post))

    def per_neuron(self, now: int, arrived: np.ndarray) -> np.ndarray:
        """The sum of each neuron's PSPs at step ``now``."""
        total = np.bincount(self.post, self.step(now, arrived), self.neurons)
        return total.astype(self.kind)

    def step(self, now: int, arrived: np.ndarray) -> np.ndarray:
        """One number per input."""
        if self.any_rectangular:
            slot = (now - self.length) % len(self.ring)
            self.psp += np.where(self.rectangular, arrived - self.ring[slot, self.each], 0)
            self.ring[now % len(self.ring)] = arrived
        if not self.any_decaying:
            return self.psp
        if self.kind is float:
            self.psp = np.where(self.rectangular, self.psp, (self.psp + arrived) * self.decay)
            return self.psp
        fresh = (self.psp + (arrived.astype(np.int64) << FRACTION)) * self.decay
        fresh = np.sign(fresh) * (np.abs(fresh) >> DECAY)
        self.psp = np.where(self.rectangular, self.psp, fresh)
        return np.where(self.rectangular, self.psp, np.sign(fresh) * (np.abs(fresh) >> FRACTION))
