"""What a remedy is: something that a finding may be answered with, as changed networks or targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.substrate.target import Target

Proposal = Network | Target | tuple[Network, Target] | None
"""A changed network, a target with other options, both, or None: what was tried means nothing."""


@dataclass(frozen=True)
class Remedy:
    """One way to answer findings.

    Args:
        name: what it changes, in a word or two.
        does: what it changes it to, and what stays the same; for the documentation.
        propose: a network, its target and a finding -> proposals, the best first; none where it has no answer.
    """

    name: str
    does: str
    propose: Callable[[Network, Target, Diagnostic], Iterator[Proposal]]
