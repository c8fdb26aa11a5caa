"""Which projections learn on the chip and which by the host, where their rules allow it (``execution="host"``)."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PairSTDP
from salhw.diagnostics import Diagnostic
from salhw.session.host_plasticity import HostRules, schedule
from salhw.substrate.capabilities import Range
from salhw.substrate.support import on_chip, rule_findings
from salhw.substrate.target import Target
from salhw_lava.arithmetic import BACKEND, LARGEST_WEIGHT, Arithmetic, arithmetic
from salhw_lava.learning import EngineLimit
from salhw_lava.rules import epoch, lowered_rule

OR_HOST = ', or execution="host"'


def suits_the_engine(projection: Projection, target: Target) -> bool:
    """Whether the learning engine has the rules of a plastic projection, as far as kinds, pairings and schedules go:
    bounds, sizes and rates are another matter."""
    return all(on_chip(rule.replace(bounds=None), target) for rule in projection.plasticity)


def coincide(bounds: tuple[float, float] | None, target: Target) -> bool:
    """Whether bounds are where the chip's weights end anyway: the ends of their range, or zero and one of them, which
    is a sign mode of the connection."""
    limits = target.projections["weights"]
    if bounds is None or not isinstance(limits, Range):
        return bounds is None
    return bounds in ((limits.min, limits.max), (0.0, limits.max), (limits.min, 0.0))


def hosted(net: Network, target: Target) -> frozenset[str]:
    """The projections whose rules the host works out: all of them allow it, and the learning engine cannot.

    Args:
        target: with the weights and the learning epoch for this network (``lower.chosen``).
    """
    allowed = [p for p in net.projections if p.plasticity and all(r.execution == "host" for r in p.plasticity)]
    return frozenset(p.name for p in allowed if not _held(net, p, target))


def _held(net: Network, projection: Projection, target: Target) -> bool:
    if not suits_the_engine(projection, target) or not coincide(projection.plasticity[0].bounds, target):
        return False
    try:
        lowered_rule(net, projection, arithmetic(target), epoch(target))
    except EngineLimit:
        return False
    return True


def host_could(net: Network, projection: Projection, target: Target) -> bool:
    """Whether the host has all rules of a projection, if they only allowed it."""
    host = target.host
    return not any([*rule_findings("", rule, host, host, net.dt)] for rule in projection.plasticity)


def host_rules(net: Network, projection: Projection, instances: int) -> HostRules:
    """The rules of a projection that the host works out."""
    rules = {k: of_kind(rule, PairSTDP, BACKEND) for k, rule in enumerate(projection.plasticity)}
    return HostRules(net, projection, rules, instances)


def on_grid(weights: FloatArray, projection: Projection, units: Arithmetic) -> FloatArray:
    """Weights that the host has worked out in the chip's units: the nearest that it holds within the rules' bounds."""
    if not units.fixed:
        return units.held(weights)
    held = np.clip(units.held(weights, 2), -LARGEST_WEIGHT, LARGEST_WEIGHT)
    for rule in projection.plasticity:
        if rule.bounds:
            low, high = (bound * units.unit / 2 for bound in rule.bounds)
            held = np.clip(held, 2 * ceil(low - 1e-9), 2 * floor(high + 1e-9))
    return held


def hosted_findings(net: Network, projection: Projection, units: Arithmetic) -> Iterator[Diagnostic]:
    """What it means that the host learns, for the report."""
    per_pair = 0.0
    for k, rule in enumerate(projection.plasticity):
        path = f"projections.{projection.name}.{rule_name(projection, k)}.execution"
        size = f"the host forms the pairs and writes the weights ({schedule(rule, net.dt)})"
        if units.fixed:
            size += f"; it keeps them in full, the chip the nearest step: off by at most {1.0 / units.unit:.3g}"
            size += "" if rule.bounds else f"; both end at {LARGEST_WEIGHT / units.unit:.3g}"
        fix = "a rule that the learning engine has, where speed counts"
        yield Diagnostic("SAL322", path, "host", size, fix, severity="approximation")
        known = of_kind(rule, PairSTDP, BACKEND)
        changes = [np.abs(np.asarray(rule.learning_rate) * w.amplitude) for w in (known.causal, known.anticausal)]
        per_pair += max(float(change.max(initial=0.0)) for change in changes)
    size = f"off by the changes since it arrived, {per_pair:.2g} per pair, and by what session.set changes"
    path = f"projections.{projection.name}"
    yield Diagnostic("SAL313", path, "PSPs under way have the present weight", size, severity="approximation")
