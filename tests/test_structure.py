"""The arrows of the design: wings import the core, never each other; the core imports no wing; no circles."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
WINGS = {p.name for folder in ("backends", "calibration", "networks") for p in (ROOT / folder).glob("salhw_*")}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] in ("backends", "calibration", "networks") else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def at_import(tree: ast.Module) -> list[ast.stmt]:
    """Statements that run when the module is imported for real (not under TYPE_CHECKING, not inside functions)."""
    return [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


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


def test_wings_import_the_core_only() -> None:
    wrong = []
    for name, path in FILES.items():
        home = name.partition(".")[0]
        tree = ast.parse(path.read_text())
        everywhere = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        for other in {i.partition(".")[0] for i in imported(everywhere, set(FILES))} & WINGS:
            measuring = home == "salhw_networks" and other == "salhw_calibration"
            if other != home and not measuring:
                wrong.append(f"{name} imports {other}")
    assert {"salhw_reference", "salhw_networks"} <= WINGS
    assert wrong == []


def test_no_circles() -> None:
    graph = {}
    for name, path in FILES.items():
        reached = imported(at_import(ast.parse(path.read_text())), set(FILES)) & set(FILES)
        graph[name] = reached - {name}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert len(order) >= len(FILES)


def test_files_can_be_read_in_a_sitting() -> None:
    long = {name: n for name, p in FILES.items() if (n := len(p.read_text().splitlines())) > 450}
    assert long == {}


def test_no_file_is_pickled_or_evaluated() -> None:
    for name, path in FILES.items():
        tree = ast.parse(path.read_text())
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not called & {"eval", "exec"}, name
        assert "pickle" not in imported([n for n in ast.walk(tree) if isinstance(n, ast.stmt)], set(FILES)), name
