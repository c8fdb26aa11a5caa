"""Save and load a Network: versioned JSON, with large arrays in an HDF5 file beside it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from salhw.diagnostics import FileError, file_error, shortened
from salhw.network import Network
from salhw.refusal import shown

FORMAT, VERSION = "salhw.network", 1
LARGE = 4096  # elements; above it JSON text becomes slow and unreadable


def atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Write to a temporary neighbour and rename, so that a crash leaves the old file or the new one.

    Raises:
        FileError: the folder is missing or may not be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise file_error(path, "", f"a place to write to; {error}", "create the folder, or choose another") from error
    finally:
        temporary.unlink(missing_ok=True)


def _digest(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _extract(value: Any, large: dict[str, np.ndarray[Any, Any]]) -> Any:
    """``value`` as JSON data; large arrays go into ``large`` under their digest, and are referred to by it."""
    if isinstance(value, dict):
        return {k: _extract(v, large) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_extract(v, large) for v in value]
    if isinstance(value, np.ndarray):
        if value.size <= LARGE:
            return value.tolist()
        digest = _digest(value)
        large[digest] = value
        return {"$array": digest, "sha256": digest}
    return value


def _named(value: Any, file: str) -> Any:
    """``value`` with every reference to an array naming the file that holds it."""
    if isinstance(value, dict) and "$array" in value:
        return value | {"$array": f"{file}#{value['sha256']}"}
    if isinstance(value, dict):
        return {k: _named(v, file) for k, v in value.items()}
    return [_named(v, file) for v in value] if isinstance(value, list) else value


def _references(value: Any) -> set[str]:
    """The names of the array files that JSON data refers to."""
    if isinstance(value, dict) and "$array" in value:
        return {str(value["$array"]).partition("#")[0]}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {name for part in parts for name in _references(part)}


def save(net: Network, path: Path) -> Path:
    """See Network.save.

    The array file is named after its content, so that new arrays never replace those of the old description before the
    new description is in place.
    """
    large: dict[str, np.ndarray[Any, Any]] = {}
    data = _extract(net.model_dump(), large)
    name = f"{path.stem}.{hashlib.sha256(''.join(sorted(large)).encode()).hexdigest()[:12]}.h5"
    text = json.dumps({"format": FORMAT, "version": VERSION, "network": _named(data, name)}, indent=1) + "\n"
    outdated = _arrays_of(path) - {name}
    if large:
        import h5py

        def write_arrays(temporary: Path) -> None:
            with h5py.File(temporary, "w") as file:
                for digest, array in large.items():
                    file.create_dataset(digest, data=array, compression="gzip")

        atomically(path.with_name(name), write_arrays)

    def write_text(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    atomically(path, write_text)
    for old in outdated:
        path.with_name(old).unlink(missing_ok=True)
    return path


def _arrays_of(path: Path) -> set[str]:
    """The array files, named as ``save`` names them, of the description at ``path``; none if there is no such."""
    try:
        names = _references(_document(path)["network"])
    except (FileError, KeyError):
        return set()
    return {name for name in names if re.fullmatch(rf"{re.escape(path.stem)}\.[0-9a-f]{{12}}\.h5", name)}


def _restore(value: Any, path: Path) -> Any:
    if isinstance(value, dict) and "$array" in value:
        return _read_array(path, value["$array"], value.get("sha256"))
    if isinstance(value, dict):
        return {k: _restore(v, path) for k, v in value.items()}
    return [_restore(v, path) for v in value] if isinstance(value, list) else value


def _read_array(path: Path, reference: Any, digest: Any) -> np.ndarray[Any, Any]:
    import h5py

    name, _, key = reference.partition("#") if isinstance(reference, str) else ("", "", "")
    plain = re.fullmatch(r"[^/\\\0]{1,200}", name) and not re.search("[\ud800-\udfff]", name)
    beside = path.parent / name if plain else path
    if not plain or not beside.is_file():
        fix = "keep the .json and the .h5 together"
        raise file_error(path, shortened(f"arrays in {shown(reference)}"), "a file beside it", fix)
    try:
        with h5py.File(beside, "r") as file:
            array = np.asarray(file[key][()])
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise file_error(beside, key, f"a readable array; {error}", "save the network again") from None
    if _digest(array) != digest:
        raise file_error(beside, key, "the array that was saved; this one differs", "save the network again")
    return array


def _document(path: Path) -> dict[str, Any]:
    """The JSON of a saved network, its format and version checked."""
    if not path.is_file():
        raise file_error(path, "", "an existing file", "check the path")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise file_error(path, "", f"JSON; {error}", "save the network again") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise file_error(path, "", f"a file with format {FORMAT!r}", "write it with Network.save")
    if document.get("version") != VERSION:
        asked = shortened(f"version {shown(document.get('version'))}")
        raise file_error(path, asked, f"version {VERSION}", "upgrade salhw")
    return document


def load(path: Path) -> Network:
    """See Network.load."""
    try:
        return Network.model_validate(_restore(_document(path).get("network"), path))
    except RecursionError:
        raise file_error(path, "", "tables and lists that are less deeply nested", "save the network again") from None
