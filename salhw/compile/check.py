"""Hold a description against a target's capabilities. Driven by the data of both: there is no list of features here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.connectivity import Dense
from salhw.consistency import rule_name
from salhw.diagnostics import Diagnostic
from salhw.fields import Model
from salhw.network import Network, Projection
from salhw.plasticity import PairSTDP
from salhw.refusal import number, with_unit
from salhw.target import Capability, Range, Target

_STRUCTURE = {
    "kind", "name", "population", "projection", "neurons", "times", "causal", "anticausal", "update", "execution",
}  # fmt: skip


def check(net: Network, target: Target) -> list[Diagnostic]:
    """Everything in ``net`` that ``target`` does not have, as diagnostics; paths as in ``consistency``."""
    return [
        *_fields("", net, target.network, {"populations", "projections", "stimuli", "probes"}),
        *_populations(net, target),
        *(finding for projection in net.projections for finding in _projection(net, projection, target)),
        *(f for k, item in enumerate(net.stimuli) for f in _kind(f"stimuli[{k}]", item, target.stimuli)),
        *(f for k, item in enumerate(net.probes) for f in _kind(f"probes[{k}]", item, target.probes)),
    ]


def _populations(net: Network, target: Target) -> Iterator[Diagnostic]:
    for population in net.populations:
        path, neuron = f"populations.{population.name}", population.neuron
        if neuron.kind in target.neurons:
            yield from _fields(path, neuron, target.neurons[neuron.kind], _STRUCTURE)
        else:
            yield _unsupported(f"{path}.neuron", neuron.kind, tuple(target.neurons))


def _projection(net: Network, projection: Projection, target: Target) -> Iterator[Diagnostic]:
    path = f"projections.{projection.name}"
    skipped = {"pre", "post", "weights", "kernel", "plasticity"}
    yield from _fields(path, projection, target.projections, skipped)
    allowed = target.projections.get("connectivity", ())
    if isinstance(allowed, tuple) and projection.weights.kind not in allowed:
        yield _unsupported(f"{path}.weights", projection.weights.kind, allowed)
    capability = target.projections.get("weights")
    if isinstance(projection.weights, Dense):
        # The zeros on the diagonal of a recurrent matrix are no synapses; a target without zero may still take it.
        matrix = projection.weights.values
        synapse = ~np.eye(len(matrix), dtype=np.bool_) if projection.pre == projection.post else None
        yield from _value(f"{path}.weights", matrix, capability, arrays=True, where=synapse)
    else:
        yield from _value(f"{path}.weights", projection.weights.weight, capability, arrays=True)
    yield from _kind(f"{path}.kernel", projection.kernel, target.kernels)
    for k, rule in enumerate(projection.plasticity):
        at = f"{path}.{rule_name(projection, k)}"
        findings = [*_rule(at, rule, target.plasticity, target.windows)]
        if findings and target.host:
            beyond = [*_rule(at, rule, target.host, target.host)]
            if rule.execution == "host":
                findings = beyond
            elif not beyond:
                findings = [replace(f, fix=f'{f.fix}, or execution="host"') for f in findings]
        yield from findings


def on_chip(rule: PairSTDP, target: Target) -> bool:
    """Whether the target itself learns by this rule, whose network passed ``check``; otherwise its host does."""
    return not any(_rule("", rule, target.plasticity, target.windows))


def _rule(
    at: str, rule: PairSTDP, rules: Mapping[str, Capability], windows: Mapping[str, Capability]
) -> Iterator[Diagnostic]:
    yield from _kind(at, rule, rules)
    if rule.kind in rules:
        schedules = rules[rule.kind].get("update", ())
        schedule = "every" if rule.period is not None else rule.update
        if isinstance(schedules, tuple) and schedule not in schedules:
            yield _unsupported(f"{at}.update", schedule, schedules)
        elif rule.period is not None:
            yield from _period(f"{at}.update", rule.update, rule.period, rules[rule.kind].get("every"))
        for branch in ("causal", "anticausal"):
            yield from _kind(f"{at}.{branch}", getattr(rule, branch), windows)


def _period(path: str, asked: str, period: float, entry: Range | tuple[str, ...] | None) -> Iterator[Diagnostic]:
    if isinstance(entry, Range) and not entry.min <= period <= entry.max:
        nearest = number(entry.min if period < entry.min else entry.max)
        yield Diagnostic(
            "SAL104",
            path,
            asked,
            f"supported every {number(entry.min)}..{number(entry.max)} ms",
            f'update = "every {nearest} ms"',
        )


def _unsupported(path: str, asked: str, allowed: tuple[str, ...]) -> Diagnostic:
    return Diagnostic("SAL101", path, asked, f"supported {', '.join(allowed) or 'none'}", "choose one of these")


def _kind(path: str, item: Any, capabilities: Mapping[str, Capability]) -> Iterator[Diagnostic]:
    if item.kind not in capabilities:
        yield _unsupported(path, item.kind, tuple(capabilities))
    else:
        yield from _fields(path, item, capabilities[item.kind], _STRUCTURE)


def _fields(path: str, item: Model, capability: Capability, skipped: set[str]) -> Iterator[Diagnostic]:
    arrays = capability.get("arrays", ())
    for name, info in type(item).model_fields.items():
        if name in skipped or name in _STRUCTURE:
            continue
        value = getattr(item, name)
        if name in capability:
            may_vary = isinstance(arrays, tuple) and name in arrays
            yield from _value(f"{path}.{name}".lstrip("."), value, capability[name], may_vary)
        elif isinstance(value, np.ndarray) or value != info.get_default():
            fix = f"leave {name} at its default"
            asked = f"shape {value.shape}" if isinstance(value, np.ndarray) else with_unit(f".{name}", f"{value}")
            default = with_unit(f".{name}", f"{info.get_default()}")
            yield Diagnostic("SAL102", f"{path}.{name}".lstrip("."), asked, f"only the default, {default}", fix)


def _value(
    path: str,
    value: Any,
    entry: Range | tuple[str, ...] | None,
    arrays: bool,
    where: npt.NDArray[np.bool_] | None = None,
) -> Iterator[Diagnostic]:
    """Hold a value against its capability; of an array, the entry that lies furthest outside (of those ``where``)."""
    if value is None:
        return
    if isinstance(entry, tuple):
        if value not in entry:
            yield Diagnostic("SAL103", path, str(value), f"supported {', '.join(entry)}", "choose one of these")
        return
    if isinstance(value, np.ndarray) and not arrays:
        yield Diagnostic("SAL105", path, f"shape {value.shape}", "one number for all", "give a single number")
        return
    array = np.asarray(value, dtype=np.float64)
    if entry is None or not array.size:
        return
    excess = np.maximum(entry.min - array, array - entry.max)
    if where is not None:
        excess = np.where(where, excess, 0.0)
    if excess.max() > 0:
        at = np.unravel_index(int(excess.argmax()), array.shape)
        worst, name = array[at], path.rpartition(".")[2]
        limit = f"{name} <= {number(entry.max)}" if worst > entry.max else f"{name} >= {number(entry.min)}"
        place = path + "".join(f"[{i}]" for i in at)
        asked, supported = with_unit(path, number(worst)), with_unit(path, f"supported {entry}")
        yield Diagnostic("SAL104", place, asked, supported, with_unit(path, limit))
