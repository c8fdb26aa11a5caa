"""Remedies for plasticity rules: who works them out, how strong they are, and when weights change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, floor

import numpy as np

from salhw.compiler.edits import edited, locate, parts
from salhw.compiler.periods import window_length
from salhw.compiler.remedies.remedy import Proposal
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PairSTDP, PlasticityRule
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import any_time, nearest_step
from salhw.substrate.target import Target

ROUNDING = 1e-12
"""By how much of itself a limit is kept clear of."""
PRODUCTS = ByKind("fit", {PairSTDP: BRANCHES})
"""The parts of a rule by whose ``amplitude`` its ``learning_rate`` is multiplied wherever it stands."""


def rule_at(net: Network, path: str) -> tuple[str, PlasticityRule] | None:
    """The rule that a path names or lies within, with its own path."""
    place = locate(net, path)
    for at, item in parts(net) if place else ():
        if isinstance(item, PlasticityRule) and place and f"{place.part}.".startswith(f"{at}."):
            return at, item
    return None


def capability(target: Target, rule: PlasticityRule) -> tuple[Mapping[str, Capability], Mapping[str, Capability]]:
    """What is declared for rules and for their windows, by who works out the rule."""
    on_host = rule.execution == "host" and bool(target.host)
    return (target.host, target.host) if on_host else (target.plasticity, target.windows)


def host_now_and_then(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """``host`` for rules that change weights at the end of a period or of the run: what the computer beside a target
    can do in time."""
    p = _projection_at(net, finding.path)
    if p is not None and all(rule.update != "spike" for rule in p.plasticity):
        yield from host(net, target, finding)


def _projection_at(net: Network, path: str) -> Projection | None:
    """The projection that a path lies within."""
    return next((p for p in net.projections if f"{path}.".startswith(f"projections.{p.name}.")), None)


def host(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """The rule, or all rules of its projection, worked out by the computer beside the target."""
    p, own = _projection_at(net, finding.path), rule_at(net, finding.path)
    able = {
        f"projections.{p.name}.{rule_name(p, k)}.execution": "host"
        for k, rule in enumerate(p.plasticity if p else ())
        if p and rule.kind in target.host and rule.execution != "host"
    }
    if own is not None and len(able) > 1 and f"{own[0]}.execution" in able:
        yield edited(net, {f"{own[0]}.execution": "host"})
    if able:
        yield edited(net, able)


def amplitudes(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """The same products of learning rate and amplitudes from other factors: ``learning_rate * share`` and
    ``amplitude / share``."""
    found = rule_at(net, finding.path)
    if found is None or finding.path.rpartition(".")[2].partition("[")[0] not in ("learning_rate", "amplitude"):
        return
    path, rule = found
    p = _projection_at(net, path)
    if rule not in PRODUCTS or p is None:
        return
    there = p.weights.synapses(*net.ends(p.name))[2]
    rate = np.asarray(rule.learning_rate, dtype=np.float64)
    sides = {name: np.asarray(getattr(rule, name).amplitude, dtype=np.float64) for name in PRODUCTS[rule]}
    rules, windows = capability(target, rule)
    of_rule, of_sides = rules.get(rule.kind, {}), [windows.get(getattr(rule, name).kind, {}) for name in sides]
    most = _most(of_rule, "learning_rate"), min(_most(of_side, "amplitude") for of_side in of_sides)
    for share in _shares(rate, [*sides.values()], *most):
        share = np.where(share == 0.0, 1.0, share)
        new_rate, new_sides = _one(rate * share, there), [_one(side / share, there) for side in sides.values()]
        held = [_holds(of_rule, "learning_rate", new_rate)]
        held += [_holds(of_side, "amplitude", side) for of_side, side in zip(of_sides, new_sides, strict=True)]
        if all(held):
            changes = {f"{path}.{name}.amplitude": side for name, side in zip(sides, new_sides, strict=True)}
            yield edited(net, {f"{path}.learning_rate": new_rate, **changes})


def _most(declared: Capability, field: str) -> float:
    """The largest value of either sign that is declared; infinite if none is."""
    entry = declared.get(field)
    return min(-entry.min, entry.max) if isinstance(entry, Range) else np.inf


def _holds(declared: Capability, field: str, value: float | FloatArray) -> bool:
    """Whether a field may have a value."""
    entry, arrays = declared.get(field), declared.get("arrays", ())
    inside = isinstance(entry, Range) and bool(np.all((value >= entry.min) & (value <= entry.max)))
    return inside and (np.ndim(value) == 0 or (isinstance(arrays, tuple) and field in arrays))


def _shares(rate: FloatArray, sides: list[FloatArray], most_rate: float, most_side: float) -> Iterator[FloatArray]:
    """By what the learning rate may be multiplied: so that amplitudes, or learning rates, are as large as they may be;
    that the largest amplitude of each synapse is 1; that the learning rate is the same for all."""
    largest = np.max(np.broadcast_arrays(*map(np.abs, sides)), axis=0)
    fastest, strongest = float(np.abs(rate).max(initial=0.0)), float(largest.max(initial=0.0))
    if strongest and np.isfinite(most_side):
        yield np.asarray(strongest / most_side * (1.0 + ROUNDING))
    if fastest and np.isfinite(most_rate):
        yield np.asarray(most_rate / fastest * (1.0 - ROUNDING))
    yield largest
    if rate.ndim and fastest:
        yield np.divide(fastest, rate, out=np.ones_like(rate), where=rate != 0.0)


def _one(values: FloatArray, there: IntArray) -> float | FloatArray:
    """One number where all synapses, which lie at these places of an array, have the same to rounding."""
    own = values.ravel()[there] if values.ndim else values.ravel()
    first = float(own[0]) if own.size else 0.0
    return first if np.allclose(own, first, rtol=1e-12, atol=0.0) else values


def schedule(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """The nearest time of the weights' change that the target has; of a rule that reads traces, whenever these have
    seen all that they look back at anew. All schedules have the same drift to first order in
    the learning rate; they differ by how late a change is, and what is pending when the run ends."""
    found = rule_at(net, finding.path)
    if found is None or not finding.path.endswith(".update"):
        return
    path, rule = found
    declared = capability(target, rule)[0].get(rule.kind, {})
    known, periods = declared.get("update", ()), declared.get("every")
    names = known if isinstance(known, tuple) else ()
    within = periods if isinstance(periods, Range) else any_time(net.dt)
    least, most = ceil(within.min / net.dt - 1e-9), floor(within.max / net.dt + 1e-9)
    every: list[str] = []
    if "every" in names and least <= most:
        wished = window_length(net, rule) if rule.period is None else rule.period
        nearest = number(least * net.dt) if wished is None else nearest_step(wished, within, net.dt)
        every = [f"every {nearest} ms"]
    order = [*every, "spike", "run end"] if rule.update != "run end" else ["spike", *every]
    for update in order:
        if update != rule.update and (update in names or update in every):
            yield edited(net, {f"{path}.update": update})
