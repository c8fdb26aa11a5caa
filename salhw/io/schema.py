"""docs/network.schema.json: the JSON Schema of a saved network. ``python -m salhw.io.schema`` writes it anew."""

from __future__ import annotations

import sys
from pathlib import Path

from salhw.io.description import atomically
from salhw.network import Network

PATH = Path("docs") / "network.schema.json"


def write(path: Path = PATH) -> Path:
    """Write ``Network.json_schema()`` to ``path``, by default below the working directory.

    Raises:
        FileError: the place cannot be written to.
    """

    def write_text(temporary: Path) -> None:
        temporary.write_text(Network.json_schema(), encoding="utf-8")

    atomically(path, write_text)
    return path


if __name__ == "__main__":
    print(write(*map(Path, sys.argv[1:2])))
