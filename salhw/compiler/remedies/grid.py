"""Remedies for the time grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from salhw.compiler.edits import edited, parts
from salhw.compiler.remedies.remedy import Proposal
from salhw.description.markers import marks
from salhw.description.network import Network
from salhw.description.plasticity import PlasticityRule
from salhw.description.stimuli import SpikeTimes
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target

MOST = 64
"""The largest factor by which a step is made longer or shorter."""
DECADE = (1.0, 1.25, 2.0, 2.5, 4.0, 5.0, 8.0)
"""Steps that divide ten."""


def step(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """The nearest step of which all times are multiples; then the nearest round one, with all times moved onto it."""
    if finding.path != "dt":
        return
    multiples = [net.dt * k for k in range(2, MOST)] + [net.dt / k for k in range(2, MOST)]
    for dt in _nearest_first(net, target, multiples):
        yield edited(net, {"dt": dt})
    for dt in round_steps(net, target):
        yield on_grid(net, dt)


def round_steps(net: Network, target: Target) -> list[float]:
    """Round steps that the target has, and the ends of its range, the nearest to the network's first."""
    low, high = _range(net, target)
    return _nearest_first(net, target, [low, high, *(x * 10.0**power for x in DECADE for power in range(-4, 4))])


def _nearest_first(net: Network, target: Target, steps: Iterable[float]) -> list[float]:
    low, high = _range(net, target)
    allowed = {dt for dt in (float(number(step)) for step in steps) if low <= dt <= high}
    return sorted(allowed, key=lambda dt: (abs(np.log(dt / net.dt)), dt))


def _range(net: Network, target: Target) -> tuple[float, float]:
    allowed = target.network.get("dt")
    return (allowed.min, allowed.max) if isinstance(allowed, Range) else (net.dt, net.dt)


def on_grid(net: Network, dt: float) -> Network | None:
    """The network in steps of ``dt`` ms, with every time that has to lie on the grid moved to the nearest step; None
    if that means nothing (two forced spikes in one step)."""
    changes: dict[str, Any] = {"dt": dt}
    for path, item in parts(net):
        for name, mark in marks(type(item)):
            if mark.grid is not None and (time := getattr(item, name)) is not None:
                changes[f"{path}.{name}"] = nearest(time, dt, mark.grid)
        if isinstance(item, PlasticityRule) and item.period is not None:
            changes[f"{path}.update"] = f"every {number(nearest(item.period, dt, 1))} ms"
        if isinstance(item, SpikeTimes):
            changes[f"{path}.times"] = tuple(np.rint(train / dt) * dt for train in item.times)
    return edited(net, changes)


def nearest(time: Any, dt: float, least: int) -> Any:
    """The nearest whole number of steps, ``least`` of them at least, in ms; of each time of an array."""
    if isinstance(time, np.ndarray):
        return np.array([nearest(each, dt, least) for each in time.ravel().tolist()]).reshape(time.shape)
    return float(number(max(round(time / dt), least) * dt))
