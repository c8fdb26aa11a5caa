"""What is found in the part of a network that the target itself runs, in terms of the network as it is described."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.folding import gain_of

_NUMBERED = re.compile(r"(stimuli|probes)\[(\d+)\](.*)")
_SCALED = re.compile(r"projections\.(\w+)\.(?:.*\.)?(?:weights|learning_rate|bounds)\b.*")
_WEIGHTS = re.compile(r"projections\.(\w+)\.weights\b.*")
_LIMIT = re.compile(r"(\w+) (<=|>=|=) (-?[\d.]+(?:e[+-]?\d+)?)(.*)")
_TURNED = {"<=": ">=", ">=": "<=", "=": "="}


def as_described(net: Network, own: Network, findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings about a target's ``own`` part of ``net`` with the paths that the parts have in ``net``; what they
    say of weights and learning rates behind a gain is said before the gain, and why copies of weights are refused of
    their originals."""
    return tuple(
        _before_copying(net, _before_gain(net, own, replace(f, path=_renumbered(net, own, f.path)))) for f in findings
    )


def _renumbered(net: Network, own: Network, path: str) -> str:
    """A path with the number that a stimulus or probe has in the whole network; ``probes`` of one that only the host
    has asked for."""
    match = _NUMBERED.fullmatch(path)
    if match is None:
        return path
    group, item = match[1], getattr(own, match[1])[int(match[2])]
    at = next((k for k, other in enumerate(getattr(net, group)) if other is item), None)
    return group if at is None else f"{group}[{at}]{match[3]}"


def _before_gain(net: Network, own: Network, finding: Diagnostic) -> Diagnostic:
    match = _SCALED.fullmatch(finding.path)
    folded = match is not None and net.projection(match[1]).into != own.projection(match[1]).into
    gain = gain_of(net, net.projection(match[1])) if match and folded else 1.0
    if gain in (0.0, 1.0):
        return finding
    return _before(finding, gain, f"times the gain {number(gain)}")


def _before_copying(net: Network, finding: Diagnostic) -> Diagnostic:
    """Of copies, whose own values nobody reads."""
    match = _WEIGHTS.fullmatch(finding.path)
    tie = next((tie for tie in net.ties if match and tie.projection == match[1]), None)
    if tie is None or finding.severity != "error":
        return finding
    said = replace(finding, path=f"projections.{tie.to}.weights")
    return _before(said, tie.scale, f"of {tie.projection}, which copies {number(tie.scale)} times this")


def _before(finding: Diagnostic, factor: float, words: str) -> Diagnostic:
    """The finding about what has been multiplied by a factor, before it is."""
    asked, limit = f"{finding.asked}, {words}", _LIMIT.fullmatch(finding.fix)
    if limit is None or factor == 0.0:
        return replace(finding, asked=asked)
    relation = limit[2] if factor > 0.0 else _TURNED[limit[2]]
    return replace(finding, asked=asked, fix=f"{limit[1]} {relation} {number(float(limit[3]) / factor)}{limit[4]}")
