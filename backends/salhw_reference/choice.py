"""Which of the algorithms runs a network, and why."""

from __future__ import annotations

from salhw.description.network import Network
from salhw.substrate.target import Target
from salhw_reference.kinds import NEURONS, PROBES, PSPS

SMALL = 64  # neurons up to which waiting for events beats visiting every neuron at every step


def choose_algorithm(net: Network, target: Target) -> tuple[str, str]:
    """The algorithm for a network and why; without one, what is supported instead of the one that was asked for."""
    wanted = str(target.option("algorithm"))
    traced = "traces, which only the time-driven algorithm keeps" if net.traces else ""
    refusals = {"event-driven": traced or _not_event_driven(net), "time-driven": "", "vectorised": traced}
    if wanted in refusals:
        others = ", ".join(["auto", *(name for name, reason in refusals.items() if not reason)])
        return ("", f"{others}; {refusals[wanted]}") if refusals[wanted] else (wanted, "as asked")
    if sum(p.size for p in net.populations) > SMALL and not traced:
        return "vectorised", f"more than {SMALL} neurons"
    if reason := refusals["event-driven"]:
        return "time-driven", reason
    return "event-driven", "exact for the discrete-time chain"


def _not_event_driven(net: Network) -> str:
    """Why the event-driven algorithm cannot run a network; empty if it can."""
    reasons = [
        *(NEURONS[p.neuron](p.neuron, net.dt).stepwise for p in net.populations),
        *(PSPS[p.kernel].stepwise for p in net.projections),
        *(PROBES[probe] for probe in net.probes),
    ]
    return next(filter(None, reasons), "")
