"""Remedies for single values: the nearest that is supported, one for many, the default, what the finding says itself;
and options, choices and probes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from math import ceil, floor
from typing import Any

import numpy as np

from salhw.compiler.edits import Place, edited, locate
from salhw.compiler.remedies.grid import nearest as on_step
from salhw.compiler.remedies.grid import on_grid, round_steps
from salhw.compiler.remedies.remedy import Proposal
from salhw.compiler.remedies.rules import capability, rule_at
from salhw.description.connectivity import Connector
from salhw.description.kernels import Kernel
from salhw.description.markers import mark_of, marks
from salhw.description.network import Network
from salhw.description.neurons import Neuron
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.probes import Probe
from salhw.description.short_term import ShortTerm
from salhw.description.stimuli import Stimulus
from salhw.description.ties import Tie
from salhw.description.traces import Average
from salhw.description.windows import Window
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.target import Target

SCHEDULE = "every"
"""The field that says how often something acts."""


def option(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """An option of the target at the value that its file says ``fits``."""
    for name, each in target.options.items():
        if each.fits is not None and each.fits != each.value:
            yield target.with_options(**{name: each.fits})


def choice(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """Of the names that a field may have, the most alike first, where the field's marker says which are."""
    place = changeable(net, finding.path)
    if place is None or not place.field:
        return
    alike = mark_of(type(place.item), place.field).nearness
    value, allowed = getattr(place.item, place.field), declared(net, target, place).get(place.field)
    if value in alike and isinstance(allowed, tuple):
        here = alike.index(value)
        others = [name for name in alike if name in allowed and name != value]
        for name in sorted(others, key=lambda name: (abs(alike.index(name) - here), -alike.index(name))):
            yield edited(net, {place.path: name})


def nearest(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """The nearest value in range, of many numbers those that lie outside; with it, where it cannot change alone, the
    fields that have to move, too; of a time that no step of the grid is in range of, on the nearest grid that has one.
    Before all that the nearest value in the range of an option that ``fits``, if it is another one.
    """
    place = changeable(net, finding.path)
    if place is None or not place.field:
        return
    entry = declared(net, target, place).get(place.field)
    if not isinstance(entry, Range):
        return
    for wider in option(net, target, finding):
        if isinstance(wider, Target) and declared(net, wider, place).get(place.field) != entry:
            yield from ((moved, wider) for moved in nearest(net, wider, finding) if isinstance(moved, Network))
    inside = clipped(net, place, entry)
    if inside is not None:
        yield edited(net, {place.path: inside})
    if together := _together(net, target, place):
        yield edited(net, together)
    if inside is None and mark_of(type(place.item), place.field).grid is not None:
        for dt in round_steps(net, target):
            moved = on_grid(net, dt)
            there = changeable(moved, place.path) if moved else None
            if moved is not None and there is not None and (inside := clipped(moved, there, entry)) is not None:
                yield edited(moved, {place.path: inside})


def _together(net: Network, target: Target, place: Place) -> dict[str, Any]:
    """Everything of the same neuron, or a projection's weights and the bounds of its rules, within their ranges."""
    if isinstance(place.item, Neuron):
        places = [Place(place.part, place.item, name) for name, _ in marks(type(place.item))]
    elif place.field in ("weights", "bounds"):
        p = net.projection(place.part.split(".")[1])
        path = f"projections.{p.name}"
        places = [Place(f"{path}.{rule_name(p, k)}", rule, "bounds") for k, rule in enumerate(p.plasticity)]
    else:
        return {}
    ranges = [(other, declared(net, target, other).get(other.field)) for other in places]
    moved = {other.path: clipped(net, other, entry) for other, entry in ranges if isinstance(entry, Range)}
    moved = {path: value for path, value in moved.items() if value is not None}
    if not isinstance(place.item, Neuron):
        limits = target.projections.get("weights")
        rules = [
            rule.replace(bounds=moved.get(f"{path}.{rule_name(p, k)}.bounds", rule.bounds))
            for k, rule in enumerate(p.plasticity)
        ]
        if isinstance(limits, Range):
            moved[f"{path}.weights"] = clipped(net, Place(path, p.replace(plasticity=rules), "weights"), limits)
    return moved


def clipped(net: Network, place: Place, entry: Range) -> Any:
    """The value of a field, moved into a range (onto the time grid, if it has to lie on it); None if there is no such
    value, or none at all."""
    value, low, high = getattr(place.item, place.field), entry.min, entry.max
    grid = mark_of(type(place.item), place.field).grid
    if isinstance(value, Connector) and isinstance(place.item, Projection):
        least, most = _bounds(place.item)
        if most < low or high < least:
            return None
        return value.synaptic(np.clip(value.stored, max(low, least), min(high, most)), place.item.recurrent)
    if isinstance(value, tuple):
        inside = max(value[0], low), min(value[1], high)
        return inside if inside[0] < inside[1] else (low, high)
    if grid is not None and value is not None:
        first, last = max(grid, ceil(low / net.dt - 1e-9)), floor(high / net.dt + 1e-9)
        return on_step(np.clip(value, first * net.dt, last * net.dt), net.dt, grid) if first <= last else None
    if isinstance(value, Mapping):
        return {name: float(np.clip(entry, low, high)) for name, entry in value.items()}
    if value is None or isinstance(value, str):
        return None
    return np.clip(value, low, high) if isinstance(value, np.ndarray) else float(np.clip(value, low, high))


def _bounds(item: Any) -> tuple[float, float]:
    """Within which all rules of a projection keep its weights, once they are within the target's range."""
    return narrowest_bounds(item.plasticity if isinstance(item, Projection) else ())


def mean(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """One number for many: their mean, over the synapses or neurons that there are; of times on the grid the nearest to
    it."""
    place = changeable(net, finding.path)
    value = getattr(place.item, place.field) if place and place.field else None
    if place is None or not isinstance(value, np.ndarray) or not value.size:
        return
    counted = value.ravel()
    if (found := rule_at(net, place.path)) is not None:
        name = found[0].split(".")[1]
        counted = counted[net.projection(name).weights.synapses(*net.ends(name))[2]]
    one, grid = float(counted.mean()) if counted.size else 0.0, mark_of(type(place.item), place.field).grid
    yield edited(net, {place.path: one if grid is None else on_step(one, net.dt, grid)})


def default(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """The default of a field that may have no other value: no bounds, no delay. Not where it is another model of
    synapses."""
    place = changeable(net, finding.path)
    if finding.code != "SAL102" or place is None or not place.field:
        return
    if not mark_of(type(place.item), place.field).needs:
        yield edited(net, {place.path: type(place.item).model_fields[place.field].get_default()})


_CLAUSE = re.compile(r"(\w+) ?(=|<=|>=) ?(.+?)(?: ms| Hz)?")


def as_it_says(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """What the finding's own fix names: ``field = value``, ``field <= value`` or ``field >= value``, several of them
    with ``, then`` between."""
    place = changeable(net, finding.path)
    if place is None:
        return
    changes: dict[str, Any] = {}
    for clause in finding.fix.partition(", or ")[0].split(", then "):
        match = _CLAUSE.fullmatch(clause)
        at = _named(net, place, match[1]) if match else None
        if match is None or at is None:
            return
        value = _asked(at, match[2], match[3])
        if value is Ellipsis:
            return
        changes[at.path] = value
    yield edited(net, changes)
    if "dt" in changes:
        yield on_grid(net, float(changes["dt"]))


def _named(net: Network, place: Place, name: str) -> Place | None:
    """The field that a fix names, seen from where the finding is."""
    if place.field == name or name in type(place.item).model_fields:
        return changeable(net, place.beside(name))
    return changeable(net, f"{place.path}.{name}") or changeable(net, f"{place.part.rpartition('.')[0]}.{name}")


def _asked(place: Place, relation: str, text: str) -> Any:
    """The value that a clause asks for; an Ellipsis if it cannot be understood."""
    held: Any = getattr(place.item, place.field) if place.field else place.item
    held = held.stored if isinstance(held, Connector) else held
    try:
        if made := re.fullmatch(r"(\w+)\((.*)\)", text):
            call = ast.parse(text, mode="eval").body
            fields = {str(k.arg): ast.literal_eval(k.value) for k in getattr(call, "keywords", ())}
            return Kernel.members[made[1]](**fields) if isinstance(held, Kernel) else ...
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, KeyError, DescriptionError):
        return ...
    if isinstance(value, list):
        value = tuple(value)
    if relation == "=":
        return value
    if held is None or isinstance(held, str | tuple | Mapping) or not isinstance(value, int | float):
        return ...
    moved = np.minimum(held, value) if relation == "<=" else np.maximum(held, value)
    return moved if moved.ndim else float(moved)


def left_out(net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
    """Without a probe that the target does not have: nothing of the network's dynamics changes."""
    place = locate(net, finding.path)
    if place is not None and isinstance(place.item, Probe):
        yield edited(net, {place.part: None})


# what may be changed, and to what ---------------------------------------------------------------------------------


def changeable(net: Network, path: str) -> Place | None:
    """The field at a path, unless it is one that nobody would want changed: of a stimulus all but when it acts, a name,
    a size, what something belongs to, or which kind it is."""
    place = locate(net, path)
    if place is None or (isinstance(place.item, Stimulus) and place.field != SCHEDULE):
        return None
    if place.field and place.field not in dict(marks(type(place.item))):
        return None
    return place


def declared(net: Network, target: Target, place: Place) -> Capability:
    """What a target declares for the fields of a part."""
    item = place.item
    if isinstance(item, Network | Projection):
        return target.network if isinstance(item, Network) else target.projections
    found = rule_at(net, place.part)
    rules, windows = capability(target, found[1]) if found else ({}, {})
    for group, section in (
        (Neuron, target.neurons), (Kernel, target.kernels), (PlasticityRule, rules), (Window, windows),
        (ShortTerm, target.short_term), (Probe, target.probes), (Average, target.averages),
        (Tie, {"": target.ties or {}}),
    ):  # fmt: skip
        if isinstance(item, group):
            return section.get(getattr(item, "kind", ""), {})
    return {}
