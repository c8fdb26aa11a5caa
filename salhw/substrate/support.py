"""Hold one part of a description against what a target declares for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, floor
from sys import float_info
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.errors import with_unit
from salhw.description.fields import Model, defaults
from salhw.description.markers import marks
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import reference_of
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.target import Target

ELSEWHERE = {"weights", "update"}
"""Marked fields whose capability is not a range or a choice of their own."""


def on_chip(rule: PlasticityRule, target: Target) -> bool:
    """Whether the target itself learns by this rule, whose network passed ``check``; otherwise its host does."""
    return not any(rule_findings("", rule, target.plasticity, target.windows))


def rule_findings(
    at: str, rule: PlasticityRule, rules: Mapping[str, Capability], windows: Mapping[str, Capability], dt: float = 1.0
) -> Iterator[Diagnostic]:
    yield from kind_findings(at, rule, rules, dt)
    if rule.kind in rules:
        yield from _schedule(f"{at}.update", rule, rules[rule.kind], dt)
        for name, part in rule.parts():
            yield from kind_findings(f"{at}.{name}", part, windows, dt)


def _schedule(path: str, rule: PlasticityRule, capability: Capability, dt: float) -> Iterator[Diagnostic]:
    """When weights change. A period is a whole number of steps, so is the one that a fix names."""
    schedules, periods = capability.get("update", ()), capability.get("every")
    known = schedules if isinstance(schedules, tuple) else ()
    within = periods if isinstance(periods, Range) else any_time(dt)
    every = f"every {number(within.min)}..{number(within.max)} ms" if isinstance(periods, Range) else "every T ms"
    if rule.schedule not in known:
        asked, code = rule.update, "SAL101"
        instead = known[0] if known and known[0] != "every" else f"every {nearest_step(200.0, within, dt)} ms"
        supported = ", ".join(every if name == "every" else name for name in known) or "none"
    elif rule.period is not None and not within.min <= rule.period <= within.max and isinstance(periods, Range):
        asked, code, supported = rule.update, "SAL104", every
        instead = f"every {nearest_step(rule.period, within, dt)} ms"
    else:
        return
    lost = " and reference = None" if reference_of(rule) and not instead.startswith("every") else ""
    yield Diagnostic(code, path, asked, f"supported {supported}", f'update = "{instead}"{lost}')


def any_time(dt: float) -> Range:
    """The range of times where nothing limits them: a step and more."""
    return Range(min=dt, max=1e9)


def nearest_step(time: float, within: Range, dt: float) -> str:
    """The whole number of steps within a range that is nearest to ``time``, in ms."""
    low, high = (min(end / dt, float_info.max) for end in (within.min, within.max))
    steps = min(max(time / dt, ceil(low - 1e-9)), floor(high + 1e-9))
    return number(max(round(steps), 1) * dt)


def unsupported(path: str, asked: str, allowed: tuple[str, ...], fix: str = "choose one of these") -> Diagnostic:
    fix = fix if allowed else fix.replace("choose one of these", "choose another target")
    return Diagnostic("SAL101", path, asked, f"supported {', '.join(allowed) or 'none'}", fix)


def kind_findings(
    path: str, item: Any, capabilities: Mapping[str, Capability], dt: float, fix: str = "choose one of these"
) -> Iterator[Diagnostic]:
    if item.kind not in capabilities:
        yield unsupported(path, item.kind, tuple(capabilities), fix)
    else:
        yield from field_findings(path, item, capabilities[item.kind], dt)


def field_findings(path: str, item: Model, capability: Capability, dt: float) -> Iterator[Diagnostic]:
    """Every marked field of ``item`` that lies outside of its capability, or may only have its default.

    What has no capability of its own (when weights change, which connector there is) is held against it elsewhere."""
    arrays, required = (names_in(capability, key) for key in ("arrays", "required"))
    for name, mark in marks(type(item)):
        if name in ELSEWHERE:
            continue
        value, unit, default = getattr(item, name), mark.unit, defaults(type(item))[name]
        at = f"{path}.{name}".lstrip(".")
        if mark.per == "input" and name in capability:
            for group, gain in value.items():
                yield from value_findings(f"{at}.{group}", gain, capability[name], arrays=False)
        elif value is None and name in required:
            yield _required(at, name, capability, unit, dt)
        elif name in capability:
            step = dt if mark.grid is not None else None
            known = mark.declared(value)
            yield from value_findings(at, known, capability[name], name in arrays, unit=unit, dt=step)
        elif isinstance(value, np.ndarray) or value != default:
            asked = f"shape {value.shape}" if isinstance(value, np.ndarray) else with_unit(unit, f"{value}")
            supported, fix = f"only the default, {with_unit(unit, f'{default}')}", f"leave {name} at its default"
            if mark.per == "input":
                fix = f"leave {name} and what goes into them out, after multiplying the weights by the gains"
            yield Diagnostic("SAL102", at, asked, supported, fix)


def names_in(capability: Capability, key: str) -> tuple[str, ...]:
    """What a capability lists under ``arrays``, ``required`` or ``settable``, or as the choices of a field."""
    entry = capability.get(key, ())
    return entry if isinstance(entry, tuple) else ()


def _required(path: str, name: str, capability: Capability, unit: str, dt: float) -> Diagnostic:
    """A time that is left out and may not be."""
    entry = capability[name]
    within = entry if isinstance(entry, Range) else any_time(dt)
    fix = with_unit(unit, f"{name} = {nearest_step(200.0, within, dt)}")
    return Diagnostic("SAL104", path, "none", with_unit(unit, f"supported {within}"), fix)


def value_findings(
    path: str,
    value: Any,
    entry: Range | tuple[str, ...] | None,
    arrays: bool,
    *,
    where: npt.NDArray[np.bool_] | None = None,
    unit: str = "",
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
    if entry is None or (isinstance(value, int | float) and entry.min <= value <= entry.max):
        return  # most values are single numbers, and an array of one takes ten times as long
    array = np.asarray(value, dtype=np.float64)
    if not array.size:
        return
    excess = np.maximum(entry.min - array, array - entry.max)
    if where is not None:
        excess = np.where(where, excess, 0.0)
    if excess.max() > 0:
        at = np.unravel_index(int(excess.argmax()), array.shape)
        worst, place = array[at], path + "".join(f"[{i}]" for i in at)
        asked, supported = with_unit(unit, number(worst)), with_unit(unit, f"supported {entry}")
        yield Diagnostic("SAL104", place, asked, supported, _limit(path, value, worst, entry, unit, dt))


def _limit(path: str, value: Any, worst: float, entry: Range, unit: str, dt: float | None) -> str:
    """What brings a value into its range: the nearest end of it, for a time the nearest step within."""
    name, (low, high) = path.rpartition(".")[2], (entry.min, entry.max)
    if isinstance(value, tuple):
        inside = (max(value[0], low), min(value[1], high))
        inside = inside if inside[0] < inside[1] else (low, high)
        return f"{name} = ({_end(inside[0], -1)}, {_end(inside[1], 1)})"
    if dt is None:
        above, below = _end(low, -1), _end(high, 1)
    else:
        low, high = ceil(low / dt - 1e-9) * dt, floor(high / dt + 1e-9) * dt
        if high < low:
            return with_unit(unit, f"another dt, of which {name} is a whole multiple within {entry}")
        above, below = number(low), number(high)
    if low == high:
        return with_unit(unit, f"{name} = {below}")
    return with_unit(unit, f"{name} <= {below}" if worst > high else f"{name} >= {above}")


def _end(end: float, side: int) -> str:
    """An end of a range, the upper one if ``side`` is 1, in ten digits that do not lead out of it."""
    text = number(end)
    return text if side * float(text) <= side * end else number(end - side * abs(end) * 1e-9)
