"""A network in a few lines, for ``print`` and for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw.description.connectivity import count
from salhw.description.fields import Model
from salhw.description.kinds import Kind
from salhw.description.markers import structure, unit_of
from salhw.diagnostics.wording import shown

if TYPE_CHECKING:
    from salhw.description.parts import Population, Projection
    from salhw.description.probes import Probe
    from salhw.description.stimuli import Stimulus

Rows = list[tuple[str, str]]
"""A name, and what is said of it."""


def in_words(item: Kind) -> str:
    """A neuron, kernel, rule, stimulus or probe with its parameters: ``GLM: bias -0.5..-0.2, tau_ref 10 ms``."""
    return f"{item.kind}: {', '.join(words)}" if (words := list(_fields(item))) else item.kind


def _fields(item: Kind) -> Iterator[str]:
    """The fields that have a value, without the names of what it is about."""
    names = {name for name, marker in structure(type(item)) if marker.names}
    for field in type(item).model_fields:
        value = getattr(item, field)
        if field not in names | {"kind"} and value is not None:
            unit = unit_of(type(item), field)
            yield f"{field} {_value(value)}{f' {unit}' if unit else ''}"


def _value(value: Any) -> str:
    if isinstance(value, Kind):
        return f"({in_words(value)})"
    if isinstance(value, Model):
        return str(value)
    if isinstance(value, float | np.ndarray):
        return span(np.asarray(value))
    if isinstance(value, tuple) and any(isinstance(part, np.ndarray) for part in value):
        return f"{sum(map(len, value))} in {len(value)} lists"
    return value if isinstance(value, str) else shown(value)


def span(values: np.ndarray[Any, Any], form: str = ".4g") -> str:
    """The lowest and highest of some numbers, ``0.5..1.5``; one number where they are the same, ``none`` of nothing."""
    if not values.size:
        return "none"
    ends = [format(float(end), form) for end in (values.min(), values.max())]
    return ends[0] if ends[0] == ends[1] else "..".join(ends)


def population_rows(populations: tuple[Population, ...]) -> Rows:
    """What each population consists of."""
    return [(p.name, f"{p.size:,} {in_words(p.neuron)}") for p in populations]


def projection_rows(
    projections: tuple[Projection, ...], explicit: tuple[Projection, ...], sizes: dict[str, int]
) -> Rows:
    """What each projection connects, how, and by which rules it learns; ``explicit`` have the synapses that are drawn,
    ``sizes`` are of the populations."""
    rows = []
    for p, listed in zip(projections, explicit, strict=True):
        synapses = count(listed.weights, sizes[p.post], sizes[p.pre], p.recurrent)
        connector = in_words(p.weights) if p.weights.drawn else p.weights.kind
        parts = [
            f"{p.pre} → {p.post}, {synapses:,} synapses ({connector}), weights {_weights(listed)}",
            f"PSP {in_words(p.kernel)}",
            *([f"delay {_value(p.delay)} ms"] if np.any(np.asarray(listed.delay)) else []),
            *([f"short-term plasticity {in_words(p.short_term)}"] if p.short_term else []),
            *(f"plastic by {in_words(rule)}" for rule in p.plasticity),
        ]
        rows.append((p.name, "; ".join(parts)))
    return rows


def _weights(p: Projection) -> str:
    """Of its synapses alone: the zeros on the diagonal of a recurrent matrix are none."""
    stored = np.asarray(p.weights.stored)
    if stored.ndim == 2 and p.weights.is_hollow(p.recurrent):
        stored = stored[~np.eye(len(stored), dtype=np.bool_)]
    return span(stored)


def part_rows(parts: tuple[Stimulus | Probe, ...]) -> Rows:
    """Stimuli or probes: the population or projection that each is about, and its parameters."""
    return [(about(part), in_words(part)) for part in parts]


def about(part: Kind) -> str:
    """The name of the population or projection that a stimulus or probe is about."""
    names = [name for name, marker in structure(type(part)) if marker.names]
    return ", ".join(str(getattr(part, name)) for name in names)
