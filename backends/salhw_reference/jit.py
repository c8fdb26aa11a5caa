"""How the kernels are compiled.

Without numba's reference counting: a kernel allocates nothing and only borrows the caller's arrays, while counting the
references of fifty arrays at every function call made it thirty times slower and took half of the compile time.
"""

from __future__ import annotations

from typing import Any

from numba import njit

_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False}

compiled = njit(cache=True, **_OPTIONS)
"""An entry point, cached on disk."""
helper = njit(**_OPTIONS)
inlined = njit(forceinline=True, **_OPTIONS)
reassociated = njit(forceinline=True, fastmath={"reassoc"}, **_OPTIONS)
"""May sum in any order: only for numbers whose sums are exact."""
