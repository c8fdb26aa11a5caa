"""compile(): fit where it is asked for, the passes, a calibration."""

from __future__ import annotations

from dataclasses import replace

from salhw.compiler.findings import chosen_plugin, problems
from salhw.compiler.fit import Fitted
from salhw.compiler.fit import fit as fitted_to
from salhw.compiler.passes import lowered
from salhw.description.network import Network
from salhw.diagnostics.arguments import instance_of
from salhw.registry import backend, resolve
from salhw.session.backend import Backend
from salhw.session.calibration import Calibration, check_target, effect
from salhw.session.executable import Executable
from salhw.substrate.target import Target

__all__ = ["calibrated", "compile", "problems"]


def compile(
    net: Network,
    target: Target | str,
    *,
    calibration: Calibration | None = None,
    plugin: Backend | None = None,
    fit: bool = False,
) -> Executable:
    """Lower a network to a target: check, list the synapses that are drawn, lower, quantise, place.

    Args:
        target: a Target or the name of one.
        fit: change the network first, as little as the target needs (``salhw.fit``); the report has the changes.
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
    target, plugin = resolve(target), chosen_plugin(plugin)
    fitted = Fitted(net, target, (), net)
    if instance_of("fit", fit, bool, "give True or False"):
        fitted = fitted_to(net, target, plugin=plugin)
    if calibration is not None:
        check_target(calibration, fitted.target)
    executable = lowered(fitted.network, fitted.target, plugin or backend(target.backend))
    if fitted.changes or net.explicit is not net:
        executable = replace(executable, report=replace(executable.report, changes=fitted.changes), written=net)
    return executable if calibration is None else calibrated(executable, calibration)


def calibrated(executable: Executable, calibration: Calibration) -> Executable:
    """The same executable with a calibration of its target.

    Raises:
        CalibrationError: measured not at the places that the network takes.
    """
    report = replace(executable.report, calibration=effect(executable, calibration))
    return replace(executable, report=report, calibration=calibration)
