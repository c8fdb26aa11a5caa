"""Wrong backends by a table of operators: every term and statement of the reference's step, of what prepares it and of
its engine, changed in all the ways in which such code goes wrong; and every array of its state and argument of its
session, changed where runs join and where values are written.

A mutant's name says where and what, without line numbers, so that it stays while the code around it changes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from random import Random
from typing import Any

import mutated

STEP = {
    "time_driven": ("fade", "integrate", "reset", "sample", "step_neurons", "run"),
    "event_driven": ("next_forced", "forced_spikes"),
    "parts": (
        "hazard", "spike_probability", "recompute_inputs", "deliver", "end_refractory", "set_free", "change_of_psp",
        "expire", "act", "note_spike", "occupy", "write_spike", "emit", "look_ahead", "act_until", "begin",
        "count_states",
    ),
    "averages": (
        "through", "input_of", "value_now", "follow_traces", "mean_of", "potential_of", "rate_of", "nudge",
    ),
    "learning": (
        "instance", "faded", "window_sum", "add_current", "change_weight", "copy_weights", "error_of",
        "predict_on_spike", "predict", "partners_of", "is_tabulated", "since", "tabulated_sum", "learn_alone",
        "learn_on_spike", "collect", "follow", "mark", "learn", "apply_updates", "periodic_update", "run_end",
    ),
}  # fmt: skip
"""The functions of the time-driven algorithm, which runs every description, by module."""
PREPARED = {
    "drive": ("at", "change", "drives", "_drive"),
    "kinds": (
        "steps", "_glm", "_lif", "period", "length", "reach", "_pair_stdp", "_predictive", "_current", "_poisson",
        "_clamp", "_boxcar", "_exponential_trace",
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


@dataclass(frozen=True)
class Mutant:
    """A change of the reference: a ``field`` of a node of a module's syntax tree that becomes ``value``; or, without
    one, a ``patch`` of the engine's class."""

    name: str
    group: str
    operator: str
    module: str = ""
    node: ast.AST | None = None
    field: str = ""
    value: Any = None
    patch: Callable[[Any], None] | None = None

    @contextmanager
    def loaded(self, *, compiled: bool) -> Iterator[Any]:
        """The reference's package with this change, see ``mutated.reference``."""
        changed = {}
        if self.node is not None:
            before = getattr(self.node, self.field)
            setattr(self.node, self.field, self.value)
            changed[self.module] = ast.fix_missing_locations(deepcopy(mutated.tree_of(self.module)))
            setattr(self.node, self.field, before)
        with mutated.reference(changed, compiled=compiled) as package:
            if self.patch is not None:
                self.patch(package.engine.ReferenceEngine)
            yield package


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
        case ast.If(test, body, orelse):
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


def _of_function(group: str, module: str, function: ast.FunctionDef) -> Iterator[Mutant]:
    where = f"{module}.{function.name}"
    nodes = [*ast.walk(mutated.tree_of(module))]
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for node, field, item, with_another in _places(function):
        for operator, changes in TERMS.items():
            for new in changes(item):
                if {new.id if isinstance(new, ast.Name) else "", getattr(new, "attr", "")} - names - {""}:
                    continue
                value = with_another(new)
                yield Mutant(
                    f"{where}: {_changed(node, field, item, new, value)}", group, operator, module, node, field, value
                )
    for node in ast.walk(function) if group == "step" else ():
        if isinstance(node, ast.FunctionDef | ast.For | ast.While | ast.If):
            for body, said in reordered(node.body):
                yield Mutant(f"{where}: {said}", group, "reorder", module, node, "body", body)


# operators on what a session hands over -------------------------------------------------------------------------------

SCRATCH = {"past", "head_at", "due", "spikes"}
"""Arrays of the state whose change alone leaves no consistent program."""


def _states() -> Iterator[Mutant]:
    """Every array of the state, reset where runs join and where something is written."""
    from salhw_reference.arrays import NOW, StateArrays
    from salhw_reference.state import at_rest

    fields = [(name, "") for name in StateArrays._fields if name not in {"now", *SCRATCH}]
    fields += [("now", name) for name in NOW.names or () if name in ("stale", "written", "forced_at")]
    for field, part in fields:
        named = f"{field}.{part}" if part else field

        def again(engine: Any, field: str = field, part: str = part) -> None:
            fresh = getattr(at_rest(engine.arrays, engine._batch), field)
            held = getattr(engine.state, field)
            if part:
                held[part] = fresh[part]
            else:
                held[...] = fresh

        yield Mutant(f"{named} is reset where runs join", "session", "reset at joins", patch=_after("begin", again))
        yield Mutant(f"{named} is reset by a write", "session", "reset at set", patch=_before("write", again))


def _after(method: str, act: Callable[[Any], None]) -> Callable[[Any], None]:
    """A patch by which an engine also acts after a method, but for its first run."""

    def patch(cls: Any) -> None:
        own = getattr(cls, method)

        def patched(self: Any, *args: Any) -> Any:
            result = own(self, *args)
            if self.step:
                act(self)
            return result

        setattr(cls, method, patched)

    return patch


def _before(method: str, act: Callable[[Any], None]) -> Callable[[Any], None]:
    """A patch by which an engine acts before a method, once it has run."""

    def patch(cls: Any) -> None:
        own = getattr(cls, method)

        def patched(self: Any, *args: Any) -> Any:
            if self.step:
                act(self)
            return own(self, *args)

        setattr(cls, method, patched)

    return patch


Writing = Callable[[Any, Any, Any], Any]  # what reaches the engine, of (engine, address, value); None: nothing


def _stale_value(engine: Any, address: Any, value: Any) -> Any:
    engine.__dict__.setdefault("last_written", {})
    late = engine.last_written.get(address.path, value)
    engine.last_written[address.path] = value
    return late


WRITES: dict[str, tuple[str, Writing]] = {
    "does nothing": ("drop", lambda engine, address, value: value if not engine.step else None),
    "has the other sign": ("negate", lambda engine, address, value: -value),
    "reaches the next place": ("off by one", lambda engine, address, value: value[:, range(-1, value.shape[1] - 1)]),
    "acts with the next write": ("stale", _stale_value),
    "goes to the places in reverse": ("transpose", lambda engine, address, value: value[:, ::-1]),
    "goes to the instances in reverse": ("reorder", lambda engine, address, value: value[::-1]),
    "is the first instance's for all": ("per instance", lambda engine, address, value: value[:1] + 0.0 * value),
    "adds to what was": (
        "stale",
        lambda engine, address, value: value if not engine.step or address.field != "weights"
        else value + engine.read(address),
    ),
}  # fmt: skip
FIELDS = ("weights", "bias", "inputs", "learning_rate", "amplitude", "target", "gain")

OPENED: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "seed ignored": ("drop", lambda a: a | {"seed": 0}),
    "seed one higher for odd ids": ("off by one", lambda a: a | {"ids": [i - i % 2 for i in a["ids"]]}),
    "ids by position": ("drop", lambda a: a | {"ids": range(len(a["ids"]))}),
    "ids sorted": ("reorder", lambda a: a | {"ids": sorted(a["ids"])}),
    "one id for all": ("per instance", lambda a: a | {"ids": [a["ids"][0]] * len(a["ids"])}),
    "chips in reverse": ("reorder", lambda a: a | {"chips": a["chips"][::-1]}),
    "one chip for all": ("per instance", lambda a: a | {"chips": [a["chips"][0]] * len(a["chips"])}),
    "chips shifted by one": ("off by one", lambda a: a | {"chips": [*a["chips"][1:], a["chips"][0]]}),
}  # fmt: skip

READS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "weights read with the other sign": ("negate", lambda engine, value: -value),
    "weights read in reverse": ("transpose", lambda engine, value: value[:, ::-1]),
    "weights read from the next synapse": ("off by one", lambda engine, value: np_roll(value)),
    "weights read of the first instance": ("per instance", lambda engine, value: value[:1] + 0.0 * value),
    "instances read in reverse": ("reorder", lambda engine, value: value[::-1]),
}


def np_roll(value: Any) -> Any:
    """Each synapse's value at the next one."""
    return value[:, range(-1, value.shape[1] - 1)]


def _arguments() -> Iterator[Mutant]:
    """Every argument of the session."""
    for field in FIELDS:
        for said, (operator, change) in WRITES.items():
            if operator == "stale" and said.startswith("adds") and field != "weights":
                continue

            def write(cls: Any, field: str = field, change: Writing = change) -> None:
                own = cls.write

                def patched(self: Any, address: Any, value: Any) -> None:
                    changed = change(self, address, value) if address.field == field else value
                    if changed is not None:
                        own(self, address, changed)

                cls.write = patched

            yield Mutant(f"a written {field} {said}", "session", operator, patch=write)
    for said, (operator, opening) in OPENED.items():

        def opened(cls: Any, opening: Callable[[dict[str, Any]], dict[str, Any]] = opening) -> None:
            own = cls.__init__
            cls.__init__ = lambda self, executable, **given: own(self, executable, **opening(given))

        yield Mutant(f"opened: {said}", "session", operator, patch=opened)
    for said, (operator, reading) in READS.items():

        def read(cls: Any, reading: Callable[[Any, Any], Any] = reading) -> None:
            own = cls.read
            cls.read = lambda self, address: reading(self, own(self, address)).copy()

        yield Mutant(said, "session", operator, patch=read)


# all of them ----------------------------------------------------------------------------------------------------------


def candidates() -> list[Mutant]:
    """All mutants, each with a name of its own, in the order in which they are tried: at random, the operators in
    turn."""
    found = [*_states(), *_arguments()]
    for group, modules in GROUPS.items():
        for module, names in modules.items():
            functions = [n for n in ast.walk(mutated.tree_of(module)) if isinstance(n, ast.FunctionDef)]
            for function in functions:
                if function.name in names:
                    found += _of_function(group, module, function)
    return list(_interleaved(_distinct(found)))


def _distinct(mutants: Sequence[Mutant]) -> Iterator[Mutant]:
    from dataclasses import replace

    seen: dict[str, int] = {}
    for mutant in mutants:
        seen[mutant.name] = count = seen.get(mutant.name, 0) + 1
        yield replace(mutant, name=f"{mutant.name} ({count})") if count > 1 else mutant


def _interleaved(mutants: Iterator[Mutant]) -> Iterator[Mutant]:
    by_operator: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_operator.setdefault(mutant.operator, []).append(mutant)
    for operator, each in by_operator.items():
        Random(f"salhw.mutants {operator}").shuffle(each)
    for turn in zip_longest(*by_operator.values()):
        yield from (mutant for mutant in turn if mutant is not None)
