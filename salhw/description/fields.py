"""The ground under the description: frozen models and read-only arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema

from salhw.description.errors import description_error
from salhw.diagnostics.wording import invalid, number, shown

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # the same, which pydantic does not export

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def _not_text(value: Any) -> Any:
    if isinstance(value, str | bytes | bool | np.bool_):  # which pydantic would turn into a number
        raise invalid("SAL001", shown(value), "a number", "give a number")
    return value


NotText = BeforeValidator(_not_text)  # after the constraints, or pydantic leaves them out of the JSON Schema
Number = Annotated[float, NotText]
Milliseconds = Annotated[float, Field(gt=0), NotText]
NonNegative = Annotated[float, Field(ge=0), NotText]


@cache
def _names(cls: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a class. (pydantic looks for them anew each time, which takes as long as to compare one.)"""
    return tuple(cls.model_fields)


@cache
def _positional(cls: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a class in the order in which they are given without their names: its own first."""
    base = () if cls.__base__ is None else _names(cls.__base__)
    own = [name for name in _names(cls) if name not in base]
    return tuple(name for name in (*own, *base) if name != "kind")


@cache
def defaults(cls: type[BaseModel]) -> dict[str, Any]:
    """What each field of a class is where it is not given, by name."""
    return {name: info.get_default() for name, info in cls.model_fields.items()}


class _Meta(ModelMetaclass):
    """Construction that reports every problem with its path, and takes the first fields by position."""

    if not TYPE_CHECKING:  # or type checkers lose the signature

        def __call__(cls, *args: Any, **data: Any) -> Any:
            fields = _positional(cls)
            if len(args) > len(fields):
                raise TypeError(f"{cls.__name__} takes at most {len(fields)} arguments")
            given = dict(zip(fields, args, strict=False))
            if twice := given.keys() & data.keys():
                raise TypeError(f"{cls.__name__} got two values for {', '.join(sorted(twice))}")
            data = given | data
            try:
                return super().__call__(**data)
            except ValidationError as error:
                raise description_error(error, data, cls) from None


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and np.array_equal(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b)


def _digest(value: Any, sink: Any) -> None:
    """Feed ``value`` to a hash so that equal descriptions give equal digests in every process."""
    if isinstance(value, Model):
        sink.update(type(value).__name__.encode() + b"{")
        for name in _names(type(value)):
            sink.update(name.encode() + b"=")
            _digest(getattr(value, name), sink)
        sink.update(b"}")
    elif isinstance(value, np.ndarray):
        sink.update(f"{value.dtype.str}{value.shape}".encode())
        sink.update(np.ascontiguousarray(value + value.dtype.type(0)))  # -0.0 equals 0.0, so both hash alike
    elif isinstance(value, tuple):
        sink.update(b"(")
        for item in value:
            _digest(item, sink)
        sink.update(b")")
    elif isinstance(value, dict):
        _digest(tuple(sorted(value.items())), sink)
    else:
        value = value + 0.0 if isinstance(value, float) else value
        sink.update(f"{type(value).__name__}:{value!r};".encode())


class Model(BaseModel, metaclass=_Meta):
    """Frozen, refuses unknown fields, compares by content."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False,
        defer_build=True,  # to build validators that are not needed takes a seventh of the time of a short command
    )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in _names(type(self)))

    def __hash__(self) -> int:
        return int(self.content_hash[:15], 16)

    @property
    def content_hash(self) -> str:
        """sha256 over everything that the model says; the same in every process."""
        sink = hashlib.sha256()
        _digest(self, sink)
        return sink.hexdigest()

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """pydantic's, with our error.

        Raises:
            DescriptionError: with the path of everything that is wrong.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise description_error(error, obj, cls) from None

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """In a file ``kind`` is required, because it tells the models apart."""
        json_schema = handler(schema)
        own = handler.resolve_ref_schema(json_schema)
        if "kind" in own.get("properties", {}):
            own["required"] = sorted({"kind", *own.get("required", ())})
        return json_schema

    def replace(self, **changes: Any) -> Self:
        """A new, validated model with some fields changed.

        Raises:
            DescriptionError: the result would be invalid.
        """
        return type(self)(**({name: getattr(self, name) for name in _names(type(self))} | changes))


_EXACT = 2.0**53  # whole numbers up to here survive the way through a float
_REFERENCE_SCHEMA = {
    "type": "object",
    "properties": {"$array": {"type": "string"}, "sha256": {"type": "string"}},
    "required": ["$array", "sha256"],
    "additionalProperties": False,
    "description": "FILE#DATASET in an HDF5 file beside this one",
}


@dataclass(frozen=True)
class ArrayOf:
    """pydantic support for a read-only numpy array with one of the given numbers of dimensions; 0 is a plain number."""

    ndims: tuple[int, ...]
    dtype: type = np.float64

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        to_json = core_schema.plain_serializer_function_ser_schema(
            lambda v: v.tolist() if isinstance(v, np.ndarray) else v, when_used="json"
        )
        return core_schema.no_info_plain_validator_function(self.validate, serialization=to_json)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A number or nested lists; in a file, an array may also be a reference to the HDF5 file beside it."""
        element: dict[str, Any] = {"type": "integer" if self.dtype is np.int64 else "number"}
        options = []
        for ndim in range(max(self.ndims) + 1):
            if ndim in self.ndims:
                options.append(element)
            element = {"type": "array", "items": element}
        return {"anyOf": [*options, _REFERENCE_SCHEMA]}

    def validate(self, value: Any) -> Any:
        """``value`` as a plain number, or as a read-only array of its own."""
        if type(value) is float and isfinite(value) and 0 in self.ndims and self.dtype is np.float64:
            return value  # what is below does the same, in thirty times the time
        shapes = " or ".join(("a number", "a list", "a matrix")[n] for n in self.ndims)
        try:
            array = np.asarray(value)
        except ValueError:
            fix = "make the rows equally long"
            raise invalid("SAL003", shown(value), f"{shapes}; the rows have unequal lengths", fix) from None
        if array.dtype.kind not in "iuf":
            raise invalid("SAL001", shown(value), f"{shapes}, of numbers", "give numbers")
        if array.ndim not in self.ndims:
            raise invalid("SAL003", f"shape {array.shape}", shapes, "reshape it")
        self._refuse_where(~np.isfinite(array), array, "SAL004", "finite numbers", "replace NaN and infinity")
        if self.dtype is np.int64:
            wrong = (array != np.rint(array)) | (np.abs(array.astype(np.float64)) > _EXACT)
            self._refuse_where(wrong, array, "SAL001", "whole numbers", "round it")
        if array.ndim == 0:
            return self.dtype(array).item()
        array = np.array(array, dtype=self.dtype, order="C")
        array.flags.writeable = False
        return array

    @staticmethod
    def _refuse_where(
        wrong: npt.NDArray[np.bool_], array: npt.NDArray[Any], code: str, supported: str, fix: str
    ) -> None:
        """Refuse the first entry that is ``wrong``, by its index."""
        if wrong.any():
            first = np.unravel_index(int(np.argmax(wrong)), array.shape)
            raise invalid(code, array[first], supported, fix, at="".join(f"[{i}]" for i in first))


PerNeuron = Annotated[float | FloatArray, ArrayOf((0, 1))]


def refused_where(
    wrong: npt.ArrayLike, value: float | FloatArray, supported: str, fix: str, unit: str = ""
) -> float | FloatArray:
    """``value``, unless it is ``wrong`` somewhere: then the first such number is refused, with its place."""
    for place in np.argwhere(wrong)[:1]:
        at, asked = "".join(f"[{i}]" for i in place), number(np.asarray(value)[tuple(place)])
        raise invalid("SAL005", f"{asked}{unit}", f"{supported}{unit}", fix, at=at)
    return value


def _positive(value: float | FloatArray, info: ValidationInfo) -> float | FloatArray:
    return refused_where(np.asarray(value) <= 0, value, "> 0", f"choose {info.field_name} > 0 ms", " ms")


def _above_zero(value: float | FloatArray, info: ValidationInfo) -> float | FloatArray:
    return refused_where(np.asarray(value) <= 0, value, "> 0", f"choose {info.field_name} > 0")


def _not_negative(value: float | FloatArray, info: ValidationInfo) -> float | FloatArray:
    return refused_where(np.asarray(value) < 0, value, ">= 0", f"choose {info.field_name} >= 0")


MillisecondsPerNeuron = Annotated[PerNeuron, AfterValidator(_positive)]
PositivePerNeuron = Annotated[PerNeuron, AfterValidator(_above_zero)]
NonNegativePerNeuron = Annotated[PerNeuron, AfterValidator(_not_negative)]
PerPoint = Annotated[float | FloatArray, ArrayOf((0, 1, 2))]
PerSynapse = Annotated[float | FloatArray, ArrayOf((0, 1, 2))]
Matrix = Annotated[FloatArray, ArrayOf((2,))]
Vector = Annotated[FloatArray, ArrayOf((1,))]
Indices = Annotated[IntArray, ArrayOf((1,), np.int64)]
