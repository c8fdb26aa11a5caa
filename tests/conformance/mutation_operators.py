"""Wrong backends by a table of operators: every term and statement of the reference's step, of what prepares it and of
its engine, changed in all the ways in which such code goes wrong; and every array of its state and argument of its
session, changed where runs join and where values are written.

A mutant's name says where and what, without line numbers, so that it stays while the code around it changes.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from itertools import pairwise, zip_longest
from typing import Any

from mutated import PACKAGE, Mutant, tree_of
from mutation_session import arguments, states

STEP = {
    "time_driven": ("fade", "integrate", "reset", "sample", "look_back", "look_ahead", "step_neurons", "run"),
    "event_driven": ("next_forced", "forced_spikes"),
    "parts": (
        "hazard", "spike_probability", "recompute_inputs", "deliver", "end_refractory", "set_free", "left_for",
        "share_for", "use", "strength_of", "change_of_psp", "expire", "act", "note_spike", "occupy", "write_spike",
        "note_spikes", "begin", "count_states",
    ),
    "averages": (
        "through", "input_of", "value_now", "follow_traces", "mean_of", "potential_of", "rate_of", "touch", "nudge",
    ),
    "learning": (
        "faded", "window_sum", "add_current", "change_weight", "copy_weights", "error_of",
        "predict_on_spike", "predict", "partners_of", "is_tabulated", "since", "tabulated_sum", "learn_alone",
        "own_spikes",
        "learn_on_spike", "collect", "follow", "mark", "learn", "apply_updates", "periodic_update", "run_end",
    ),
}  # fmt: skip
"""The functions of the time-driven algorithm, which runs every description, by module."""
PREPARED = {
    "drive": ("at", "change", "drives", "_drive"),
    "kinds": (
        "steps", "_glm", "_lif", "period", "length", "reach", "_pair_stdp", "_predictive", "_triplets", "_current",
        "_poisson", "_clamp", "_boxcar", "_exponential_trace", "_tsodyks_markram",
    ),
    "program": (
        "neuron_ranges", "synapse_ranges", "_neurons", "named_inputs", "_psp", "_projections", "_symmetric", "branches",
        "_rules", "_heads", "_forced", "trace_columns", "sampled", "_traces", "_teachers", "_ties", "_probes",
    ),
    "rng": ("streams",),
    "state": ("at_rest",),
}  # fmt: skip
"""What makes arrays of a network and of its stimuli."""
ENGINE = {
    "engine": (
        "__init__", "read", "write", "_write_weights", "_copy", "_gains", "_teach", "_on_chip", "begin", "advance",
        "finish", "recorded",
    ),
}  # fmt: skip
"""What a session calls."""
GROUPS = {"step": STEP, "preparation": PREPARED, "engine": ENGINE}
KERNELS = {
    "vectorised": ("vectorised", "rows", "row_learning", "row_updates"),
    "event-driven": ("event_driven", "hazards", "parts"), "tabulated": ("tabulated",), "pair blocks": ("pair_blocks",),
}  # fmt: skip
"""The modules of the other algorithms, of which every function is mutated that the time-driven one does not share."""


# operators on terms ---------------------------------------------------------------------------------------------------

TWINS = [
    ("pre", "post"), ("low", "high"), ("dy", "dx"), ("into", "out"), ("first", "end"), ("lowest", "highest"),
    ("self", "partner"), ("rest", "reset"), ("teacher", "prediction"), ("target", "gain"), ("causal", "anticausal"),
    ("start", "stop"), ("y", "x"), ("copies", "originals"), ("instance", "neuron"), ("projection", "to"),
]  # fmt: skip
TWIN = {a: b for pair in TWINS for a, b in (pair, pair[::-1])}
TIMES = {"t", "step", "until", "steps", "delay", "lag", "start"}
"""Names of what counts steps."""
INSTANCES = {"b"}
"""Names of the index of an instance."""
PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant)


def drop(node: ast.AST) -> Iterator[ast.AST]:
    """A term, a factor, a condition or a limit is forgotten."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Mult() | ast.BitOr() | ast.BitAnd(), right):
            yield from (left, right)
        case ast.BinOp(left, ast.Sub() | ast.Div() | ast.FloorDiv() | ast.Mod(), _):
            yield left
        case ast.BoolOp(_, values):
            yield from values if len(values) == 2 else ()
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.Call(ast.Name("min" | "max"), [first, second]):
            yield from (first, second)
        case ast.If(_, body, orelse):
            yield ast.If(ast.Constant(True), body, orelse)
            yield ast.If(ast.Constant(False), body, orelse)


def negate(node: ast.AST) -> Iterator[ast.AST]:
    """A sign or a condition is the wrong way round."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left, ast.Sub(), right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield operand
        case ast.AugAssign(target, ast.Add(), value):
            yield ast.AugAssign(target, ast.Sub(), value)
        case ast.AugAssign(target, ast.Sub(), value):
            yield ast.AugAssign(target, ast.Add(), value)
        case ast.Compare(left, [ast.Eq()], right):
            yield ast.Compare(left, [ast.NotEq()], right)
        case ast.Compare(left, [ast.NotEq()], right):
            yield ast.Compare(left, [ast.Eq()], right)
        case ast.Assign(targets, ast.BinOp() as value):
            yield ast.Assign(targets, ast.UnaryOp(ast.USub(), value))


def off_by_one(node: ast.AST) -> Iterator[ast.AST]:
    """A step, a number or a limit is one too high or too low."""
    strict = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
    match node:
        case ast.Compare(left, [kind], right) if type(kind) in strict:
            yield ast.Compare(left, [strict[type(kind)]()], right)
        case ast.Constant(int(number)) if not isinstance(number, bool):
            yield from (ast.Constant(number + 1), ast.Constant(number - 1))
        case ast.Call(function, arguments, keywords):
            for k, argument in enumerate(arguments):
                if isinstance(argument, ast.Name) and argument.id in TIMES:
                    for sign in (ast.Add(), ast.Sub()):
                        moved = ast.BinOp(argument, sign, ast.Constant(1))
                        yield ast.Call(function, [*arguments[:k], moved, *arguments[k + 1 :]], keywords)
        case ast.Assign(targets, ast.Name(name) as value) if name in TIMES:
            yield ast.Assign(targets, ast.BinOp(value, ast.Sub(), ast.Constant(1)))


def stale(node: ast.AST) -> Iterator[ast.AST]:
    """What should be worked out anew, or done, is left as it was."""
    match node:
        case ast.Assign([ast.Attribute() | ast.Subscript()]) | ast.AugAssign(ast.Attribute() | ast.Subscript()):
            yield ast.Pass()
        case ast.Expr(ast.Call()):
            yield ast.Pass()


def transpose(node: ast.AST) -> Iterator[ast.AST]:
    """Two of a kind are taken for each other: pre and post, causal and anticausal, two arguments, two indices."""
    match node:
        case ast.Name(name, context) if name in TWIN:
            yield ast.Name(TWIN[name], context)
        case ast.Attribute(value, name, context) if name in TWIN:
            yield ast.Attribute(value, TWIN[name], context)
        case ast.Constant(str(name)) if name in TWIN:
            yield ast.Constant(TWIN[name])
        case ast.Call(function, arguments, keywords):
            for k, (one, two) in enumerate(pairwise(arguments)):
                if isinstance(one, PLAIN) and isinstance(two, PLAIN) and not _whole(one):
                    yield ast.Call(function, [*arguments[:k], two, one, *arguments[k + 2 :]], keywords)
        case ast.BinOp(left, ast.Sub() | ast.Div() as operation, right):
            yield ast.BinOp(right, operation, left)
        case ast.Subscript(value, ast.Constant(int(number)), context) if number in (0, 1):
            yield ast.Subscript(value, ast.Constant(1 - number), context)
        case ast.Subscript(value, ast.Tuple([one, two, *rest], inner), context):
            yield ast.Subscript(value, ast.Tuple([two, one, *rest], inner), context)


def _whole(node: ast.AST) -> bool:
    """Whether it is a network or a state, which nobody takes for anything else."""
    return isinstance(node, ast.Name) and node.id in ("net", "state", "self", "batch")


def per_instance(node: ast.AST) -> Iterator[ast.AST]:
    """What each instance has of its own is the first one's for all."""
    match node:
        case ast.Subscript(value, ast.Name(name), context) if name in INSTANCES:
            yield ast.Subscript(value, ast.Constant(0), context)


TERMS: dict[str, Callable[[ast.AST], Iterator[ast.AST]]] = {
    "drop": drop, "negate": negate, "off by one": off_by_one, "stale": stale, "transpose": transpose,
    "per instance": per_instance,
}  # fmt: skip
OPERATORS = {name: " ".join((operator.__doc__ or "").rstrip(".").split()) for name, operator in TERMS.items()} | {
    "reorder": "Two successive statements of the step, or instances, come the other way round",
    "reset at joins": "An array of the state begins anew with each run",
    "reset at set": "An array of the state begins anew with each write",
}
"""What each operator does."""
SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.If, ast.For)


def reordered(body: Sequence[ast.stmt]) -> Iterator[tuple[list[ast.stmt], str]]:
    """A body with two successive statements the other way round."""
    for k, (one, two) in enumerate(pairwise(body)):
        if isinstance(one, SIMPLE) and isinstance(two, SIMPLE) and not _is_text(one):
            yield [*body[:k], two, one, *body[k + 2 :]], f"{_said(two)} before {_said(one)}"


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _said(node: ast.AST) -> str:
    """A piece of code in one short line."""
    text = " ".join(ast.unparse(ast.fix_missing_locations(deepcopy(node))).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _changed(node: ast.AST, field: str, item: ast.AST, new: ast.AST, value: Any) -> str:
    """What has become of an item, which is in a field of a node."""
    if isinstance(new, ast.Pass):
        return f"without `{_said(item)}`"
    if isinstance(item, ast.If) and isinstance(new, ast.If):
        return f"`if {_said(item.test)}` as `if {_said(new.test)}`"
    if isinstance(item, ast.Name | ast.Constant) and isinstance(node, ast.expr):  # too little to tell it by
        whole = {name: value if name == field else each for name, each in ast.iter_fields(node)}
        return f"`{_said(node)}` as `{_said(type(node)(**whole))}`"
    return f"`{_said(item)}` as `{_said(new)}`"


def _places(node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST, Callable[[ast.AST], Any]]]:
    """Every node below one, with its parent, its field there, and what that field becomes with another node."""
    for field, value in ast.iter_fields(node):
        if field == "annotation" or (
            field in ("returns", "decorator_list", "args") and isinstance(node, ast.FunctionDef)
        ):
            continue
        items = value if isinstance(value, list) else [value]
        for k, item in enumerate(items):
            if not isinstance(item, ast.AST) or _is_text(item) or isinstance(item, ast.Raise):
                continue

            def with_another(new: ast.AST, k: int = k, value: Any = value) -> Any:
                return [*value[:k], new, *value[k + 1 :]] if isinstance(value, list) else new

            yield node, field, item, with_another
            yield from _places(item)


@cache
def _attributes(module: str, package: str) -> frozenset[str]:
    """The attributes that a module names anywhere."""
    return frozenset(node.attr for node in ast.walk(tree_of(module, package)) if isinstance(node, ast.Attribute))


def _of_function(group: str, module: str, function: ast.FunctionDef, package: str = PACKAGE) -> Iterator[Mutant]:
    where = f"{module}.{function.name}"
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} | _attributes(module, package)
    for node, field, item, with_another in _places(function):
        for operator, changes in TERMS.items():
            for new in changes(item):
                if {new.id if isinstance(new, ast.Name) else "", getattr(new, "attr", "")} - names - {""}:
                    continue
                value = with_another(new)
                name = f"{where}: {_changed(node, field, item, new, value)}"
                yield Mutant(name, group, operator, module, node, field, value, package=package)
    for node in ast.walk(function) if group not in ("preparation", "engine") else ():
        if isinstance(node, ast.FunctionDef | ast.For | ast.While | ast.If):
            for body, said in reordered(node.body):
                yield Mutant(f"{where}: {said}", group, "reorder", module, node, "body", body)


# all of them ----------------------------------------------------------------------------------------------------------


def candidates() -> list[Mutant]:
    """All mutants, each with a name of its own, in the order in which they are tried: at random, the operators in
    turn."""
    found = [*states(), *arguments()]
    for group, modules in GROUPS.items():
        for module, names in modules.items():
            for function in _functions(module):
                if function.name in names:
                    found += _of_function(group, module, function)
    return list(_interleaved(_distinct(found)))


def of_kernel(algorithm: str) -> list[Mutant]:
    """The mutants of another algorithm than the time-driven one, likewise."""
    found: list[Mutant] = []
    for module in KERNELS[algorithm]:
        for function in _functions(module):
            if function.name not in STEP.get(module, ()):
                found += _of_function(algorithm, module, function)
    return list(_interleaved(_distinct(found)))


def of_modules(package: str, modules: Sequence[str]) -> list[Mutant]:
    """The mutants of every function of some modules of another backend, likewise."""
    found: list[Mutant] = []
    for module in modules:
        for function in _functions(module, package):
            found += _of_function(package, module, function, package)
    return list(_interleaved(_distinct(found)))


def _functions(module: str, package: str = PACKAGE) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree_of(module, package)) if isinstance(node, ast.FunctionDef)]


def _distinct(mutants: Sequence[Mutant]) -> Iterator[Mutant]:
    seen: dict[str, int] = {}
    for mutant in mutants:
        seen[mutant.name] = count = seen.get(mutant.name, 0) + 1
        yield replace(mutant, name=f"{mutant.name} ({count})") if count > 1 else mutant


def _drawn(mutant: Mutant) -> str:
    """What orders mutants at random, each of them by its name alone: others may come and go."""
    return hashlib.sha256(mutant.name.encode()).hexdigest()


def _interleaved(mutants: Iterator[Mutant]) -> Iterator[Mutant]:
    by_operator: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_operator.setdefault(mutant.operator, []).append(mutant)
    drawn = [sorted(each, key=_drawn) for each in by_operator.values()]
    for turn in zip_longest(*drawn):
        yield from (mutant for mutant in turn if mutant is not None)
