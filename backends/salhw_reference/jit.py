"""How the algorithms are compiled.

Without numba's reference counting: an algorithm allocates nothing and only borrows the caller's arrays, while counting
references at every function call made it ten times slower and took half of the compile time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

from salhw.jit import cached

_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False}

_INNER = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # nobody calls them from outside
helper = njit(**_INNER)
inlined = njit(forceinline=True, **_INNER)
reassociated = njit(forceinline=True, fastmath={"reassoc"}, **_INNER)
"""May sum in any order: only for numbers whose sums are exact."""


def compiled(function: Callable[..., Any]) -> Any:
    """An entry point, cached on disk. numba would only notice changes of the file that it stands in; an algorithm is
    made of all files of this package."""
    dispatcher = cached(**_OPTIONS)(function)
    sources = sorted(Path(__file__).parent.glob("*.py"))
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)  # None where nothing can be cached
    if file is not None:
        file._source_stamp = tuple((s.name, s.stat().st_mtime, s.stat().st_size) for s in sources)
    return dispatcher
