"""compile(): the passes in their order, and one error with all findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from salhw.compiler.check import check
from salhw.compiler.place import place
from salhw.compiler.quantise import quantise
from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.description.ties import transported
from salhw.diagnostics import BackendError, Diagnostic, UnsupportedNetworkError, counted
from salhw.diagnostics.arguments import described, instance_of, wrong
from salhw.machine import NOTHING, Memory
from salhw.registry import backend, resolve, targets
from salhw.session.backend import Backend, Weighing
from salhw.session.calibration import Calibration, check_target, effect
from salhw.session.executable import Executable, Report
from salhw.session.memory import assumed, too_large
from salhw.substrate.target import Target


def problems(net: Network, target: Target | str, *, plugin: Backend | None = None) -> list[Diagnostic]:
    """Every reason why ``target`` cannot hold ``net``; empty if it can. ``target`` and ``plugin`` as in ``compile``.

    Raises:
        DescriptionError: what was given is no network.
        BackendError: no such target.
    """
    instance_of("net", net, Network, "give a salhw.Network, as salhw.load returns it")
    target = resolve(target)
    plugin = _plugin(plugin) or backend(target.backend)
    findings = _before_lowering(net, target, plugin)[0]
    if not findings:
        lowering = plugin.lower(net, target)
        findings = _errors(lowering.findings)
        if not findings:
            findings = _errors(quantise(lowering.network, lowering.target or target)[1])
    return findings


def _errors(findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [finding for finding in findings if finding.severity == "error"]


def compile(
    net: Network, target: Target | str, *, calibration: Calibration | None = None, plugin: Backend | None = None
) -> Executable:
    """Lower a network to a target: check, lower, quantise, place.

    Args:
        target: a Target or the name of one.
        calibration: measured corrections, with which the executable's sessions open on the chips that they were
            measured on; the report says what they change.
        plugin: a backend that is not installed, to be used instead of the registered one called ``target.backend``.

    Raises:
        DescriptionError: what was given is no network.
        UnsupportedNetworkError: with every reason, and the targets that would take the network.
        CalibrationError: measured on another target, or not at the places that the network takes.
        BackendError: no such target.
    """
    instance_of("net", net, Network, "give a salhw.Network, as salhw.load returns it")
    target = resolve(target)
    if calibration is not None:
        check_target(calibration, target)
    plugin = _plugin(plugin) or backend(target.backend)
    findings, memory = _before_lowering(net, target, plugin)
    if findings:
        raise _unsupported(net, target, findings)
    lowering = plugin.lower(net, target)
    if errors := _errors(lowering.findings):
        raise _unsupported(net, target, errors)
    target = lowering.target or target
    quantised, rounded = quantise(lowering.network, target)
    if errors := _errors(rounded):
        raise _unsupported(net, target, errors)
    placement, _ = place(quantised, target)
    transport = transported(net.ties, {p.name: count(p.weights, *net.ends(p.name)) for p in net.projections})
    report = Report(
        network=net.name,
        target=target.name,
        approximations=(*lowering.findings, *rounded),
        notes=(*lowering.notes, *filter(None, [transport])),
        used=placement.used,
        available=target.resources,
        memory=memory,
    )
    executable = Executable(quantised, net, target, placement, report, plugin)
    return executable if calibration is None else calibrated(executable, calibration)


def _plugin(plugin: Backend | None) -> Backend | None:
    """A backend that was handed in.

    Raises:
        BackendError: it is none.
    """
    if plugin is not None and not isinstance(plugin, Backend):
        supported = "an object with name, targets(), lower() and open()"
        raise wrong("plugin", described(plugin), supported, "give a backend", code="SAL602", kind=BackendError)
    return plugin


def _before_lowering(net: Network, target: Target, plugin: Backend) -> tuple[list[Diagnostic], Memory]:
    """What is wrong with a network whatever the backend makes of it, and the memory that a session takes: lowering may
    take as much, so that what does not fit is refused before."""
    if findings := [*check(net, target), *place(net, target)[1]]:
        return findings, NOTHING
    try:
        memory = plugin.memory(net, target) if isinstance(plugin, Weighing) else assumed(net)
    except UnsupportedNetworkError:  # a kind that the backend does not know, at whose path lowering refuses it
        memory = assumed(net)
    return too_large(net, memory), memory


def calibrated(executable: Executable, calibration: Calibration) -> Executable:
    """The same executable with a calibration of its target.

    Raises:
        CalibrationError: measured not at the places that the network takes.
    """
    report = replace(executable.report, calibration=effect(executable, calibration))
    return replace(executable, report=report, calibration=calibration)


def _unsupported(net: Network, target: Target, findings: Sequence[Diagnostic]) -> UnsupportedNetworkError:
    others = sorted(t.name for t in targets().values() if t.name != target.name and not problems(net, t))
    footer = f"More: salhw explain {findings[0].code}"
    if others:
        footer = f"Also runs on: {', '.join(others)}.   {footer}"
    headline = f"UnsupportedNetworkError: target {target.name!r} rejects {net.name!r} ({counted('problem', findings)})"
    return UnsupportedNetworkError(headline, findings, footer)
