"""Compiling with numba, whose cache on disk may have no place, no room, or be damaged. Imports numba."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit


def cached(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` with these options and a cache on disk where that works; without one, and a word about it once,
    where nothing can be written (a read-only installation and home, a full disk). Results are the same."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            dispatcher = njit(cache=True, **options)(function)
        except (RuntimeError, OSError):  # "no locator available": no folder that may be written
            _tell()
            return njit(**options)(function)
        if hasattr(dispatcher, "_cache"):  # not with NUMBA_DISABLE_JIT, where it is the function itself
            _guard(dispatcher._cache, allocates=options.get("_nrt", True))
        return dispatcher

    return decorate


def _guard(store: Any, *, allocates: bool) -> None:
    """Let what goes wrong with a file of the cache cost time, not the command.

    Before numba reads machine code it imports all that it compiles with, scipy's linear algebra included, which takes
    longer than the code itself. Code that allocates nothing runs without; ``_load_overload`` leaves it out.
    """
    load, save = store.load_overload if allocates else store._load_overload, store.save_overload

    def load_overload(*args: Any) -> Any:
        try:
            return load(*args)
        except Exception:  # a file that was cut off, or is no cache: whatever unpickling makes of it
            return None

    def save_overload(*args: Any) -> None:
        try:
            save(*args)
        except Exception:  # a full disk, or an index that cannot be read
            _tell()

    store.load_overload, store.save_overload = load_overload, save_overload


@cache
def _tell() -> None:
    """On stderr, unless the program has set logging up otherwise; once per process."""
    logging.getLogger("salhw").warning(
        "salhw: compiled code cannot be kept on disk (nothing can be written there), so each command compiles anew; "
        "set NUMBA_CACHE_DIR to a folder that can be written."
    )
