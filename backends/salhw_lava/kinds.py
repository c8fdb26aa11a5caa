"""The kinds that Loihi 2 knows. Others are refused before anything else, whatever a target declares."""

from __future__ import annotations

from typing import Any

from salhw.description.kinds import ByKind
from salhw.description.probes import Membrane, Spikes, StateOccupancy, Weights
from salhw_lava.arithmetic import BACKEND
from salhw_lava.psps import PSPS
from salhw_lava.rules import RULES, WINDOWS
from salhw_lava.stimuli import STIMULI
from salhw_lava.words import NEURON_KINDS

PROBES = ByKind(BACKEND, {Spikes: False, Membrane: True, Weights: False, StateOccupancy: False})
"""Whether the potentials of the population are recorded for it."""

KNOWN: dict[str, ByKind[Any]] = {
    "neurons": NEURON_KINDS, "kernels": PSPS, "plasticity": RULES, "windows": WINDOWS, "stimuli": STIMULI,
    "probes": PROBES,
}  # fmt: skip
"""The kinds that Loihi 2 knows, by section of the target; a connector of any kind runs."""
