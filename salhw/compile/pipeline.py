"""compile(): the passes in their order, and one error with all findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from salhw.compile.check import check
from salhw.compile.executable import Executable, Report
from salhw.compile.place import place
from salhw.compile.quantise import quantise
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError, counted
from salhw.network import Network
from salhw.target import Target

if TYPE_CHECKING:
    from salhw.backend import Backend


def problems(net: Network, target: Target | str, *, plugin: Backend | None = None) -> list[Diagnostic]:
    """Every reason why ``target`` cannot hold ``net``; empty if it can. ``target`` and ``plugin`` as in ``compile``.

    Raises:
        BackendError: no such target.
    """
    from salhw.backend import backend, resolve

    target = resolve(target)
    findings = [*check(net, target), *place(net, target)[1]]
    if not findings:
        lowering = (plugin or backend(target.backend)).lower(net, target)
        findings = [f for f in lowering.findings if f.severity == "error"]
    return findings


def compile(
    net: Network, target: Target | str, *, calibration: None = None, plugin: Backend | None = None
) -> Executable:
    """Lower a network to a target: check, lower, quantise, place.

    Args:
        target: a Target or the name of one.
        calibration: measured corrections for one chip; no target takes one yet.
        plugin: a backend that is not installed, to be used instead of the registered one called ``target.backend``.

    Raises:
        UnsupportedNetworkError: with every reason, and the targets that would take the network.
        BackendError: no such target.
    """
    from salhw.backend import backend, resolve

    target = resolve(target)
    if calibration is not None:
        asked = type(calibration).__name__
        finding = Diagnostic("SAL106", "calibration", asked, "none: this target takes no calibration", "leave it out")
        raise _unsupported(net, target, [finding])
    findings = [*check(net, target), *place(net, target)[1]]
    if findings:
        raise _unsupported(net, target, findings)
    plugin = plugin or backend(target.backend)
    lowering = plugin.lower(net, target)
    if errors := [f for f in lowering.findings if f.severity == "error"]:
        raise _unsupported(net, target, errors)
    target = lowering.target or target
    quantised, rounded = quantise(lowering.network, target)
    placement, _ = place(quantised, target)
    report = Report(
        network=net.name,
        target=target.name,
        approximations=(*lowering.findings, *rounded),
        notes=lowering.notes,
        used=placement.used,
        available=target.resources,
    )
    return Executable(quantised, net, target, placement, report, plugin)


def _unsupported(net: Network, target: Target, findings: Sequence[Diagnostic]) -> UnsupportedNetworkError:
    from salhw.backend import targets

    others = sorted(t.name for t in targets().values() if t.name != target.name and not problems(net, t))
    footer = f"More: salhw explain {findings[0].code}"
    if others:
        footer = f"Also runs on: {', '.join(others)}.   {footer}"
    headline = f"UnsupportedNetworkError: target {target.name!r} rejects {net.name!r} ({counted('problem', findings)})"
    return UnsupportedNetworkError(headline, findings, footer)
