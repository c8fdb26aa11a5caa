"""What the parts of a random network are drawn from: the kinds and fields that a target declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from salhw.conformance.replay.dice import Dice, Infeasible, number, per_place
from salhw.conformance.replay.extent import USUAL, Extent
from salhw.conformance.replay.known import REPLAYED
from salhw.description.kinds import Kind
from salhw.description.markers import Mark, marks
from salhw.substrate.capabilities import Capability
from salhw.substrate.support import names_in
from salhw.substrate.target import Target

T = TypeVar("T")

INPUTS = ("basal", "apical")
APART = ("delta_v", "theta_plus", "tau_theta")
"""Fields with dice of their own: they came later, and leave all else in random networks as it was without them."""
GAIN = Mark(1.0, 0.5)
"""Examples of the gain of a named input, beside which its marker has tables of them."""


@dataclass(frozen=True)
class Deal:
    """What the parts of one network are drawn from.

    Kinds and choices are dealt like cards: of n possible ones, each comes first in one of n successive seeds, in an
    order of its own for each name, so that few networks exercise all of them and all pairs come up. In networks that
    are ``alike`` all projections have one kernel and all windows one time constant for each branch, because many
    targets hold no others.
    """

    target: Target
    dice: Dice
    dt: float
    seed: int
    alike: bool
    dealt: dict[str, int]
    drawn: dict[str, Any]
    extent: Extent = USUAL

    def once(self, name: str, draw: Callable[[], T]) -> T:
        """What is drawn under a name; the same again in a network whose parts are alike."""
        if not self.alike or name not in self.drawn:
            self.drawn[name] = draw()
        value: T = self.drawn[name]
        return value

    def choice(self, name: str, options: Iterable[T]) -> list[T]:
        """The options, that which is to be taken next first."""
        known = list(options)
        count = self.dealt[name] = self.dealt.get(name, -1) + 1
        order = Dice(f"salhw.replay.deal {name} {self.seed // max(1, len(known))}").shuffled(known)
        first = (self.seed + count) % max(1, len(known))
        return order[first:] + order[:first]

    def kind(self, group: type[Kind], declared: Iterable[str], fits: Iterable[str] | None = None) -> str | None:
        """A kind that is declared and can be replayed, among those that fit; None if there is none."""
        names = [name for name in declared if replayable(group, name)]
        possible = {*names} if fits is None else {*fits}
        order = self.choice(f"{group.section} of {','.join(names)}", names)
        return next((name for name in order if name in possible), None)

    def fields(self, cls: type[Kind], capability: Capability, shape: tuple[int, ...]) -> dict[str, Any]:
        """Values of the marked fields that the target declares, arrays of ``shape`` among them; times may be left out
        where they have no ordinary value."""
        drawn: dict[str, Any] = {}
        required = names_in(capability, "required")
        for name, mark in marks(cls):
            info, entry = cls.model_fields[name], capability.get(name)
            optional = info.get_default() is None and not info.is_required() and name not in required
            if name in ("update", "bounds") or (entry is None and not info.is_required()):
                continue
            if isinstance(entry, tuple):
                drawn[name] = self.choice(f"{cls.__name__}.{name}", entry)[0]
            elif mark.per == "input":
                gains = {each: number(self.dice, GAIN, entry, self.dt) for each in INPUTS}
                drawn[name] = gains if self.dice.chance(0.6) else {}
            elif not (optional and self.dice.chance(0.5)):
                try:
                    drawn[name] = per_place(self._dice_of(name), name, mark, capability, self.dt, shape)
                except Infeasible:
                    continue
        return drawn

    def _dice_of(self, name: str) -> Dice:
        """What a field is drawn with."""
        if name not in APART:
            return self.dice
        self.dealt[name] = self.dealt.get(name, -1) + 1
        return Dice(f"{self.dice.seed} {name} {self.dealt[name]}")


def replayable(group: type[Kind], name: str) -> bool:
    """Whether the oracle knows the kind ``name`` of a group: the kind itself, or all kinds of a group whose common
    properties say what they do."""
    table = REPLAYED.get(group.section)
    return name in group.members and (table is None or group.members[name] in table.kinds)
