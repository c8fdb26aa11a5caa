"""The paths that a session reads and writes: ``projections.pair.weights``, ``populations.neurons.bias`` ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import Connector, values
from salhw.description.fields import FloatArray
from salhw.description.kinds import Kind
from salhw.description.markers import marks, structure
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.stimuli import Stimulus
from salhw.diagnostics import Diagnostic, SessionError
from salhw.diagnostics.arguments import checked_duration, checked_progress
from salhw.diagnostics.wording import nearest, number, one_of, shown
from salhw.session.folding import scaled_target
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target


@dataclass(frozen=True)
class Address:
    """One array of a session: ``shape`` without the instance dimension. ``owner`` is the population or projection that
    has it, ``rule`` counts a projection's rules or a network's stimuli, ``part`` names the part of the rule that the
    field is of, or the named input that a gain is of. ``allowed`` is what may be written, None for any number;
    ``limit`` says whose range that is. A ``copy_of`` other weights, at their path, is not changed itself. The diagonal
    of a ``hollow`` matrix holds no synapses. ``trains`` are spike times, (neuron, spike), NaN after the last of each
    neuron: as long as the longest train that is held."""

    path: str
    owner: str
    field: str
    shape: tuple[int, ...]
    rule: int = 0
    part: str = ""
    allowed: Range | None = None
    limit: str = ""
    copy_of: str = ""
    hollow: bool = False
    trains: bool = False


def addresses(net: Network, target: Target | None = None, *, undeclared: bool = False) -> dict[str, Address]:
    """Everything that a session of ``net`` can get and set, with the target's ranges if there is a target: the fields
    that are marked settable (biases, weights, learning rates), and those that the target declares ``settable``
    (amplitudes of windows); with ``undeclared`` those that any target may declare."""
    return {address.path: address for address in _addresses(net, target, undeclared)}


def _addresses(net: Network, target: Target | None, undeclared: bool, beside: str = "") -> Iterator[Address]:
    """These; where a path is given, only what lies ``beside`` it, in the same population, projection or stimulus."""

    def left_out(stem: str) -> bool:
        return bool(beside) and not beside.startswith(f"{stem}.")

    for population in net.populations:
        name, neuron = population.name, population.neuron
        if left_out(f"populations.{name}"):
            continue
        capability = {} if target is None else target.neurons.get(neuron.kind, {})
        stem = Address(f"populations.{name}", name, "", (population.size,))
        yield from _settable(stem, neuron, capability, target, undeclared)
    scaled = None if target is None else scaled_target(net, target)
    for p in net.projections:
        if left_out(f"projections.{p.name}"):
            continue
        shape, here = p.weights.shape(*net.ends(p.name)[:2]), None if scaled is None else scaled.scaled_for(p.name)
        stem = Address(f"projections.{p.name}", p.name, "", shape, hollow=p.weights.is_hollow(p.recurrent))
        original = {tie.projection: f"projections.{tie.to}.weights" for tie in net.ties}.get(p.name, "")
        weights = replace(stem, path=f"{stem.path}.weights", field="weights", copy_of=original)
        yield _conducting(replace(weights, **_weight_limits(p, here)), p)
        for k, rule in enumerate(p.plasticity):
            own = replace(stem, path=f"{stem.path}.{rule_name(p, k)}", rule=k)
            yield from _settable(own, rule, _rules(p, k, here), here, undeclared)
            for name, part in rule.parts():
                capability = {} if here is None else here.windows.get(part.kind, {})
                of_part = replace(own, path=f"{own.path}.{name}", part=name)
                yield from _settable(of_part, part, capability, here, undeclared)
    for k, stimulus in enumerate(net.stimuli):
        if left_out(f"stimuli[{k}]"):
            continue
        capability = {} if target is None else target.stimuli.get(stimulus.kind, {})
        size = net.population(stimulus.population).size
        stem = Address(f"stimuli[{k}]", stimulus.population, "", (), rule=k)
        of_it = _settable(stem, stimulus, capability, target, undeclared)
        yield from (replace(address, shape=stimulus.values(address.field, size).shape) for address in of_it)


def _settable(
    stem: Address, item: Kind, capability: Capability, target: Target | None, undeclared: bool
) -> Iterator[Address]:
    """The fields of an item at ``stem`` that a session can change, on a target that declares ``capability`` for it."""
    declared = capability.get("settable", ())
    for name, mark in marks(type(item)):
        if mark.settable == "always" or (mark.settable == "declared" and (undeclared or name in _names(declared))):
            limits = _limits(capability, name, target) | _limits(capability, f"written_{name}", target)
            if mark.per == "input":
                paths = {group: f"{stem.path}.{name}.{group}" for group in getattr(item, name)}
                yield from (
                    replace(stem, path=path, field=name, part=group, shape=(), **limits)
                    for group, path in paths.items()
                )
                continue
            yield replace(stem, path=f"{stem.path}.{name}", field=name, **limits)
    for name, listed in structure(type(item)):
        if listed.settable == "declared" and (undeclared or name in _names(declared)):
            yield replace(stem, path=f"{stem.path}.{name}", field=name, trains=True)


def _names(entry: Range | tuple[str, ...]) -> tuple[str, ...]:
    return entry if isinstance(entry, tuple) else ()


def _limits(capability: Capability, field: str, target: Target | None) -> dict[str, Any]:
    """The part of an Address that says what may be written."""
    entry = capability.get(field)
    return {"allowed": entry, "limit": f"the range of {target.name}"} if isinstance(entry, Range) and target else {}


def _rules(p: Projection, rule: int, target: Target | None) -> Capability:
    """What is declared for a rule by who works it out: the ``target``, as the projection finds it, or its host."""
    if target is None:
        return {}
    chosen = p.plasticity[rule]
    return (target.plasticity if on_chip(chosen, target) else target.host).get(chosen.kind, {})


def _weight_limits(p: Projection, target: Target | None) -> dict[str, Any]:
    """Weights that do not learn lie in the target's range; those that learn anywhere that learning may take them:
    within the bounds of their rules, or else in the range or where the target lets bounds be."""
    if any(rule.bounds is not None for rule in p.plasticity):
        low, high = narrowest_bounds(p.plasticity)
        return {"allowed": Range(min=low, max=high), "limit": "the bounds of the rule"}
    limits = _limits({} if target is None else target.projections, "weights", target)
    if limits and p.plasticity:
        reach = [_rules(p, k, target).get("bounds") for k in range(len(p.plasticity))]
        ranges = [limits["allowed"], *(entry for entry in reach if isinstance(entry, Range))]
        limits["allowed"] = Range(min=min(r.min for r in ranges), max=max(r.max for r in ranges))
    return limits


def _conducting(weights: Address, p: Projection) -> Address:
    """The address of a projection's weights, which as conductances are never negative."""
    if p.e_rev is None:
        return weights
    low, high = (0.0, 1e300) if weights.allowed is None else (weights.allowed.min, weights.allowed.max)
    limit = weights.limit if low > 0.0 else "a conductance"
    return replace(weights, allowed=Range(min=max(low, 0.0), max=high), limit=limit)


def item_at(net: Network, address: Address) -> Kind | Projection:
    """The part of the description whose field an address is."""
    if address.path.startswith("populations."):
        return net.population(address.owner).neuron
    if address.path.startswith("stimuli["):
        return net.stimuli[address.rule]
    p = net.projection(address.owner)
    if address.path == f"projections.{p.name}.{address.field}":
        return p
    rule = p.plasticity[address.rule]
    return dict(rule.parts())[address.part] if address.part else rule


def described(net: Network, address: Address) -> FloatArray:
    """What the description says at an address, in the address's shape; read only, since one number may stand for
    millions of synapses."""
    item = item_at(net, address)
    if isinstance(item, Stimulus):
        return item.values(address.field, net.population(address.owner).size)
    value = getattr(item, address.field)
    if isinstance(value, Mapping):
        value = value[address.part]
    if isinstance(value, Connector):
        value = values(value, *net.ends(address.owner))
    return np.broadcast_to(np.asarray(value, dtype=np.float64), address.shape)


def described_at(net: Network, path: str) -> FloatArray:
    """What the description says at a path, settable on some target or on all.

    Raises:
        KeyError: there is no such path.
    """
    for address in _addresses(net, None, True, beside=path):
        if address.path == path:
            return described(net, address)
    raise KeyError(path)


def session_error(code: str, path: str, asked: str, supported: str, fix: str = "") -> SessionError:
    """The one error of everything that a session refuses."""
    return SessionError("SessionError: refused", [Diagnostic(code, path, asked, supported, fix)])


def find(known: Mapping[str, Address], path: str) -> Address:
    """The address at ``path``.

    Raises:
        SessionError: no such path.
    """
    if not isinstance(path, str):
        raise session_error(
            "SAL402", "path", shown(path), "the path of an array, as text", f"as in {next(iter(known), '')!r}"
        )
    if path not in known:
        raise session_error("SAL402", path or "''", "", one_of(known), nearest(path, known, "choose one of these"))
    return known[path]


def as_written(
    address: Address,
    value: npt.ArrayLike,
    instances: int,
    held: Callable[[], FloatArray],
    does: Callable[[FloatArray], FloatArray] | None = None,
) -> FloatArray:
    """``value`` broadcast to (instance, *shape), read only.

    Args:
        held: what the session holds now. It may always be written back, wherever it lies: a target that rounds may hold
            a little more than it declares.
        does: what a calibrated chip does that holds the values given to it, which may reach beyond the declared range.

    Raises:
        SessionError: it does not broadcast, is not of finite numbers, or lies outside ``address.allowed``.
    """
    array = as_numbers(address, value, instances)
    if address.copy_of and not np.array_equal(array, held()):
        supported = f"a copy of {address.copy_of}, which nobody writes"
        raise session_error("SAL403", address.path, "a write", supported, f"write {address.copy_of}")
    if address.allowed is None:
        return array
    low, high = (np.broadcast_to(end, array.shape) for end in (address.allowed.min, address.allowed.max))
    if does is not None:
        low, high = np.minimum(low, does(low)), np.maximum(high, does(high))
    if np.any((array < low) | (array > high)):
        now = held()
        refuse_outside(address, value, array, np.minimum(low, now), np.maximum(high, now))
    return array


def as_numbers(address: Address, value: npt.ArrayLike, instances: int) -> FloatArray:
    """``value`` broadcast to (instance, *shape), whatever its range.

    Raises:
        SessionError: it does not broadcast, or is not of finite numbers.
    """
    shape = (instances, *address.shape)
    supported = f"numbers of shape {shape}, or {address.shape}"
    try:
        given = np.asarray(value)
    except (ValueError, TypeError, OverflowError):  # lists of unequal lengths, what refuses to be an array
        raise session_error("SAL403", address.path, shown(value), supported, "shape it as get() does") from None
    if given.dtype.kind not in "iuf":
        raise session_error("SAL403", address.path, shown(value), supported, "give numbers")
    with np.errstate(over="ignore"):
        given = given.astype(np.float64)
    try:
        array = np.broadcast_to(given, shape)
    except ValueError:
        asked = f"shape {given.shape}"
        raise session_error("SAL403", address.path, asked, supported, "shape it as get() does") from None
    if not np.isfinite(given).all():
        first = _first(~np.isfinite(given))
        asked = f"{np.asarray(value)[first]}"
        raise session_error("SAL403", address.path + _index(first), asked, "finite numbers", "replace NaN and infinity")
    return array


def refuse_outside(
    address: Address, value: npt.ArrayLike, array: FloatArray, low: FloatArray, high: FloatArray
) -> None:
    """Refuse ``value``, which ``array`` is when broadcast, if it lies outside ``low``..``high`` somewhere.

    Raises:
        SessionError: SAL403, at the first entry that does.
    """
    outside = (array < low) | (array > high)
    if address.hollow:
        outside[:, range(address.shape[0]), range(address.shape[1])] = False
    if not outside.any():
        return
    at = _first(outside)
    worst, ends = float(array[at]), Range(min=float(low[at]), max=float(high[at]))
    given = np.shape(value)
    place = at[len(at) - len(given) :] if given else ()
    own = tuple(0 if size == 1 else k for k, size in zip(place, given, strict=True))  # as the caller counts
    limit = f"{address.field} <= {number(ends.max)}" if worst > ends.max else f"{address.field} >= {number(ends.min)}"
    supported = f"{number(ends.min)}..{number(ends.max)}, {address.limit or 'what may be written'}"
    raise session_error("SAL403", address.path + _index(own), number(worst), supported, limit)


def _first(where: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """The index of the first entry that is true."""
    return tuple(int(k) for k in np.unravel_index(int(np.argmax(where)), where.shape))


def _index(at: tuple[int, ...]) -> str:
    return "".join(f"[{k}]" for k in at)


def duration_steps(net: Network, duration: float, progress: Callable[[float], None] | None = None) -> int:
    """The steps of a run of ``duration`` ms.

    Raises:
        SessionError: no number, no whole number of steps, or less than one; a ``progress`` that cannot be called.
    """
    checked_progress(progress)
    return checked_duration(duration, net.dt)
