"""The JSON Schemas of files that people write, in docs: ``python -m salhw.cli.schemas`` writes them anew."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from salhw.description.network import Network
from salhw.io.files import write_text
from salhw.study import Study

SCHEMAS: Mapping[str, Callable[[], str]] = {
    "network.schema.json": Network.json_schema,
    "study.schema.json": Study.json_schema,
}
"""By the file's name."""


def write(folder: Path = Path("docs")) -> list[Path]:
    """Write the schemas into a folder, by default ``docs`` below the working directory.

    Raises:
        FileError: the place cannot be written to.
    """
    return [write_text(folder / name, schema()) for name, schema in SCHEMAS.items()]


if __name__ == "__main__":
    print(*write(*map(Path, sys.argv[1:2])), sep="\n")
