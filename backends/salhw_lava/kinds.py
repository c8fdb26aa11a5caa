"""The kinds that Loihi 2 knows. Others are refused before anything else, whatever a target declares."""

from __future__ import annotations

from typing import Any

from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.probes import Membrane, Rates, Spikes, StateOccupancy, Weights
from salhw.description.windows import ExponentialWindow, TriangularWindow
from salhw.diagnostics import Diagnostic
from salhw.session.lowering import unknown_kinds, unknown_windows
from salhw.substrate.target import Target
from salhw_lava.arithmetic import BACKEND
from salhw_lava.psps import PSPS
from salhw_lava.rules import RULES, WINDOWS
from salhw_lava.stimuli import STIMULI
from salhw_lava.words import NEURON_KINDS

PROBES = ByKind(BACKEND, {Spikes: False, Rates: False, Membrane: True, Weights: False, StateOccupancy: False})
"""Whether the potentials of the population are recorded for it."""

HOST_WINDOWS = ByKind("the host of loihi2", {ExponentialWindow: None, TriangularWindow: None})

KNOWN: dict[str, ByKind[Any]] = {
    "neurons": NEURON_KINDS, "kernels": PSPS, "plasticity": RULES, "windows": HOST_WINDOWS, "stimuli": STIMULI,
    "probes": PROBES, "short_term": ByKind(BACKEND, {}),
}  # fmt: skip
"""The kinds that Loihi 2 or its host knows, by section of the target; a connector of any kind runs."""


def unknown(net: Network, target: Target) -> list[Diagnostic]:
    """Everything in a network of a kind that Loihi 2 has nothing for, whatever ``target`` declares."""
    return unknown_kinds(net, KNOWN) or unknown_windows(net, target, WINDOWS)
