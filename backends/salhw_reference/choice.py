"""Which of the algorithms runs a network, and why."""

from __future__ import annotations

from salhw.description.network import Network
from salhw.substrate.target import Target
from salhw_reference.kinds import NEURONS, PROBES, PSPS

SMALL = 64  # neurons up to which waiting for events beats visiting every neuron at every step


def choose_algorithm(net: Network, target: Target) -> tuple[str, str]:
    """The algorithm for a network and why; without one, what is supported instead of the one that was asked for."""
    wanted, neurons = target.option("algorithm"), sum(p.size for p in net.populations)
    stepwise, scalar = _not_event_driven(net), _not_vectorised(net)
    if wanted == "time-driven":
        return "time-driven", "as asked"
    if wanted == "event-driven":
        return ("", f"auto, time-driven; {stepwise}") if stepwise else ("event-driven", "as asked")
    if wanted == "vectorised":
        return ("", f"auto, time-driven; {scalar}") if scalar else ("vectorised", "as asked")
    if not stepwise and neurons <= SMALL:
        return "event-driven", "exact for the discrete-time chain"
    if not scalar and neurons > SMALL:
        return "vectorised", f"more than {SMALL} neurons"
    return "time-driven", stepwise or scalar


def _not_event_driven(net: Network) -> str:
    """Why the event-driven algorithm cannot run a network; empty if it can."""
    return next(filter(None, [_not_vectorised(net), *(PROBES[probe] for probe in net.probes)]), "")


def _not_vectorised(net: Network) -> str:
    """Why the vectorised algorithm cannot run a network; empty if it can."""
    reasons = [
        *(NEURONS[p.neuron](p.neuron, net.dt).stepwise for p in net.populations),
        *(PSPS[p.kernel].stepwise for p in net.projections),
    ]
    return next(filter(None, reasons), "")
