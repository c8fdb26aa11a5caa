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


def not_learned(projection: Projection, target: Target, dt: float, synapses: str) -> Iterator[Diagnostic]:
    """Rules by which NEST would learn itself, at ``synapses`` of which its host has to. A rule that NEST could have is
    the host's if it is updated every so many ms, too."""
    for k, rule in enumerate(projection.plasticity):
        if on_chip(rule, target):
            period = nearest_step(200.0, any_time(dt), dt)
            fix = 'execution = "host"' if rule.execution != "host" else f'update = "every {period} ms"'
            path = f"projections.{projection.name}.{rule_name(projection, k)}"
            yield together(path, "learned by NEST", f"{synapses} that the host learns", fix)
