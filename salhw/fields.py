"""The ground under the description: frozen models, read-only arrays, and errors that name the path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from salhw.diagnostics import DescriptionError, Diagnostic, counted

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def refuse(code: str, asked: object, supported: str, fix: str = "", at: str = "") -> PydanticCustomError:
    """The error that a validator raises; ``at`` extends the path (``[3]``, ``weights.values``)."""
    context = {"asked": str(asked), "supported": supported, "fix": fix, "at": at}
    return PydanticCustomError(code, "{asked}: {supported}", context)  # type: ignore[arg-type]


def _path(loc: Sequence[int | str], data: Any) -> str:
    """``populations.hidden.neuron.bias`` from pydantic's location: union tags dropped, items called by their names."""
    path = ""
    for key in loc:
        if isinstance(key, str) and key[:1].isupper():  # a union tag such as GLM; fields are lower case
            continue
        data = data.get(key) if isinstance(data, Mapping) else getattr(data, str(key), data)
        if isinstance(key, int):
            data = data[key] if isinstance(data, Sequence) and key < len(data) else None
            name = data.get("name") if isinstance(data, Mapping) else getattr(data, "name", None)
            path += f".{name}" if isinstance(name, str) else f"[{key}]"
        else:
            path += f".{key}"
    return path.lstrip(".")


def _diagnostic(error: Mapping[str, Any], data: Any, owner: str) -> Diagnostic:
    context = error.get("ctx", {})
    path = _path(error["loc"], data)
    if error["type"].startswith("SAL"):
        at = context["at"]
        path += at if at.startswith("[") or not path or not at else f".{at}"
        return Diagnostic(error["type"], path or owner, context["asked"], context["supported"], context["fix"])
    if error["type"] == "missing":
        return Diagnostic("SAL002", path, "", "required, and missing", "give it a value")
    if error["type"] == "extra_forbidden":
        return Diagnostic("SAL002", path, "", f"unknown field of {owner}", "check the spelling, or leave it out")
    return Diagnostic("SAL001", path or owner, repr(error["input"])[:60], error["msg"])


def description_error(error: ValidationError, data: Any) -> DescriptionError:
    """pydantic's findings as one error with all diagnostics."""
    owner = error.title
    findings: list[Diagnostic] = []
    for item in error.errors():
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, DescriptionError):  # a validator that found several problems at once
            findings.extend(cause.diagnostics)
        else:
            findings.append(_diagnostic(dict(item), data, owner))
    return DescriptionError(f"DescriptionError: {owner} is refused ({counted('problem', findings)})", findings)


class _Meta(type(BaseModel)):  # type: ignore[misc]
    """Construction that reports every problem with its path, and takes the first fields by position."""

    if not TYPE_CHECKING:  # or type checkers lose the signature

        def __call__(cls, *args: Any, **data: Any) -> Any:
            own = [name for name in cls.model_fields if name not in cls.__base__.model_fields]
            fields = [name for name in (*own, *cls.__base__.model_fields) if name != "kind"]
            if len(args) > len(fields):
                raise TypeError(f"{cls.__name__} takes at most {len(fields)} arguments")
            data = dict(zip(fields, args, strict=False)) | data
            try:
                return super().__call__(**data)
            except ValidationError as error:
                raise description_error(error, data) from None


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
        for name in type(value).model_fields:
            sink.update(name.encode() + b"=")
            _digest(getattr(value, name), sink)
        sink.update(b"}")
    elif isinstance(value, np.ndarray):
        sink.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, tuple):
        sink.update(b"(")
        for item in value:
            _digest(item, sink)
        sink.update(b")")
    elif isinstance(value, dict):
        _digest(tuple(sorted(value.items())), sink)
    else:
        sink.update(f"{type(value).__name__}:{value!r};".encode())


class Model(BaseModel, metaclass=_Meta):
    """Frozen, refuses unknown fields, compares by content."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in type(self).model_fields)

    def __hash__(self) -> int:
        return int(self.content_hash[:15], 16)

    @property
    def content_hash(self) -> str:
        """sha256 over everything that the model says; the same in every process."""
        sink = hashlib.sha256()
        _digest(self, sink)
        return sink.hexdigest()

    def replace(self, **changes: Any) -> Any:
        """A new, validated model with some fields changed."""
        return type(self)(**({name: getattr(self, name) for name in type(self).model_fields} | changes))


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
        element: dict[str, Any] = {"type": "integer" if self.dtype is np.int64 else "number"}
        options = []
        for ndim in range(max(self.ndims) + 1):
            if ndim in self.ndims:
                options.append(element)
            element = {"type": "array", "items": element}
        return options[0] if len(options) == 1 else {"anyOf": options}

    def validate(self, value: Any) -> Any:
        shapes = " or ".join(("a number", "a list", "a matrix")[n] for n in self.ndims)
        try:
            array = np.asarray(value)
        except ValueError:
            raise refuse("SAL003", repr(value)[:60], f"{shapes}; the rows have unequal lengths") from None
        if array.dtype == object or array.dtype.kind not in "iuf":
            raise refuse("SAL001", repr(value)[:60], f"{shapes}, of numbers")
        if array.ndim not in self.ndims:
            raise refuse("SAL003", f"shape {array.shape}", shapes)
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            at = "".join(f"[{i}]" for i in bad[0])
            raise refuse("SAL004", array[tuple(bad[0])], "finite numbers", "replace NaN and infinity", at=at)
        if self.dtype is np.int64 and np.any(array != np.rint(array)):
            raise refuse("SAL001", repr(value)[:60], "whole numbers")
        if array.ndim == 0:
            return self.dtype(array).item()
        array = np.array(array, dtype=self.dtype, order="C")
        array.flags.writeable = False
        return array


PerNeuron = Annotated[float | FloatArray, ArrayOf((0, 1))]
PerSynapse = Annotated[float | FloatArray, ArrayOf((0, 1, 2))]
Matrix = Annotated[FloatArray, ArrayOf((2,))]
Vector = Annotated[FloatArray, ArrayOf((1,))]
Indices = Annotated[IntArray, ArrayOf((1,), np.int64)]


def in_steps(time: float, dt: float) -> int | None:
    """``time`` as a whole number of steps of ``dt`` (both in ms), or None where it is not on the grid (to 1e-6 steps)."""
    steps = time / dt
    return round(steps) if np.isfinite(steps) and abs(steps - round(steps)) < 1e-6 else None
