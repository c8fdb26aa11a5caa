"""Arguments of the builder of an installed network, read from text as a person writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import Parameter, getdoc, signature
from typing import Any, get_type_hints

from salhw.description.network import Network
from salhw.diagnostics import DescriptionError, Diagnostic, SalhwError
from salhw.diagnostics.documents import from_json
from salhw.diagnostics.wording import nearest
from salhw.registry import Builder, builder

ECHO = 80  # characters of a value that messages repeat


@dataclass(frozen=True)
class Setting:
    """An argument of a builder: its default as text, and what its docstring says of it."""

    name: str
    default: str
    meaning: str


def settings(build: Builder) -> list[Setting]:
    """All arguments of a builder, in its order."""
    meanings = _meanings(getdoc(build) or "")
    return [
        Setting(p.name, _shown(p.default), meanings.get(p.name, ""))
        for p in signature(build).parameters.values()
        if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    ]


def _shown(default: Any) -> str:
    """A default as it would be written behind the ``=``."""
    if default is Parameter.empty:
        return ""
    try:
        return default if isinstance(default, str) else json.dumps(default)
    except (TypeError, ValueError):
        return repr(default)


def _meanings(doc: str) -> dict[str, str]:
    """Names and texts below ``Args:``; several names may share a text."""
    _, _, below = doc.partition("Args:\n")
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {5,}\S.*)*)", below.partition("\n\n")[0], re.M)
    return {
        name.strip(): " ".join(text.replace("``", "`").split()) for names, text in entries for name in names.split(",")
    }


def built(name: str, given: Sequence[str] = ()) -> Network:
    """The network of the builder ``name``, with settings such as ``tau_ref=12`` or ``weights=[1, 0.5]``.

    Raises:
        DescriptionError: no such builder or setting, a value of another type, or one that the builder refuses.
    """
    build = builder(name)
    values = dict(_value(name, build, text) for text in given)
    try:
        return build(**values)
    except SalhwError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
        if not values:
            raise
        asked = ", ".join(given)[:ECHO]
        raise _refused(name, name, asked, f"values that {name} can be built with; {error}", code="SAL005") from error


def _value(name: str, build: Builder, text: str) -> tuple[str, Any]:
    """One setting, of the type that the builder's annotation says."""
    from pydantic import TypeAdapter

    key, equals, written = text.partition("=")
    known = [item.name for item in settings(build)]
    if not equals or key not in known:
        fix = nearest(key, known, f"see `salhw networks {name}`")
        raise _refused(name, key[:ECHO] or "--set", "" if equals else text[:ECHO], f"one of {', '.join(known)}", fix)
    try:
        value = from_json(written)
    except ValueError:
        value = written  # text needs no quotes
    hint = _hint(build, key)
    for candidate in (value, written):  # a number may be meant as text
        with suppress(ValueError, TypeError, OverflowError):
            return key, TypeAdapter(hint).validate_python(candidate)
    raise _refused(name, key, written[:ECHO], f"a value of type {_type(hint)}", code="SAL001")


def _hint(build: Builder, key: str) -> Any:
    """The annotation of an argument; anything at all where there is none that can be used."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        hint = get_type_hints(build).get(key, Any)
        TypeAdapter(hint)
    except (NameError, TypeError, PydanticUserError):
        return Any
    return hint


def _type(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "").replace("collections.abc.", "")


def _refused(name: str, path: str, asked: str, supported: str, fix: str = "", code: str = "SAL009") -> DescriptionError:
    finding = Diagnostic(code, path, asked, supported, fix or f"see `salhw networks {name}`")
    return DescriptionError(f"DescriptionError: {name} cannot be built like this", [finding])
