"""What a backend's lowering begins with and what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salhw.description.kinds import ByKind, Kind
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.diagnostics import Diagnostic
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target


@dataclass(frozen=True)
class Lowering:
    """The network as the target will run it; ``findings`` are named approximations with their sizes (``Approximations``
    if these take work), or errors;
    ``notes`` say what it becomes on the target; ``target`` is the one that was asked for with what the backend has
    chosen within it (a weight scale, say), None if nothing was; ``rounding`` is that of ``Report``."""

    network: Network
    findings: Sequence[Diagnostic] = ()
    notes: tuple[str, ...] = ()
    target: Target | None = None
    rounding: Mapping[str, float] = field(default_factory=dict)


def kinds_of(net: Network) -> Iterator[tuple[str, Kind]]:
    """Everything in a network that is of an open kind, with its path."""
    for population in net.populations:
        yield f"populations.{population.name}.neuron", population.neuron
    for p in net.projections:
        yield f"projections.{p.name}.weights", p.weights
        yield f"projections.{p.name}.kernel", p.kernel
        if p.short_term is not None:
            yield f"projections.{p.name}.short_term", p.short_term
        for k, rule in enumerate(p.plasticity):
            path = f"projections.{p.name}.{rule_name(p, k)}"
            yield path, rule
            yield from ((f"{path}.{name}", part) for name, part in rule.parts())
    for group, items in (("stimuli", net.stimuli), ("probes", net.probes)):
        yield from ((f"{group}[{k}]", item) for k, item in enumerate(items))
    yield from ((f"traces.{trace.name}.window", trace.window) for trace in net.traces)


def unknown_kinds(net: Network, known: Mapping[str, ByKind[Any]]) -> list[Diagnostic]:
    """A finding for everything in a network that a backend does not know, whatever the target declares.

    Args:
        known: its tables by section of the target (``neurons``, ``kernels`` ...). A section without one is of kinds
            whose common properties are all that the backend uses.
    """
    return [
        finding
        for path, item in kinds_of(net)
        if item.section in known
        for finding in known[item.section].refused(path, item)
    ]


def unknown_windows(net: Network, target: Target, known: ByKind[Any]) -> list[Diagnostic]:
    """A finding for every window of a rule that the ``target`` itself learns by which the backend does not know there,
    though its host may."""
    return [
        finding
        for p in net.projections
        for k, rule in enumerate(p.plasticity)
        if on_chip(rule, target)
        for name, window in rule.parts()
        for finding in known.refused(f"projections.{p.name}.{rule_name(p, k)}.{name}", window)
    ]
