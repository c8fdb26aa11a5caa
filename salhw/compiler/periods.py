"""How often what reads traces wants to look at them: whenever they have seen all that they look back at anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from salhw.description.fields import Model
from salhw.description.network import Network
from salhw.description.traces import named_traces
from salhw.diagnostics import Diagnostic
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import any_time, nearest_step


def window_length(net: Network, item: Model) -> float | None:
    """How far the traces that an item names look back, in ms, the longest of them; None if it names none."""
    return max((net.trace(name).window.length for name in named_traces(item)), default=None)


def of_windows(
    net: Network, item: Model, capability: Capability, findings: Iterable[Diagnostic]
) -> Iterator[Diagnostic]:
    """The findings about an item, of which those about when it acts name the period of its traces in their fix."""
    declared, length = capability.get("every"), window_length(net, item)
    within = declared if isinstance(declared, Range) else any_time(net.dt)
    for finding in findings:
        field = finding.path.rpartition(".")[2]
        period = f"{nearest_step(length or 0.0, within, net.dt)} ms"
        fixes = {"update": f'update = "every {period}"', "every": f"every = {period}"}
        named = length is not None and field in fixes and "every" in finding.fix
        yield replace(finding, fix=fixes[field]) if named else finding
