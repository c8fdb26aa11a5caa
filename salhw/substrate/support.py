"""Hold one part of a description against what a target declares for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.errors import with_unit
from salhw.description.fields import Model
from salhw.description.kernels import Rectangular
from salhw.description.plasticity import PairSTDP
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.target import Target

STRUCTURE = {
    "kind", "name", "population", "projection", "neurons", "times", "causal", "anticausal", "update", "execution",
}  # fmt: skip


_ON_GRID = {"tau_ref", "delay", "start", "stop", "every"}
"""Times that are whole numbers of steps; so is the ``tau_syn`` of a rectangular PSP."""


def on_chip(rule: PairSTDP, target: Target) -> bool:
    """Whether the target itself learns by this rule, whose network passed ``check``; otherwise its host does."""
    return not any(rule_findings("", rule, target.plasticity, target.windows))


def rule_findings(
    at: str, rule: PairSTDP, rules: Mapping[str, Capability], windows: Mapping[str, Capability], dt: float = 1.0
) -> Iterator[Diagnostic]:
    yield from kind_findings(at, rule, rules, dt)
    if rule.kind in rules:
        yield from _schedule(f"{at}.update", rule, rules[rule.kind], dt)
        for branch in ("causal", "anticausal"):
            yield from kind_findings(f"{at}.{branch}", getattr(rule, branch), windows, dt)


def _schedule(path: str, rule: PairSTDP, capability: Capability, dt: float) -> Iterator[Diagnostic]:
    """When weights change. A period is a whole number of steps, so is the one that a fix names."""
    schedules, periods = capability.get("update", ()), capability.get("every")
    known = schedules if isinstance(schedules, tuple) else ()
    within = periods if isinstance(periods, Range) else Range(min=dt, max=float("1e9"))
    every = f"every {number(within.min)}..{number(within.max)} ms" if isinstance(periods, Range) else "every T ms"
    if ("every" if rule.period is not None else rule.update) not in known:
        asked, code = rule.update, "SAL101"
        instead = known[0] if known and known[0] != "every" else f"every {nearest_step(200.0, within, dt)} ms"
        supported = ", ".join(every if name == "every" else name for name in known) or "none"
    elif rule.period is not None and not within.min <= rule.period <= within.max and isinstance(periods, Range):
        asked, code, supported = rule.update, "SAL104", every
        instead = f"every {nearest_step(rule.period, within, dt)} ms"
    else:
        return
    yield Diagnostic(code, path, asked, f"supported {supported}", f'update = "{instead}"')


def nearest_step(time: float, within: Range, dt: float) -> str:
    """The whole number of steps within a range that is nearest to ``time``, in ms."""
    steps = min(max(time / dt, ceil(within.min / dt - 1e-9)), floor(within.max / dt + 1e-9))
    return number(max(round(steps), 1) * dt)


def unsupported(path: str, asked: str, allowed: tuple[str, ...], fix: str = "choose one of these") -> Diagnostic:
    return Diagnostic("SAL101", path, asked, f"supported {', '.join(allowed) or 'none'}", fix)


def kind_findings(
    path: str, item: Any, capabilities: Mapping[str, Capability], dt: float, fix: str = "choose one of these"
) -> Iterator[Diagnostic]:
    if item.kind not in capabilities:
        yield unsupported(path, item.kind, tuple(capabilities), fix)
    else:
        yield from field_findings(path, item, capabilities[item.kind], STRUCTURE, dt)


def field_findings(
    path: str, item: Model, capability: Capability, skipped: set[str], dt: float
) -> Iterator[Diagnostic]:
    arrays = capability.get("arrays", ())
    for name, info in type(item).model_fields.items():
        if name in skipped or name in STRUCTURE:
            continue
        value = getattr(item, name)
        if name in capability:
            may_vary = isinstance(arrays, tuple) and name in arrays
            stepped = name in _ON_GRID or (name == "tau_syn" and isinstance(item, Rectangular))
            at = f"{path}.{name}".lstrip(".")
            yield from value_findings(at, value, capability[name], may_vary, dt=dt if stepped else None)
        elif isinstance(value, np.ndarray) or value != info.get_default():
            fix = f"leave {name} at its default"
            asked = f"shape {value.shape}" if isinstance(value, np.ndarray) else with_unit(f".{name}", f"{value}")
            default = with_unit(f".{name}", f"{info.get_default()}")
            yield Diagnostic("SAL102", f"{path}.{name}".lstrip("."), asked, f"only the default, {default}", fix)


def value_findings(
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
