"""What the interpreter has. Imports nothing that it may lack."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Python's version, and those of Lava and numpy; empty where one is not installed."""
    found = {"python": platform.python_version()}
    for name in ("lava-nc", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found
