"""The reference, or another backend, with another source: its package is imported anew, from syntax trees that may have
been changed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

PACKAGE = "salhw_reference"


@cache
def _sources(package: str) -> Path:
    return Path(str(import_module(package).__file__)).parent


@cache
def tree_of(module: str, package: str = PACKAGE) -> ast.Module:
    """The syntax tree of a module of a backend, by its name in the package; ``Mutant`` changes it for a moment."""
    return ast.parse((_sources(package) / f"{module}.py").read_text(encoding="utf-8"))


@cache
def _code_of(file: str) -> CodeType:
    return compile(Path(file).read_text(encoding="utf-8"), file, "exec", dont_inherit=True)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, file: str, changed: Mapping[str, ast.Module], compiled: bool) -> None:
        super().__init__(name, file)
        self.changed, self.compiled = changed, compiled

    def get_code(self, fullname: str) -> CodeType:
        short = fullname.partition(".")[2]
        if short in self.changed:
            return compile(self.changed[short], self.path, "exec", dont_inherit=True)
        return _code_of(self.path)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if module.__name__ != f"{PACKAGE}.jit":
            return
        if not self.compiled:
            module.compiled = _entry  # type: ignore[attr-defined]
            module.helper = module.inlined = module.spliced = module.reassociated = _plain  # type: ignore[attr-defined]
        elif self.changed:  # nothing of a changed algorithm may come from, or into, numba's cache
            module.compiled = numba.njit(**module._OPTIONS)  # type: ignore[attr-defined]


def _plain(function: Any) -> Any:
    return function


def _entry(function: Any) -> Any:
    """An entry point, as plain Python, with records as plain objects: numpy takes ten times as long to read a field."""
    loosened: dict[int, tuple[Any, Any]] = {}

    def called(net: Any, batch: Any, *rest: Any) -> None:
        if id(net) not in loosened:
            parts = {name: _loose(array) for name, array in net._asdict().items() if array.dtype.names}
            loosened[id(net)] = net, net._replace(**parts)  # with the network itself, whose id stays its own
        now = _loose(batch.now)
        try:
            function(loosened[id(net)][1], batch._replace(now=now), *rest)
        finally:
            for at in np.ndindex(now.shape):
                for name, value in vars(now[at]).items():
                    batch.now[at][name] = value

    return called


def _loose(records: Any) -> Any:
    objects = np.empty(records.shape, object)
    for at in np.ndindex(records.shape):
        objects[at] = SimpleNamespace(**{name: records[at][name] for name in records.dtype.names})
    return objects


class _Finder(MetaPathFinder):
    def __init__(self, package: str, changed: Mapping[str, ast.Module], compiled: bool) -> None:
        self.package, self.changed, self.compiled = package, changed, compiled

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] != self.package:
            return None
        place = _sources(self.package).joinpath(*name.split(".")[1:])
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        loader = _Loader(name, str(file), self.changed, self.compiled)
        places = [str(place)] if place.is_dir() else None
        return spec_from_file_location(name, file, loader=loader, submodule_search_locations=places)


@contextmanager
def imported_anew(package: str, changed: Mapping[str, ast.Module], *, compiled: bool = True) -> Iterator[Any]:
    """A backend's package with these trees in place of its modules, by their names in it. What runs inside finds it
    under the package's own name."""
    _sources(package)
    before = {name: m for name, m in sys.modules.items() if name.partition(".")[0] == package}
    finder = _Finder(package, changed, compiled)
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        made = import_module(package)
        import_module(f"{package}.engine")
        yield made
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        sys.modules.update(before)


@contextmanager
def reference(changed: Mapping[str, ast.Module] | None = None, *, compiled: bool) -> Iterator[Any]:
    """The reference's package with these trees, ``compiled`` by numba or as plain Python, whose start takes no time."""
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setenv("NUMBA_DISABLE_JIT", "0" if compiled else "1")  # which arrays.py reads, when it makes records
        patch.setenv("SALHW_THREADS", "1")  # in other threads no numpy error would be ignored
        with imported_anew(PACKAGE, changed or {}, compiled=compiled) as package:
            yield package


@dataclass(frozen=True)
class Mutant:
    """A change of the reference, or of another ``package``: a ``field`` of a node of a module's syntax tree that
    becomes ``value``; or, without one, a ``patch`` of the engine's class."""

    name: str
    group: str
    operator: str
    module: str = ""
    node: ast.AST | None = None
    field: str = ""
    value: Any = None
    patch: Callable[[Any], None] | None = None
    package: str = PACKAGE

    def changed(self) -> dict[str, ast.Module]:
        """The trees that this change makes others, by module."""
        if self.node is None:
            return {}
        before = getattr(self.node, self.field)
        setattr(self.node, self.field, self.value)
        made = ast.fix_missing_locations(deepcopy(tree_of(self.module, self.package)))
        setattr(self.node, self.field, before)
        return {self.module: made}

    @contextmanager
    def loaded(self, *, compiled: bool) -> Iterator[Any]:
        """The reference's package with this change, see ``reference``."""
        with reference(self.changed(), compiled=compiled) as package:
            if self.patch is not None:
                self.patch(package.engine.ReferenceEngine)
            yield package
