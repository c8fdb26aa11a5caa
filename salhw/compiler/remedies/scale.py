"""A remedy for weights beyond the range: the same input to neurons from smaller weights and larger PSPs."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log2

import numpy as np

from salhw.compiler.edits import edited
from salhw.compiler.remedies.remedy import Proposal
from salhw.compiler.remedies.shapes import area, with_area, with_weights_times
from salhw.compiler.remedies.values import changeable, declared
from salhw.description.connectivity import Connector
from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target


def weight_scale(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """Weights, bounds and learning rates divided by a power of two, so that they are in range, and a PSP that is as
    much larger, where the target's have an area of their own: what neurons receive is the same to the last bit."""
    place = changeable(net, finding.path)
    if place is None or place.field not in ("weights", "bounds"):
        return
    p = net.projection(place.part.split(".")[1])
    entry = declared(net, target, place).get(place.field)
    if not isinstance(entry, Range) or not isinstance(target.kernels.get(p.kernel.kind, {}).get("area"), Range):
        return
    if any(p.name in (tie.projection, tie.to) for tie in net.ties):  # copies would not follow other weights
        return
    value = getattr(place.item, place.field)
    numbers = np.asarray(value.stored if isinstance(value, Connector) else value, dtype=np.float64)
    ends = ((float(numbers.max(initial=0.0)), entry.max), (float(numbers.min(initial=0.0)), entry.min))
    share = min((limit / end for end, limit in ends if end and abs(end) > abs(limit)), default=1.0)
    if 0.0 < share < 1.0:
        factor = 2.0 ** floor(log2(share))
        yield edited(
            net,
            {f"projections.{p.name}.kernel": with_area(p.kernel, area(p.kernel) / factor)}
            | with_weights_times(p, factor),
        )
