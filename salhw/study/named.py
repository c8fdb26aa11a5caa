"""Functions that a study names: those of salhw, those that packages bring, and a user's own, ``module:function``."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeGuard

from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.wording import nearest, one_of
from salhw.registry import installed

Function = Callable[..., Any]


def _is_function(plugin: object) -> TypeGuard[Function]:
    return callable(plugin)


@cache
def brought(group: str, what: str) -> Mapping[str, Function]:
    """Every function that packages bring under an entry point group, by name.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
    """
    return {name: plugin for name, _, plugin in installed(group, what, _is_function, "a function")}


def chosen(
    name: str, core: Mapping[str, Function], path: str, every: Callable[[], Mapping[str, Function]] | None = None
) -> Function:
    """The function of this name: one of the core's, one of ``every`` that is installed, or a user's. Packages, which
    take long to import, are asked only for what the core has not.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
        DescriptionError: SAL904 no such function, or a module without it.
    """
    if ":" in name:
        return users_function(name, path)
    known = core if name in core or every is None else every()
    if name not in known:
        fix = nearest(name, known, "or name a function of yours, package.module:function")
        raise _unknown(path, name, one_of(known), fix)
    return known[name]


def users_function(name: str, path: str) -> Function:
    """A function of the user's, ``module:function``; the module may lie beside the study file.

    Raises:
        DescriptionError: SAL904 it cannot be imported, or is no function.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever a user's module raises while it is imported
        supported = f"a function that can be imported; {type(error).__name__}: {error}"
        raise _unknown(path, name, supported, "put the module beside the study file") from None
    if not callable(found):
        raise _unknown(path, name, f"a function; {function} is a {type(found).__name__}", "name a function")
    return partial(found)


def _unknown(path: str, name: str, supported: str, fix: str) -> DescriptionError:
    finding = Diagnostic("SAL904", path, name, supported, fix)
    return DescriptionError("DescriptionError: this function cannot be used", [finding])


def source_digest(function: Function) -> str:
    """Of the file in which a user's function is: results of other code are other results. Empty for installed ones,
    which the versions of their packages stand for."""
    if not isinstance(function, partial):
        return ""
    file = inspect.getsourcefile(inspect.unwrap(function.func))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
