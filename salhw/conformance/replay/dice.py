"""Random choices that are the same in every version of Python and numpy, and values that markers ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from random import Random
from typing import Any, TypeVar

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.markers import Mark
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import names_in

T = TypeVar("T")

WIDE = 4.0
"""How many times the distance between a marker's two examples a number may lie from the first."""
LONG = 2.0
"""How many times the longer of a marker's two examples a time may last."""


class Infeasible(Exception):
    """No value of a field lies within what the target declares and on the time grid."""


@dataclass
class Dice:
    """Random choices from a seed, by ``Random.random`` alone, whose sequence Python keeps from version to version."""

    seed: str
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def uniform(self, low: float, high: float) -> float:
        """A number between ``low`` and ``high``."""
        return low + (high - low) * self._random.random()

    def whole(self, low: int, high: int) -> int:
        """One of ``low`` .. ``high``, both included."""
        return min(high, low + floor((high - low + 1) * self._random.random()))

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self._random.random() < probability

    def one(self, choices: Iterable[T]) -> T:
        """One of the choices, all equally likely."""
        known = list(choices)
        return known[self.whole(0, len(known) - 1)]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """All of them, in random order."""
        left = list(items)
        return [left.pop(self.whole(0, len(left) - 1)) for _ in range(len(left))]

    def subset(self, items: Sequence[T], least: int = 0) -> list[T]:
        """Some of them, ``least`` or more, in their order."""
        chosen = set(self.shuffled(range(len(items)))[: self.whole(min(least, len(items)), len(items))])
        return [item for k, item in enumerate(items) if k in chosen]


def steps(count: float, dt: float) -> float:
    """``count`` steps of ``dt`` in ms, as a person writes it."""
    return float(f"{count * dt:.12g}")


def number(dice: Dice, mark: Mark, entry: object, dt: float) -> Any:
    """One value of a marked field within a target's capability ``entry``: a choice, one of two whole numbers, a time on
    the grid, or a number around the marker's examples.

    Raises:
        Infeasible: nothing lies within the capability.
    """
    return numbers(dice, mark, entry, dt, 1)[0]


def numbers(dice: Dice, mark: Mark, entry: object, dt: float, count: int) -> list[Any]:
    """``count`` of them, drawn one after the other.

    Raises:
        Infeasible: nothing lies within the capability.
    """
    every = range(count)
    if isinstance(entry, tuple):
        return [dice.one(entry) for _ in every]
    examples = [value for value in (mark.ordinary, mark.other) if value is not None]
    within = entry if isinstance(entry, Range) else Range(min=-1e300, max=1e300)
    if mark.unit == "ms":
        return [_time(dice, LONG * max(examples), mark.grid, within, dt) for _ in every]
    if all(isinstance(value, int) for value in examples):  # truth values among them
        return [dice.one(examples) for _ in every]
    first, breadth, low, high = examples[0], examples[-1] - examples[0], within.min, within.max
    drawn = [mark.at(first + breadth * dice.uniform(-WIDE, WIDE), dt) for _ in every]
    return [min(max(float(f"{value:.6g}"), low), high) for value in drawn]


def _time(dice: Dice, longest: float, grid: int | None, within: Range, dt: float) -> float:
    if grid is None:
        low, high = max(0.5 * dt, within.min), min(longest * dt, within.max)
        return float(f"{dice.uniform(low, max(low, high)):.6g}") if low <= within.max else within.max
    fewest = max(grid, ceil(within.min / dt - 1e-9))
    most = floor(min(max(longest, fewest), within.max / dt + 1e-9))
    if most < fewest:
        raise Infeasible
    return steps(dice.whole(fewest, most), dt)


def per_place(
    dice: Dice, name: str, mark: Mark, capability: Capability, dt: float, shape: tuple[int, ...]
) -> float | FloatArray:
    """One value of a field for all places, or an array with one for each where the target takes arrays."""
    if not mark.may_be_array or name not in names_in(capability, "arrays") or dice.chance(0.3):
        value: float = number(dice, mark, capability.get(name), dt)
        return value
    return np.array(numbers(dice, mark, capability.get(name), dt, int(np.prod(shape)))).reshape(shape)
