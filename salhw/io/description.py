"""Save and load a Network: versioned JSON, with large arrays in an HDF5 file beside it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from salhw.diagnostics import Diagnostic, FileError
from salhw.fields import description_error
from salhw.network import Network

FORMAT, VERSION = "salhw.network", 1
LARGE = 4096  # elements; above it JSON text becomes slow and unreadable


def atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Write to a temporary neighbour and rename, so that a crash leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def file_error(path: Path, asked: str, supported: str, fix: str = "") -> FileError:
    """The one error of everything that reads files."""
    return FileError(f"FileError: cannot use {path.name}", [Diagnostic("SAL501", str(path), asked, supported, fix)])


def _digest(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _extract(value: Any, key: str, large: dict[str, np.ndarray[Any, Any]], file: str) -> Any:
    """``value`` as JSON data; large arrays are put into ``large`` and referred to."""
    if isinstance(value, dict):
        return {k: _extract(v, f"{key}/{k}", large, file) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_extract(v, f"{key}/{i}", large, file) for i, v in enumerate(value)]
    if isinstance(value, np.ndarray):
        if value.size <= LARGE:
            return value.tolist()
        large[key] = value
        return {"$array": f"{file}#{key}", "sha256": _digest(value)}
    return value


def save(net: Network, path: Path) -> Path:
    """See Network.save."""
    large: dict[str, np.ndarray[Any, Any]] = {}
    beside = path.with_suffix(".h5")
    data = _extract(net.model_dump(), "", large, beside.name)
    text = json.dumps({"format": FORMAT, "version": VERSION, "network": data}, indent=1)
    if large:
        import h5py

        def write_arrays(temporary: Path) -> None:
            with h5py.File(temporary, "w") as file:
                for key, array in large.items():
                    file.create_dataset(key, data=array, compression="gzip")

        atomically(beside, write_arrays)
    atomically(path, lambda temporary: _write_text(temporary, text))
    return path


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def _restore(value: Any, path: Path) -> Any:
    if isinstance(value, dict) and "$array" in value:
        import h5py

        name, _, key = str(value["$array"]).partition("#")
        beside = path.with_name(name)
        if beside.parent != path.parent or not beside.is_file():
            raise file_error(path, f"arrays in {name}", "the file beside it", "keep the .json and the .h5 together")
        with h5py.File(beside, "r") as file:
            array = file[key][()] if key in file else np.empty(0)
        if _digest(array) != value.get("sha256"):
            raise file_error(beside, key, "the array that was saved; this one differs", "save the network again")
        return array
    if isinstance(value, dict):
        return {k: _restore(v, path) for k, v in value.items()}
    return [_restore(v, path) for v in value] if isinstance(value, list) else value


def load(path: Path) -> Network:
    """See Network.load."""
    if not path.is_file():
        raise file_error(path, "", "an existing file", "check the path")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise file_error(path, "", f"JSON; {error}", "save the network again") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise file_error(path, "", f"a file with format {FORMAT!r}", "write it with Network.save")
    if document.get("version") != VERSION:
        asked = f"version {document.get('version')}"
        raise file_error(path, asked, f"version {VERSION}", "upgrade salhw")
    data = _restore(document.get("network"), path)
    try:
        return Network.model_validate(data)
    except ValidationError as error:
        raise description_error(error, data) from None
