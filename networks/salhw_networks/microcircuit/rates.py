"""The rate model of feedback alignment in chains of single neurons: Eq 37 where nothing fluctuates.

A neuron with potential u is active for a share sigmoid(u) of the time, so that is what its PSPs are on average.
"""

from __future__ import annotations

import numpy as np

from salhw import GLM, Teacher
from salhw.description.fields import FloatArray
from salhw.description.kinds import of_kind
from salhw_networks.microcircuit.network import TAU_REF
from salhw_networks.microcircuit.training import Protocol, described

STEPS = 40  # of an epoch


def feedback_alignment(protocol: Protocol, teacher: FloatArray, start: FloatArray, epochs: int) -> FloatArray:
    """The course of W10 and W21 by Eq 37, averaged over the training patterns of a protocol, (epoch + 1, 2, seed).

    Args:
        teacher: its W10 and W21.
        start: W10, W21 and B12 before the first epoch, (3, seed).
    """
    net = described(protocol, (1, 1, 1), "FA")
    hidden, output = (net.projection(name).plasticity[0].learning_rate for name in ("W10", "W21"))
    nudging = of_kind(net.stimuli[0], Teacher, "the rate model").gain
    bias = of_kind(net.population("P1").neuron, GLM, "the rate model").bias
    shown = sigmoid(np.array(protocol.training))[:, None]

    def forward(w10: FloatArray, w21: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The hidden potential, how active its neuron is, and the output's potential, (pattern, seed)."""
        u1 = bias + w10 * shown
        return u1, sigmoid(u1), bias + w21 * sigmoid(u1)

    *_, target = forward(*teacher)
    learned = protocol.shown * (protocol.present - protocol.lag) / TAU_REF / STEPS  # spikes of a neuron always active
    w10, w21, b12 = start
    course = [(w10, w21)]
    for _ in range(epochs):
        for _ in range(STEPS):
            u1, active, u2 = forward(w10, w21)
            nudged = u2 + nudging * (target - u2)
            error = protocol.apical * b12 * (sigmoid(nudged) - sigmoid(u2))  # what the interneuron does not predict
            w10 = w10 + hidden * learned * ((phi(u1 + error) - phi(u1)) * shown).mean(axis=0)
            w21 = w21 + output * learned * ((phi(nudged) - phi(u2)) * active).mean(axis=0)
        course.append((w10, w21))
    return np.array(course)


def sigmoid(u: FloatArray) -> FloatArray:
    """1 / (1 + exp(-u))."""
    return np.asarray(1.0 / (1.0 + np.exp(-u)))


def phi(u: FloatArray) -> FloatArray:
    """A neuron's chance to spike in a step of 1 ms."""
    return sigmoid(u - np.log(TAU_REF))
