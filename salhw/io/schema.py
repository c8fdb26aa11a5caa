"""docs/network.schema.json: the JSON Schema of a saved network. ``python -m salhw.io.schema`` writes it anew."""

from __future__ import annotations

import sys
from pathlib import Path

from salhw.description.network import Network
from salhw.io.files import write_text

PATH = Path("docs") / "network.schema.json"


def write(path: Path = PATH) -> Path:
    """Write ``Network.json_schema()`` to ``path``, by default below the working directory.

    Raises:
        FileError: the place cannot be written to.
    """
    return write_text(path, Network.json_schema())


if __name__ == "__main__":
    print(write(*map(Path, sys.argv[1:2])))
