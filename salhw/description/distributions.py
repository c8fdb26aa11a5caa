"""Distributions that weights and delays are drawn from: each turns uniform numbers into its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema, core_schema

from salhw.description.fields import ArrayOf, FloatArray, NotText, Number
from salhw.description.kinds import Kind, member
from salhw.description.markers import Mark
from salhw.diagnostics.wording import invalid, number

RAREST = 1e-6
"""The least share of a normal distribution that may lie within the ends between which it is redrawn."""


class Distribution(Kind):
    """A distribution of numbers. Each number follows from one that is uniform between 0 and 1, by the inverse of the
    cumulative distribution: the same on every machine, to the rounding of exp and of the normal quantile."""

    section = "distributions"

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest number that may come out."""
        raise NotImplementedError

    def quantile(self, uniform: FloatArray) -> FloatArray:
        """The number below which a share ``uniform`` (0 < uniform < 1) of the distribution lies, of the same shape."""
        raise NotImplementedError

    def within(self, low: float, high: float) -> Any:
        """The same distribution with what lies outside of ``low``..``high`` moved to the nearer end."""
        raise NotImplementedError


class Uniform(Distribution):
    """Any number between ``low`` and ``high``, all equally likely."""

    kind: Literal["Uniform"] = "Uniform"
    low: Annotated[Number, Mark(0.25, 0.1)]
    high: Annotated[Number, Mark(0.5, 0.75)]

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        _refuse_disorder(self.low, self.high)
        return self

    @property
    def ends(self) -> tuple[float, float]:
        return self.low, self.high

    def quantile(self, uniform: FloatArray) -> FloatArray:
        return self.low + (self.high - self.low) * uniform

    def within(self, low: float, high: float) -> Uniform:
        return self.replace(low=float(np.clip(self.low, low, high)), high=float(np.clip(self.high, low, high)))


class _Bounded(Distribution):
    """Distributions with tails, which may be cut: numbers below ``low`` or above ``high`` are moved to that end
    (``clip``), or drawn again until they lie between both (``redraw``)."""

    low: Annotated[Number | None, Mark(None, -2.0)] = None
    high: Annotated[Number | None, Mark(None, 3.0)] = None
    outside: Annotated[Literal["redraw", "clip"], Mark("redraw", "clip", "drop")] = "redraw"

    @model_validator(mode="after")
    def _holds_enough(self) -> Any:
        low, high = self.ends
        _refuse_disorder(low, high)
        bounded = self.low is not None or self.high is not None
        if bounded and self.outside == "redraw" and (share := np.diff(self._shares())[0]) < RAREST:
            asked = f"{share:.3g} of the distribution between {number(low)} and {number(high)}"
            raise invalid("SAL005", asked, f"at least {RAREST:g}, to redraw the rest", 'outside = "clip"', at="outside")
        return self

    @property
    def ends(self) -> tuple[float, float]:
        return -np.inf if self.low is None else self.low, np.inf if self.high is None else self.high

    def quantile(self, uniform: FloatArray) -> FloatArray:
        from scipy.special import ndtri  # here, because importing it takes as long as the rest of salhw

        below, above = self._shares() if self.outside == "redraw" else (0.0, 1.0)
        with np.errstate(over="ignore"):  # infinity, which is cut, or refused as a weight
            return np.clip(self._of_normal(ndtri(below + (above - below) * uniform)), *self.ends)

    def within(self, low: float, high: float) -> Any:
        ends = np.clip(self.ends, low, high).tolist()
        return self.replace(low=ends[0], high=ends[1], outside="clip")

    def _shares(self) -> tuple[float, float]:
        """The shares of the distribution that lie below both ends."""
        from scipy.special import ndtr

        below, above = sorted(float(ndtr(self._as_normal(end))) for end in self.ends)
        return below, above

    def _of_normal(self, normal: FloatArray) -> FloatArray:
        """Numbers of the distribution from standard normal ones."""
        raise NotImplementedError

    def _as_normal(self, value: float) -> float:
        """The standard normal number that ``value`` comes from."""
        raise NotImplementedError


class Normal(_Bounded):
    """The normal distribution of a ``mean`` and a standard deviation ``std``, whole or between ``low`` and ``high``."""

    kind: Literal["Normal"] = "Normal"
    mean: Annotated[Number, Mark(0.5, 0.25)]
    std: Annotated[float, Field(gt=0), NotText, Mark(0.1, 0.2, -1.0)]

    def _of_normal(self, normal: FloatArray) -> FloatArray:
        return self.mean + self.std * normal

    def _as_normal(self, value: float) -> float:
        return (value - self.mean) / self.std


class LogNormal(_Bounded):
    """``median * exp(sigma * z)`` of a standard normal z: the logarithm of its size is normal with the mean
    ln(abs(median)) and the standard deviation ``sigma``. With a negative ``median`` all numbers are negative."""

    kind: Literal["LogNormal"] = "LogNormal"
    median: Annotated[Number, Mark(0.5, -0.5, 0.0)]
    sigma: Annotated[float, Field(gt=0), NotText, Mark(0.5, 0.25, -1.0)]

    @field_validator("median")
    @classmethod
    def _not_zero(cls, value: float) -> float:
        if value == 0.0:
            raise invalid("SAL005", "0", "a number other than zero", "choose the median of the sizes")
        return value

    @property
    def ends(self) -> tuple[float, float]:
        low, high = super().ends
        return (max(low, 0.0), high) if self.median > 0 else (low, min(high, 0.0))

    def _of_normal(self, normal: FloatArray) -> FloatArray:
        return np.asarray(self.median * np.exp(self.sigma * normal))

    def _as_normal(self, value: float) -> float:
        ratio = value / self.median
        return float(np.log(ratio) / self.sigma) if ratio > 0 else -np.inf


def _refuse_disorder(low: float, high: float) -> None:
    if low > high:
        raise invalid("SAL005", number(low), f"at most high = {number(high)}", "exchange low and high", at="low")


@dataclass(frozen=True)
class _ArrayOrDistribution(ArrayOf):
    """pydantic support for a number, a list of numbers, or a distribution that they are drawn from."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        dumped = core_schema.plain_serializer_function_ser_schema(_dumped, info_arg=True)
        return core_schema.no_info_plain_validator_function(self.validate, serialization=dumped)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """An array's, or a distribution's."""
        array = super().__get_pydantic_json_schema__(schema, handler)
        return {"anyOf": [*array["anyOf"], Distribution.__get_pydantic_json_schema__(schema, handler)]}

    def validate(self, value: Any) -> Any:
        """``value`` as a number, a read-only array or a distribution."""
        return member(Distribution, value) if isinstance(value, Distribution | Mapping) else super().validate(value)


def _dumped(value: Any, info: Any) -> Any:
    if isinstance(value, Distribution):
        return value.model_dump(mode=info.mode)
    return value.tolist() if isinstance(value, np.ndarray) and info.mode == "json" else value


Drawn = Annotated[float | FloatArray | Distribution, _ArrayOrDistribution((0, 1))]
"""One number for all synapses, one for each in the order of post, then pre, or a distribution."""
PerSynapseOrDrawn = Annotated[float | FloatArray | Distribution, _ArrayOrDistribution((0, 1, 2))]
"""One number for all synapses, an array of the connector's shape, or a distribution."""
