"""What is on the disk: a shard (parquet) for each batch, named by its key, and the table that they make together.

Wall times, hosts and process numbers are in log.jsonl: the table is the same, byte for byte, whoever made it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.diagnostics import file_error
from salhw.diagnostics.documents import from_json
from salhw.diagnostics.extras import extra
from salhw.io.files import append_line, unwritable, write_bytes
from salhw.io.files import folder as made_folder
from salhw.study.batches import Batch, Plan
from salhw.study.description import ABOUT

SHARDS, LOG, TABLE = "shards", "log.jsonl", "table.parquet"
CALIBRATIONS = "calibrations"
"""The folder of a study's calibrations, each named by its key."""
TEMPORARY = ".salhw-"
"""Begins the names under which files are written before they get their own (salhw.io.files)."""
OLD = 600.0
"""Seconds after which a temporary file belongs to nobody any more."""

DIGEST = "salhw_digest"
Arrays = dict[str, npt.NDArray[Any]]
Columns = dict[str, Any]
"""Rows by column: of a shard ``chip``, the metrics, and ABOUT."""


def arrow(module: str = "pyarrow") -> Any:
    """pyarrow, which writes and reads parquet.

    Raises:
        BackendError: it is not installed.
    """
    return extra(module, "studies keep their results in parquet files", "pip install 'salhw[study]'")


def shard(folder: Path, key: str) -> Path:
    """Where the shard of a batch is."""
    return folder / SHARDS / f"{key}.parquet"


def finished(folder: Path) -> set[str]:
    """The keys of all batches that are finished: a listing, no file is opened.

    Raises:
        FileError: the folder cannot be read.
    """
    try:
        return {path.stem for path in (folder / SHARDS).iterdir() if path.suffix == ".parquet"}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise unwritable(folder / SHARDS, error) from error


def swept(folder: Path) -> None:
    """Make the folders of a study, and remove what killed writers have left in them."""
    for place in (made_folder(folder), made_folder(folder / SHARDS), folder / CALIBRATIONS):
        for path in place.glob(f"{TEMPORARY}*"):
            with suppress(OSError):  # another process may be faster
                if time.time() - path.stat().st_mtime > OLD:
                    path.unlink()


def write_shard(folder: Path, key: str, columns: Columns) -> Path:
    """A finished batch: whole and on the disk, or not there at all.

    Raises:
        FileError: the place cannot be written to.
    """
    return write_bytes(shard(folder, key), encoded(columns))


def encoded(columns: Mapping[str, Any], about: Mapping[str, str] | None = None) -> memoryview:
    """A parquet file; text that repeats takes no room."""
    table = arrow().table({name: _column(values) for name, values in columns.items()})
    if about:
        table = table.replace_schema_metadata(dict(about))
    text = [name for name, column in columns.items() if len(column) and isinstance(column[0], str)]
    sink = io.BytesIO()
    arrow("pyarrow.parquet").write_table(table, sink, compression="zstd", use_dictionary=text)
    return sink.getbuffer()


def _column(values: Any) -> Any:
    """A column of numbers or text from its bytes: pyarrow's own ways from and to numpy import pandas, which takes as
    long as several batches."""
    pa, column = arrow(), np.asarray(values)
    if column.dtype.kind in "iuf":
        numbers = column.astype(np.float64 if column.dtype.kind == "f" else np.int64)
        kind = pa.float64() if column.dtype.kind == "f" else pa.int64()
        return pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(numbers)])
    texts = [text.encode("utf-8", "replace") for text in column.tolist()]
    ends = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])
    kind, wide = (pa.string(), np.int32) if ends[-1] < 2**31 else (pa.large_string(), np.int64)
    buffers = [None, pa.py_buffer(ends.astype(wide)), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(kind, len(texts), buffers)


def read_shard(folder: Path, key: str) -> Columns:
    """What ``write_shard`` wrote.

    Raises:
        FileError: it is damaged.
    """
    return dict(_shard_table(folder, key).to_pydict())


def _shard_table(folder: Path, key: str) -> Any:
    path = shard(folder, key)
    try:
        return arrow("pyarrow.parquet").ParquetFile(path).read()
    except (OSError, arrow().ArrowException) as error:
        raise file_error(path, "", f"a whole shard; {error}"[:200], "remove it, and run the study again") from None


def assembled(plan: Plan, folder: Path, batches: Iterable[Batch]) -> tuple[str, Arrays]:
    """(digest, table) of those batches that are finished, sorted by target, level, method, seed and chip.

    Columns: ``run`` (its number in the plan), ``target``, each noise, ``method``, ``seed``, ``chip``, each metric,
    and ABOUT (``status``: ``ok``, ``failed``, ``died``). The table of the same batches is taken from TABLE, if that has
    it.
    """
    study, there = plan.study, finished(folder)
    place = {level: k for k, level in enumerate(study.levels)}
    order = {name: k for k, name in enumerate(study.targets)}, {m.name: k for k, m in enumerate(study.methods)}
    seeds = {seed: k for k, seed in enumerate(study.seeds)}
    chosen = sorted(
        (b for b in batches if b.key in there),
        key=lambda b: (order[0][b.target], place[b.level], order[1][b.method], seeds[b.seed], b.first),
    )
    digest = _digest(plan, chosen)
    return digest, _tabled(folder, digest) or _from_shards(plan, folder, chosen)


def _digest(plan: Plan, batches: Sequence[Batch]) -> str:
    """Of a table: the work in it, and what its columns and rows are called."""
    study = plan.study
    names = [[each.name for each in part] for part in (study.noises, study.methods, study.metrics)]
    rows = [[b.key, b.run, b.target, b.method, b.level, b.seed] for b in batches]
    return hashlib.sha256(json.dumps([names, rows]).encode()).hexdigest()


def _tabled(folder: Path, digest: str) -> Arrays | None:
    """What TABLE holds, if it is the table of this digest."""
    if not (folder / TABLE).exists():
        return None
    with suppress(OSError, arrow().ArrowException):
        file = arrow("pyarrow.parquet").ParquetFile(folder / TABLE)
        if (file.schema_arrow.metadata or {}).get(DIGEST.encode()) == digest.encode():
            return _arrays(file.read())
    return None


def _arrays(table: Any) -> Arrays:
    return {name: _numpy(table.column(name)) for name in table.column_names}


def _numpy(column: Any) -> npt.NDArray[Any]:
    """What ``_column`` made, as an array; text as objects."""
    kinds = {"double": np.float64, "int64": np.int64, "int32": np.int32}

    def numbers(chunk: Any) -> npt.NDArray[Any]:
        kind, buffer = kinds[str(chunk.type)], chunk.buffers()[1]
        return np.frombuffer(buffer or b"", dtype=kind, count=chunk.offset + len(chunk))[chunk.offset :]

    if str(column.type) in kinds:
        return np.concatenate([np.zeros(0, dtype=kinds[str(column.type)]), *map(numbers, column.chunks)])
    each = [(c.dictionary.to_pylist(), numbers(c.indices)) for c in column.dictionary_encode().chunks]
    return np.concatenate([np.zeros(0, dtype=object), *(np.array(texts, dtype=object)[at] for texts, at in each)])


def _from_shards(plan: Plan, folder: Path, batches: Sequence[Batch]) -> Arrays:
    study = plan.study
    size = np.array([batch.size for batch in batches], dtype=np.int64)
    starts = np.array([batch.run for batch in batches], dtype=np.int64)
    places = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)

    def each(values: list[Any], kind: Any) -> npt.NDArray[Any]:
        return np.repeat(np.array(values, dtype=kind), size)

    table: Arrays = {"run": np.repeat(starts, size) + places, "target": each([b.target for b in batches], object)}
    for k, noise in enumerate(study.noises):
        table[noise.name] = each([b.level[k] for b in batches], np.float64)
    table["method"] = each([b.method for b in batches], object)
    table["seed"] = each([b.seed for b in batches], np.int64)
    parts = [_arrays(_shard_table(folder, batch.key)) for batch in batches]
    for name in ("chip", *(m.name for m in study.metrics), *ABOUT):
        table[name] = np.concatenate([part[name] for part in parts]) if parts else np.zeros(0)
    return table


def joined(parts: Sequence[Columns]) -> Columns:
    """Rows of several shards as those of one."""
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


def write_table(plan: Plan, folder: Path, digest: str, table: Arrays) -> Path:
    """The table as one parquet file, with the study and what it was made with in its metadata; left as it is where it
    is the same.

    Raises:
        FileError: the place cannot be written to.
    """
    if _tabled(folder, digest) is not None:
        return folder / TABLE
    named = plan.study.replace(network=Path(plan.study.network).name)  # not where it lay
    about = {
        "salhw_study": named.model_dump_json(exclude_defaults=True),
        "salhw_made_with": json.dumps(dict(plan.made_with)),
        DIGEST: digest,
    }
    return write_bytes(folder / TABLE, encoded(table, about))


def note(folder: Path, **entry: Any) -> None:
    """Append a line to the log: who did what, when, and how long it took.

    Raises:
        FileError: the place cannot be written to.
    """
    line = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "time": round(time.time(), 3), **entry})
    append_line(folder / LOG, line)


def notes(folder: Path) -> list[dict[str, Any]]:
    """The lines of the log; half a line, which a killed process has left, is left out."""
    found = []
    with suppress(FileNotFoundError):
        for line in (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                found.append(from_json(line))
    return [entry for entry in found if isinstance(entry, dict)]
