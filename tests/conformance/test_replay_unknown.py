"""What the oracle cannot know, as rounding grows without end in steps that are too long, is compared with nothing."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import GLM, LIF, AdEx, Izhikevich
from salhw.conformance.replay import random_network
from salhw.conformance.replay.cells import CELLS, UNDECIDED, Moment
from salhw.description.neurons import Neuron

NEURONS = [GLM(), GLM(discretisation="exact"), LIF(), LIF(delta_v=0.1), AdEx(), AdEx(delta_v=0.1), Izhikevich()]


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda neuron: neuron.kind)
def test_a_drive_that_is_no_number_decides_nothing(neuron: Neuron) -> None:
    one = np.ones((1, 1))
    yes, no, nothing = one > 0.0, one < 0.0, 0.0 * one
    state = tuple(np.broadcast_to(value, (1, 1)) + 0.0 for value in CELLS[neuron].begins(neuron))
    for drive, decider in ((np.nan, {UNDECIDED}), (0.0, {0, 4})):  # else chance, or a threshold
        moment = Moment(
            dt=1.0, drive=drive * one, conductance=nothing, pull=nothing, free=yes, clamped=no, state=no, forced=no,
            expected=nothing, feedback=nothing, off=nothing, solved=0.0, fading={},
        )  # fmt: skip
        with np.errstate(invalid="ignore"):
            assert {*CELLS[neuron].decides(neuron, moment, state)[2].ravel().tolist()} <= decider


def test_teachers_of_random_neurons_in_millivolts_are_gentle() -> None:
    gains = []
    for seed in range(20):
        net = random_network(salhw.target("reference"), seed)
        taught = [
            s for s in net.stimuli if s.kind == "Teacher" and net.population(s.population).neuron.kind == "Izhikevich"
        ]
        gains += [float(np.abs(s.gain).max()) for s in taught]
    assert 0.0 < max(gains, default=0.0) < 0.2
