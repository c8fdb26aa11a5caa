"""What pydantic finds wrong with a value, in our words and with its path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from salhw.description.markers import unit_of
from salhw.diagnostics import DescriptionError, Diagnostic, counted
from salhw.diagnostics.wording import nearest, number, shown

MOST = 1000
"""So many findings of one description are worded; of a list of a million wrong entries nobody reads more."""


def with_unit(unit: str, text: str) -> str:
    """``text`` followed by a unit, if there is one."""
    return f"{text} {unit}" if unit else text


_PLAIN = re.compile(r"[\w$]+")


def _path(loc: Sequence[int | str], data: Any) -> str:
    """``populations.hidden.bias`` from pydantic's location, in the words of ``salhw.session.paths``.

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
            path += f".{key}" if _PLAIN.fullmatch(key) else f"[{shown(key)}]"
        before = key
    return path.lstrip(".")


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation, and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            group = getattr(part, "members", {})
            yield from [part] if "kind" in part.model_fields or not group else group.values()


def _models_at(cls: type[BaseModel], loc: Sequence[int | str], data: Any) -> list[type[BaseModel]]:
    """The models that may stand at pydantic's location ``loc`` in ``data`` for a ``cls``; one if its kind is known."""
    models = [cls]
    for key in loc:
        if isinstance(key, str):
            fields = [m.model_fields[key].annotation for m in models if key in m.model_fields]
            models = [model for annotation in fields for model in _models_in(annotation)]
        data = _inside(data, key)
        kind = _inside(data, "kind")
        models = [m for m in models if "kind" in m.model_fields and m.model_fields["kind"].default == kind] or models
    return models


def _inside(data: Any, key: int | str) -> Any:
    """What data has at a key or index; None if that is nothing."""
    if isinstance(key, int):
        return data[key] if isinstance(data, list | tuple) and key < len(data) else data if key == 0 else None
    return data.get(key) if isinstance(data, Mapping) else getattr(data, key, None)


_LIMITS = {"greater_than": (">", "gt"), "greater_than_equal": (">=", "ge"), "less_than": ("<", "lt")}
_LIMITS["less_than_equal"] = ("<=", "le")


_TYPES = {"float": "a number", "int": "a whole number", "string": "a string", "tuple": "a list", "dict": "a table"}


def _diagnostic(error: Mapping[str, Any], data: Any, cls: type[BaseModel]) -> Diagnostic:
    """One of pydantic's findings in our words."""
    kind, context, value, loc = error["type"], error.get("ctx", {}), error["input"], error["loc"]
    path = _path(loc, data)
    field = next((key for key in reversed(loc) if isinstance(key, str)), cls.__name__)
    if kind.startswith("SAL"):
        at = context["at"]
        path += at if at.startswith("[") or not path or not at else f".{at}"
        return Diagnostic(kind, path or cls.__name__, context["asked"], context["supported"], context["fix"])
    models = _models_at(cls, loc[:-1] if kind in ("missing", "extra_forbidden") else loc, data)
    names = ", ".join(m.__name__ for m in models)
    if kind == "missing" and isinstance(loc[-1], int):
        return _of_length(path.rpartition("[")[0], value, _entries_at(cls, loc[:-1], data))
    if kind == "too_long":
        return _of_length(path, value, context["max_length"])
    if kind == "missing":
        return Diagnostic("SAL002", path, "", f"required by {names}, and missing", f"give {field}")
    if kind == "extra_forbidden":
        known = [name for model in models for name in model.model_fields]
        return Diagnostic("SAL002", path, "", f"unknown field of {names}", nearest(field, known, "leave it out"))
    path = path or cls.__name__
    owners = _models_at(cls, loc[:-1], data) if loc else []
    unit = next((unit for owner in owners if (unit := unit_of(owner, field))), "")
    asked = with_unit(unit, number(value)) if type(value) in (int, float) else shown(value)
    if kind in _LIMITS:
        sign, key = _LIMITS[kind]
        limit = with_unit(unit, f"{sign} {number(context[key])}")
        return Diagnostic("SAL005", path, asked, limit, f"choose {field} {limit}")
    if kind == "finite_number":
        return Diagnostic("SAL004", path, shown(value), "a finite number", "replace NaN or infinity")
    if kind == "literal_error":
        return Diagnostic("SAL005", path, asked, context["expected"], nearest(value, _quoted(context["expected"])))
    if kind == "string_pattern_mismatch":
        supported = "letters, digits and _, beginning with a letter"
        return Diagnostic("SAL005", path, asked, supported, "choose such a name")
    if kind == "string_too_long":
        most = f"at most {context['max_length']} letters"
        return Diagnostic("SAL005", path, f"{len(value)} letters", most, "choose a shorter one")
    if kind == "too_short":
        return Diagnostic("SAL005", path, f"{context['actual_length']}", f"at least {context['min_length']}", "add one")
    if models and models != [cls]:
        return Diagnostic("SAL001", path, asked, f"a {names}", f"give a {names}")
    supported = _TYPES.get(kind.partition("_")[0], error["msg"].removeprefix("Input should be "))
    return Diagnostic("SAL001", path, asked, supported, f"give {supported}")


def _of_length(path: str, value: Sequence[Any], wanted: int) -> Diagnostic:
    """A list of another length than the one that there must be."""
    entries = "1 entry" if len(value) == 1 else f"{len(value)} entries"
    return Diagnostic("SAL003", path, entries, f"{wanted} entries", f"give {wanted} entries")


def _entries_at(cls: type[BaseModel], loc: Sequence[int | str], data: Any) -> int:
    """How many entries the list at ``loc`` has, a field's or one in it, each with a meaning of its own."""
    place, field = next((k, key) for k, key in reversed([*enumerate(loc)]) if isinstance(key, str))
    parts = (
        part for owner in _models_at(cls, loc[:place], data) for part in _parts(owner.model_fields[field].annotation)
    )
    lists = (get_args(part) for part in parts if get_origin(part) is tuple)
    return next(len(entries) for entries in lists if Ellipsis not in entries)


def _quoted(choices: str) -> list[str]:
    return choices.split("'")[1::2]


def _is_told_by_another(item: Mapping[str, Any]) -> bool:
    """Whether a finding only follows from others: a list is short of items that are wrong, which pydantic does not
    count, or of several, each of which it names."""
    if item["type"] == "too_short":
        return len(item["input"]) > 0
    last = item["loc"][-1] if item["loc"] else ""
    return item["type"] == "missing" and isinstance(last, int) and last > len(item["input"])


def description_error(error: ValidationError, data: Any, cls: type[BaseModel]) -> DescriptionError:
    """pydantic's findings about ``data`` for a ``cls`` as one error with all diagnostics."""
    findings: list[Diagnostic] = []
    beyond = max(0, error.error_count() - MOST)
    for item in islice(error.errors(include_url=False), MOST):
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, DescriptionError):  # a validator that found several problems at once
            findings.extend(cause.diagnostics)
        elif not _is_told_by_another(item):
            findings.append(_diagnostic(dict(item), data, cls))
    name = data.get("name") if isinstance(data, Mapping) else None
    owner = f"{cls.__name__} {shown(name)}" if isinstance(name, str) else cls.__name__
    total = counted("problem", range(len(findings) + beyond))
    return DescriptionError(f"DescriptionError: {owner} is refused ({total})", findings)
