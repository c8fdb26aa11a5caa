"""How the algorithms are compiled.

Without numba's reference counting: an algorithm allocates nothing and only borrows the caller's arrays, while counting
references at every function call made it ten times slower and took half of the compile time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from salhw.jit import cached

_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False}

_INNER = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # nobody calls them from outside
helper = njit(**_INNER)
inlined = njit(forceinline=True, **_INNER)
reassociated = njit(forceinline=True, fastmath={"reassoc"}, **_INNER)
"""May sum in any order: only for numbers whose sums are exact."""


def prefetch(array, index):
    """Let the processor fetch what lies at ``index`` of an array into its cache; a hint, that changes nothing."""


@intrinsic
def _prefetch(typing, array, index):
    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        hint = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, *[ir.IntType(32)] * 3])
        function = cgutils.get_or_insert_function(builder.module, hint, "llvm.prefetch.p0")
        builder.call(function, [address, *[ir.Constant(ir.IntType(32), value) for value in (0, 3, 1)]])
        return context.get_dummy_value()

    return types.void(array, index), generate


@overload(prefetch)
def _compile_prefetch(array, index):
    return lambda array, index: _prefetch(array, index)


def compiled(function: Callable[..., Any]) -> Any:
    """An entry point, cached on disk. numba would only notice changes of the file that it stands in; an algorithm is
    made of all files of this package."""
    dispatcher = cached(**_OPTIONS)(function)
    sources = sorted(Path(__file__).parent.glob("*.py"))
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)  # None where nothing can be cached
    if file is not None:
        file._source_stamp = tuple((s.name, s.stat().st_mtime, s.stat().st_size) for s in sources)
    return dispatcher
