"""HDF5 files: written whole, with a stamp over their content, and read in bounded time and memory whatever they hold.

The stamp is in HDF5's user block, the first bytes of a file, which are the user's. A file whose stamp is right is as it
was written, and is read at once. Any other (of an earlier salhw, of another program, damaged) is first read by a
process with limits, ``salhw.io.guard``.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.diagnostics import FileError, file_error
from salhw.io import guard
from salhw.io.files import existing, write_bytes

BLOCK, SIGNATURE = 512, b"\x89HDF\r\n\x1a\n"
STAMP = b"salhw sha256 "
PATIENCE = 30.0
"""Seconds by the clock that the guard may take beyond its seconds of computing, on a machine with much else to do."""
SAID = 160
"""Characters of what others say about a file that a message repeats."""


def write(path: Path, fill: Callable[[Any], None], *, new: bool = False) -> Path:
    """Write what ``fill`` puts into an h5py.File, whole or not at all, stamped; see ``salhw.io.files.write_bytes``.

    Raises:
        FileError: the place cannot be written to, or ``new`` and there is a file already.
    """
    import h5py

    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=BLOCK) as file:
        fill(file)
    content = image.getbuffer()
    stamp = STAMP + hashlib.sha256(content[BLOCK:]).hexdigest().encode() + b"\n"
    content[: len(stamp)] = stamp
    return write_bytes(path, content, new=new)


@contextmanager
def reading(path: Path, what: str, again: str, *, verified: bool = False) -> Iterator[Any]:
    """The h5py.File at ``path``, open for reading. Whatever fails inside means that it is not ``what`` (`an undamaged
    recording`, say); ``again`` says how to have a new one. Who reads what is ``verified`` otherwise says himself what
    has changed.

    Raises:
        FileError: missing, damaged, changed since it was written, or claiming more data than it can hold.
    """
    import h5py

    try:
        existing(path)
        stamped = as_written(path)
        if not stamped:
            guarded(path, what, again)
        with h5py.File(path, "r") as file:
            yield file
    except FileError:
        raise
    except Exception as error:  # anything at all: what a damaged file makes h5py, numpy and the reader do has no end
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise _damaged(path, what, reason, again) from None
    if stamped is False and not verified:
        raise file_error(path, "", f"{what}; its content is not what was written", again)


def as_written(path: Path) -> bool | None:
    """Whether the file has the content that it was stamped for; None if it has no stamp.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(BLOCK)
        if not head.startswith(STAMP):
            return None
        return head[len(STAMP) :].partition(b"\n")[0] == hashlib.file_digest(file, "sha256").hexdigest().encode()


def guarded(path: Path, what: str, again: str) -> None:
    """Let another process read the file first.

    Raises:
        FileError: it found something, or reached a limit.
        OSError: the file cannot be read, or no process started.
    """
    size = path.stat().st_size
    if not _signed(path, size):
        raise file_error(path, "", f"an HDF5 file, {what}", again)
    seconds = guard.limits(size)[1]
    command = [sys.executable, "-I", "-S", guard.__file__, str(path.resolve()), *filter(None, sys.path)]
    quiet = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE + seconds, check=False, env=quiet
        )
    except subprocess.TimeoutExpired:
        raise _damaged(path, what, f"reading it did not end within {PATIENCE + seconds:g} s", again) from None
    if done.stdout:
        raise _damaged(path, what, done.stdout.decode(errors="replace"), again)
    if done.returncode:
        reason = f"reading it crashes, or does not end within {seconds:.1f} s of computing"
        raise _damaged(path, what, reason, again)


def _signed(path: Path, size: int) -> bool:
    """Whether HDF5's signature is where it may be: at 0, 512, and each time twice as far."""
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            at = max(512, 2 * at)
    return False


def _damaged(path: Path, what: str, reason: str, again: str) -> FileError:
    line = " ".join(reason.split())
    shown = line if len(line) <= SAID else f"{line[:SAID]}..."
    printable = "".join(c if c.isprintable() else "?" for c in shown)
    return file_error(path, "", f"{what}; {printable}", again)


def array(group: Any, name: str, kinds: str, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """A data set as it must be: ``kinds`` of numbers (numpy's letters), and lengths (None: any).

    Raises:
        KeyError: there is none.
        ValueError: it is another.
    """
    data = np.asarray(group[name][()])
    fits = data.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, data.shape, strict=True))
    if data.dtype.kind not in kinds or not fits:
        wanted = "x".join("?" if n is None else str(n) for n in shape) or "one number"
        raise ValueError(f"{group.name}/{name} is {data.dtype} {data.shape} instead of {wanted}")
    return data
