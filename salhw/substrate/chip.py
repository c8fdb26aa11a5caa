"""One instance of a target with its own fixed pattern, drawn by a counter-based generator.

A draw depends on the chip, the parameter's name and the physical location, and on nothing else: the same chip is the
same chip in every network, process and machine, and editing a network does not redraw it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from salhw.description.fields import FloatArray, Indices, Model, NonNegative, NotText, Number, Vector
from salhw.diagnostics.arguments import MAX_ID, instance_of, numbers, wrong
from salhw.diagnostics.wording import shown
from salhw.substrate.draws import LOW, WORD, Words, normal
from salhw.substrate.variability import Variability


def _places(location: npt.ArrayLike) -> Words:
    try:
        place = np.asarray(location)
    except ValueError:  # lists of unequal lengths
        place = np.zeros(1)
    if place.dtype.kind not in "iu" and place.size:
        raise wrong("location", shown(location), "whole numbers 0..2^64 - 1", "give Placement.neurons or .synapses")
    return place.astype(np.uint64)


_SHARED: dict[str | None, Callable[[Words], Words]] = {
    None: lambda place: place,
    "neuron": lambda place: place,
    "synapse": lambda place: place,
    "row": lambda place: place & LOW,
    "column": lambda place: place >> WORD,
    "chip": lambda place: np.zeros_like(place),
}
"""The place whose draw a place has, by what shares one."""


class Measured(Model):
    """What a quantity was measured to be at some places of a real chip.

    Args:
        location: the places, ascending; of a quantity ``per`` row or column that row or column.
        value: of a relative quantity the factor on what is asked for, of an absolute one what is added to it.
    """

    location: Indices
    value: Vector

    def at(self, place: Words) -> tuple[npt.NDArray[np.bool_], FloatArray]:
        """(known, values) at each place; values that are not known are NaN."""
        where = np.minimum(np.searchsorted(self.location, place.astype(np.int64)), len(self.location) - 1)
        known = self.location[where] == place.astype(np.int64)
        return known, np.where(known, self.value[where], np.nan)


class Chip(Model):
    """A physical or virtual instance of a target.

    Args:
        id, wafer: which chip, 0, 1, ..., of which wafer.
        target: the target's name.
        variability: the spread of each quantity; one that is absent does not vary.
        age: days since the chip was as its pattern says, when it is calibrated, say: how far quantities with a
            ``drift`` have moved since.
        temperature: kelvin above that at which it was so: how far those with a ``thermal`` spread have moved.
        measured: by quantity, places of which the values are known, and not drawn.
    """

    id: Annotated[int, Field(ge=0, le=MAX_ID), NotText]
    wafer: Annotated[int, Field(ge=0, le=MAX_ID), NotText] = 0
    target: str
    variability: dict[str, Variability] = Field(default_factory=dict)
    age: NonNegative = 0.0
    temperature: Number = 0.0
    measured: dict[str, Measured] = Field(default_factory=dict)

    def __repr__(self) -> str:
        """Which chip it is; its variability, which is the target's, by its size alone."""
        varying = f"{len(self.variability)} quantities that vary"
        state = {"age": self.age, "temperature": self.temperature}
        since = "".join(f", {name}={value:g}" for name, value in state.items() if value)
        measured = f", {len(self.measured)} measured" if self.measured else ""
        return f"Chip(id={self.id}, wafer={self.wafer}, target={self.target!r}{since}, {varying}{measured})"

    __str__ = __repr__

    def standard_normal(self, parameter: str, location: npt.ArrayLike) -> FloatArray:
        """A standard normal number for each location (integers 0..2**64-1; one per neuron, synapse, row ...)."""
        instance_of("parameter", parameter, str, "give the name of a quantity")
        return np.asarray(normal([self._who], parameter, _places(location))[0])

    @property
    def _who(self) -> str:
        """What its draws are keyed by: neither its spreads nor its age, so that they scale one pattern."""
        return f"{self.target}/{self.wafer}/{self.id}"

    def spread(self, parameter: str) -> float:
        """The standard deviation of a quantity; 0 for one that is absent."""
        instance_of("parameter", parameter, str, "give the name of a quantity")
        return self.variability[parameter].sd if parameter in self.variability else 0.0

    def vary(self, parameter: str, nominal: npt.ArrayLike, location: npt.ArrayLike) -> FloatArray:
        """What this chip makes of ``nominal`` at each location: the fixed pattern of ``parameter`` applied.

        Of a quantity ``per`` row or column, ``location`` holds synapses (``Placement.synapses``).
        """
        value, place = numbers("nominal", nominal), _places(location)
        shape = np.broadcast_shapes(value.shape, place.shape)
        return np.asarray(
            vary([self], parameter, np.broadcast_to(value, (1, *shape)), np.broadcast_to(place, shape))[0]
        )


def vary(chips: Sequence[Chip], parameter: str, nominal: npt.ArrayLike, location: npt.ArrayLike) -> FloatArray:
    """What each of several chips makes of ``nominal`` at each location, (chip, *location): many times as fast as
    ``Chip.vary`` for one after the other, with the same bits.

    Args:
        nominal: anything that broadcasts to the result: the same for all chips, or a row for each.
    """
    value = numbers("nominal", nominal)
    instance_of("parameter", parameter, str, "give the name of a quantity")
    place = _places(location)
    shape = np.broadcast_shapes(value.shape, (len(chips), *place.shape))
    varied = np.broadcast_to(value, shape).copy()
    for those in _alike(chips, parameter, max(1, _MOST // max(1, place.size))):
        spread = chips[those[0]].variability.get(parameter)
        if spread is not None and (spread.varies or parameter in chips[those[0]].measured):
            varied[those] = _varied([chips[k] for k in those], parameter, spread, varied[those], place)
    return varied


_MOST = 1 << 18
"""Numbers that are drawn at a time: what they take beside the result stays below 50 MB."""


def _alike(chips: Sequence[Chip], parameter: str, most: int) -> Iterator[list[int]]:
    """Positions of chips with one spread of a quantity, at most so many at a time."""
    those: list[int] = []
    for k, chip in enumerate(chips):
        if those and (len(those) == most or not _same_spreads(chip, chips[those[0]], parameter)):
            yield those
            those = []
        those.append(k)
    if those:
        yield those


def _same_spreads(one: Chip, other: Chip, parameter: str) -> bool:
    """Whether two chips draw a quantity alike: of chips sampled together at a glance."""
    if one.measured or other.measured:
        return False
    if one.variability is other.variability:
        return True
    mine = one.variability.get(parameter)
    names = (parameter, mine.follows) if mine else (parameter,)
    return all(one.variability.get(name) == other.variability.get(name) for name in names)


def _varied(chips: Sequence[Chip], parameter: str, spread: Variability, value: FloatArray, place: Words) -> FloatArray:
    """``vary`` of chips with one spread of the quantity."""
    from scipy.special import ndtr

    own = _SHARED[spread.per](place)
    off = _frozen(chips, parameter, spread, own, place)
    known = chips[0].measured.get(parameter)
    measured = np.zeros(own.shape, dtype=np.bool_)
    if known is not None:  # of a chip by itself
        measured, values = known.at(own)
        off = np.where(measured, spread.deviation(values), off)
    for rate, name, since in (
        (spread.drift, "drift", [chip.age for chip in chips]),
        (spread.thermal, "thermal", [chip.temperature for chip in chips]),
    ):
        if rate and any(since):
            times = np.reshape(since, (-1, *(1,) * own.ndim))
            off = off + rate * times * _clipped(chips, f"{parameter}, {name}", spread, own)
    if spread.distribution == "lognormal":
        varied = value * np.exp(off)
    else:
        varied = value * (1.0 + off) if spread.mode == "relative" else value + off
    if spread.stuck:
        broken = ndtr(_drawn(chips, f"{parameter}, stuck", own)) < spread.stuck
        varied = np.where(broken & ~measured, spread.stuck_at, varied)
    return np.asarray(varied, dtype=np.float64)


def _frozen(chips: Sequence[Chip], parameter: str, spread: Variability, own: Words, place: Words) -> FloatArray:
    """How far each place is off before anything drifts, (chip, *place): its own draw, and that of its chip."""
    local = _clipped(chips, parameter, spread, own)
    if spread.follows:
        other = chips[0].variability.get(spread.follows, spread)
        followed = _clipped(chips, spread.follows, spread, _SHARED[other.per](place))
        local = spread.correlation * followed + np.sqrt(1.0 - spread.correlation**2) * local
    off = spread.sd * local
    if spread.chip:
        whole = _clipped(chips, f"{parameter}, chip-wide", spread, np.zeros((1,) * own.ndim, dtype=np.uint64))
        off = off + spread.chip * whole
    return np.asarray(off)


def _clipped(chips: Sequence[Chip], name: str, spread: Variability, place: Words) -> FloatArray:
    return np.clip(_drawn(chips, name, place), -spread.truncate, spread.truncate)


def _drawn(chips: Sequence[Chip], name: str, place: Words) -> FloatArray:
    return normal([chip._who for chip in chips], name, place)
