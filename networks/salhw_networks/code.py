"""The code that a result depends on: the modules that its function and a target's backend import, and their digest.

Import statements are read, not carried out: those inside functions count, those for types only do not. A module counts
as a whole, comments too. Backends also start code in other interpreters by the name of its folder, and read data beside
their modules; where a module names ``__file__`` both count.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import Any

from salhw.registry import backend

DISTRIBUTIONS = {
    "numpy": "numpy", "scipy": "scipy", "numba": "numba", "nest": "nest-simulator", "pyNN": "PyNN", "torch": "torch",
}  # fmt: skip
"""Imported packages whose versions change results, and where they come from."""


@dataclass(frozen=True)
class Code:
    """What some modules consist of: ``files`` by name, and the packages that they import from ``elsewhere``."""

    files: Mapping[str, Path]
    elsewhere: frozenset[str]

    @property
    def digest(self) -> str:
        """sha256 over the files, and over the versions of DISTRIBUTIONS among the packages from elsewhere."""
        content: dict[str, str] = {n: hashlib.sha256(f.read_bytes()).hexdigest() for n, f in self.files.items()}
        content |= {d: _version(d) for package, d in DISTRIBUTIONS.items() if package in self.elsewhere}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def code_of(function: Callable[..., Any], backend_name: str) -> Code:
    """The code of ``function`` and of a backend; see ``roots`` for what it raises."""
    return code(*roots(function, backend_name))


def roots(function: Callable[..., Any], backend_name: str) -> tuple[frozenset[str], frozenset[str]]:
    """The modules where ``function``, what it is a ``partial`` of or closes over, and a backend are defined; and the
    packages that the function itself and the backend are in.

    Raises:
        BackendError: no such backend.
        ValueError: the function was typed in, so that nothing tells when it changes.
    """
    plugin: Any = backend(backend_name)
    defined: Any = function
    while isinstance(defined, partial):
        defined = defined.func
    own = {defined.__module__, getattr(plugin, "__module__", "") or plugin.__name__}
    if missing := sorted(name for name in own if _file(name) is None):
        raise ValueError(f"no source file of {', '.join(missing)}: define {function!r} in a module")
    return frozenset(own | origins(function)), frozenset(name.partition(".")[0] for name in own)


def origins(function: Callable[..., Any]) -> set[str]:
    """The modules where a function is defined, and those that it is given: a partial's, a closure's, by default."""
    names, seen, waiting = set[str](), set[int](), [function]
    while waiting:
        value: Any = waiting.pop()
        if id(value) in seen or not callable(value):
            continue
        seen.add(id(value))
        if isinstance(value, partial):
            waiting += [value.func, *value.args, *value.keywords.values()]
            continue
        names.add(getattr(value, "__module__", None) or type(value).__module__)
        if isinstance(value, FunctionType):
            waiting += [*_closed_over(value), *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    return names


def _closed_over(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def code(modules: Iterable[str], own: Set[str] = frozenset()) -> Code:
    """The ``modules`` and all that they import, of the packages ``own`` and of those called salhw or salhw_*."""
    waiting, seen, files, elsewhere = list(modules), set[str](), dict[str, Path](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if not (top in own or top == "salhw" or top.startswith("salhw_")):
            elsewhere.add(top)
        elif path := _file(name):
            files[name] = path
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            parsed = _parsed(path.read_text(encoding="utf-8"))
            waiting += [name.rpartition(".")[0] or name]
            waiting += [resolve_name(each, package) if each[0] == "." else each for each in parsed.imports]
            if parsed.names_its_file and top != "salhw":
                files |= {f"{package}/{p.name}": p for p in path.parent.iterdir() if p.is_file() and p.suffix != ".py"}
                waiting += [each for text in parsed.texts for each in _inside(package, path.parent, text)]
    return Code(files, frozenset(elsewhere))


def _file(name: str) -> Path | None:
    """The source of a module; None if there is no such module, as of a function that is imported."""
    top, *rest = name.split(".")
    if top == "__main__":
        return Path(script) if (script := getattr(sys.modules[top], "__file__", None)) else None
    spec = find_spec(top)
    for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
        place = folder.joinpath(*rest)
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return Path(spec.origin) if spec and spec.origin and not rest else None


def _inside(package: str, folder: Path, name: str) -> Iterator[str]:
    """The modules in a folder of a package, if there is one of that name."""
    if name.isidentifier() and (folder / name).is_dir():
        for path in (folder / name).rglob("*.py"):
            yield ".".join([package, *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__")


@dataclass(frozen=True)
class _Parsed:
    """What a source says: names that it imports (perhaps of modules), and its short texts."""

    imports: frozenset[str]
    texts: frozenset[str]
    names_its_file: bool


_PARSING = Lock()  # two threads that parse at once are too much for Python 3.11


@cache
def _parsed(source: str) -> _Parsed:
    imports, texts, names_its_file = set[str](), set[str](), False
    with _PARSING:
        tree = ast.parse(source)
    for node in _carried_out(tree):
        match node:
            case ast.Import(names=aliases):
                imports |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=module, names=aliases, level=level):
                base = "." * level + (module or "")
                imports |= {base} | {f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in aliases}
            case ast.Constant(value=str(text)) if len(text) < 100:
                texts.add(text)
            case ast.Name(id="__file__"):
                names_its_file = True
    return _Parsed(frozenset(imports), frozenset(texts), names_its_file)


def _carried_out(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that a type checker alone looks at."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and _for_types(node.test):
            waiting += node.orelse
        else:
            yield node
            waiting += ast.iter_child_nodes(node)


def _for_types(test: ast.expr) -> bool:
    """Whether a condition is ``TYPE_CHECKING``, or ``typing.TYPE_CHECKING``."""
    name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
    return name == "TYPE_CHECKING"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed here"
