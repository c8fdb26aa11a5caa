"""Where neurons and synapses lie on the target, and whether they fit."""

from __future__ import annotations

from itertools import accumulate

from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.session.placement import Placement
from salhw.substrate.target import Target


def place(net: Network, target: Target) -> tuple[Placement, list[Diagnostic]]:
    """Neurons one after the other in the order of the populations; findings where a resource runs out, at the first
    population or projection that does not fit beside those before it."""
    size = {p.name: p.size for p in net.populations}
    demand = {
        "neurons": {f"populations.{name}": neurons for name, neurons in size.items()},
        "synapses": {
            f"projections.{p.name}": target.synapses_per_weight.get(p.name, 1) * count(p.weights, *net.ends(p.name))
            for p in net.projections
        },
    }
    findings = [
        finding
        for resource, available in target.resources.items()
        for finding in _overflow(resource, demand.get(resource, {}), available)
    ]
    first = dict(zip(size, accumulate(size.values(), initial=0), strict=False))
    used = {name: sum(counts.values()) for name, counts in demand.items()}
    return Placement(first, used, target.synapses_per_weight), findings


def _overflow(resource: str, counts: dict[str, int], available: int) -> list[Diagnostic]:
    total = sum(counts.values())
    if total <= available:
        return []
    after = accumulate(counts.values())
    path = next(path for path, filled in zip(counts, after, strict=True) if filled > available)
    asked = f"{total} {resource}" + (" with the others" if len(counts) > 1 else "")
    return [Diagnostic("SAL201", path, asked, f"{available} available", f"fewer {resource}, or several chips")]
