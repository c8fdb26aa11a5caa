"""The arrows of the design: wings import the core, never each other; the core imports no wing; no circles. And what no
linter asks: files of a length to read, nothing pickled, no name that means two things to Python 3.12 and 3.13."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WINGS = {p.name for folder in ("backends", "calibration", "networks") for p in (ROOT / folder).glob("salhw_*")}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] in ("backends", "calibration", "networks") else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    """What is in a file; every test looks at all of them."""
    return ast.parse(path.read_text())


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """All nodes of a file."""
    return list(ast.walk(parsed(path)))


def imported(nodes: list[ast.stmt], known: set[str]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = below & known
            names |= inside if inside == below else {node.module} | inside
    return names


FILES = {
    module_name(p): p
    for folder in ("salhw", "backends", "calibration", "networks")
    for p in (ROOT / folder).rglob("*.py")
}

ARROWS = {("salhw_networks", "salhw_calibration"), ("salhw_brainscales2", "salhw_nest")}
"""Between wings: networks may measure with calibration, and one backend builds on another."""

FLOORS = (
    {"diagnostics"}, {"machine", "jit"}, {"description", "theory"}, {"substrate"}, {"session"}, {"registry"},
    {"compiler"}, {""}, {"worker", "io"}, {"plugin", "plots"}, {"conformance"}, {"comparison"}, {"study"}, {"cli"},
)  # fmt: skip
"""The rooms of the core, from the ground up; arrows go down, or within a room. The nameless one is ``salhw`` itself."""

FACADES = {
    ("salhw.description.network", "salhw.io.description"),
    ("salhw.session.recording", "salhw.io.recording_file"),
    ("salhw.description.network", "salhw.plots.diagrams"),
    ("salhw.session.recording", "salhw.plots.recordings"),
    ("salhw", "salhw.comparison"),
}
"""``save``, ``load`` and ``plot``, which a user looks for at what is saved or drawn, and ``salhw.compare``; they import
when called."""


@cache
def arrows(name: str) -> frozenset[str]:
    """The modules that a module imports anywhere: when it is imported, inside functions, and for types only."""
    nodes = [n for n in nodes_of(FILES[name]) if isinstance(n, ast.Import | ast.ImportFrom)]
    found = {i for i in imported(nodes, set(FILES)) if i in FILES and i != name}
    return frozenset(i for i in found if (name, i) not in FACADES)


def test_wings_import_the_core_only() -> None:
    wrong = []
    for name in FILES:
        home = name.partition(".")[0]
        for other in {i.partition(".")[0] for i in arrows(name)} & WINGS:
            if other != home and (home, other) not in ARROWS:
                wrong.append(f"{name} imports {other}")
    assert {"salhw_reference", "salhw_networks"} <= WINGS
    assert wrong == []


def test_arrows_of_the_core_go_down() -> None:
    floor = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
    core = {name: name.split(".")[1] if "." in name else "" for name in FILES if name.partition(".")[0] == "salhw"}
    assert set(core.values()) == set(floor), "every room of the core has its floor"
    wrong = [
        f"{name} imports {other}"
        for name, room in core.items()
        for other in arrows(name)
        if other in core and core[other] != room and floor[core[other]] >= floor[room]
    ]
    assert wrong == []


def test_no_circles() -> None:
    order = list(graphlib.TopologicalSorter({name: arrows(name) for name in FILES}).static_order())  # or CycleError
    assert len(order) == len(FILES)


def test_no_module_shadows_a_public_name() -> None:
    """``import salhw.target as t`` would otherwise be a module the first time and a function the next."""
    shadowed = {
        name: both
        for name, path in FILES.items()
        if path.name == "__init__.py"
        and (both := public(parsed(path)) & {other.removeprefix(f"{name}.") for other in FILES if other != name})
    }
    assert shadowed == {}


def public(tree: ast.Module) -> set[str]:
    """What a package lists in ``__all__``."""
    lists = [n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"]
    return {item for names in lists for item in ast.literal_eval(names)}


def test_modules_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by their names alone, and collects nothing where two folders have one of the same name."""
    names = [path.stem for path in (ROOT / "tests").glob("*/*.py") if path.stem != "conftest"]
    assert [name for name in {*names} if names.count(name) > 1] == []


def test_files_can_be_read_in_a_sitting() -> None:
    long = {name: n for name, p in FILES.items() if (n := len(p.read_text().splitlines())) > 450}
    assert long == {}


def test_no_file_is_pickled_or_evaluated() -> None:
    for name, path in FILES.items():
        nodes = nodes_of(path)
        called = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not called & {"eval", "exec"}, name
        assert "pickle" not in imported([n for n in nodes if isinstance(n, ast.stmt)], set(FILES)), name


FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def uses(node: ast.AST, comprehended: frozenset[str] = frozenset()) -> Iterator[tuple[str, str | None]]:
    """What one function does with names: "comprehends" them, has them as its "own" variables, or "reads" them where
    no comprehension has made them its variables. Functions inside it count for themselves."""

    def each(nodes: Iterable[ast.AST], inside: frozenset[str] = comprehended) -> Iterator[tuple[str, str | None]]:
        for each_node in nodes:
            yield from uses(each_node, inside)

    match node:
        case ast.Load() | ast.Constant():  # most nodes
            return
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            variables = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
            yield from (("comprehends", name) for name in variables)
            first, *parts = [part for g in node.generators for part in (g.iter, *g.ifs)]
            parts += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            yield from uses(first, comprehended)  # the outermost iterable is read outside
            yield from each(parts, comprehended | variables)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield "own", node.name
            yield from each(node.decorator_list)
        case ast.Lambda():
            return
        case ast.Name(id=name, ctx=ast.Load()):
            if name not in comprehended:
                yield "reads", name
        case ast.Name(id=name) | ast.arg(arg=name):
            yield "own", name
        case ast.alias():
            yield "own", node.asname or node.name.partition(".")[0]
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            yield "own", name
            yield from each(ast.iter_child_nodes(node))
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from (("elsewhere", name) for name in names)
        case _:
            yield from each(ast.iter_child_nodes(node))


def names_of_two_meanings(tree: ast.AST) -> list[tuple[int, str]]:
    """Line of the function and the name: the variable of a comprehension of it, and read in it as a builtin, or as a
    variable of the module or of a function around it.

    From 3.12 on comprehensions are inlined (PEP 709), and a name is then one thing in the whole function: 3.12.0 and
    3.12.1 raise UnboundLocalError where another comprehension reads it, 3.13.0 does for variables of a function around.
    """
    found = []
    for function in ast.walk(tree):
        if isinstance(function, FUNCTION) and any(isinstance(n, COMPREHENSION) for n in ast.walk(function)):
            body = function.body if isinstance(function.body, list) else [function.body]
            told = [use for part in (function.args, *body) for use in uses(part)]
            names = {what: {name for kind, name in told if kind == what and name} for what in dict(told)}
            mine = names.get("own", set()) - names.get("elsewhere", set())
            both = names.get("comprehends", set()) & names.get("reads", set()) - mine
            found += [(function.lineno, name) for name in sorted(both)]
    return found


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("def f(p):\n return {n: sum for n, sum in p}, [sum(x) for x in p]", "sum"),
        ("n = 3\ndef f(p):\n return [n for n in p], [n + x for x in p]", "n"),
        ("def o(n):\n def f(p):\n  return [n for n in p], [n + x for x in p]\n return f", "n"),
        ("def f(p):\n return [z for z in {sum for sum in p}], [[sum(x) for x in p] for y in p]", "sum"),
        ("n = 5\ndef f(p):\n return [(lambda: n) for n in p], [n + x for x in p]", "n"),
        ("n = 5\ndef f(p):\n global n\n return [n for n in p], [n + x for x in p]", "n"),
        ("f = lambda p: ([sum for sum in p], [sum(x) for x in p])", "sum"),
        ("def f(p):\n n = 3\n return [n for n in p], [n + x for x in p]", None),
        ("def f(n):\n return [n for n in [1]], [n + x for x in [1]]", None),
        ("def f(p):\n return [n for n in p], [n for n in p if n]", None),
        ("def f(p):\n def n(): ...\n return [n for n in p], [n() for x in p]", None),
        ("def f(p):\n return [sum for sum in p]\ndef g(p):\n return sum(p)", None),
    ],
)
def test_names_of_two_meanings_are_found(source: str, name: str | None) -> None:
    """The first seven are wrong; all but the sixth raise UnboundLocalError in 3.12.1. In the others the name is local
    to the function, or to every comprehension that reads it, which all versions get right."""
    assert [found for _, found in names_of_two_meanings(ast.parse(source))] == ([name] if name else [])


def test_no_name_means_two_things_in_one_function() -> None:
    everything = [p for folder in ("tests", "benchmarks") for p in (ROOT / folder).rglob("*.py")] + list(FILES.values())
    found = {str(p.relative_to(ROOT)): two for p in everything if (two := names_of_two_meanings(parsed(p)))}
    assert found == {}
