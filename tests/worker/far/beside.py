"""A second file of the package, which reads a third."""

from pathlib import Path


def text() -> str:
    return (Path(__file__).parent / "data" / "note.txt").read_text().strip()
