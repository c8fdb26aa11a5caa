"""The kinds of things that NEST, and its host, have something for."""

from __future__ import annotations

from typing import Any

from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.plasticity import PairSTDP, PerSpike, TripletSTDP
from salhw.description.windows import ExponentialWindow, TriangularWindow
from salhw.diagnostics import Diagnostic
from salhw.session.lowering import unknown_kinds, unknown_windows
from salhw.substrate.target import Target
from salhw_nest.kernels import KERNELS, NEST, SHORT_TERM
from salhw_nest.neurons import NEURONS
from salhw_nest.probes import PROBES
from salhw_nest.stimuli import STIMULI

RULES = ByKind(NEST, {PairSTDP: None, PerSpike: None, TripletSTDP: None})
WINDOWS = ByKind(NEST, {ExponentialWindow: None})
HOST_WINDOWS = ByKind("the host of nest", {ExponentialWindow: None, TriangularWindow: None})


KNOWN: dict[str, ByKind[Any]] = {
    "neurons": NEURONS, "kernels": KERNELS, "plasticity": RULES, "windows": HOST_WINDOWS, "stimuli": STIMULI,
    "probes": PROBES, "short_term": SHORT_TERM,
}  # fmt: skip
"""The kinds that NEST or its host have something for; connectors list their synapses themselves: any will do."""


def unknown(net: Network, target: Target) -> list[Diagnostic]:
    """Everything in a network of a kind that NEST has nothing for, whatever ``target`` declares."""
    return unknown_kinds(net, KNOWN) or unknown_windows(net, target, WINDOWS)
