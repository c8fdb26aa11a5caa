"""Save and load a Network: versioned JSON, with large arrays in an HDF5 file beside it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from salhw.description.network import Network
from salhw.diagnostics import FileError, file_error, shortened
from salhw.diagnostics.documents import read_json
from salhw.diagnostics.wording import shown
from salhw.io import hdf5
from salhw.io.files import existing, is_file, write_text

FORMAT, VERSION = "salhw.network", 1
LARGE = 4096  # elements; above it JSON text becomes slow and unreadable


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


def _references(value: Any) -> dict[str, Any]:
    """The arrays that JSON data refers to, ``FILE#KEY``, each with its digest."""
    if isinstance(value, dict) and "$array" in value:
        return {str(value["$array"]): value.get("sha256")}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {name: digest for part in parts for name, digest in _references(part).items()}


def save(net: Network, path: Path, *, new: bool = False) -> Path:
    """See Network.save. With ``new`` a description that is there is kept, and this one refused.

    The array file is named after its content, so that new arrays never replace those of the old description before the
    new description is in place.
    """
    large: dict[str, np.ndarray[Any, Any]] = {}
    data = _extract(net.model_dump(), large)
    name = f"{path.stem}.{hashlib.sha256(''.join(sorted(large)).encode()).hexdigest()[:12]}.h5"
    text = json.dumps({"format": FORMAT, "version": VERSION, "network": _named(data, name)}, indent=1) + "\n"
    outdated = _arrays_of(path) - {name}
    beside = path.with_name(name)
    fresh = bool(large) and not beside.exists()
    if large:

        def fill(file: Any) -> None:
            for digest, array in large.items():
                file.create_dataset(digest, data=array, compression="gzip")

        hdf5.write(beside, fill)
    try:
        write_text(path, text, new=new)
    except BaseException:
        if fresh and name not in _arrays_of(path):  # arrays of no description
            beside.unlink(missing_ok=True)
        raise
    for old in outdated:
        path.with_name(old).unlink(missing_ok=True)
    return path


def _arrays_of(path: Path) -> set[str]:
    """The array files, named as ``save`` names them, of the description at ``path``; none if there is no such."""
    try:
        names = {name.partition("#")[0] for name in _references(_document(path)["network"])}
    except (FileError, KeyError):
        return set()
    return {name for name in names if re.fullmatch(rf"{re.escape(path.stem)}\.[0-9a-f]{{12}}\.h5", name)}


def _read_arrays(value: Any, path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Every array that JSON data refers to, by its reference; each file is opened once."""
    wanted: dict[str, dict[str, Any]] = {}
    for reference, digest in _references(value).items():
        name, _, key = reference.partition("#")
        if not name or Path(name).name != name or not is_file(path.parent / name):
            fix = "keep the .json and the .h5 together"
            raise file_error(path, f"arrays in {name[:80]!r}", "a file beside it", fix)
        wanted.setdefault(name, {})[key] = digest
    by_reference = {}
    for name, digests in wanted.items():
        beside = path.parent / name
        with hdf5.reading(beside, "a readable array", "save the network again", verified=True) as file:
            arrays = {key: np.asarray(file[key][()]) for key in digests}
        for key, array in arrays.items():
            if _digest(array) != digests[key]:
                supported = "the array that was saved; this one differs"
                raise file_error(beside, key[:80], supported, "save the network again")
            by_reference[f"{name}#{key}"] = array
    return by_reference


def _restore(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """JSON data with the arrays in the places of their references."""
    if isinstance(value, dict) and "$array" in value:
        return arrays[str(value["$array"])]
    if isinstance(value, dict):
        return {k: _restore(v, arrays) for k, v in value.items()}
    return [_restore(v, arrays) for v in value] if isinstance(value, list) else value


def _document(path: Path) -> dict[str, Any]:
    """The JSON of a saved network, its format and version checked."""
    existing(path)
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise file_error(path, "", f"JSON; {error}", "save the network again") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise file_error(path, "", f"a file with format {FORMAT!r}", "write it with Network.save")
    if (version := document.get("version")) != VERSION:
        later = isinstance(version, int) and version > VERSION
        fix = "upgrade salhw" if later else "write it with Network.save"
        raise file_error(path, shortened(f"version {shown(version)}"), f"version {VERSION}", fix)
    return document


def load(path: Path) -> Network:
    """See Network.load."""
    value = _document(path).get("network")
    return Network.model_validate(_restore(value, _read_arrays(value, path)))
