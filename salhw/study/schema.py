"""docs/study.schema.json: the JSON Schema of a study file. ``python -m salhw.study.schema`` writes it anew."""

from __future__ import annotations

import sys
from pathlib import Path

from salhw.io.files import write_text
from salhw.study.description import Study

PATH = Path("docs") / "study.schema.json"


def write(path: Path = PATH) -> Path:
    """Write ``Study.json_schema()`` to ``path``, by default below the working directory.

    Raises:
        FileError: the place cannot be written to.
    """
    return write_text(path, Study.json_schema())


if __name__ == "__main__":
    print(write(*map(Path, sys.argv[1:2])))
