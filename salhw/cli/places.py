"""Where commands write: asked before the work begins, never over another's work without ``--force``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Annotated

import typer

from salhw.diagnostics import FileError, file_error
from salhw.io.files import folder, is_device, unwritable

Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
FORMATS = {
    ".bmp", ".cfg", ".csv", ".gif", ".h5", ".hdf5", ".htm", ".html", ".jpeg", ".jpg", ".json", ".log", ".mat", ".md",
    ".npy", ".npz", ".nwb", ".pdf", ".pickle", ".pkl", ".png", ".py", ".svg", ".tif", ".tiff", ".toml", ".tsv", ".txt",
    ".xlsx", ".xml", ".yaml", ".yml", ".zip",
}  # fmt: skip
"""Suffixes that say what is in a file."""


def writable(path: Path, force: bool, *suffixes: str) -> Path:
    """``path``, if a file of this kind may be written there; asked before the work begins.

    Raises:
        FileError: its suffix stands for another kind; it exists and ``force`` is not set; or there is no such folder.
    """
    if is_device(path):
        return path
    if os.path.isdir(path):  # noqa: PTH112  # pathlib's raises for impossible names
        raise file_error(path, "a directory", "the name of a file")
    if path.suffix.lower() in FORMATS - {*suffixes}:
        name = path.with_suffix(suffixes[0]).name
        raise file_error(path, f"a {path.suffix} file", f"what is written is {suffixes[0]}", f"call it {name}")
    if os.path.lexists(path) and not force:
        raise file_error(path, "", "it exists already", "another name, or --force to replace it")
    if not os.path.isdir(path.parent):  # noqa: PTH112
        raise file_error(path, "", f"there is no directory {path.parent}", "create it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise file_error(path, "", f"a place to write to; {path.parent} is not", "choose another")
    return path


def saved(save: Callable[[Path], Path], path: Path) -> Path:
    """``save(path)``; if it fails, the work is kept under a free name beside (not beside a device), or in the folder
    for temporary files.

    Raises:
        FileError: it failed; the fix says where the work is, if it could be kept.
    """
    try:
        return save(path)
    except FileError as error:
        kept = _kept(save, path)
        if kept is None:
            raise
        findings = [replace(item, fix=f"it is in {kept}; {item.fix}") for item in error.diagnostics]
        raise FileError(error.headline, findings, error.footer) from None


def _kept(save: Callable[[Path], Path], path: Path) -> Path | None:
    """Where else it could be saved."""
    beside = () if is_device(path) else (path,)
    for other in (*beside, Path(tempfile.gettempdir()) / path.name):
        with suppress(FileError):
            return save(_free(other))
    return None


def _free(path: Path) -> Path:
    """``run.h5``, or the first of ``run-2.h5``, ``run-3.h5``.. that is free."""
    others = (path.with_stem(f"{path.stem}-{k}") for k in count(2))
    return next(name for name in chain([path], others) if not os.path.lexists(name))


@contextmanager
def writing_into(path: Path, files: Iterable[str] = (), force: bool = True) -> Iterator[Path]:
    """A folder for this command alone, made if it is not there, and gone again if nothing was written.

    Raises:
        FileError: a file is there, or the name is one's; another command is writing into it; it holds one of ``files``
            and ``force`` is not set; or it cannot be made.
    """
    if not os.path.isdir(path) and path.suffix.lower() in FORMATS:  # noqa: PTH112
        raise file_error(path, f"a {path.suffix} file", "a folder for several files", f"call it {path.stem}")
    before = [place for place in (path, *path.parents) if not os.path.lexists(place)]
    folder(path)
    try:
        with _alone(path):
            there = [name for name in files if os.path.lexists(path / name)]
            if there and not force:
                fix = "another folder, or --force to replace them"
                raise file_error(path, "", f"it holds {', '.join(there)} already", fix)
            yield path
    finally:
        for place in before:
            with suppress(OSError):
                place.rmdir()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """A lock on a folder, which ends with the process that holds it, however that ends, and leaves no file."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise file_error(path, "", "another salhw is writing into it", "another folder, or wait for it") from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)
