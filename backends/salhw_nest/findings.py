"""The two kinds of findings that lowering to NEST makes."""

from __future__ import annotations

from collections.abc import Iterator

from salhw.description.parts import Projection, rule_name
from salhw.diagnostics import Diagnostic
from salhw.substrate.support import any_time, nearest_step, on_chip
from salhw.substrate.target import Target


def together(path: str, asked: str, supported: str, fix: str) -> Diagnostic:
    """What NEST has, but not with what stands beside it in the network."""
    return Diagnostic("SAL107", path, asked, supported, fix)


def different(code: str, path: str, asked: str, size: str, fix: str) -> Diagnostic:
    """What NEST does otherwise, with its size."""
    return Diagnostic(code, path, asked, size, fix, severity="approximation")


def not_learned(projection: Projection, target: Target, dt: float, supported: str) -> Iterator[Diagnostic]:
    """Rules by which NEST would learn itself, where its host has to. A rule that NEST could have is the host's if it is
    updated every so many ms, too."""
    period = nearest_step(200.0, any_time(dt), dt)
    for k, rule in enumerate(projection.plasticity):
        path = f"projections.{projection.name}.{rule_name(projection, k)}"
        if on_chip(rule, target) and rule.execution != "host":
            yield together(f"{path}.execution", rule.execution, supported, 'execution = "host"')
        elif on_chip(rule, target):
            yield together(path, "learned by NEST", supported, f'update = "every {period} ms"')
