"""PSPs of a list of inputs, step by step: what Neurons and Leaky make of the spikes that arrive."""

import numpy as np

FRACTION = 24  # bits behind the point of a PSP in fixed point: a second word of 24 bits


class Psps:
    """Rectangular PSPs, which end when their time has come, and exponential ones, which lose a share in each step.

    In floating point the share that is kept is a factor. In fixed point a PSP is an integer in steps of 2^-24 of a
    weight's; what it loses in a step is ``decay * 2^-shift`` of it, rounded up, so that it ends at zero.

    Args:
        p: ``input_length`` (steps of a rectangular PSP, 0 for an exponential one), ``input_decay``, ``input_shift`` and
            ``input_post``.
        kind: float, or np.int64 for fixed point.
        neurons: how many there are.
    """

    def __init__(self, p, kind, neurons: int) -> None:
        self.kind, self.neurons, self.post = kind, neurons, p["input_post"]
        self.decay, self.shift = p["input_decay"], p["input_shift"]
        self.up = (np.int64(1) << self.shift) - 1
        length = p["input_length"]
        self.decays = not bool(length.all())
        self.rectangular = {int(steps): np.flatnonzero(length == steps) for steps in np.unique(length[length > 0])}
        self.ending = {}  # step -> [(inputs, what ends there)]
        self.psp = np.zeros(len(self.post), kind)

    def per_neuron(self, now: int, arrived: np.ndarray, bits=0) -> np.ndarray:
        """The sum of each neuron's PSPs at step ``now``; in fixed point in steps of 2^-bits of a weight's."""
        self.step(now, arrived if self.kind is float else arrived.astype(np.int64) << FRACTION)
        total = np.bincount(self.post, self.psp, self.neurons).astype(self.kind)  # exact: below 2^53
        if self.kind is float:
            return total
        rest = FRACTION - bits
        return (total + (np.int64(1) << (rest - 1))) >> rest

    def step(self, now: int, arrived: np.ndarray) -> None:
        """What ends, arrives and decays."""
        for inputs, amount in self.ending.pop(now, ()):
            self.psp[inputs] -= amount
        for length, members in self.rectangular.items():
            some = members[arrived[members] != 0]
            if len(some):
                self.ending.setdefault(now + length, []).append((some, arrived[some]))
        self.psp = self.psp + arrived
        if self.kind is float:
            self.psp *= self.decay
        elif self.decays:
            self.psp -= np.sign(self.psp) * ((np.abs(self.psp) * self.decay + self.up) >> self.shift)
