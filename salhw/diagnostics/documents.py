"""JSON and TOML from outside, refused where they nest deeper than anything that salhw reads.

Parsers and checks recurse on what is nested. At Python's limit of recursion not only they fail: whatever is freed there
fails to clean up, and h5py then keeps its lock for ever.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

DEEPEST = 100
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_STEP = np.zeros(256, dtype=np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1


def from_json(text: str | bytes) -> Any:
    """What a JSON text says, as text or in UTF-8.

    Raises:
        ValueError: it is not JSON, or more than DEEPEST levels deep.
    """
    return json.loads(_shallow(text if isinstance(text, str) else text.decode()))


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        OSError: it cannot be read.
        ValueError: as of ``from_json``.
    """
    return from_json(path.read_text(encoding="utf-8"))


def from_toml(text: str) -> dict[str, Any]:
    """What a TOML text says.

    Raises:
        ValueError: it is not TOML, or more than DEEPEST levels deep.
    """
    return tomllib.loads(_shallow(text))


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says.

    Raises:
        OSError: it cannot be read.
        ValueError: as of ``from_toml``.
    """
    return from_toml(path.read_text(encoding="utf-8"))


def _shallow(text: str) -> str:
    if _depth(text) > DEEPEST and _depth(_QUOTED.sub("", text)) > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    return text


def _depth(text: str) -> int:
    steps = _STEP[np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)]
    return int(np.max(np.cumsum(steps[steps != 0], dtype=np.int64), initial=0))
