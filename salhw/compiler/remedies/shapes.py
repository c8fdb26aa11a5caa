"""Remedies for the shapes of PSPs and of windows: other kinds and time constants, with the area and the mean lag of
what was written as far as the target can."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, inf
from typing import Any

import numpy as np

from salhw.compiler.edits import edited, locate
from salhw.compiler.remedies.remedy import Proposal
from salhw.compiler.remedies.rules import capability, rule_at
from salhw.description.kernels import Kernel
from salhw.description.markers import mark_of
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.windows import Window
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.target import Target

FINE, LONG = 20_000, 40.0
"""Points, and time constants, over which the mean lag of a shape is summed: to 1e-5 of itself."""


def kernel(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """Another PSP: that of another projection onto the same neurons, or of any kind that the target has."""
    place = locate(net, finding.path)
    if place is None or not isinstance(place.item, Kernel) or place.field == "superposition":
        return
    path, written = place.part, place.item
    p = net.projection(path.removeprefix("projections.").removesuffix(".kernel"))
    beside = [other.kernel for other in net.projections if other.post == p.post and other.name != p.name]
    tied = any(p.name in (tie.projection, tie.to) for tie in net.ties)  # copies would not follow other weights
    candidates = [*_like(written, beside, target), *_ranked(written, target, net.dt)]
    for changed, factor in candidates:
        if changed != written and (factor == 1.0 or not tied):
            scaled = {} if factor == 1.0 else with_weights_times(p, factor)
            yield edited(net, {path: changed, **scaled})


def with_weights_times(p: Projection, factor: float) -> dict[str, Any]:
    """The changes that make a projection's weights, bounds and learning rates ``factor`` times as large: with a PSP
    that is as much smaller, nothing else changes."""
    path = f"projections.{p.name}"
    changes: dict[str, Any] = {f"{path}.weights": np.multiply(p.weights.stored, factor)}
    for k, rule in enumerate(p.plasticity):
        at = f"{path}.{rule_name(p, k)}"
        changes[f"{at}.learning_rate"] = np.multiply(rule.learning_rate, factor)
        if rule.bounds is not None:
            changes[f"{at}.bounds"] = tuple(factor * bound for bound in rule.bounds)
    return changes


def area(kernel: Kernel) -> float:
    """The integral of a PSP in ms."""
    return kernel.tau_syn if kernel.area is None else kernel.area


def _like(written: Kernel, beside: list[Kernel], target: Target) -> Iterator[tuple[Kernel, float]]:
    """The PSPs of other projections, with the area of this one, and by what its weights are then multiplied."""
    for other in sorted(beside, key=lambda kernel: abs(lag(kernel) - lag(written))):
        if "area" in target.kernels.get(other.kind, {}):
            yield with_area(other, area(written)), 1.0
        else:
            yield other, area(written) / area(other)


def with_area(kernel: Kernel, wanted: float) -> Kernel:
    """The PSP with another integral in ms."""
    return kernel.replace(area=None if abs(wanted / kernel.tau_syn - 1.0) < 1e-9 else wanted)


def _ranked(written: Kernel, target: Target, dt: float) -> list[tuple[Kernel, float]]:
    """PSPs of the target's kinds with what their weights are multiplied by, the best first: the area counts most, as it
    is the mean input; then that the weights stay as they are, then the mean lag, then how much of it lies elsewhere."""
    made = []
    for kind, declared in target.kernels.items():
        cls = Kernel.members.get(kind)
        unit = None if cls is None else _made(cls, tau_syn=1.0, superposition=written.superposition)
        if cls is None or unit is None:
            continue
        same_lag = _allowed_tau(cls, declared, float(f"{lag(written) / lag(unit):.5g}"), dt)  # known to as many digits
        same_area = _allowed_tau(cls, declared, area(written), dt)
        if "area" in declared:
            wanted = _clipped(area(written), declared.get("area"))
            options = [({"tau_syn": same_lag, "area": wanted}, 1.0)]
        else:
            options = [({"tau_syn": same_area}, 1.0), ({"tau_syn": same_lag}, area(written) / (same_lag or 1.0))]
        for fields, factor in options:
            new = None if fields["tau_syn"] is None else _made(cls, **fields, superposition=written.superposition)
            if new is not None:
                made.append((with_area(new, area(new)), factor))

    def off(candidate: tuple[Kernel, float]) -> tuple[float, bool, float, float]:
        new, factor = candidate
        missing = abs(area(new) * factor / area(written) - 1.0)
        late = abs(lag(new) / lag(written) - 1.0)
        return round(missing, 6), factor != 1.0, round(late, 4), _elsewhere(new, factor, written)

    return sorted(made, key=off)


def _elsewhere(new: Kernel, factor: float, written: Kernel) -> float:
    """How much of a PSP lies elsewhere: the integral of the difference."""
    step = LONG * max(new.tau_syn, written.tau_syn) / FINE
    at = np.arange(0.5, FINE, dtype=np.float64) * step
    return float(np.abs(factor * new.shape(at) - written.shape(at)).sum()) * step


def lag(shape: Kernel | Window) -> float:
    """The mean time in ms after a spike, weighted with the shape: its first moment over its area."""
    tau = shape.tau_syn if isinstance(shape, Kernel) else shape.tau
    return _moments(shape, tau)[1]


def _moments(shape: Kernel | Window, tau: float) -> tuple[float, float]:
    """Area and mean lag of a shape without its amplitude."""
    step = LONG * tau / FINE
    at = np.arange(0.5, FINE, dtype=np.float64) * step
    height = shape.shape(at)
    total = float(height.sum())
    return total * step, float((height * at).sum()) / total if total else tau


def _made(cls: type[Any], **fields: Any) -> Any:
    """One of a kind; None if these fields mean nothing to it, or are not all that it needs."""
    try:
        return cls(**fields)
    except (DescriptionError, TypeError):
        return None


def _clipped(value: float, entry: object) -> float:
    return min(max(value, entry.min), entry.max) if isinstance(entry, Range) else value


def _allowed_tau(cls: type[Kernel], declared: Capability, tau: float, dt: float) -> float | None:
    """The nearest time constant in range, a whole number of steps where the kind asks for it; None if there is none."""
    entry, least = declared.get("tau_syn"), mark_of(cls, "tau_syn").grid
    low, high = (entry.min, entry.max) if isinstance(entry, Range) else (0.0, inf)
    if least is None:
        return min(max(tau, low), high)
    first, last = max(least, ceil(low / dt - 1e-9)), floor(min(high / dt, 2.0**53) + 1e-9)
    return min(max(round(tau / dt), first), last) * dt if first <= last else None


def window(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """A window of another kind with the same area and mean lag: that of uncorrelated spikes is the same drift."""
    place, found = locate(net, finding.path), rule_at(net, finding.path)
    if place is None or found is None or not isinstance(place.item, Window) or place.field:
        return
    written = place.item
    held, mean = _moments(written, written.tau)
    for kind in capability(target, found[1])[1]:
        cls = Window.members.get(kind)
        unit = None if cls is None or kind == written.kind else _made(cls, tau=1.0)
        if cls is not None and unit is not None:
            own, own_mean = _moments(unit, 1.0)
            tau = mean / own_mean
            factor = float(f"{held / (own * tau):.5g}")  # of moments that are known to as many digits
            yield edited(
                net, {place.part: _made(cls, tau=float(f"{tau:.5g}"), amplitude=np.multiply(written.amplitude, factor))}
            )
