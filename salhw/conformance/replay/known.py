"""The kinds that can be replayed, by section of a target: those that the oracle knows, and can be drawn at random."""

from __future__ import annotations

from typing import Any

from salhw.conformance.replay.cells import AVERAGES, CELLS
from salhw.conformance.replay.connectors import CONNECTORS
from salhw.conformance.replay.learners import RULES
from salhw.description.kinds import ByKind
from salhw.description.probes import (
    Membrane,
    Rates,
    Spikes,
    StateOccupancy,
    SynapseVariable,
    Traces,
    Variable,
    Weights,
)
from salhw.description.stimuli import Clamp, Current, NoisyCurrent, Poisson, SpikeTimes, Teacher

PROBES: ByKind[None] = ByKind(
    "the replay oracle",
    dict.fromkeys([Spikes, Rates, Membrane, Variable, SynapseVariable, Weights, StateOccupancy, Traces]),
)
STIMULI: ByKind[None] = ByKind(
    "the replay oracle", dict.fromkeys([Poisson, SpikeTimes, Clamp, Current, NoisyCurrent, Teacher])
)
REPLAYED: dict[str, ByKind[Any]] = {
    "neurons": CELLS, "stimuli": STIMULI, "plasticity": RULES, "averages": AVERAGES, "probes": PROBES,
    "connectivity": CONNECTORS,
}  # fmt: skip
"""Kernels and windows are not among them: their ``shape`` says what they are, so that any kind can be replayed."""
