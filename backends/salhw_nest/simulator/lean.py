"""Imports NEST and PyNN without tables, pictures and sparse matrices, which nobody asks for in their process: importing
these took half of its start."""

from __future__ import annotations

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules
_missing = [name for name in ("pandas", "matplotlib", "scipy") if name not in _modules]
_modules.update(dict.fromkeys(_missing))  # as if they were not installed
try:
    from . import build
finally:
    for _name in _missing:
        del _modules[_name]

__all__ = ["build"]
