"""Do what a fix says, as a user would who reads it: the first of its alternatives and steps, at its path."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Any

import numpy as np

from salhw import Network
from salhw.description.kinds import Kind
from salhw.diagnostics import Diagnostic


class NotFollowed(Exception):
    """A fix that tells no change of the description."""


def follow(net: Network, finding: Diagnostic) -> Network:
    """The network after the fix.

    Raises:
        NotFollowed: the fix cannot be followed without guessing.
        DescriptionError: it leads to a network that means nothing.
    """
    data = _plain(net.model_dump())
    parent, key = _locate(data, finding.path)
    fix = finding.fix.partition(", or ")[0].partition(", then ")[0]
    if fix.startswith(listed := "list them (net.explicit), and "):
        return follow(net.explicit, replace(finding, fix=fix.removeprefix(listed)))
    if fix.startswith("leave it out"):
        del parent[key]
    elif fix in ("leave them out", "add their weights up", "give each synapse of a pair a projection of its own"):
        _simpler(data, _locate(data, finding.path.partition(".weights")[0])[1], fix)
    elif fix == "give one delay for all":
        parent[key] = 0.0
    elif match := re.fullmatch(r"leave (\w+) at its default", fix):
        parent, name = _beside(parent, key, match[1])
        del parent[name]
    elif match := re.fullmatch(r"(\w+) (<=|>=) (\S+)(?: ms| Hz)?", fix):
        parent, name = _beside(parent, key, match[1])
        bound = np.minimum if match[2] == "<=" else np.maximum
        _assign(parent, name, lambda held: bound(np.asarray(held, dtype=float), float(match[3])).tolist())
    elif match := re.fullmatch(r"(\w+) ?= ?(.+?)(?: ms| Hz)?", fix):
        parent, name = _beside(parent, key, match[1])
        _assign(parent, name, lambda _: _value(match[2]))
        if name in ("autapses", "multapses"):  # there are as many synapses no more
            projections, k = _locate(data, finding.path.partition(".weights")[0])
            drawn = projections[k]["weights"]["kind"] != "Sparse"
            projections[k] = _same_for_all(projections[k]) if drawn else projections[k]
    elif fix == "give a single number":
        _assign(parent, key, lambda held: float(np.ravel(held)[0]) if np.size(held) else 0.01)
    elif fix.startswith("choose one of these"):
        chosen = finding.supported.removeprefix("supported ").split(", ")[0]
        if key == "plasticity":  # the only rule of a projection
            parent, key = parent[key], 0
        held = parent[key]
        parent[key] = _of_kind(chosen, held) if isinstance(held, dict) and "kind" in held else chosen
    else:
        raise NotFollowed(f"{finding.path}: {finding.fix}")
    return Network.model_validate(data)


def _same_for_all(item: Any) -> Any:
    """A projection of a random connector with one number wherever it had one for each synapse."""
    if isinstance(item, dict):
        return {key: value if key == "bounds" else _same_for_all(value) for key, value in item.items()}
    if isinstance(item, list) and item and not isinstance(item[0], dict | list | str):
        return item[0]
    return [_same_for_all(value) for value in item] if isinstance(item, list) else item


REQUIRED = {side: {"kind": "Exponential", "tau": 10.0} for side in ("causal", "anticausal")} | {"learning_rate": 0.01}
"""What a user gives a part of another kind that needs it."""


def _of_kind(kind: str, held: dict[str, Any]) -> dict[str, Any]:
    """A part of another kind of the same group, with the fields that both have."""
    groups = [group for group in Kind.__subclasses__() if {kind, held["kind"]} <= group.members.keys()]
    (cls,) = (group.members[kind] for group in groups if held.keys() <= group.members[held["kind"]].model_fields.keys())
    fields = cls.model_fields
    missing = {name: value for name, value in REQUIRED.items() if name in fields and name not in held}
    return missing | {name: value for name, value in held.items() if name in fields} | {"kind": kind}


def _simpler(data: dict[str, Any], place: int, fix: str) -> None:
    """Leave autapses of a list of synapses out, add several of a pair up, or give each a projection of its own, with
    all that is said of each synapse."""
    projection = data["projections"].pop(place)
    weights = projection["weights"]
    pairs = [*zip(weights["post"], weights["pre"], strict=True)]
    nth = [pairs[:k].count(pair) for k, pair in enumerate(pairs)]
    if fix == "leave them out":
        kept = [[k for k, (i, j) in enumerate(pairs) if i != j]]
    else:
        kept = [[k for k, n in enumerate(nth) if n == each] for each in range(1 + max(nth, default=0))]
    if fix == "add their weights up":
        sums = [sum(w for w, other in zip(weights["weight"], pairs, strict=True) if other == pair) for pair in pairs]
        weights["weight"], kept = sums, kept[:1]

    def cut(item: Any, some: list[int]) -> Any:
        if isinstance(item, dict):
            return {key: cut(value, some) for key, value in item.items()}
        if isinstance(item, list) and len(item) == len(pairs) and not (item and isinstance(item[0], dict | list)):
            return [item[k] for k in some]
        return [cut(value, some) for value in item] if isinstance(item, list) else item

    for number, some in enumerate(kept):
        name = f"{projection['name']}{'x' * number}"
        flags = dict.fromkeys(["autapses"] if fix == "leave them out" else ["multapses"], False)
        part = cut(projection, some)
        data["projections"].insert(place + number, part | {"name": name, "weights": part["weights"] | flags})
    for probe in data["probes"]:  # synapses have other numbers now
        if probe.get("projection") == projection["name"]:
            probe["synapses"] = None


def _value(text: str) -> Any:
    """A Python literal, or a kind with its fields: ``Exponential(tau_syn=10)``."""
    if text in ("true", "false"):
        return text == "true"
    if match := re.fullmatch(r"(\w+)\((.*)\)", text):
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        return {"kind": match[1]} | {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    return ast.literal_eval(text)


def _plain(value: Any) -> Any:
    """Lists that can be changed instead of tuples and arrays."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    return value


def _locate(data: Any, path: str) -> tuple[Any, Any]:
    """The container and the key of what a path names; the index of one number of an array is left out."""
    at: Any = data
    parent, key = at, ""
    for part in re.findall(r"\w+|\[\d+\]", path):
        if part.startswith("["):
            number = int(part[1:-1])
            if isinstance(at, list) and number < len(at) and isinstance(at[number], dict):
                parent, key, at = at, number, at[number]
            continue
        if isinstance(at, list):
            named = [k for k, item in enumerate(at) if isinstance(item, dict) and item.get("name") == part]
            if named:
                parent, key, at = at, named[0], at[named[0]]
                continue
            parent, key, at = at, 0, at[0]  # the only rule of a projection
        if isinstance(at, dict) and part not in at and "neuron" in at:
            at = at["neuron"]
        parent, key, at = at, part, at.get(part)
    return parent, key


def _beside(parent: Any, key: Any, name: str) -> tuple[Any, str]:
    """Where ``name`` is, seen from the place that a path names: this place, beside it, or in it."""
    if key == name or (isinstance(parent, list) and not isinstance(parent[key], dict)):
        return parent, key
    held = parent[key]
    inner = held[0] if isinstance(held, list) and len(held) == 1 and isinstance(held[0], dict) else held
    if isinstance(inner, dict):
        if name in inner:
            return inner, name
        if "neuron" in inner and name in inner["neuron"]:
            return inner["neuron"], name
    if isinstance(parent, dict) and name in parent:
        return parent, name
    raise NotFollowed(f"no {name} at {key}")


def _assign(parent: Any, name: str, change: Any) -> None:
    held = parent[name]
    if isinstance(held, dict) and "values" in held:  # weights
        held["values"] = change(held["values"])
        if "kind" in held and np.ndim(held["values"]) == 2:
            values = np.asarray(held["values"])
            held["values"] = values.tolist()
    elif isinstance(held, dict) and "weight" in held:
        held["weight"] = change(held["weight"])
    else:
        parent[name] = change(held)
