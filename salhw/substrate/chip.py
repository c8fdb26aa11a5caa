"""One instance of a target with its own fixed pattern, drawn by a counter-based generator.

A draw depends on the chip, the parameter's name and the physical location, and on nothing else: the same chip is the
same chip in every network, process and machine, and editing a network does not redraw it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from salhw.description.fields import FloatArray, Model, NotText
from salhw.diagnostics.arguments import MAX_ID, instance_of, numbers, wrong
from salhw.diagnostics.wording import shown
from salhw.substrate.variability import Variability

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)

Words = npt.NDArray[np.uint64]


def philox4x32(counter: Words, key: tuple[int, int]) -> Words:
    """Philox4x32-10 (Salmon et al. 2011), vectorised.

    Args:
        counter: (..., 4) 32-bit words held in uint64.
        key: two 32-bit words.

    Returns:
        (..., 4) random 32-bit words held in uint64.
    """
    a, b, c, d = (counter[..., k].astype(np.uint64) for k in range(4))
    key_0, key_1 = key
    for _ in range(_ROUNDS):
        product_0, product_1 = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (
            (product_1 >> _32) ^ b ^ np.uint64(key_0),
            product_1 & _LOW,
            (product_0 >> _32) ^ d ^ np.uint64(key_1),
            product_0 & _LOW,
        )
        key_0, key_1 = (key_0 + _WEYL[0]) & 0xFFFFFFFF, (key_1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([a, b, c, d], axis=-1)


def _places(location: npt.ArrayLike) -> Words:
    try:
        place = np.asarray(location)
    except ValueError:  # lists of unequal lengths
        place = np.zeros(1)
    if place.dtype.kind not in "iu" and place.size:
        raise wrong("location", shown(location), "whole numbers 0..2^64 - 1", "give Placement.neurons or .synapses")
    return place.astype(np.uint64)


_WHOLE_CHIP = np.uint64(0)
_SHARED: dict[str | None, Callable[[Words], Words]] = {
    None: lambda place: place,
    "neuron": lambda place: place,
    "synapse": lambda place: place,
    "row": lambda place: place & _LOW,
    "column": lambda place: place >> _32,
    "chip": lambda place: np.zeros_like(place),
}
"""The place whose draw a place has, by what shares one."""


class Chip(Model):
    """A physical or virtual instance of a target.

    Args:
        id, wafer: which chip, 0, 1, ..., of which wafer.
        target: the target's name.
        variability: the spread of each quantity; one that is absent does not vary.
    """

    id: Annotated[int, Field(ge=0, le=MAX_ID), NotText]
    wafer: Annotated[int, Field(ge=0, le=MAX_ID), NotText] = 0
    target: str
    variability: dict[str, Variability] = Field(default_factory=dict)

    def __repr__(self) -> str:
        """Which chip it is; its variability, which is the target's, by its size alone."""
        varying = f"{len(self.variability)} quantities that vary"
        return f"Chip(id={self.id}, wafer={self.wafer}, target={self.target!r}, {varying})"

    __str__ = __repr__

    def standard_normal(self, parameter: str, location: npt.ArrayLike) -> FloatArray:
        """A standard normal number for each location (integers 0..2**64-1; one per neuron, synapse, row ...)."""
        from scipy.special import ndtri  # here, because importing it takes as long as the rest of salhw

        place = _places(location)
        instance_of("parameter", parameter, str, "give the name of a quantity")
        name = int.from_bytes(hashlib.sha256(parameter.encode("utf-8", "backslashreplace")).digest()[:8], "little")
        words = np.stack(
            [place & _LOW, place >> _32, np.full_like(place, name & 0xFFFFFFFF), np.full_like(place, name >> 32)],
            axis=-1,
        )
        who = hashlib.sha256(f"{self.target}/{self.wafer}/{self.id}".encode()).digest()
        key = (int.from_bytes(who[:4], "little"), int.from_bytes(who[4:8], "little"))
        random = philox4x32(words, key)
        uniform = ((random[..., 0] << np.uint64(20)) + (random[..., 1] >> np.uint64(12)) + 0.5) * 2.0**-52
        return np.asarray(ndtri(uniform), dtype=np.float64)

    def spread(self, parameter: str) -> float:
        """The standard deviation of a quantity; 0 for one that is absent."""
        instance_of("parameter", parameter, str, "give the name of a quantity")
        return self.variability[parameter].sd if parameter in self.variability else 0.0

    def vary(self, parameter: str, nominal: npt.ArrayLike, location: npt.ArrayLike) -> FloatArray:
        """What this chip makes of ``nominal`` at each location: the fixed pattern of ``parameter`` applied.

        Of a quantity ``per`` row or column, ``location`` holds synapses (``Placement.synapses``).
        """
        from scipy.special import ndtr

        value = numbers("nominal", nominal)
        instance_of("parameter", parameter, str, "give the name of a quantity")
        spread = self.variability.get(parameter)
        if spread is None or not spread.varies:
            return np.broadcast_to(value, np.broadcast_shapes(value.shape, _places(location).shape)).copy()
        place = _places(location)
        off = spread.sd * self._local(parameter, spread, place)
        if spread.chip:
            off = off + spread.chip * self._clipped(f"{parameter}, chip-wide", spread, _WHOLE_CHIP)
        if spread.distribution == "lognormal":
            varied = value * np.exp(off)
        else:
            varied = value * (1.0 + off) if spread.mode == "relative" else value + off
        if spread.stuck:
            broken = ndtr(self.standard_normal(f"{parameter}, stuck", _SHARED[spread.per](place))) < spread.stuck
            varied = np.where(broken, spread.stuck_at, varied)
        return np.asarray(varied, dtype=np.float64)

    def _clipped(self, parameter: str, spread: Variability, place: npt.ArrayLike) -> FloatArray:
        return np.clip(self.standard_normal(parameter, place), -spread.truncate, spread.truncate)

    def _local(self, parameter: str, spread: Variability, place: Words) -> FloatArray:
        """The draws of each place, before they are scaled."""
        own = self._clipped(parameter, spread, _SHARED[spread.per](place))
        if not spread.follows:
            return own
        other = self.variability.get(spread.follows, spread)
        followed = self._clipped(spread.follows, spread, _SHARED[other.per](place))
        return np.asarray(spread.correlation * followed + np.sqrt(1.0 - spread.correlation**2) * own)
