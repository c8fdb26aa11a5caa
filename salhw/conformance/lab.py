"""Where a check works: one target of one backend, with seeds, sizes and the target's declared accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salhw.backend import Backend, Session
from salhw.chip import Chip
from salhw.compile.check import check
from salhw.compile.executable import Executable
from salhw.compile.pipeline import compile
from salhw.compile.place import place
from salhw.conformance.model import Profile
from salhw.diagnostics import Diagnostic
from salhw.network import Network
from salhw.target import Range, Target


class Undeclared(Exception):
    """The target does not declare what a check needs; ``findings`` say what."""

    def __init__(self, findings: Sequence[Diagnostic]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(f"{f.code} {f.path}" for f in self.findings))


@dataclass(frozen=True)
class Lab:
    """What every check gets: the backend, its target, how much to measure, and the seed of everything random."""

    backend: Backend
    target: Target
    profile: Profile = "quick"
    seed: int = 0

    @property
    def scale(self) -> int:
        """Multiplies durations or replicates: 1 in the quick profile, 8 in the full one."""
        return 1 if self.profile == "quick" else 8

    @property
    def dt(self) -> float:
        """The time step that checks use: 1 ms, or the nearest that the target declares."""
        allowed = self.target.network.get("dt")
        return float(np.clip(1.0, allowed.min, allowed.max)) if isinstance(allowed, Range) else 1.0

    def accuracy(self, name: str) -> float:
        """The target's declared accuracy.

        Raises:
            Undeclared: its TOML does not state it.
        """
        if name not in self.target.accuracy:
            finding = Diagnostic("SAL701", f"accuracy.{name}", "", "not declared by the target", "state it in its TOML")
            raise Undeclared([finding])
        return self.target.accuracy[name]

    def undeclared(self, net: Network) -> list[Diagnostic]:
        """What the target's declared capabilities or resources lack for the network; empty if it must run."""
        return [*check(net, self.target), *place(net, self.target)[1]]

    def compile(self, net: Network) -> Executable:
        """Compile for the target.

        Raises:
            Undeclared: its declared capabilities or resources exclude the network.
        """
        if findings := self.undeclared(net):
            raise Undeclared(findings)
        return compile(net, self.target, plugin=self.backend)

    def open(
        self,
        net: Network,
        *,
        instances: int | Sequence[int] | None = None,
        chips: Sequence[Chip] | None = None,
        seed: int | None = None,
    ) -> Session:
        """Compile and open; ``seed`` is the lab's by default.

        Raises:
            Undeclared: see ``compile``.
        """  # fmt: skip
        return self.compile(net).open(instances=instances, chips=chips, seed=self.seed if seed is None else seed)
