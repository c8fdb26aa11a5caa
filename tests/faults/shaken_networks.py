"""Networks of every kind that is known, some of whose marked fields lie anywhere in what a target declares.

``shaken_network(target, seed)`` draws one of conformance's random networks, which have every kind that can be declared
and ordinary values, and moves some of its marked fields: to an end of the range, anywhere in it, to arrays. With
``beyond`` it is drawn for the reference, which declares every kind, in the neurons of the target: ``check`` has to
refuse what the target lacks, and its fixes can be followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, log10
from typing import Any

import numpy as np

import salhw
from salhw import DescriptionError, Network, Target
from salhw.conformance.replay.generator import random_network
from salhw.description.fields import Model
from salhw.description.markers import Mark, marks
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import names_in

EVERYTHING = salhw.target("reference")
LONGEST = 1000
"""Steps: longer times cost memory and time, which is a matter of its own."""


def shaken_network(target: Target, seed: int, *, share: float = 0.1, beyond: bool = False) -> Network:
    """A valid network; ``share`` of its marked fields are moved."""
    neurons = {kind: declared for kind, declared in EVERYTHING.neurons.items() if kind in target.neurons}
    drawn_for = EVERYTHING.replace(neurons=neurons) if beyond else target
    net, rng = random_network(drawn_for, seed), np.random.default_rng([17, seed])
    data = _plain(net.model_dump())
    for parent, name, mark, capability, shape in _fields(net, data, drawn_for):
        if rng.random() >= share:
            continue
        held = parent[name]
        arrays = mark.may_be_array and name in names_in(capability, "arrays") and len(shape) == 1
        parent[name] = _moved(held, mark, capability.get(name), shape if arrays else (), net.dt, rng)
        try:
            Network.model_validate(data)
        except DescriptionError:
            parent[name] = held
    return Network.model_validate(data)


def _fields(net: Network, data: Any, target: Target) -> Iterator[tuple[Any, str, Mark, Capability, tuple[int, ...]]]:
    """The marked fields of a network's parts: where they are in its data, what the target declares for them, and the
    shape of an array."""

    def of(item: Model, held: Any, capability: Capability, shape: tuple[int, ...]) -> Any:
        for name, mark in marks(type(item)):
            if name not in ("weights", "update"):
                yield held, name, mark, capability, shape

    for p, held in zip(net.populations, data["populations"], strict=True):
        yield from of(p.neuron, held["neuron"], target.neurons.get(p.neuron.kind, {}), (p.size,))
    for q, held in zip(net.projections, data["projections"], strict=True):
        shape = () if q.weights.drawn else q.weights.shape(*net.ends(q.name)[:2])
        yield from of(q, held, target.projections, shape)
        yield from of(q.weights, held["weights"], {}, shape)
        yield from of(q.kernel, held["kernel"], target.kernels.get(q.kernel.kind, {}), ())
        if q.short_term is not None:
            yield from of(q.short_term, held["short_term"], target.short_term.get(q.short_term.kind, {}), ())
        for rule, part in zip(q.plasticity, held["plasticity"], strict=True):
            yield from of(rule, part, target.plasticity.get(rule.kind, {}), shape)
            for name, window in rule.parts():
                yield from of(window, part[name], target.windows.get(window.kind, {}), shape)
    for s, held in zip(net.stimuli, data["stimuli"], strict=True):
        size = net.population(s.population).size
        yield from of(s, held, target.stimuli.get(s.kind, {}), (s.neurons_of(size),))
    for t, held in zip(net.traces, data["traces"], strict=True):
        yield from of(t.window, held["window"], target.averages.get(t.window.kind, {}), ())
    for s, held in zip(net.probes, data["probes"], strict=True):
        yield from of(s, held, target.probes.get(s.kind, {}), ())
    for t, held in zip(net.ties, data["ties"], strict=True):
        yield from of(t, held, target.ties or {}, ())


def _moved(held: Any, mark: Mark, entry: Any, shape: tuple[int, ...], dt: float, rng: Any) -> Any:
    """Another value of a field; one for each place of ``shape``, half of the times."""
    if isinstance(entry, tuple):
        return entry[rng.integers(len(entry))]
    if not isinstance(entry, Range):
        return held
    if mark.per == "input":
        return {name: _number(entry, mark, dt, rng) for name in held}
    if shape and rng.random() < 0.5:
        return [_number(entry, mark, dt, rng) for _ in range(shape[0])]
    return _number(entry, mark, dt, rng)


def _number(entry: Range, mark: Mark, dt: float, rng: Any) -> Any:
    """An end of a range, or any number in it, uniform in the logarithm; times of grid fields are whole steps."""
    how = rng.random()
    if how < 0.35:
        value = float((entry.min, entry.max)[rng.integers(2)])
    else:
        ends = [e for e in (entry.min, entry.max) if e]
        side = ends[rng.integers(len(ends))]
        low = entry.min if entry.min > 0 else 1e-9
        value = float(f"{np.sign(side) * 10 ** rng.uniform(log10(min(low, abs(side))), log10(abs(side))):.6g}")
        value = float(np.clip(value, entry.min, entry.max))
    if mark.grid is None:
        return int(value) if isinstance(mark.ordinary, int) and not mark.unit else value
    least, most = max(mark.grid, ceil(entry.min / dt - 1e-9)), floor(min(entry.max / dt, LONGEST) + 1e-9)
    return float(f"{int(np.clip(round(value / dt), least, max(least, most))) * dt:.12g}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    return value
