"""What a target declares, by name, and which of it random networks have exercised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from salhw.conformance.replay.phased import is_phased, takes_phases
from salhw.conformance.replay.trial import Trial
from salhw.description.kinds import Kind
from salhw.description.markers import marks
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity import PlasticityRule
from salhw.description.ties import Tie
from salhw.session.lowering import kinds_of
from salhw.session.paths import addresses, item_at
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import names_in, on_chip
from salhw.substrate.target import Target

SECTIONS = ("neurons", "kernels", "windows", "plasticity", "host", "stimuli", "probes", "averages", "short_term")
LISTS = ("arrays", "required", "settable")
"""Entries of a capability that are no fields."""
PHASE = "projections.plasticity.reference"
"""Reference phases, which every target has that can be held to one."""


@dataclass(frozen=True)
class Coverage:
    """What a target ``declared`` that networks can exercise, and what they did: kinds (``neurons.GLM``), fields away
    from their defaults (``neurons.GLM.bias``), arrays (``neurons.GLM.bias[]``), choices (``neurons.GLM.discretisation =
    exact``) and writes (``write neurons.GLM.bias``). ``pairs`` are the kinds that were together in a network."""

    declared: frozenset[str]
    exercised: frozenset[str]
    pairs: frozenset[tuple[str, str]]

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """What was declared and never exercised."""
        return tuple(sorted(self.declared - self.exercised))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are declared."""
        return tuple(sorted(name for name in self.declared if name.count(".") == 1 and " " not in name))


def coverage(target: Target, trials: list[Trial]) -> Coverage:
    """That of some trials."""
    exercised, pairs = set[str](), set[tuple[str, str]]()
    for trial in trials:
        now = {*exercised_by(_shown(trial), target), *_written(trial, target)}
        exercised |= now
        kinds = sorted(name for name in now if name.count(".") == 1 and " " not in name)
        pairs |= set(combinations(kinds, 2))
    return Coverage(frozenset(declared(target)), frozenset(exercised), frozenset(pairs))


def _shown(trial: Trial) -> Network:
    """The network without rules of which nothing could be seen."""
    projections = [p.replace(plasticity=()) if p.name in trial.hidden else p for p in trial.written.projections]
    return trial.written.replace(projections=projections)


def declared(target: Target) -> Iterator[str]:
    """Everything that a target declares, by name."""
    for section in SECTIONS:
        for kind, capability in getattr(target, section).items():
            yield f"{section}.{kind}"
            yield from _fields(f"{section}.{kind}", capability)
    yield from _fields("projections", target.projections)
    if target.ties is not None:
        yield from _fields("ties", target.ties)
    if takes_phases(target):
        yield PHASE


def _fields(stem: str, capability: Capability) -> Iterator[str]:
    for name, entry in capability.items():
        if name in LISTS:
            continue
        if isinstance(entry, Range):
            goes_with_update = name == "every" and "update" in capability
            if entry.min < entry.max and not goes_with_update and not name.startswith("written_"):
                yield f"{stem}.{name}"
        else:
            yield from (f"{stem}.{name} = {choice}" for choice in entry)
    yield from (f"{stem}.{name}[]" for name in names_in(capability, "arrays"))
    yield from (f"write {stem}.{name}" for name in names_in(capability, "settable"))


def exercised_by(net: Network, target: Target) -> Iterator[str]:
    """What a network exercises of what a target declares, by name."""
    hosted = {id(rule) for p in net.projections for rule in p.plasticity if not on_chip(rule, target)}
    parts_hosted = {id(part) for p in net.projections for r in p.plasticity if id(r) in hosted for _, part in r.parts()}
    for p in net.projections:
        yield from (f"projections.synapses = {beyond}" for beyond in p.weights.beyond)
    for _, item in kinds_of(net):
        section = "host" if id(item) in hosted | parts_hosted else item.section
        if section == "connectivity":
            yield f"projections.connectivity = {item.kind}"
            yield "projections.weights"
            continue
        yield f"{section}.{item.kind}"
        yield from _used(f"{section}.{item.kind}", item)
    for p in net.projections:
        yield from _used("projections", p)
    if is_phased(net):
        yield PHASE
    for tie in net.ties:
        yield from _used("ties", tie)


def _used(stem: str, item: Kind | Projection | Tie) -> Iterator[str]:
    for name, mark in marks(type(item)):
        value, default = getattr(item, name), type(item).model_fields[name].get_default()
        if name == "update" and isinstance(item, PlasticityRule):
            yield f"{stem}.update = {item.schedule}"
        elif isinstance(value, str):
            yield f"{stem}.{name} = {mark.declared(value)}"
        elif isinstance(value, np.ndarray):
            yield from (f"{stem}.{name}", f"{stem}.{name}[]")
        elif value != default and value is not None:
            yield f"{stem}.{name}"


def _written(trial: Trial, target: Target) -> Iterator[str]:
    known = addresses(trial.net, target)
    for stretch in trial.stretches:
        for write in stretch.writes:
            item = item_at(trial.net, known[write.path])
            stem = "projections" if isinstance(item, Projection) else f"{item.section}.{item.kind}"
            yield f"write {stem}.{known[write.path].field}"
