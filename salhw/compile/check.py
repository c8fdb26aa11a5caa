"""Hold a description against a target's capabilities. Driven by the data of both: there is no list of features here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count, islice
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.connectivity import Dense
from salhw.consistency import rule_name
from salhw.diagnostics import Diagnostic
from salhw.fields import Model
from salhw.kernels import Rectangular
from salhw.network import Network, Projection, takes_step
from salhw.neurons import LIF
from salhw.plasticity import PairSTDP
from salhw.refusal import number, with_unit
from salhw.target import Capability, Range, Target

_STRUCTURE = {
    "kind", "name", "population", "projection", "neurons", "times", "causal", "anticausal", "update", "execution",
}  # fmt: skip
_ON_GRID = {"tau_ref", "delay", "start", "stop", "every"}
"""Times that are whole numbers of steps; so is the ``tau_syn`` of a rectangular PSP."""


def check(net: Network, target: Target) -> list[Diagnostic]:
    """Everything in ``net`` that ``target`` does not have, as diagnostics; paths as in ``consistency``. The first thing
    that a fix says is accepted when followed."""
    parts = {"stimuli": (net.stimuli, target.stimuli), "probes": (net.probes, target.probes)}
    return [
        *_network(net, target),
        *_populations(net, target),
        *(finding for projection in net.projections for finding in _projection(net, projection, target)),
        *(
            finding
            for group, (items, capabilities) in parts.items()
            for k, item in enumerate(items)
            for finding in _kind(f"{group}[{k}]", item, capabilities, net.dt, "leave it out, or choose one of these")
        ),
    ]


def _network(net: Network, target: Target) -> Iterator[Diagnostic]:
    for finding in _fields("", net, target.network, {"populations", "projections", "stimuli", "probes"}, net.dt):
        steps = target.network.get("dt")
        if finding.path == "dt" and isinstance(steps, Range):
            finding = replace(finding, fix=_other_step(net, steps) or f"{finding.fix}, and times that it divides")
        yield finding


def _other_step(net: Network, steps: Range) -> str:
    """The step in the range, nearest to the network's, that all its times are whole multiples of, as far as it is
    written (a third of a step is not); none if there is none."""
    if net.dt > steps.max:
        candidates = (net.dt / k for k in count(ceil(net.dt / steps.max - 1e-9)))
    else:
        candidates = (k * net.dt for k in count(ceil(steps.min / net.dt - 1e-9)))
    for candidate in islice(candidates, 64):
        dt = float(number(candidate))
        if not steps.min <= dt <= steps.max:
            return ""
        if takes_step(net, dt):
            return f"dt = {number(dt)} ms"
    return ""


def _populations(net: Network, target: Target) -> Iterator[Diagnostic]:
    for population in net.populations:
        path, neuron = f"populations.{population.name}", population.neuron
        if neuron.kind in target.neurons:
            capability = target.neurons[neuron.kind]
            for finding in _fields(path, neuron, capability, _STRUCTURE, net.dt):
                yield _below_threshold(finding, neuron, capability) if isinstance(neuron, LIF) else finding
        else:
            yield _unsupported(f"{path}.neuron", neuron.kind, tuple(target.neurons))


def _below_threshold(finding: Diagnostic, neuron: LIF, capability: Capability) -> Diagnostic:
    """A fix that moves one of reset and threshold over the other moves that one first."""
    field, entry = finding.path.rpartition(".")[2], capability.get(finding.path.rpartition(".")[2])
    if field not in ("v_reset", "v_thresh") or not isinstance(entry, Range):
        return finding
    gap = min(neuron.v_thresh - neuron.v_reset, (entry.max - entry.min) / 2)
    if field == "v_reset" and neuron.v_thresh <= entry.min:
        return replace(finding, fix=f"v_thresh >= {number(entry.min + gap)}, then {finding.fix}")
    if field == "v_thresh" and neuron.v_reset >= entry.max:
        return replace(finding, fix=f"v_reset <= {number(entry.max - gap)}, then {finding.fix}")
    return finding


def _projection(net: Network, projection: Projection, target: Target) -> Iterator[Diagnostic]:
    path = f"projections.{projection.name}"
    skipped = {"pre", "post", "weights", "kernel", "plasticity"}
    yield from _fields(path, projection, target.projections, skipped, net.dt)
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
    yield from _kind(
        f"{path}.kernel", projection.kernel, target.kernels, net.dt, _other_kernel(projection, target, net.dt)
    )
    for k, rule in enumerate(projection.plasticity):
        at = f"{path}.{rule_name(projection, k)}"
        findings = [*_rule(at, rule, target.plasticity, target.windows, net.dt)]
        if findings and target.host:
            beyond = [*_rule(at, rule, target.host, target.host, net.dt)]
            if rule.execution == "host":
                findings = beyond
            elif not beyond:
                findings = [replace(f, fix=f'{f.fix}, or execution="host"') for f in findings]
        yield from findings


def _other_kernel(projection: Projection, target: Target, dt: float) -> str:
    """A kernel that the target has, with the time constant of the projection's."""
    kind = next((kind for kind in ("Exponential", *target.kernels) if kind in target.kernels), "")
    tau = projection.kernel.tau_syn
    if kind == "Rectangular":
        tau = float(_nearest_step(tau, Range(min=dt, max=float("1e9")), dt))
    return f"kernel = {kind}(tau_syn={number(tau)}), or another of these" if kind else "choose another target"


def on_chip(rule: PairSTDP, target: Target) -> bool:
    """Whether the target itself learns by this rule, whose network passed ``check``; otherwise its host does."""
    return not any(_rule("", rule, target.plasticity, target.windows))


def _rule(
    at: str, rule: PairSTDP, rules: Mapping[str, Capability], windows: Mapping[str, Capability], dt: float = 1.0
) -> Iterator[Diagnostic]:
    yield from _kind(at, rule, rules, dt)
    if rule.kind in rules:
        yield from _schedule(f"{at}.update", rule, rules[rule.kind], dt)
        for branch in ("causal", "anticausal"):
            yield from _kind(f"{at}.{branch}", getattr(rule, branch), windows, dt)


def _schedule(path: str, rule: PairSTDP, capability: Capability, dt: float) -> Iterator[Diagnostic]:
    """When weights change. A period is a whole number of steps, so is the one that a fix names."""
    schedules, periods = capability.get("update", ()), capability.get("every")
    known = schedules if isinstance(schedules, tuple) else ()
    within = periods if isinstance(periods, Range) else Range(min=dt, max=float("1e9"))
    every = f"every {number(within.min)}..{number(within.max)} ms" if isinstance(periods, Range) else "every T ms"
    if ("every" if rule.period is not None else rule.update) not in known:
        asked, code = rule.update, "SAL101"
        instead = known[0] if known and known[0] != "every" else f"every {_nearest_step(200.0, within, dt)} ms"
        supported = ", ".join(every if name == "every" else name for name in known) or "none"
    elif rule.period is not None and not within.min <= rule.period <= within.max and isinstance(periods, Range):
        asked, code, supported = rule.update, "SAL104", every
        instead = f"every {_nearest_step(rule.period, within, dt)} ms"
    else:
        return
    yield Diagnostic(code, path, asked, f"supported {supported}", f'update = "{instead}"')


def _nearest_step(time: float, within: Range, dt: float) -> str:
    """The whole number of steps within a range that is nearest to ``time``, in ms."""
    steps = min(max(time / dt, ceil(within.min / dt - 1e-9)), floor(within.max / dt + 1e-9))
    return number(max(round(steps), 1) * dt)


def _unsupported(path: str, asked: str, allowed: tuple[str, ...], fix: str = "choose one of these") -> Diagnostic:
    return Diagnostic("SAL101", path, asked, f"supported {', '.join(allowed) or 'none'}", fix)


def _kind(
    path: str, item: Any, capabilities: Mapping[str, Capability], dt: float, fix: str = "choose one of these"
) -> Iterator[Diagnostic]:
    if item.kind not in capabilities:
        yield _unsupported(path, item.kind, tuple(capabilities), fix)
    else:
        yield from _fields(path, item, capabilities[item.kind], _STRUCTURE, dt)


def _fields(path: str, item: Model, capability: Capability, skipped: set[str], dt: float) -> Iterator[Diagnostic]:
    arrays = capability.get("arrays", ())
    for name, info in type(item).model_fields.items():
        if name in skipped or name in _STRUCTURE:
            continue
        value = getattr(item, name)
        if name in capability:
            may_vary = isinstance(arrays, tuple) and name in arrays
            stepped = name in _ON_GRID or (name == "tau_syn" and isinstance(item, Rectangular))
            at = f"{path}.{name}".lstrip(".")
            yield from _value(at, value, capability[name], may_vary, dt=dt if stepped else None)
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
    dt: float | None = None,
) -> Iterator[Diagnostic]:
    """Hold a value against its capability; of an array, the entry that lies furthest outside (of those ``where``).
    A fix stays on the time grid of a value that has to lie on it (``dt``)."""
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
        worst, place = array[at], path + "".join(f"[{i}]" for i in at)
        asked, supported = with_unit(path, number(worst)), with_unit(path, f"supported {entry}")
        yield Diagnostic("SAL104", place, asked, supported, _limit(path, value, worst, entry, dt))


def _limit(path: str, value: Any, worst: float, entry: Range, dt: float | None) -> str:
    """What brings a value into its range: the nearest end of it, for a time the nearest step within."""
    name, (low, high) = path.rpartition(".")[2], (entry.min, entry.max)
    if isinstance(value, tuple):
        inside = (max(value[0], low), min(value[1], high))
        inside = inside if inside[0] < inside[1] else (low, high)
        return f"{name} = ({number(inside[0])}, {number(inside[1])})"
    if dt is not None:
        low, high = ceil(low / dt - 1e-9) * dt, floor(high / dt + 1e-9) * dt
        if high < low:
            return with_unit(path, f"another dt, of which {name} is a whole multiple within {entry}")
    return with_unit(path, f"{name} <= {number(high)}" if worst > high else f"{name} >= {number(low)}")
