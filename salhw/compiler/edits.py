"""The parts of a network by path: what is there, a network with some of it changed, and how two networks differ."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw.description.connectivity import Connector
from salhw.description.fields import Model
from salhw.description.kinds import Kind
from salhw.description.markers import unit_of
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.probes import Probe
from salhw.diagnostics import DescriptionError
from salhw.diagnostics.wording import number
from salhw.substrate.target import Target

FEW = 6
"""The most numbers of an array that a change writes out."""
_INDEX = re.compile(r"(\[\d+\])+$")


@dataclass(frozen=True)
class Place:
    """What a path names: a field of a part of a network, or the part itself (``field`` is then empty).

    Args:
        part: the path of the part: "" of the network itself, ``populations.NAME`` of a neuron, ``projections.NAME``,
            ``projections.NAME.kernel``, ``.short_term``, ``.plasticity`` ..., ``stimuli[k]``, ``probes[k]``,
            ``traces.NAME.window``, ``ties[k]``.
    """

    part: str
    item: Model
    field: str = ""

    @property
    def path(self) -> str:
        """The path of the field."""
        return f"{self.part}.{self.field}".strip(".")

    def beside(self, field: str) -> str:
        """The path of another field of the same part."""
        return f"{self.part}.{field}".lstrip(".")


def parts(net: Network) -> Iterator[tuple[str, Model]]:
    """Every part of a network that has fields of its own, by path."""
    yield "", net
    for population in net.populations:
        yield f"populations.{population.name}", population.neuron
    for p in net.projections:
        path = f"projections.{p.name}"
        yield path, p
        yield f"{path}.kernel", p.kernel
        if p.short_term is not None:
            yield f"{path}.short_term", p.short_term
        for k, rule in enumerate(p.plasticity):
            at = f"{path}.{rule_name(p, k)}"
            yield at, rule
            yield from ((f"{at}.{name}", part) for name, part in rule.parts())
    for trace in net.traces:
        yield f"traces.{trace.name}", trace
        yield f"traces.{trace.name}.window", trace.window
    for group, items in (("stimuli", net.stimuli), ("probes", net.probes), ("ties", net.ties)):
        yield from ((f"{group}[{k}]", item) for k, item in enumerate(items))


def fields_of(item: Model) -> Iterator[str]:
    """The names of what a part holds itself, without the parts within it."""
    within = {"populations", "projections", "stimuli", "probes", "traces", "ties", "kernel", "short_term", "plasticity",
              "kind"}  # fmt: skip
    for name in type(item).model_fields:
        value = getattr(item, name)
        if name not in within and (isinstance(value, Connector) or not isinstance(value, Kind)):
            yield name


def locate(net: Network, path: str) -> Place | None:
    """What a diagnostic's path names; the index of one number of an array, and the name of one of a table, are left
    out. None if it is nothing of the network."""
    known = dict(parts(net))
    path = canonical(path, known)
    for candidate in (path, _INDEX.sub("", path)):
        if candidate in known and candidate:
            return Place(candidate, known[candidate])
        part, _, field = candidate.rpartition(".")
        if part in known and field in type(known[part]).model_fields:
            return Place(part, known[part], field)
    part, _, field = path.rpartition(".")[0].rpartition(".")
    if part in known and isinstance(getattr(known[part], field, None), Mapping):
        return Place(part, known[part], field)
    return None


def canonical(path: str, known: Container[str]) -> str:
    """A path as it is counted among the ``known`` ones: a neuron's fields are its population's, the only rule of a
    projection has no number."""
    path = re.sub(r"^(populations\.\w+)\.neuron\b", r"\1", path)
    rule = re.match(r"projections\.\w+\.plasticity(?=\[0\])", path)
    return path.replace("[0]", "", 1) if rule and rule[0] in known else path


def everything(net: Network, target: Target, written: Network) -> dict[str, Any]:
    """All that a network and the target's options say, by path: parts, fields, and ``target.options.NAME``. Probes are
    counted as in ``written``."""
    found: dict[str, Any] = {}
    names = _probe_names(net, written)
    for part, item in parts(net):
        at = names.get(part, part)
        if at:
            found[at] = item
        for name in fields_of(item):
            found[f"{at}.{name}".lstrip(".")] = getattr(item, name)
    return found | {f"target.options.{name}": option.value for name, option in target.options.items()}


def _probe_names(net: Network, written: Network) -> dict[str, str]:
    """The path in ``written`` of each probe that ``net`` still has, by its path in ``net``."""
    first = {_who(probe): k for k, probe in enumerate(written.probes)}
    return {f"probes[{k}]": f"probes[{first[_who(probe)]}]" for k, probe in enumerate(net.probes)}


def _who(probe: Probe) -> tuple[str, str]:
    """A network has one probe of a kind for each population or projection."""
    return probe.kind, probe.about


def renumbered(path: str, net: Network, written: Network) -> str:
    """A path in ``net`` as a path in ``written``, which may have had more probes."""
    head = re.match(r"probes\[\d+\]", path)
    return path if head is None else _probe_names(net, written).get(head[0], head[0]) + path[head.end() :]


def edited(net: Network, changes: Mapping[str, Any]) -> Network | None:
    """The network with other values at some paths, all changed at once; numbers at a projection's ``weights`` are those
    of its synapses, None at ``probes[k]`` leaves a probe out. None if the result means nothing."""
    try:
        return _edited(net, changes)
    except DescriptionError:
        return None


def _edited(net: Network, changes: Mapping[str, Any]) -> Network:
    own = {name: changes[name] for name in fields_of(net) if name in changes}
    populations = [
        p.replace(neuron=_changed(p.neuron, f"populations.{p.name}", changes))
        if _within(f"populations.{p.name}", changes)
        else p
        for p in net.populations
    ]
    lists = {
        group: [
            _changed(item, f"{group}[{k}]", changes)
            for k, item in enumerate(getattr(net, group))
            if changes.get(f"{group}[{k}]", item) is not None
        ]
        for group in ("stimuli", "probes", "ties")
    }
    lists["traces"] = [
        t.replace(window=_changed(t.window, f"traces.{t.name}.window", changes))
        if _within(f"traces.{t.name}", changes)
        else t
        for t in net.traces
    ]
    projections = [_projection(p, changes) for p in net.projections]
    return net.replace(populations=populations, projections=projections, **lists, **own)


def _within(path: str, changes: Mapping[str, Any]) -> bool:
    return any(other == path or other.startswith((f"{path}.", f"{path}[")) for other in changes)


def _changed(item: Any, path: str, changes: Mapping[str, Any]) -> Any:
    """A part with its fields, and the parts within it, changed."""
    if path in changes:
        return changes[path]
    if not _within(path, changes):
        return item
    new = {name: changes[f"{path}.{name}"] for name in fields_of(item) if f"{path}.{name}" in changes}
    within = item.parts() if isinstance(item, Kind) else ()
    inner = {name: _changed(part, f"{path}.{name}", changes) for name, part in within}
    return item.replace(**inner, **new)


def _projection(p: Projection, changes: Mapping[str, Any]) -> Projection:
    path = f"projections.{p.name}"
    if not _within(path, changes):
        return p
    new = {name: changes[f"{path}.{name}"] for name in fields_of(p) if f"{path}.{name}" in changes}
    if "weights" in new and not isinstance(new["weights"], Connector):
        new["weights"] = p.weights.with_weights(new["weights"])
    rules = [_changed(rule, f"{path}.{rule_name(p, k)}", changes) for k, rule in enumerate(p.plasticity)]
    parts = {name: _changed(getattr(p, name), f"{path}.{name}", changes) for name in ("kernel", "short_term")}
    return p.replace(plasticity=rules, **parts | new)


@dataclass(frozen=True)
class Difference:
    """One thing in which two networks, or the options of their targets, differ: what either has at ``path``, where
    probes are counted as in the first network, and the same as text."""

    path: str
    before: Any
    after: Any
    written: str
    changed: str


def differences(written: Network, target: Target, net: Network, chosen: Target) -> list[Difference]:
    """All that tells ``net`` on ``chosen`` from ``written`` on ``target``, of which it is a changed version. What is of
    another kind is one difference, whatever its fields."""
    found: list[Difference] = []
    names = {path: own for own, path in _probe_names(net, written).items()}
    new = dict(parts(net))
    for path, item in parts(written):
        other = new.get(names.get(path, "left out") if isinstance(item, Probe) else path)
        if other is None:
            found.append(Difference(path, item, None, _text(item), "left out"))
        elif type(other) is not type(item):
            found.append(Difference(path, item, other, _text(item), _text(other)))
        else:
            found += _fields(path, item, other)
    for name, option in target.options.items():
        if option.value != (other_value := chosen.options[name].value):
            path = f"target.options.{name}"
            found.append(Difference(path, option.value, other_value, str(option), str(chosen.options[name])))
    return found


def _fields(path: str, item: Model, other: Model) -> Iterator[Difference]:
    for name in fields_of(item):
        before, after = getattr(item, name), getattr(other, name)
        if not same(before, after):
            unit = unit_of(type(item), name)
            one, two = _text(before, unit), _text(after, unit)
            if one == two:
                two = f"{two}, {_changes(before, after)} of them changed"
            yield Difference(f"{path}.{name}".lstrip("."), before, after, one, two)


def same(one: Any, two: Any) -> bool:
    """Whether two values of a field are equal."""
    if isinstance(one, np.ndarray) or isinstance(two, np.ndarray):
        return bool(np.shape(one) == np.shape(two) and np.array_equal(one, two))
    if isinstance(one, tuple) and isinstance(two, tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def _changes(before: Any, after: Any) -> int:
    """In how many entries two values of one length differ; trains of forced spikes are one entry each."""
    if isinstance(before, tuple):
        return sum(not same(*pair) for pair in zip(before, after, strict=True))
    return int(np.count_nonzero(_numbers(before) != _numbers(after)))


def _numbers(value: Any) -> Any:
    return np.asarray(value.stored if isinstance(value, Connector) else value, dtype=np.float64)


def _text(value: Any, unit: str = "") -> str:
    """A value as a person reads it: of many numbers their range, of a kind its numbers and what is not its default."""
    if isinstance(value, Connector):
        return f"{value.kind} {_text(value.stored)}"
    if isinstance(value, Kind):
        given = {n: getattr(value, n) for n, f in type(value).model_fields.items() if n != "kind"}
        told = {
            n: v
            for n, v in given.items()
            if isinstance(v, float) or not same(v, type(value).model_fields[n].get_default())
        }
        return f"{value.kind}({', '.join(f'{n}={_text(v)}' for n, v in told.items())})"
    if isinstance(value, np.ndarray):
        if value.size > FEW:
            return f"{number(value.min())}..{number(value.max())}{f' {unit}' if unit else ''} ({value.size} numbers)"
        value = tuple(value.ravel().tolist())
    if isinstance(value, tuple | list):
        if len(value) > FEW:
            return f"{len(value)} entries"
        value = f"({', '.join(map(_text, value))})"
    if isinstance(value, float | int) and not isinstance(value, bool):
        value = number(value)
    return f"{value} {unit}" if unit and value is not None else str(value)
