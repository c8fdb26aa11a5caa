"""How the algorithms are compiled.

Without numba's reference counting: an algorithm allocates nothing and only borrows the caller's arrays, while counting
references at every function call made it ten times slower and took half of the compile time. The option that says so,
the stamp of the cache, ``get_overload``, ``get_call_template`` and the library below are numba's own affair:
pyproject.toml caps numba, and tests/reference/test_hazards.py fails where they stop to work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit, typeof, types
from numba.core.codegen import CPUCodeLibrary
from numba.core.compiler import Compiler

from salhw.jit import cached
from salhw_reference.tables import Table

_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False, "error_model": "numpy"}
"""The error model: a division looks for no zero, which no algorithm divides by, and which vectors cannot look for."""


class _Part(CPUCodeLibrary):
    """Code that is only linked into others: it gets no address of its own, which took a fifth of compile time."""

    def _optimize_final_module(self) -> None:
        """Once, not cheaply before, too, which is for references that are counted."""
        passes, builder = self._codegen._module_pass_manager()
        passes.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """0, by which numba knows that there is no such symbol."""
        return 0

    @property
    def codegen(self) -> _Part:
        """Itself, whose ``set_env`` numba calls."""
        return self

    def set_env(self, *_: object) -> None:
        """Nothing: in an environment, exceptions would look for their arguments."""


class _Linked(Compiler):
    """What compiles a function that only compiled ones call."""

    def __init__(self, typing: Any, target: Any, library: Any, *rest: Any) -> None:
        super().__init__(typing, target, library or _Part(target.codegen(), "part"), *rest)


_INNER = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": _Linked}
"""Of what nobody calls from outside."""


def _general(function: Any) -> Any:
    """Let a compiled function be the same for all constants, which numba takes for types of their own."""
    if _is_compiled(function):
        template = function.get_call_template
        function.get_call_template = lambda values, names: template(
            tuple(map(types.unliteral, values)), {name: types.unliteral(kind) for name, kind in names.items()}
        )
    return function


def helper(function: Callable[..., Any]) -> Any:
    """A function that compiled ones call."""
    return _general(njit(**_INNER)(function))


specialised = njit(forceinline=True, **_INNER)
"""For what the machine code of each caller contains, compiled anew for each constant: long loops that it shortens."""


def inlined(function: Callable[..., Any]) -> Any:
    """What the machine code of each caller contains."""
    return _general(specialised(function))


spliced = njit(inline="always", **_INNER)
"""For what is called from one place: a part of the caller from the beginning, which is never compiled by itself."""
reassociated = njit(forceinline=True, fastmath={"reassoc"}, **_INNER)
"""May sum in any order: only for numbers whose sums are exact."""


def compiled(function: Callable[..., Any]) -> Any:
    """An entry point, cached on disk. numba would only notice changes of the file that it stands in; an algorithm is
    made of all files of this package."""
    dispatcher = cached(**_OPTIONS, no_cfunc_wrapper=True)(function)
    sources = sorted(Path(__file__).parent.glob("*.py"))
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)  # None where nothing can be cached
    if file is not None:
        file._source_stamp = tuple((s.name, s.stat().st_mtime, s.stat().st_size) for s in sources)
    return dispatcher


def _is_compiled(algorithm: Any) -> bool:
    """Not with NUMBA_DISABLE_JIT."""
    return hasattr(algorithm, "get_overload")


def handed(algorithm: Any, part: Any) -> Any:
    """An argument as an algorithm takes it: a table in place of a named tuple of arrays, if it is compiled."""
    return Table(part) if isinstance(part, tuple) and _is_compiled(algorithm) else part


class Caller:
    """Calls a ``compiled`` algorithm whose arguments begin with the arrays that are ``held``, named tuples of them as
    tables.

    numba looks up the types of all arguments in each call, which takes microseconds. From the third call on this is
    left out, which is safe as long as the other arguments have the types that they had, too.
    """

    def __init__(self, algorithm: Any, held: tuple[Any, ...]) -> None:
        self.algorithm, self.held = algorithm, held
        self.code, self._calls = algorithm, 0
        self._handed = tuple(handed(algorithm, part) for part in held)

    def __call__(self, *rest: Any) -> None:
        self.code(*self._handed, *rest)
        self._calls += 1
        if self._calls > 1 and self.code is self.algorithm and _is_compiled(self.algorithm):
            self.code = self.algorithm.get_overload(tuple(map(typeof, (*self._handed, *rest))))
