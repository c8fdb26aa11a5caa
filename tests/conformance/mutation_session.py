"""Wrong backends by a table of operators: every array of the reference's state and every argument of its session,
changed where runs join and where values are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mutated import Mutant

SCRATCH = {"past", "head_at", "due", "spikes"}
"""Arrays of the state whose change alone leaves no consistent program."""


def states() -> Iterator[Mutant]:
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

        joins, writes = _also("begin", again, before=False), _also("write", again, before=True)
        yield Mutant(f"{named} is reset where runs join", "session", "reset at joins", patch=joins)
        yield Mutant(f"{named} is reset by a write", "session", "reset at set", patch=writes)


def _also(method: str, act: Callable[[Any], None], *, before: bool) -> Callable[[Any], None]:
    """A patch by which an engine that has run also acts before a method, or after it."""

    def patch(cls: Any) -> None:
        own = getattr(cls, method)

        def patched(self: Any, *args: Any) -> None:
            if before and self.step:
                act(self)
            own(self, *args)
            if self.step and not before:
                act(self)

        setattr(cls, method, patched)

    return patch


Writing = Callable[[Any, Any, Any], Any]  # what reaches the engine, of (engine, address, value); None: nothing


def _stale_value(engine: Any, address: Any, value: Any) -> Any:
    engine.__dict__.setdefault("last_written", {})
    late = engine.last_written.get(address.path, value)
    engine.last_written[address.path] = value
    return late


def _at_the_next(value: Any) -> Any:
    """Each place's value at the next one."""
    return value[:, range(-1, value.shape[1] - 1)]


WRITES: dict[str, tuple[str, Writing]] = {
    "does nothing": ("drop", lambda engine, address, value: value if not engine.step else None),
    "has the other sign": ("negate", lambda engine, address, value: -value),
    "reaches the next place": ("off by one", lambda engine, address, value: _at_the_next(value)),
    "acts with the next write": ("stale", _stale_value),
    "goes to the places in reverse": ("transpose", lambda engine, address, value: value[:, ::-1]),
    "goes to the instances in reverse": ("reorder", lambda engine, address, value: value[::-1]),
    "is the first instance's for all": ("per instance", lambda engine, address, value: value[:1] + 0.0 * value),
}
WRITES_OF_WEIGHTS = WRITES | {
    "adds to what was": ("stale", lambda engine, address, value: value + engine.read(address) if engine.step else value)
}
"""An engine reads weights alone."""
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

READS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "weights read with the other sign": ("negate", lambda value: -value),
    "weights read in reverse": ("transpose", lambda value: value[:, ::-1]),
    "weights read from the next synapse": ("off by one", _at_the_next),
    "weights read of the first instance": ("per instance", lambda value: value[:1] + 0.0 * value),
    "instances read in reverse": ("reorder", lambda value: value[::-1]),
}


def arguments() -> Iterator[Mutant]:
    """Every argument of the session."""
    for field in FIELDS:
        for said, (operator, change) in (WRITES_OF_WEIGHTS if field == "weights" else WRITES).items():

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

        def read(cls: Any, reading: Callable[[Any], Any] = reading) -> None:
            own = cls.read
            cls.read = lambda self, address: reading(own(self, address)).copy()

        yield Mutant(said, "session", operator, patch=read)
