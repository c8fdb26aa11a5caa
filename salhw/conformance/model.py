"""What a check is, what it finds, and what may be known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from salhw.conformance.lab import Lab, Profile

OutcomeName = Literal["pass", "fail", "unsupported", "unmeasured", "known", "unavailable"]


@dataclass(frozen=True)
class Figure:
    """What the report draws: named curves over a common abscissa, the expected one first."""

    xlabel: str
    ylabel: str
    x: Sequence[float]
    curves: Mapping[str, Sequence[float]]
    errors: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What a check measured. ``measured`` and ``declared`` are in ``unit``; ``p_value`` belongs to the stated test;
    ``reason`` says in one line what was compared and, on failure, what that points at; ``details`` are plain data."""

    passed: bool
    reason: str
    measured: float | None = None
    declared: float | None = None
    unit: str = ""
    p_value: float | None = None
    figure: Figure | None = None
    details: Mapping[str, Any] | None = None


class Unmeasured(Exception):
    """Things that the target declares were never measured; the ``evidence`` says which."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        super().__init__(evidence.reason)


@dataclass(frozen=True)
class Check:
    """One property of a target. ``name`` points at the bug when it fails; the docstring of ``run`` specifies it."""

    name: str
    group: str
    run: Callable[[Lab], Evidence]
    profiles: tuple[Profile, ...] = ("quick", "full")

    @property
    def specification(self) -> str:
        """What the check holds a target to."""
        return " ".join((self.run.__doc__ or "").split())


REGISTRY: dict[str, Check] = {}


def check(
    name: str, *, group: str, profiles: tuple[Profile, ...] = ("quick", "full")
) -> Callable[..., Callable[[Lab], Evidence]]:
    """Register a function as the check ``name``."""

    def register(function: Callable[[Lab], Evidence]) -> Callable[[Lab], Evidence]:
        if name in REGISTRY:
            raise ValueError(f"check {name!r} twice")
        REGISTRY[name] = Check(name, group, function, profiles)
        return function

    return register


@dataclass(frozen=True)
class Known:
    """An expected failure: the check may fail for ``reason`` as long as it measures at most ``bound``. It goes stale,
    and then counts as a failure, when the check passes."""

    check: str
    reason: str
    bound: float | None = None


@dataclass(frozen=True)
class Outcome:
    """A check's result on one target."""

    name: str
    group: str
    outcome: OutcomeName
    reason: str
    seconds: float
    measured: float | None = None
    declared: float | None = None
    unit: str = ""
    p_value: float | None = None
    specification: str = ""
    figure: Figure | None = None
    details: Mapping[str, Any] | None = None

    @property
    def traceback(self) -> str:
        """The way to the exception that ended the check, through the author's own code; empty where none did."""
        return str((self.details or {}).get("traceback") or "")
