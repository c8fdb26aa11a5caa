"""What stands against a network on a target: problems(), and the one error that lists it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from salhw.compiler.check import check
from salhw.compiler.described import as_described
from salhw.compiler.place import place
from salhw.compiler.quantise import quantise
from salhw.description.network import Network
from salhw.diagnostics import Approximations, BackendError, Diagnostic, UnsupportedNetworkError, counted
from salhw.diagnostics.arguments import described, instance_of, wrong
from salhw.machine import NOTHING, Memory
from salhw.registry import backend, resolve, targets
from salhw.session.backend import Backend, Weighing
from salhw.session.folding import own_part, with_room, with_scales
from salhw.session.memory import assumed, too_large
from salhw.session.pieces import PiecewiseBackend
from salhw.substrate.target import Target


def problems(net: Network, target: Target | str, *, plugin: Backend | None = None) -> list[Diagnostic]:
    """Every reason why ``target`` cannot hold ``net``; empty if it can. ``target`` and ``plugin`` as in ``compile``.

    Raises:
        DescriptionError: what was given is no network.
        BackendError: no such target.
    """
    instance_of("net", net, Network, "give a salhw.Network, as salhw.load returns it")
    target = resolve(target)
    plugin = chosen_plugin(plugin) or backend(target.backend)
    findings = before_lowering(net, target, plugin)[0]
    net = net.explicit
    if not findings:
        own, target = own_part(net, target), with_scales(net, with_room(net, target))
        lowering = plugin.lower(own, target)
        findings = errors(lowering.findings)
        if not findings:
            findings = errors(quantise(lowering.network, lowering.target or target)[1])
        findings = [*as_described(net, own, findings)]
    return findings


def errors(findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The findings that are no approximations."""
    if isinstance(findings, Approximations):
        return []  # without working out their sizes
    return [finding for finding in findings if finding.severity == "error"]


def chosen_plugin(plugin: Backend | None) -> Backend | None:
    """A backend that was handed in; of an executable that runs in pieces, the target's own.

    Raises:
        BackendError: it is none.
    """
    if plugin is not None and not isinstance(plugin, Backend):
        supported = "an object with name, targets(), lower() and open()"
        raise wrong("plugin", described(plugin), supported, "give a backend", code="SAL602", kind=BackendError)
    while isinstance(plugin, PiecewiseBackend):
        plugin = plugin.inner.plugin
    return plugin


def before_lowering(net: Network, target: Target, plugin: Backend) -> tuple[list[Diagnostic], Memory]:
    """What is wrong with a network whatever the backend makes of it, and the memory that a session takes: lowering may
    take as much, so that what does not fit is refused before."""
    findings, net = check(net, target), net.explicit
    if findings := [*findings, *place(net, target)[1]]:
        return findings, NOTHING
    try:
        own = own_part(net, target)
        memory = plugin.memory(own, target) if isinstance(plugin, Weighing) else assumed(own)
    except UnsupportedNetworkError:  # a kind that the backend does not know, at whose path lowering refuses it
        memory = assumed(net)
    return too_large(net, memory), memory


def unsupported(
    net: Network, target: Target, findings: Sequence[Diagnostic], besides: str = ""
) -> UnsupportedNetworkError:
    """The error of a network that a target cannot hold, with the installed targets that can; ``besides`` is a line
    about what else there is to say."""

    def footer() -> str:
        """Other targets are asked when somebody reads it, which takes several times as long as to refuse."""
        others = sorted(t.name for t in targets().values() if t.name != target.name and not problems(net, t))
        also = f"Also runs on: {', '.join(others)}.   " if others else ""
        last = f"{also}More: salhw explain {findings[0].code}"
        return f"{besides}\n{last}" if besides else last

    headline = f"UnsupportedNetworkError: target {target.name!r} rejects {net.name!r} ({counted('problem', findings)})"
    return UnsupportedNetworkError(headline, findings, footer)
