"""fit(): a description changed as little as a target needs to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salhw.compiler.pipeline import problems
from salhw.description.network import Network
from salhw.registry import resolve
from salhw.session.backend import Backend
from salhw.session.changes import Change
from salhw.substrate.target import Target


@dataclass(frozen=True)
class Fitted:
    """A network that a target holds, and what was changed to get there.

    Args:
        network: the changed description; the one that was written, if nothing had to change.
        target: the target, with the options that were changed.
        changes: in the order in which they were made; empty if nothing had to change.
        written: the description that was asked for.
    """

    network: Network
    target: Target
    changes: tuple[Change, ...]
    written: Network


def fit(
    net: Network, target: Target | str, *, keep: Sequence[str] = (), plugin: Backend | None = None
) -> Fitted:
    """Change a network as little as a target needs to hold it; what it holds stays as it is."""
    target = resolve(target)
    if problems(net, target, plugin=plugin):
        raise NotImplementedError
    return Fitted(net, target, (), net)
