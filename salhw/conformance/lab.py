"""Where a check works: one target of one backend, with seeds, sizes and the target's declared accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil, floor
from typing import Literal

import numpy as np

from salhw.compiler.check import check
from salhw.compiler.pipeline import compile
from salhw.compiler.place import place
from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.session.backend import Backend, Session
from salhw.session.executable import Executable
from salhw.substrate.capabilities import Range
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw.substrate.variability import NoiseGroup

Profile = Literal["quick", "full"]

CHIPS = 64
"""What a mean over chips is taken over: at least, so that their scatter gives a standard error."""


class Undeclared(Exception):
    """The target does not declare what a check needs; ``findings`` say what."""

    def __init__(self, findings: Sequence[Diagnostic]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(f"{f.code} {f.path}" for f in self.findings))


@dataclass(frozen=True)
class Lab:
    """What every check gets: the backend, its target, how much to measure, and the seed of everything random.
    ``networks`` are those that the present check has compiled."""

    backend: Backend
    target: Target
    profile: Profile = "quick"
    seed: int = 0
    networks: list[Network] = field(default_factory=list, compare=False, repr=False)

    @property
    def scale(self) -> int:
        """Multiplies durations or replicates: 1 in the quick profile, 8 in the full one."""
        return 1 if self.profile == "quick" else 8

    @property
    def dt(self) -> float:
        """The time step that checks use: 1 ms, or the nearest that the target declares."""
        allowed = self.target.network.get("dt")
        return float(np.clip(1.0, allowed.min, allowed.max)) if isinstance(allowed, Range) else 1.0

    def period(self, steps: int) -> int:
        """The period of ``every T ms`` nearest to ``steps`` that the target's rule declares (``every``), in steps."""
        allowed = self.target.plasticity.get("PairSTDP", {}).get("every")
        if not isinstance(allowed, Range):
            return steps
        return int(np.clip(steps, ceil(allowed.min / self.dt - 1e-9), floor(allowed.max / self.dt + 1e-9)))

    @property
    def varies(self) -> bool:
        """Whether the target's chips differ, or its trials."""
        return any(spread.varies for spread in self.target.variability.values())

    def without(self, *groups: NoiseGroup) -> Lab:
        """The same lab with groups of the target's variability switched off."""
        off: dict[str, bool] = dict.fromkeys(groups, False)
        return replace(self, target=self.target.with_noise(**off))

    def accuracy(self, name: str) -> float:
        """The target's declared accuracy.

        Raises:
            Undeclared: its TOML does not state it.
        """
        if name not in self.target.accuracy:
            finding = Diagnostic("SAL701", f"accuracy.{name}", "", "not declared by the target", "state it in its TOML")
            raise Undeclared([finding])
        return self.target.accuracy[name]

    def finer_accuracy(self, name: str, whole: str) -> float:
        """The accuracy that is declared for a part of what ``whole`` holds for, or that of ``whole``.

        Raises:
            Undeclared: its TOML states neither.
        """
        return self.target.accuracy[name] if name in self.target.accuracy else self.accuracy(whole)

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
        self.networks.append(net)
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

    def open_many(self, executable: Executable, instances: int) -> Session:
        """``instances`` of a network or more, for means: where chips differ, on as many chips, at least CHIPS. What
        single chips deviate by is their variability; an accuracy is what the mean over chips keeps."""
        if not self.varies:
            return executable.open(instances=instances, seed=self.seed)
        chips = self.target.sample_chips(max(CHIPS, instances), seed=self.seed + 1)
        return executable.open(chips=chips, seed=self.seed)


class Subject:
    """A lab as the key of a cache of what several checks look at, whether or not its backend can be hashed."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def __hash__(self) -> int:
        return hash((id(self.lab.backend), self.lab.target, self.lab.profile, self.lab.seed))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subject) or self.lab.backend is not other.lab.backend:
            return False
        own, others = ((x.lab.target, x.lab.profile, x.lab.seed) for x in (self, other))
        return own == others


def settled(executable: Executable, steps: int) -> int:
    """A number of steps, ``steps`` or more, after which everything that was to be learned before has been: where
    weights change every so often, it ends with an update."""
    for p in executable.network.projections:
        for rule in p.plasticity:
            if rule.period is not None:
                each = round(rule.period / executable.network.dt)
                steps = -(-steps // each) * each
    return steps
