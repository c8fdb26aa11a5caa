"""The ground under the description: frozen models, read-only arrays, and errors that name the path."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from salhw.diagnostics import DescriptionError, Diagnostic, counted

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # the same, which pydantic does not export

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def refuse(code: str, asked: object, supported: str, fix: str = "", at: str = "") -> PydanticCustomError:
    """The error that a validator raises; ``at`` extends the path (``[3]``, ``weights.values``)."""
    context = {"asked": str(asked), "supported": supported, "fix": fix, "at": at}
    return PydanticCustomError(code, "{asked}: {supported}", context)


def _not_text(value: Any) -> Any:
    if isinstance(value, str | bytes | bool):  # which pydantic would turn into a number
        raise refuse("SAL001", repr(value)[:60], "a number", "give a number")
    return value


NotText = BeforeValidator(_not_text)  # after the constraints, or pydantic leaves them out of the JSON Schema
Number = Annotated[float, NotText]

UNITS = dict.fromkeys(
    ("dt", "tau", "tau_m", "tau_ref", "tau_syn", "area", "delay", "start", "stop", "every", "times"), "ms"
)
UNITS["rate"] = "Hz"


def with_unit(path: str, text: str) -> str:
    """``text`` followed by the unit of the field that ``path`` ends in, if it has one."""
    unit = UNITS.get(path.rpartition(".")[2].partition("[")[0])
    return f"{text} {unit}" if unit else text


def number(value: float) -> str:
    """A number as a person writes it: ten digits, no trailing zeros."""
    return f"{value:.10g}"


def nearest(word: str, known: Iterable[str], otherwise: str = "check the spelling") -> str:
    """A fix for a misspelt name."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise


def _path(loc: Sequence[int | str], data: Any) -> str:
    """``populations.hidden.bias`` from pydantic's location, in the words of ``salhw.paths``.

    Items are called by their names; union tags, a population's ``neuron`` and the ``values`` of a weight matrix are
    left out; a single plasticity rule is not counted.
    """
    path, before = "", ""
    for k, key in enumerate(loc):
        last = k == len(loc) - 1
        if isinstance(key, int):
            alone = before == "plasticity" and not (isinstance(data, list | tuple) and len(data) > 1)
            data = data[key] if isinstance(data, list | tuple) and key < len(data) else data if alone else None
            name = data.get("name") if isinstance(data, Mapping) else getattr(data, "name", None)
            path += f".{name}" if isinstance(name, str) else "" if alone else f"[{key}]"
            continue
        present = key in data if isinstance(data, Mapping) else hasattr(data, key)
        if key[:1].isupper() and not present:  # the tag of a union; fields are lower case
            continue
        data = data.get(key) if isinstance(data, Mapping) else getattr(data, key, data)
        if not (key == "neuron" and not last) and not (key == "values" and before == "weights"):
            path += f".{key}"
        before = key
    return path.lstrip(".")


def _models_in(annotation: Any) -> list[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _models_at(cls: type[Model], loc: Sequence[int | str]) -> list[type[Model]]:
    """The models that may stand at pydantic's location ``loc`` below ``cls``; one where the tag of a union is known."""
    models = [cls]
    for key in loc:
        tagged = [m for m in models if "kind" in m.model_fields and m.model_fields["kind"].default == key]
        if tagged:
            models = tagged
        elif isinstance(key, str):
            fields = [m.model_fields[key].annotation for m in models if key in m.model_fields]
            models = [model for annotation in fields for model in _models_in(annotation)]
    return models


_LIMITS = {"greater_than": (">", "gt"), "greater_than_equal": (">=", "ge"), "less_than": ("<", "lt")}
_LIMITS["less_than_equal"] = ("<=", "le")
_TYPES = {"float": "a number", "int": "a whole number", "string": "a string", "tuple": "a list", "dict": "a table"}


def _diagnostic(error: Mapping[str, Any], data: Any, cls: type[Model]) -> Diagnostic:
    """One of pydantic's findings in our words."""
    kind, context, value, loc = error["type"], error.get("ctx", {}), error["input"], error["loc"]
    path = _path(loc, data)
    field = str(loc[-1]) if loc else cls.__name__
    if kind.startswith("SAL"):
        at = context["at"]
        path += at if at.startswith("[") or not path or not at else f".{at}"
        return Diagnostic(kind, path or cls.__name__, context["asked"], context["supported"], context["fix"])
    models = _models_at(cls, loc[:-1] if kind in ("missing", "extra_forbidden") else loc)
    names = ", ".join(m.__name__ for m in models)
    if kind == "missing":
        return Diagnostic("SAL002", path, "", f"required by {names}, and missing", f"give {field}")
    if kind == "extra_forbidden":
        known = [name for model in models for name in model.model_fields]
        return Diagnostic("SAL002", path, "", f"unknown field of {names}", nearest(field, known, "leave it out"))
    path = path or cls.__name__
    asked = with_unit(path, number(value)) if type(value) in (int, float) else repr(value)[:60]
    if kind in _LIMITS:
        sign, key = _LIMITS[kind]
        limit = with_unit(path, f"{sign} {number(context[key])}")
        return Diagnostic("SAL005", path, asked, limit, f"choose {field} {limit}")
    if kind == "finite_number":
        return Diagnostic("SAL004", path, repr(value), "a finite number", "replace NaN or infinity")
    if kind == "literal_error":
        return Diagnostic("SAL005", path, asked, context["expected"], nearest(str(value), _quoted(context["expected"])))
    if kind == "string_pattern_mismatch":
        supported = "letters, digits and _, beginning with a letter"
        return Diagnostic("SAL005", path, asked, supported, "choose such a name")
    if kind == "union_tag_invalid":
        tags = context["expected_tags"]
        return Diagnostic("SAL005", path, context["tag"], f"one of {tags}", nearest(context["tag"], _quoted(tags)))
    if kind == "too_short":
        return Diagnostic("SAL005", path, f"{context['actual_length']}", f"at least {context['min_length']}", "add one")
    if models and models != [cls]:
        kinds = [m.model_fields["kind"].default for m in models if "kind" in m.model_fields]
        fix = f"give one with kind = {' or '.join(kinds)}" if kinds else f"give a {names}"
        return Diagnostic("SAL001", path, asked, f"one of {names}" if len(models) > 1 else f"a {names}", fix)
    supported = _TYPES.get(kind.partition("_")[0], error["msg"].removeprefix("Input should be "))
    return Diagnostic("SAL001", path, asked, supported, f"give {supported}")


def _quoted(choices: str) -> list[str]:
    return choices.split("'")[1::2]


def description_error(error: ValidationError, data: Any, cls: type[Model]) -> DescriptionError:
    """pydantic's findings about ``data`` for a ``cls`` as one error with all diagnostics."""
    findings: list[Diagnostic] = []
    for item in error.errors():
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, DescriptionError):  # a validator that found several problems at once
            findings.extend(cause.diagnostics)
        elif not (item["type"] == "too_short" and item["input"]):  # pydantic does not count the items that are wrong
            findings.append(_diagnostic(dict(item), data, cls))
    name = data.get("name") if isinstance(data, Mapping) else None
    owner = f"{cls.__name__} {name!r}" if isinstance(name, str) else cls.__name__
    return DescriptionError(f"DescriptionError: {owner} is refused ({counted('problem', findings)})", findings)


class _Meta(ModelMetaclass):
    """Construction that reports every problem with its path, and takes the first fields by position."""

    if not TYPE_CHECKING:  # or type checkers lose the signature

        def __call__(cls, *args: Any, **data: Any) -> Any:
            own = [name for name in cls.model_fields if name not in cls.__base__.model_fields]
            fields = [name for name in (*own, *cls.__base__.model_fields) if name != "kind"]
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
        for name in type(value).model_fields:
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
        return type(self)(**({name: getattr(self, name) for name in type(self).model_fields} | changes))


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
        shapes = " or ".join(("a number", "a list", "a matrix")[n] for n in self.ndims)
        try:
            array = np.asarray(value)
        except ValueError:
            fix = "make the rows equally long"
            raise refuse("SAL003", repr(value)[:60], f"{shapes}; the rows have unequal lengths", fix) from None
        if array.dtype.kind not in "iuf":
            raise refuse("SAL001", repr(value)[:60], f"{shapes}, of numbers", "give numbers")
        if array.ndim not in self.ndims:
            raise refuse("SAL003", f"shape {array.shape}", shapes, "reshape it")
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
            raise refuse(code, array[first], supported, fix, at="".join(f"[{i}]" for i in first))


PerNeuron = Annotated[float | FloatArray, ArrayOf((0, 1))]
PerSynapse = Annotated[float | FloatArray, ArrayOf((0, 1, 2))]
Matrix = Annotated[FloatArray, ArrayOf((2,))]
Vector = Annotated[FloatArray, ArrayOf((1,))]
Indices = Annotated[IntArray, ArrayOf((1,), np.int64)]


def in_steps(time: float, dt: float) -> int | None:
    """``time`` as a whole number of steps of ``dt`` (both in ms), or None if it is off the grid by 1e-6 steps."""
    steps = time / dt
    return round(steps) if math.isfinite(steps) and abs(steps - round(steps)) < 1e-6 else None
